"""What each rule sends back, as text: the formulas that `walk` shows beside the numbers.

y is the operation's result, g = ∂L/∂y, and a, b its operands. The table has a line for each rule of
`engine.RULES` and for each built-in activation; a test compares them.
"""

from __future__ import annotations

from typing import Any

FORMULAS: dict[str, str] = {
    "add": "∂L/∂a = g, ∂L/∂b = g",
    "subtract": "∂L/∂a = g, ∂L/∂b = −g",
    "multiply": "∂L/∂a = g b, ∂L/∂b = g a",
    "divide": "∂L/∂a = g / b, ∂L/∂b = −g a / b²",
    "power": "∂L/∂a = g b aᵇ⁻¹, ∂L/∂b = g aᵇ ln a",
    "negative": "∂L/∂a = −g",
    "exp": "∂L/∂a = g y",
    "log": "∂L/∂a = g / a",
    "sqrt": "∂L/∂a = g / (2 y)",
    "abs": "∂L/∂a = g sign(a)",
    "sign": "∂L/∂a = 0",
    "maximum": "∂L/∂a = g where a > b, ∂L/∂b = g where b > a, each g / 2 where a = b",
    "minimum": "∂L/∂a = g where a < b, ∂L/∂b = g where b < a, each g / 2 where a = b",
    "where": "∂L/∂a = g where the condition holds, ∂L/∂b = g elsewhere",
    "clip": "∂L/∂a = g where low ≤ a ≤ high, else 0",
    "reshape": "∂L/∂a = g in the shape of a",
    "transpose": "∂L/∂a = g with its axes put back",
    "broadcast_to": "∂L/∂a = Σ g over the repeated axes",
    "index": "∂L/∂a = g put back in its place, 0 elsewhere",
    "scatter": "∂L/∂a = g[key]",
    "cast": "∂L/∂a = g in the precision of a",
    "concatenate": "∂L/∂x_i = the slice of g that x_i became",
    "stack": "∂L/∂x_i = the layer of g that x_i became",
    "prelu": "∂L/∂s = g where s > 0, else a g; ∂L/∂a = Σ g min(s, 0)",
    "matmul": "∂L/∂a = g bᵀ, ∂L/∂b = aᵀ g",
    "dense": "∂L/∂s = g ⊙ f′(s), ∂L/∂x = ∂L/∂s Wᵀ, ∂L/∂W = xᵀ ∂L/∂s, ∂L/∂b = Σ_n ∂L/∂s",
    "sum": "∂L/∂a = g for every entry",
    "mean": "∂L/∂a = g / count for every entry",
    "max": "∂L/∂a = g where a is the largest (shared where several are), else 0",
    "min": "∂L/∂a = g where a is the smallest (shared where several are), else 0",
    "softmax": "∂L/∂a_k = y_k (g_k − Σ_j g_j y_j)",
    "log_softmax": "∂L/∂a_k = g_k − e^{y_k} Σ_j g_j",
    "logsumexp": "∂L/∂a = g softmax(a)",
    "variable": "∂L/∂a = g",
    "cross_entropy": "∂L/∂o = g (softmax(o) − onehot(label)) / N",
    "squared_error": "∂L/∂a = 2 g (a − t) / N, ∂L/∂t = −∂L/∂a",
}

SLOPES: dict[str, str] = {
    "identity": "f′ = 1",
    "sigmoid": "f′ = y (1 − y)",
    "tanh": "f′ = 1 − y²",
    "softsign": "f′ = 1 / (1 + |s|)²",
    "hardtanh": "f′ = 1 for |s| < 1, else 0",
    "relu": "f′ = 1 for s > 0, else 0",
    "leaky_relu": "f′ = 1 for s > 0, else a",
    "prelu": "f′ = 1 for s > 0, else a",
    "elu": "f′ = 1 for s > 0, else α eˢ",
    "selu": "f′ = λ for s > 0, else λ α eˢ",
    "softplus": "f′ = σ(s)",
    "gelu": "f′ = Φ(s) + s φ(s)",
    "silu": "f′ = σ(s) (1 + s (1 − σ(s)))",
}

# The letters of the operands, where they are not a, b, …
OPERANDS: dict[str, tuple[str, ...]] = {
    "dense": ("x", "W", "b"),
    "prelu": ("s", "a"),
    "cross_entropy": ("o",),
    "squared_error": ("a", "t"),
}
_SEVERAL = ("concatenate", "stack")


def formula(rule: str, operands: int, f: Any = None) -> str:
    """The formula of a rule by its name; `f` is the activation of a `dense`."""
    if rule == "prelu" and operands == 1:  # the activation with a fixed slope
        return f"∂L/∂s = g ⊙ f′(s), {SLOPES['prelu']}"
    if rule in FORMULAS:
        known = SLOPES.get(f.name) if f is not None else None
        return FORMULAS[rule] + (f"; {known}" if known else "")
    if rule in SLOPES:
        return f"∂L/∂s = g ⊙ f′(s), {SLOPES[rule]}"
    if rule.startswith("scale by "):
        return "y = g₀ ⊙ f′(s): ∂L/∂g₀ = g ⊙ f′(s), ∂L/∂s = g ⊙ g₀ ⊙ f″(s)"
    if operands == 1:
        return f"∂L/∂s = g ⊙ f′(s), f = {rule}"
    return f"∂L/∂x_i by the VJP of {rule}"


def letters(rule: str, operands: int) -> tuple[str, ...]:
    """What the formula calls each operand."""
    if rule in _SEVERAL or (rule not in FORMULAS and operands > 1 and "scale by" not in rule):
        return tuple(f"x_{i}" for i in range(operands))
    if rule.startswith("scale by "):
        return ("g₀", "s")
    if rule in OPERANDS and (rule != "prelu" or operands == 2):
        return OPERANDS[rule][:operands]
    if rule == "prelu" or rule not in FORMULAS:
        return ("s",)
    return ("a", "b")[:operands]
