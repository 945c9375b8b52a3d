"""Arithmetic and the elementary functions, entry by entry, with NumPy's names and broadcasting.

Each operation is one function: its body computes the value, and its decorator holds ∂L/∂a (and
∂L/∂b) in terms of g = ∂L/∂y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from engine.arrays import as_floats
from engine.core.context import at_place, state
from engine.core.operation import Symbolic, apply, operation, shape_of
from engine.core.registry import OPERATIONS, answers, named, operations_of, truth
from engine.core.rule import constant, partials, rule
from engine.core.tensor import Operand, Tensor, plain
from engine.errors import ShapeError


@operation(
    lambda g, y, a, b: g,
    lambda g, y, a, b: g,
    formula="∂L/∂a = g, ∂L/∂b = g",
    numpy=(np.add,),
    broadcasts=True,
    linear=True,
)
def add(a: Any, b: Any) -> Any:
    """y = a + b; ∂L/∂a = ∂L/∂b = g."""
    return np.add(a, b)


@operation(
    lambda g, y, a, b: g,
    lambda g, y, a, b: -g,
    formula="∂L/∂a = g, ∂L/∂b = −g",
    numpy=(np.subtract,),
    broadcasts=True,
    linear=True,
)
def subtract(a: Any, b: Any) -> Any:
    """y = a − b; ∂L/∂a = g, ∂L/∂b = −g."""
    return np.subtract(a, b)


@operation(
    lambda g, y, a, b: g * b,
    lambda g, y, a, b: g * a,
    formula="∂L/∂a = g b, ∂L/∂b = g a",
    numpy=(np.multiply,),
    broadcasts=True,
)
def multiply(a: Any, b: Any) -> Any:
    """y = a b; ∂L/∂a = g b, ∂L/∂b = g a."""
    return np.multiply(a, b)


@operation(
    lambda g, y, a, b: g / b,
    lambda g, y, a, b: -g * y / b,
    formula="∂L/∂a = g / b, ∂L/∂b = −g a / b²",
    numpy=(np.divide,),
    broadcasts=True,
)
def divide(a: Any, b: Any) -> Any:
    """y = a / b; ∂L/∂a = g / b, ∂L/∂b = −g a / b²."""
    return np.divide(a, b)


@operation(
    lambda g, y, a: -g,
    formula="∂L/∂a = −g",
    numpy=(np.negative,),
    linear=True,
)
def negative(a: Any) -> Any:
    """y = −a; ∂L/∂a = −g."""
    return np.negative(a)


@operation(
    lambda g, y, a: g * y,
    formula="∂L/∂a = g y",
    numpy=(np.exp,),
)
def exp(a: Any) -> Any:
    """y = eᵃ; ∂L/∂a = g y."""
    return np.exp(a)


@operation(
    lambda g, y, a: g / a,
    formula="∂L/∂a = g / a",
    numpy=(np.log,),
)
def log(a: Any) -> Any:
    """y = ln a, NaN for a < 0 and −∞ at 0, without a warning; ∂L/∂a = g / a."""
    return np.log(a)


@operation(
    lambda g, y, a: g * 0.5 / y,
    formula="∂L/∂a = g / (2 y)",
    numpy=(np.sqrt,),
)
def sqrt(a: Any) -> Any:
    """y = √a, NaN for a < 0, without a warning; ∂L/∂a = g / 2y."""
    return np.sqrt(a)


@operation(
    constant,
    formula="∂L/∂a = 0",
    numpy=(np.sign,),
)
def sign(a: Any) -> Any:
    """y = −1, 0 or 1; ∂L/∂a = 0, also at the jump."""
    return np.sign(a)


@operation(
    # The `where` prevents 0 · ∞ in the derivative of a⁰ by a and in that of 0ᵇ by b, at a = 0.
    lambda g, y, a, b: g * b * where((a == 0) & (b == 0), 1.0, a) ** (b - 1),
    lambda g, y, a, b: g * y * log(where(a == 0, 1.0, a)),
    formula="∂L/∂a = g b aᵇ⁻¹, ∂L/∂b = g aᵇ ln a",
    numpy=(np.power,),
    broadcasts=True,
)
def power(a: Any, b: Any) -> Any:
    """y = aᵇ; ∂L/∂a = g b aᵇ⁻¹, ∂L/∂b = g aᵇ ln a (NaN for a < 0)."""
    return np.power(a, b)


@operation(
    lambda g, y, a: g * sign(a),
    formula="∂L/∂a = g sign(a)",
    numpy=(np.absolute, np.fabs),
)
def abs(a: Any) -> Any:
    """y = |a|; ∂L/∂a = g sign(a), 0 at 0."""
    return np.abs(a)


@operation(
    lambda g, y, a, b: g * _share(y, a > b, a == b),
    lambda g, y, a, b: g * _share(y, b > a, a == b),
    formula="∂L/∂a = g where a > b, ∂L/∂b = g where b > a, each g / 2 where a = b",
    numpy=(np.maximum,),
    broadcasts=True,
)
def maximum(a: Any, b: Any) -> Any:
    """y = max(a, b); g passes to the larger operand, and g / 2 to each where a = b.

    Where a or b is NaN, y and both gradients are NaN.
    """
    return np.maximum(a, b)


@operation(
    lambda g, y, a, b: g * _share(y, a < b, a == b),
    lambda g, y, a, b: g * _share(y, b < a, a == b),
    formula="∂L/∂a = g where a < b, ∂L/∂b = g where b < a, each g / 2 where a = b",
    numpy=(np.minimum,),
    broadcasts=True,
)
def minimum(a: Any, b: Any) -> Any:
    """y = min(a, b); g passes to the smaller operand, and g / 2 to each where a = b.

    Where a or b is NaN, y and both gradients are NaN.
    """
    return np.minimum(a, b)


@answers(np.float_power)
def _float_power(a: Any, b: Any) -> Any:
    return power(OPERATIONS["astype"](a, np.float64), b)


@answers(np.positive)
def _positive(a: Any) -> Any:
    return +a


@answers(np.square)
def _square(a: Any) -> Any:
    return multiply(a, a)


_where = rule(
    "where",
    lambda a, b, *, condition: np.where(condition, a, b),
    partials(
        lambda g, y, a, b, condition: where(condition, g, 0.0),
        lambda g, y, a, b, condition: where(condition, 0.0, g),
    ),
    "∂L/∂a = g where the condition holds, ∂L/∂b = g elsewhere",
    broadcasts=True,
    linear=True,
)
_clip = rule(
    "clip",
    lambda a, *, low, high: np.clip(a, low, high),
    partials(
        lambda g, y, a, low, high: where(y == y, where(_inside(a, low, high), g, 0.0), np.nan)
    ),
    "∂L/∂a = g where low ≤ a ≤ high, else 0",
)


@named
def where(condition: Any, a: Operand, b: Operand) -> Tensor:
    """a where the condition is true, b elsewhere; g passes to the operand that was selected.

    `condition` is an array of booleans, for example `x > 0`, and has no gradient.
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


