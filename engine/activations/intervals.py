"""Bounds of a formula over intervals of s, which no samples can give.

`bounds(f, low, high, value)` encloses the values of f on each interval [low, high]: every f(s) with
s in the interval lies between them. An interval whose bounds exclude 0 has no zero of f, however
narrow a feature is. The bounds may be too wide (s appears twice in s·σ(s), and each s is taken
to be independent), never too narrow, apart from rounding. (Moore 1966, interval analysis.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.activations.expression import Expression, parts
from engine.activations.record import BUILT_IN

Array = npt.NDArray[Any]
Bounds = tuple[Array, Array]


def bounds(
    root: Expression, low: Array, high: Array, value: Callable[[Expression, Array], Array]
) -> Bounds:
    """The least and the largest value that `root` can have for s in [low, high], entry by entry.

    The bounds are −∞ and ∞ where nothing is known. Points where root isn't defined (log of a
    negative number) don't count. `value` evaluates a formula, here the parameters.
    """
    known: dict[int, Bounds] = {}
    with np.errstate(all="ignore"):
        for x in parts(root):
            xs = [known[id(y)] for y in x.operands]
            if x.kind == "input":
                known[id(x)] = low, high
            elif x.kind == "name":
                number = value(x, low)
                known[id(x)] = number, number
            elif x.kind == "number":
                number = np.full(low.shape, x.value)
                known[id(x)] = number, number
            else:
                least, most = _operation(x, xs)
                known[id(x)] = (
                    np.where(np.isnan(least), -np.inf, least),
                    np.where(np.isnan(most), np.inf, most),
                )
    return known[id(root)]


def _operation(x: Expression, xs: list[Bounds]) -> Bounds:
    (a0, a1), (b0, b1) = xs[0], xs[-1]  # of an operation of one operand, b is a
    same = len(xs) == 2 and x.operands[0] is x.operands[1]
    match x.kind:
        case "add":
            return a0 + b0, a1 + b1
        case "subtract":
            return a0 - b1, a1 - b0
        case "negative":
            return -a1, -a0
        case "multiply":
            return _even(a0, a1, 2.0) if same else _product(a0, a1, b0, b1)
        case "divide":
            return _quotient(a0, a1, b0, b1)
        case "exp":
            return np.exp(a0), np.exp(a1)
        case "log":
            return np.log(np.maximum(a0, 0)), np.log(np.maximum(a1, 0))
        case "sqrt":
            return np.sqrt(np.maximum(a0, 0)), np.sqrt(np.maximum(a1, 0))
        case "abs":
            return _even(a0, a1, 1.0)
        case "sign":
            return np.sign(a0), np.sign(a1)
        case "maximum":
            return np.maximum(a0, b0), np.maximum(a1, b1)
        case "minimum":
            return np.minimum(a0, b0), np.minimum(a1, b1)
        case "where":
            return _choice(*xs)
        case "power":
            return _power(a0, a1, b0, b1)
        case "clip":
            (low0, low1), (high0, high1) = xs[1:]
            return (
                np.minimum(np.maximum(a0, low0), high0),
                np.minimum(np.maximum(a1, low1), high1),
            )
        case "with slope":
            return a0, a1
        case "<" | "<=" | ">" | ">=" | "==" | "!=" | "and" | "or":
            return _condition(x.kind, xs)
    return _activation(x.kind, xs)


def _activation(kind: str, xs: list[Bounds]) -> Bounds:
    (low, high), name = xs[0], kind.removesuffix("′")
    parameters = [float(least.flat[0]) for least, _ in xs[1:] if least.size]
    varies = any(not (x[0] == x[1]).all() or np.ptp(x[0]) for x in xs[1:] if x[0].size)
    f = BUILT_IN.get(name)
    if f is None or len(parameters) != f.kernel.parameters or varies:
        return np.full_like(low, -np.inf), np.full_like(low, np.inf)
    if kind == name:
        function, turns = f.kernel.value, f.extrema
    else:
        function, turns = f.kernel.slope, (*f.slope_extrema, *f.kinks)
    # 0 from both sides: an f′ may jump there.
    inside = [np.clip(turn, low, high) for turn in (*turns, -5e-324, 5e-324)]
    values = np.stack(
        [function(np.ascontiguousarray(s), *parameters) for s in (low, high, *inside)]
    )
    return values.min(axis=0), values.max(axis=0)


def _even(a0: Array, a1: Array, n: float) -> Bounds:
    """|a|ⁿ."""
    least = np.where((a0 <= 0) & (a1 >= 0), 0.0, np.minimum(abs(a0), abs(a1)))
    return least**n, np.maximum(abs(a0), abs(a1)) ** n


def _product(a0: Array, a1: Array, b0: Array, b1: Array) -> Bounds:
    corners = np.stack([a0 * b0, a0 * b1, a1 * b0, a1 * b1])
    corners[np.isnan(corners)] = 0.0  # 0·∞, where ∞ stands for any number
    return corners.min(axis=0), corners.max(axis=0)


def _quotient(a0: Array, a1: Array, b0: Array, b1: Array) -> Bounds:
    least, most = _product(a0, a1, 1 / b1, 1 / b0)
    across = (b0 <= 0) & (b1 >= 0)
    return np.where(across, -np.inf, least), np.where(across, np.inf, most)


def _power(a0: Array, a1: Array, b0: Array, b1: Array) -> Bounds:
    n = float(b0.flat[0]) if b0.size else 0.0
    if not ((b0 == n).all() and (b1 == n).all()):
        # aᵇ for a ≥ 0 is monotone in a and in b.
        corners = np.stack([a**b for a in (np.maximum(a0, 0), a1) for b in (b0, b1)])
        least, most = corners.min(axis=0), corners.max(axis=0)
        return np.where(a0 < 0, -np.inf, least), np.where(a0 < 0, np.inf, most)
    if n < 0:
        ones = np.ones_like(a0)
        return _quotient(ones, ones, *_power(a0, a1, -b0, -b1))
    if n % 2 == 0:
        return _even(a0, a1, n)
    if n % 2 == 1:
        return a0**n, a1**n
    return np.maximum(a0, 0) ** n, np.maximum(a1, 0) ** n


def _choice(condition: Bounds, a: Bounds, b: Bounds) -> Bounds:
    always, never = condition[0] != 0, condition[1] == 0
    least = np.where(always, a[0], np.where(never, b[0], np.minimum(a[0], b[0])))
    most = np.where(always, a[1], np.where(never, b[1], np.maximum(a[1], b[1])))
    return least, most


def _condition(sign: str, xs: list[Bounds]) -> Bounds:
    """(1 where the condition certainly holds, else 0; 1 where it may hold, else 0)."""
    (a0, a1), (b0, b1) = xs
    match sign:
        case ">" | ">=":
            return _condition("<" if sign == ">" else "<=", [xs[1], xs[0]])
        case "<":
            certain, possible = a1 < b0, a0 < b1
        case "<=":
            certain, possible = a1 <= b0, a0 <= b1
        case "==":
            certain, possible = (a0 == b1) & (a1 == b0), (a0 <= b1) & (a1 >= b0)
        case "!=":
            certain, possible = (a1 < b0) | (a0 > b1), ~((a0 == b1) & (a1 == b0))
        case "and":
            certain, possible = (a0 != 0) & (b0 != 0), (a1 != 0) & (b1 != 0)
        case _:
            certain, possible = (a0 != 0) | (b0 != 0), (a1 != 0) | (b1 != 0)
    return certain * 1.0, possible * 1.0
