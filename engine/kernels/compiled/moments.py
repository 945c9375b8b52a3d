"""What the statistics of an array are made of: sums, extremes and counts, in one pass.

One loop does both halves of the work. It looks at the bits as integers, since a compiler may
reorder integers (and so use vectors) where it must not reorder floating-point numbers: it counts,
and finds the extremes by a map of the bits that preserves order. And it adds up, in any order,
differences from a guess of the mean, so that few digits cancel. Parts of an array are joined, in
float64, as in Chan, Golub & LeVeque 1983.

Within a block float32 is added in float32, which takes half the time: in many sums side by side, of
few entries each, that were multiplied by a power of two so that no square leaves float32's range.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.plain import Array

_BLOCK = 1 << 12  # those that are added in float32
# The largest |v| may be 2^±30 times the one that its power of two was chosen for: the squares, and
# a part of them, stay below 2^128.
_WINDOW = 30


@cache
def masks_of(dtype: np.dtype[Any]) -> Array:
    """The bits of |v|, those of the exponent alone, of 1, and of the powers of 2 of `_WINDOW`."""
    if dtype.itemsize == 4:
        return np.array([0x7FFFFFFF, 0x7F800000, 127 << 23, _WINDOW << 23], np.int32)
    magnitude = 0x7FFFFFFFFFFFFFFF
    return np.array([magnitude, 0x7FF0000000000000, 1023 << 52, magnitude], np.int64)


@jit(contract=True)
def moments_of_part(
    x: Array,
    masks: Array,
    factor: float,
    sums: Array,
    key: Array,
    first: int,
    stride: int,
    sample: Array,
) -> None:
    """The moments of x · factor, but for the extremes, which are those of x; and a sample of x.

    The sample is of every stride-th entry from x[first] on, as many as there is room for. `key` is
    scratch, of one entry and the masks' dtype.
    """
    bits, n = x.view(masks.dtype), x.size
    integer, real = masks.dtype.type, x.dtype.type
    magnitude, exponent, scaled_for, window = masks[0], masks[1], masks[2], masks[3]
    sums[0] = sums[1] = 0
    sums[2] = sums[3] = sums[4] = sums[5] = np.nan
    if n == 0:
        return
    single, scale, middle, size = masks.itemsize == 4, factor, 0.0, integer(0)
    for k in range(4):
        i = min(k, n - 1)
        middle += x[i] * 0.25
        size = max(size, integer(bits[i] & magnitude))
    if single and 0 < size < exponent:
        scaled_for, scale = size, _scale_of(size)
    origin, tries = real(middle * scale), 0
    while True:
        least, low, high, total, square = _sums(
            x, bits, magnitude, real(scale), origin, first, stride, sample
        )
        size = max(high, integer(~low))
        if size >= exponent:  # infinities and NaNs lie beyond all numbers in that order
            _but_for_infinite(x, bits, masks, factor, sums, key)
            break
        if single and size > 0 and abs(size - scaled_for) > window:
            scaled_for, scale = size, _scale_of(size)
            origin = real(middle * scale)
            continue
        # Of a difference of sums few digits are left if the origin was far from the mean.
        if tries < 2 and total * total > 0.7 * n * square:
            origin = real(origin + total / n)
            tries += 1
            continue
        unit = 1 / scale if single else 1.0
        shifted = total / n
        squares = max(square - shifted * total, 0.0)
        sums[0] = n
        sums[4], sums[5] = (origin + shifted) * unit, math.sqrt(squares / n) * unit
        _set_extremes(low, high, x, masks, sums, key)
        break
    if least == 0:
        zeros = integer(0)
        for i in range(n):
            zeros = integer(zeros + ((bits[i] & magnitude) == 0))
        sums[1] = zeros


@jit()
def _set_extremes(low: Any, high: Any, x: Array, masks: Array, sums: Array, key: Array) -> None:
    number = key.view(x.dtype)
    for i, k in enumerate((low, high)):
        key[0] = k if k >= 0 else ~k | ~masks[0]
        sums[2 + i] = number[0]


@jit(contract=True)
def _but_for_infinite(
    x: Array, bits: Array, masks: Array, factor: float, sums: Array, key: Array
) -> None:
    """The same, of the finite entries alone; the zeros are left to count."""
    integer = masks.dtype.type
    magnitude, exponent = masks[0], masks[1]
    low, high = magnitude, integer(-magnitude)
    count, origin, total, square = 0, 0.0, 0.0, 0.0
    for i in range(x.size):
        b = bits[i]
        if (b & exponent) == exponent:
            continue
        k = b if b >= 0 else integer(~(b & magnitude))
        low, high = min(low, k), max(high, k)
        if count == 0:
            origin = x[i] * factor
        d = x[i] * factor - origin
        count += 1
        total += d
        square += d * d
    if count > 0:
        shifted = total / count
        sums[0] = count
        sums[4] = origin + shifted
        sums[5] = math.sqrt(max(square - shifted * total, 0.0) / count)
        _set_extremes(low, high, x, masks, sums, key)


@jit()
def _scale_of(bits: int) -> float:
    """The power of two by which a float32 of these bits, positive, comes to lie around 1."""
    return math.ldexp(1.0, int(127 - min(max(bits >> 23, 1), 252)))


@jit()
def _sums(
    x: Array,
    bits: Array,
    magnitude: int,
    scale: float,
    origin: float,
    first: int,
    stride: int,
    sample: Array,
) -> tuple[Any, Any, Any, float, float]:
    """The least |v|, the lowest and highest v, Σ d and Σ d², with d = v · scale − origin.

    The first three are integers, which have the order of the numbers that they stand for.
    """
    least, low, high = magnitude, magnitude, bits.dtype.type(-magnitude)
    total = square = 0.0
    k = 0
    for start in range(0, x.size, _BLOCK):
        end = min(start + _BLOCK, x.size)
        found = _pass(x[start:end], bits[start:end], magnitude, scale, origin)
        least, low, high = min(least, found[0]), min(low, found[1]), max(high, found[2])
        total += found[3]
        square += found[4]
        # The sample too, while the block is in the nearest cache.
        next_k = min(-((first - end) // stride), sample.size)
        if k < next_k:
            _every(x, first + k * stride, stride, sample[k:next_k])
            k = next_k
    return least, low, high, total, square


@jit(contract=True, any_order=True)
def _pass(
    x: Array, bits: Array, magnitude: int, scale: float, origin: float
) -> tuple[Any, Any, Any, float, float]:
    integer, real = bits.dtype.type, x.dtype.type
    least, low, high = magnitude, magnitude, integer(-magnitude)
    total = square = real(0)
    for i in range(x.size):
        b = bits[i]
        size = integer(b & magnitude)
        k = size if b >= 0 else integer(~size)  # −0.0 becomes −1, and less the less v
        least, low, high = min(least, size), min(low, k), max(high, k)
        d = x[i] * scale - origin
        total += d
        square += d * d
    return least, low, high, total, square


@jit()
def _every(x: Array, first: int, stride: int, sample: Array) -> None:
    if stride == 1:  # so it is a copy by vectors, as an assignment of slices is not
        part = x[first:]
        for k in range(sample.size):
            sample[k] = part[k]
    else:  # an index that may be negative would be looked at twice
        at, step = np.uint64(first), np.uint64(stride)
        for k in range(sample.size):
            sample[k] = x[at]
            at += step


@jit()
def join(parts: Array, joined: Array) -> None:
    """The moments of all parts together."""
    for k in range(6):  # an assignment of slices takes two seconds to compile
        joined[k] = parts[0, k]
    for i in range(1, len(parts)):
        part = parts[i]
        if part[0] == 0:
            continue
        n, m = joined[0], part[0]
        if n == 0:
            for k in range(6):
                joined[k] = part[k]
            continue
        apart = part[4] - joined[4]
        squares = n * joined[5] ** 2 + m * part[5] ** 2 + apart * apart * n * m / (n + m)
        joined[0], joined[1] = n + m, joined[1] + part[1]
        joined[2], joined[3] = min(joined[2], part[2]), max(joined[3], part[3])
        joined[4] += apart * m / (n + m)
        joined[5] = math.sqrt(squares / (n + m))