@named
def clip(a: Operand, low: Operand | None = None, high: Operand | None = None) -> Tensor:
    """min(max(a, low), high); ∂L/∂a = g where low ≤ a ≤ high, 0 elsewhere, NaN where y is NaN.

    The bounds are constants: numbers, arrays that broadcast to a's shape, or None for no bound.
    """
    for x in (a, low, high):
        if isinstance(x, Symbolic):
            return cast(Tensor, x.record(_clip, (a,), {"low": low, "high": high}))
    a = a if isinstance(a, Tensor) else as_floats(a)
    shape, dtype = a.shape, a.dtype
    return apply(_clip, a, low=_bound(low, shape, dtype), high=_bound(high, shape, dtype))


@answers(np.where)
def _np_where(condition: Any, x: Any = None, y: Any = None) -> Any:
    if x is None and y is None:
        return np.nonzero(plain(condition))
    return where(truth(condition), x, y)


@answers(np.clip)
def _np_clip(
    a: Any,
    a_min: Any = None,
    a_max: Any = None,
    out: Any = None,
    *,
    min: Any = None,
    max: Any = None,
) -> Any:
    return clip(a, a_min if min is None else min, a_max if max is None else max)


def _bound(bound: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
    if bound is None or (isinstance(bound, int | float) and not isinstance(bound, np.generic)):
        return bound
    if isinstance(bound, Tensor) and bound.requires_grad and state.recording:
        raise TypeError(
            f"clip{at_place()}: "
            "a bound requires a gradient, which clip doesn't compute; use maximum and minimum"
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
    """1 where this operand was selected, ½ where both are equal, 0 elsewhere, NaN where y is."""
    return where(y == y, wins + 0.5 * ties, np.nan).astype(y.dtype)


if not TYPE_CHECKING:  # mypy reads the public names without `__all__`
    __all__ = operations_of(__name__)
