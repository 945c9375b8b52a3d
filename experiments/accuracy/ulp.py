"""Floats as the machine has them: samples of all of them, and errors in units in the last place.

The unit in the last place (ULP) of an exact result x with 2ᵉ ≤ |x| < 2ᵉ⁺¹ is the distance
between neighbouring floats there, 2ᵉ⁻²³ in float32 and 2ᵉ⁻⁵² in float64. Below the smallest
normal number the floats lie evenly, and the unit is the smallest denormal. A correctly rounded
result is off by at most half a unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
DType = np.dtype[Any]

# Floats in a piece of a sample: few enough for the second cache with all that is made of them.
PIECE = 1 << 14


def wider(dtype: npt.DTypeLike) -> DType | None:
    """A type with enough more digits to judge this one's results; None where there is none.

    For float64 it is the processor's long double, which has 64 digits on x86 and 53, no more
    than float64, on some others.
    """
    if np.dtype(dtype) == np.float32:
        return np.dtype(np.float64)
    return np.dtype(np.longdouble) if np.finfo(np.longdouble).nmant >= 63 else None


def ulp(exact: Array, dtype: npt.DTypeLike) -> Array:
    """The unit in the last place that `dtype` has at each exact result, as float64."""
    units, offset = _units(np.dtype(dtype).char)
    exponent = np.frexp(exact)[1] - offset
    exponent[exact == 0] = 0  # frexp says that 0 = 0·2⁰
    return np.asarray(np.take(units, exponent, mode="clip"))


@cache
def _units(char: str) -> tuple[Array, int]:
    """Every unit there is, and what frexp's exponent of a number is above its unit's place."""
    info = np.finfo(char)
    lowest = info.minexp - info.nmant  # the smallest denormal is 2^lowest
    return np.ldexp(1.0, np.arange(lowest, info.maxexp - info.nmant)), info.minexp + 1


def ulp_errors(got: Array, exact: Array, floor: float = 0.0) -> Array:
    """|got − exact| in units in the last place of the exact result, in got's precision.

    A result that overflows as the exact one does has no error; a NaN, or an infinity that is
    not one, has an infinite one.

    Args:
        got: results, float32 or float64.
        exact: what they should be, in a wider type.
        floor: where |exact| is below it, the unit is that of the floor. For functions that cross
            0, where a relative error says nothing.
    """
    with np.errstate(all="ignore"):
        error = np.abs(got - exact)
        if not error.any():  # saturated, or nothing to compute: most floats
            return np.zeros(got.shape)
        error /= ulp(np.maximum(np.abs(exact), floor) if floor else exact, got.dtype)
        if not np.isfinite(error).all():
            overflows = got == exact.astype(got.dtype)
            error = np.where(np.isfinite(error), error, np.where(overflows, 0, np.inf))
    return np.asarray(error, np.float64)


def magnitudes(dtype: npt.DTypeLike, step: int, low: float, high: float) -> Iterator[Array]:
    """Every step-th float from `low` to `high`, both ends included, ascending, in pieces.

    Floats that are not negative lie in the order of their bit patterns, read as integers. So
    steps of one count are denormals, and every octave has as many as the next.
    """
    bits = _bits(dtype)
    first, last = _pattern(low, dtype), _pattern(high, dtype)
    for start in range(first, last + 1, step * PIECE):
        stop = min(start + step * PIECE, last + 1)
        patterns = start + np.arange((stop - start + step - 1) // step, dtype=bits) * bits(step)
        if stop == last + 1 and patterns[-1] != last:
            patterns = np.append(patterns, bits(last))
        yield patterns.view(dtype)


def count(dtype: npt.DTypeLike, low: float, high: float) -> int:
    """How many floats there are from `low` to `high`, both included."""
    return _pattern(high, dtype) - _pattern(low, dtype) + 1


def neighbours(dtype: npt.DTypeLike, points: Iterable[float], width: int) -> Array:
    """The floats nearest to these points ≥ 0, `width` to either side, ascending, each once."""
    bits = _bits(dtype)
    centres = np.asarray(list(points), dtype).view(bits).astype(np.int64)
    patterns = np.unique(centres[:, None] + np.arange(-width, width + 1))
    largest = _pattern(np.finfo(dtype).max, dtype)
    return patterns[(patterns >= 0) & (patterns <= largest)].astype(bits).view(dtype)


def pieces(x: Array) -> Iterator[Array]:
    """The array in pieces."""
    for start in range(0, x.size, PIECE):
        yield x[start : start + PIECE]


def _bits(dtype: npt.DTypeLike) -> type[np.unsignedinteger[Any]]:
    return np.uint32 if np.dtype(dtype) == np.float32 else np.uint64


def _pattern(value: float | np.floating[Any], dtype: npt.DTypeLike) -> int:
    return int(np.array(value, dtype).view(_bits(dtype)))
