"""What each rule sends back, as text: the formulas that `walk` shows beside the numbers.

y is the operation's result, g = ∂L/∂y, and a, b its operands. The texts come from the rules of
`engine.RULES` and from the records of the activations; a test compares them with what a rule does.
A formula is looked up by name only for what is built in: an operation of yours may have any name.
"""

from __future__ import annotations

from engine.activations import Activation
from engine.activations.record import BUILT_IN
from engine.core.rule import RULES
from engine.tracing.nodes import NodeRecord

SLOPES = {name: f.slope_formula for name, f in BUILT_IN.items()}

_BIAS = ", ∂L/∂b = Σ_n ∂L/∂s"


def formula(node: NodeRecord, f: Activation | None = None) -> str:
    """What the operation sends back; `f` is the activation of a `dense`."""
    name = node.name
    if node.kind == "scale":
        return "y = g₀ ⊙ f′(s): ∂L/∂g₀ = g ⊙ f′(s), ∂L/∂s = g ⊙ g₀ ⊙ f″(s)"
    if is_activation(node):
        slope = SLOPES.get(name) if node.kind == "built-in" else None
        return f"∂L/∂s = g ⊙ f′(s), {slope or f'f = {name}'}"
    if node.kind != "built-in" or name not in RULES:
        operands = ", ".join(f"∂L/∂{letter}" for letter in letters(node)[:3])
        more = ", …" if len(node.input_shapes) > 3 else ""
        return f"{operands}{more} = vjp(g) of {name}, your own"
    text = RULES[name].formula
    if node.form is not None:
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
    names = RULES[node.name].letters if node.kind == "built-in" else ()
    if names and names != ("x_i",):
        return names[:count]
    if names or count > 2:
        return tuple(f"x_{i}" for i in range(count))
    return ("a", "b")[:count]
