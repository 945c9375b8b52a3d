"""What each rule sends back, as text: the formulas that `walk` shows beside the numbers.

y is the operation's result, g = ∂L/∂y, and a, b its operands. The tables have a line for each rule
of `engine.RULES` and for each built-in activation; a test compares each line's claim with the rule.
A formula is looked up by name only for what is built in: an operation of yours may have any name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.activations import Activation
from engine.activations.record import BUILT_IN
from engine.rules.table import RULES

if TYPE_CHECKING:
    from engine.tracing.rows import NodeRecord

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
    "index": "∂L/∂a = Σ g put back in its places, 0 elsewhere",
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
    "squared_error": "∂L/∂a = 2 g (a − t) / n, ∂L/∂t = −∂L/∂a",
}

SLOPES = {name: f.slope_formula for name, f in BUILT_IN.items()}

# The letters of the operands, where they are not a, b, …
OPERANDS: dict[str, tuple[str, ...]] = {
    "dense": ("x", "W", "b"),
    "prelu": ("s", "a"),
    "cross_entropy": ("o",),
    "squared_error": ("a", "t"),
}
_SEVERAL = ("concatenate", "stack")
_BIAS = ", ∂L/∂b = Σ_n ∂L/∂s"


def formula(node: NodeRecord, f: Activation | None = None) -> str:
    """What the operation sends back; `f` is the activation of a `dense`."""
    name = node.name
    if node.kind == "scale":
        return "y = g₀ ⊙ f′(s): ∂L/∂g₀ = g ⊙ f′(s), ∂L/∂s = g ⊙ g₀ ⊙ f″(s)"
    if is_activation(node):
        slope = SLOPES.get(name) if node.kind == "built-in" else None
        return f"∂L/∂s = g ⊙ f′(s), {slope or f'f = {name}'}"
    if node.kind != "built-in" or name not in FORMULAS:
        operands = ", ".join(f"∂L/∂{letter}" for letter in letters(node)[:3])
        more = ", …" if len(node.input_shapes) > 3 else ""
        return f"{operands}{more} = vjp(g) of {name}, your own"
    text = FORMULAS[name]
    if name == "dense":
        if len(node.input_shapes) == 2:
            text = text.replace(_BIAS, "")
        if f is not None and f.built_in and f.name in SLOPES:
            text += f"; {SLOPES[f.name]}"
    elif name == "squared_error":
        text += f"; n = {node.parameters['over']:g}"
    elif _repeats(node):
        text += "; summed over the axes along which the operand was repeated"
    return text


def is_activation(node: NodeRecord) -> bool:
    """Whether the operation is f(s) for an activation f."""
    if node.kind == "activation":
        return True
    # `prelu` is also the rule whose slope is an operand.
    return node.kind == "built-in" and node.name in SLOPES and len(node.input_shapes) == 1


def _repeats(node: NodeRecord) -> bool:
    """Whether broadcasting has repeated an operand."""
    if not RULES[node.name].broadcasts:
        return False
    axes = slice(None, -2 if node.name == "matmul" else None)
    return len({shape[axes] for shape in (*node.input_shapes, node.output_shape)}) > 1


def letters(node: NodeRecord) -> tuple[str, ...]:
    """What the formula calls each operand."""
    count = len(node.input_shapes)
    if node.kind == "scale":
        return ("g₀", "s")
    if is_activation(node):
        return ("s",)
    if node.kind == "built-in" and node.name in OPERANDS:
        return OPERANDS[node.name][:count]
    if count > 2 or (node.kind == "built-in" and node.name in _SEVERAL):
        return tuple(f"x_{i}" for i in range(count))
    return ("a", "b")[:count]
