"""Arithmetic and the elementary functions, entry by entry, with NumPy's names and broadcasting.

Each line of the table reads: name, value, and ∂L/∂a (and ∂L/∂b) from g = ∂L/∂y.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from engine.dtypes import as_floats
from engine.errors import ShapeError
from engine.operation import Symbolic, apply, shape_of
from engine.rules.table import constant, partials, rule
from engine.scope import at_place, state
from engine.tensor import Operand, Tensor, plain

_add = rule(
    "add",
    np.add,
    partials(lambda g, y, a, b: g, lambda g, y, a, b: g),
    broadcasts=True,
    linear=True,
)
_subtract = rule(
    "subtract",
    np.subtract,
    partials(lambda g, y, a, b: g, lambda g, y, a, b: -g),
    broadcasts=True,
    linear=True,
)
_multiply = rule(
    "multiply",
    np.multiply,
    partials(lambda g, y, a, b: g * b, lambda g, y, a, b: g * a),
    broadcasts=True,
)
_divide = rule(
    "divide",
    np.divide,
    partials(lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b),
    broadcasts=True,
)
_power = rule(
    "power",
    np.power,
    # a⁰ is 1 everywhere, and 0ᵇ is 0 for b > 0: without care both would give 0 · ∞.
    partials(
        lambda g, y, a, b: g * b * where((a == 0) & (b == 0), 1.0, a) ** (b - 1),
        lambda g, y, a, b: g * y * log(where(a == 0, 1.0, a)),
    ),
    broadcasts=True,
)
_negative = rule("negative", np.negative, partials(lambda g, y, a: -g), linear=True)
_exp = rule("exp", np.exp, partials(lambda g, y, a: g * y))
_log = rule("log", np.log, partials(lambda g, y, a: g / a))
_sqrt = rule("sqrt", np.sqrt, partials(lambda g, y, a: g * 0.5 / y))
_abs = rule("abs", np.abs, partials(lambda g, y, a: g * sign(a)))
_sign = rule("sign", np.sign, partials(constant))
_maximum = rule(
    "maximum",
    np.maximum,
    partials(
        lambda g, y, a, b: g * _share(y, a > b, a == b),
        lambda g, y, a, b: g * _share(y, b > a, a == b),
    ),
    broadcasts=True,
)
_minimum = rule(
    "minimum",
    np.minimum,
    partials(
        lambda g, y, a, b: g * _share(y, a < b, a == b),
        lambda g, y, a, b: g * _share(y, b < a, a == b),
    ),
    broadcasts=True,
)
_where = rule(
    "where",
    lambda a, b, *, condition: np.where(condition, a, b),
    partials(
        lambda g, y, a, b, condition: where(condition, g, 0.0),
        lambda g, y, a, b, condition: where(condition, 0.0, g),
    ),
    broadcasts=True,
    linear=True,
)
_clip = rule(
    "clip",
    lambda a, *, low, high: np.clip(a, low, high),
    partials(
        lambda g, y, a, low, high: where(y == y, where(_inside(a, low, high), g, 0.0), np.nan)
    ),
)


def add(a: Operand, b: Operand) -> Tensor:
    """y = a + b; ∂L/∂a = ∂L/∂b = g."""
    return apply(_add, a, b)


def subtract(a: Operand, b: Operand) -> Tensor:
    """y = a − b; ∂L/∂a = g, ∂L/∂b = −g."""
    return apply(_subtract, a, b)


def multiply(a: Operand, b: Operand) -> Tensor:
    """y = a b; ∂L/∂a = g b, ∂L/∂b = g a."""
    return apply(_multiply, a, b)


def divide(a: Operand, b: Operand) -> Tensor:
    """y = a / b; ∂L/∂a = g / b, ∂L/∂b = −g a / b²."""
    return apply(_divide, a, b)


def power(a: Operand, b: Operand) -> Tensor:
    """y = aᵇ; ∂L/∂a = g b aᵇ⁻¹, ∂L/∂b = g aᵇ ln a (NaN for a < 0, as ln is)."""
    return apply(_power, a, b)


def negative(a: Operand) -> Tensor:
    """y = −a."""
    return apply(_negative, a)


def exp(a: Operand) -> Tensor:
    """y = eᵃ; ∂L/∂a = g y."""
    return apply(_exp, a)


def log(a: Operand) -> Tensor:
    """y = ln a, NaN for a < 0 and −∞ at 0, without a warning; ∂L/∂a = g / a."""
    return apply(_log, a)


def sqrt(a: Operand) -> Tensor:
    """y = √a, NaN for a < 0, without a warning; ∂L/∂a = g / 2y."""
    return apply(_sqrt, a)


def abs(a: Operand) -> Tensor:
    """y = |a|; ∂L/∂a = g sign(a), 0 at 0."""
    return apply(_abs, a)


def sign(a: Operand) -> Tensor:
    """y = −1, 0 or 1; its derivative is taken as 0 everywhere."""
    return apply(_sign, a)


def maximum(a: Operand, b: Operand) -> Tensor:
    """The larger of each pair, which gets g; where they are equal, each gets g / 2.

    NaN if one of the pair is NaN, and so are both gradients there.
    """
    return apply(_maximum, a, b)


def minimum(a: Operand, b: Operand) -> Tensor:
    """The smaller of each pair, which gets g; where they are equal, each gets g / 2.

    NaN if one of the pair is NaN, and so are both gradients there.
    """
    return apply(_minimum, a, b)


def where(condition: Any, a: Operand, b: Operand) -> Tensor:
    """a where the condition is true, b elsewhere; g goes to the one that was taken.

    `condition` is an array of booleans, for example `x > 0`; it has no gradient.
    """
    if isinstance(condition, Symbolic):
        return cast(Tensor, condition.record(_where, (a, b), {"condition": condition}))
    mask = plain(condition)
    mask = np.array(mask) if isinstance(mask, np.ndarray) else np.asarray(mask)
    if mask.dtype != np.bool_:
        raise TypeError(
            f"where{at_place()}: "
            f"the condition has dtype {mask.dtype}; give booleans, for example x > 0"
        )
    shapes = (mask.shape, shape_of(a), shape_of(b))
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(
            f"where{at_place()}: a condition of shape {shapes[0]} and values of shapes {shapes[1]} "
            f"and {shapes[2]} do not broadcast: aligned at the last axis, sizes must be equal or 1"
        ) from None
    return apply(_where, a, b, condition=mask)


def clip(a: Operand, low: Operand | None = None, high: Operand | None = None) -> Tensor:
    """min(max(a, low), high); g passes where low ≤ a ≤ high, is 0 outside, and NaN where y is.

    The bounds are constants: numbers or arrays of a's shape, or None for no bound.
    """
    for x in (a, low, high):
        if isinstance(x, Symbolic):
            return cast(Tensor, x.record(_clip, (a,), {"low": low, "high": high}))
    a = a if isinstance(a, Tensor) else as_floats(a)
    shape, dtype = a.shape, a.dtype
    return apply(_clip, a, low=_bound(low, shape, dtype), high=_bound(high, shape, dtype))


def _bound(bound: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    if bound is None or (isinstance(bound, int | float) and not isinstance(bound, np.generic)):
        return bound
    if isinstance(bound, Tensor) and bound.requires_grad and state.recording:
        raise TypeError(
            f"clip{at_place()}: "
            "a bound that requires a gradient; use maximum and minimum, which give it one"
        )
    array = np.array(plain(bound), dtype=dtype)
    if array.ndim > len(shape) or any(
        n not in (1, m) for n, m in zip(array.shape[::-1], shape[::-1], strict=False)
    ):
        raise ShapeError(
            f"clip{at_place()}: a bound of shape {array.shape} does not fit values of shape {shape}"
        )
    return array


def _inside(a: Any, low: Any, high: Any) -> Any:
    above = True if low is None else a >= low
    below = True if high is None else a <= high
    return above & below


def _share(y: Any, wins: Any, ties: Any) -> Any:
    """1 where this operand alone was taken, ½ where both were, NaN where y is NaN."""
    return where(y == y, wins + 0.5 * ties, np.nan).astype(y.dtype)
