"""Evaluate formulas on numbers or intervals, and convert formulas to data that can be pickled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.activations.expression import Expression, S, expression, name, operation, parts
from engine.activations.intervals import Bounds, even_power
from engine.activations.operations import COMPARE, CONDITIONS, OPERATIONS, rule_of
from engine.activations.record import BUILT_IN
from engine.arrays import Array, as_floats
from engine.core.operation import apply
from engine.core.tensor import Tensor, plain
from engine.rules.elementwise import where

# An expression as plain data: a (kind, value, positions of the operands) for each part, operands
# first.
Data = tuple[tuple[str, str, tuple[int, ...]], ...]


def evaluate(root: Expression, s: Any, parameters: Mapping[str, Any]) -> Any:
    """The expression's value for a tensor or array s, with tensors or numbers for its names.

    The engine's operations compute the value, in s's dtype.
    """
    s = s if isinstance(s, Tensor) else as_floats(s)
    values: dict[int, Any] = {}
    with np.errstate(all="ignore"):
        for x in parts(root):
            xs = [values[id(y)] for y in x.operands]
            if x.kind == "input":
                y = s
            elif x.kind in ("number", "name"):
                number = x.value if x.kind == "number" else parameters[x.value]
                y = number if isinstance(number, Tensor) else np.asarray(number, s.dtype)
            elif x.kind in CONDITIONS:
                y = COMPARE[x.kind](*map(plain, xs))
            elif x.kind == "where":
                y = where(np.asarray(plain(xs[0]), bool), *(_as_number(a, s) for a in xs[1:]))
            elif x.kind == "with slope":
                y = xs[0]
            else:
                y = apply(rule_of(x.kind), *(_as_number(a, s) for a in xs))
            values[id(x)] = y
    return values[id(root)]


def values_of(root: Expression, s: Array, parameters: dict[str, float]) -> Array:
    """The expression's values for an array s, with the shape and dtype of s."""
    with np.errstate(all="ignore"):
        values = np.asarray(evaluate(root, s, parameters), s.dtype)
    return np.broadcast_to(values, s.shape)


def _as_number(x: Any, s: Any) -> Any:
    """A condition as 1 or 0 in s's dtype; numbers unchanged."""
    return np.asarray(x, s.dtype) if x.dtype == bool else x


def bounds(
    root: Expression, low: Array, high: Array, value: Callable[[Expression, Array], Array]
) -> Bounds:
    """The least and the largest value that `root` can have for s in [low, high], entry by entry.

    If the bounds exclude 0, root has no zero in the interval, however narrow its features are. The
    bounds are wide if s appears twice, as in s·σ(s), because each s is treated as independent. The
    bounds are −∞ and ∞ if nothing is known. `value` evaluates the parameters.
    """
    known: dict[int, Bounds] = {}
    with np.errstate(all="ignore"):
        for x in parts(root):
            xs = [known[id(y)] for y in x.operands]
            if x.kind == "input":
                known[id(x)] = low, high
            elif x.kind in ("name", "number"):
                number = value(x, low) if x.kind == "name" else np.full(low.shape, x.value)
                known[id(x)] = number, number
            else:
                if x.kind == "multiply" and x.operands[0] is x.operands[1]:
                    least, most = even_power(xs[0])
                elif x.kind in OPERATIONS:
                    least, most = OPERATIONS[x.kind].bounds(*xs)
                else:
                    least, most = _of_activation(x.kind, *xs)
                known[id(x)] = (
                    np.where(np.isnan(least), -np.inf, least),
                    np.where(np.isnan(most), np.inf, most),
                )
    return known[id(root)]


def _of_activation(kind: str, s: Bounds, *parameters: Bounds) -> Bounds:
    """The bounds of a built-in f or f′, which is monotone between its extrema and kinks."""
    (low, high), name = s, kind.removesuffix("′")
    values = [float(least.flat[0]) for least, _ in parameters if least.size]
    vary = any(not (x[0] == x[1]).all() or np.ptp(x[0]) for x in parameters if x[0].size)
    f = BUILT_IN.get(name)
    if f is None or len(values) != f.kernel.parameters or vary:
        return np.full_like(low, -np.inf), np.full_like(low, np.inf)
    if kind == name:
        function, turns = f.kernel.value, f.extrema
    else:
        function, turns = f.kernel.slope, (*f.slope_extrema, *f.kinks)
    # Both sides of 0, because f′ may jump at 0.
    inside = [np.clip(turn, low, high) for turn in (*turns, -5e-324, 5e-324)]
    results = np.stack([function(np.ascontiguousarray(s), *values) for s in (low, high, *inside)])
    return results.min(axis=0), results.max(axis=0)


def as_data(root: Expression) -> Data:
    """The expression as tuples of strings and integers, which can be compared and pickled."""
    order = parts(root)
    at = {id(x): i for i, x in enumerate(order)}
    return tuple(
        (
            x.kind,
            x.value.hex() if x.kind == "number" else x.value or "",
            tuple(at[id(y)] for y in x.operands),
        )
        for x in order
    )


def from_data(data: Data) -> Expression:
    """The expression that `as_data` converted to this data.

    Raises: ValueError for an unknown operation.
    """
    xs: list[Expression] = []
    for kind, value, operands in data:
        if kind == "number":
            xs.append(expression(float.fromhex(value)))
        elif kind in ("input", "name"):
            xs.append(S if kind == "input" else name(value))
        else:
            if kind not in {*CONDITIONS, "where", "with slope"}:
                rule_of(kind)
            xs.append(operation(kind, *(xs[i] for i in operands)))
    return xs[-1]
