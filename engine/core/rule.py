"""`Rule`: one operation and its derivative; `RULES`: the table of them all.

For y = f(x₁, x₂, …) and a loss L, a rule holds the value f and the vector-Jacobian products

    ∂L/∂x_i = (∂L/∂y) · (∂y/∂x_i)

as functions of g = ∂L/∂y, y and the operands. They are written in the engine's own operations:
on arrays they run at once, on tensors they are recorded, so that a derivative can be
differentiated again. (`dense` and the losses run a fused kernel on arrays.)

A rule holds only its local derivative. The engine owns what all rules share: promotion of
dtypes, undoing of broadcasts, accumulation, and the checks of shape and dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Gradients = Sequence[Any]


class Link(NamedTuple):
    """One product x·W of a layer: the positions of x and W among the operands of the rule."""

    x: int
    W: int


class LayerForm(NamedTuple):
    """How a rule that saves s is read as a layer: s = Σ x·W + b over its links, and y = f(s).

    `b` is the position of the bias, None without one; `f` the name of the parameter for f.
    """

    links: tuple[Link, ...]
    b: int | None
    f: str = "f"


@dataclass(frozen=True, slots=True)
class Rule:
    """An operation and its derivative.

    Attributes:
        name: what errors and traces call it.
        value: `value(*xs, **parameters)` on arrays of one dtype. With `saves`, it returns
            `(y, saved)`, where `saved` is what the derivative would otherwise compute again.
        vjp: `vjp(g, y, *xs, needs=…, **parameters)`: a gradient (or None) for each operand.
            `needs` says for each operand whether its gradient is wanted (a sink
            instead of True, see `engine.core.tape.Sink`). With `saves`, it also
            takes `saved`, which is None when the derivative is to be differentiated again.
        broadcasts: operands are broadcast against each other.
        view: y may share memory with its first operand.
        saves: see `value`.
        formula: what the derivative sends back, as `walk` shows it; g = ∂L/∂y.
        letters: what the formula calls the operands, where that is not a, b; "x_i" for each of any
            number of operands.
        linear: the derivative looks at no values of the operands, so it does not matter if they are
            changed before the backward pass.
        layer: how the rule is read as a layer, by the number of operands; None if it is no layer.
        activation: for y = f(s), s the first operand: the `Activation` f, as a function of the
            other operands; None for all other rules.
        slope: for such a rule, f′(s) of arrays, as a function of all operands.
        kind: "built-in" for the rules of the table and the built-in activations, whose formulas
            are known by name; "activation" and "scale" for f(s) and g ⊙ f′(s) of other functions
            f; "own" for all else.
    """

    name: str
    value: Callable[..., Any]
    vjp: Callable[..., Gradients]
    formula: str = ""
    letters: tuple[str, ...] = ()
    broadcasts: bool = False
    view: bool = False
    saves: bool = False
    linear: bool = False
    layer: Callable[[int], LayerForm] | None = None
    activation: Callable[..., Any] | None = None
    slope: Callable[..., Any] | None = None
    kind: str = "own"


RULES: dict[str, Rule] = {}


def rule(
    name: str,
    value: Callable[..., Any],
    vjp: Callable[..., Gradients],
    formula: str,
    letters: tuple[str, ...] = (),
    **more: Any,
) -> Rule:
    """Put a rule into the table."""
    if name in RULES:
        raise ValueError(f"the table of rules already has one named {name!r}")
    RULES[name] = Rule(name, value, vjp, formula, letters, kind="built-in", **more)
    return RULES[name]


def partials(*functions: Callable[..., Any]) -> Callable[..., Gradients]:
    """A VJP from one function for each operand: `partials(∂a, ∂b)`, ∂ = ∂(g, y, a, b).

    Those whose gradient nobody wants are not called.
    """

    def vjp(g: Any, y: Any, *xs: Any, needs: Sequence[bool], **parameters: Any) -> Gradients:
        return [
            partial(g, y, *xs, **parameters) if need else None
            for partial, need in zip(functions, needs, strict=True)
        ]

    return vjp


def constant(g: Any, y: Any, x: Any) -> Any:
    """The partial of a function that is constant between its jumps: 0."""
    return np.zeros(x.shape, x.dtype)
