"""What the statistics of an array are made of: sums, extremes and counts, in one pass.

Fast because each block of 1024 entries stays in the nearest cache while two loops run over it. The
first looks at the bits as integers, since a compiler may reorder integers (and so use vectors)
where it must not reorder floating-point numbers: it counts, and finds the extremes by a map of the
bits that preserves order. The second adds in eight separate sums, which wait for each other an
eighth as often, and adds differences from the mean so far, so that few digits cancel. Blocks are
joined as in Chan, Golub & LeVeque 1983.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from engine.kernels.compiling import jit
from engine.kernels.runs import WORTH_THREADS
from engine.kernels.threads import run

Array = npt.NDArray[Any]

_PART = 1 << 14  # one thread's, and what is summed at once

# The bins of |v|: two for each power of ten; what lies outside is counted in the first and last.
DECADES = (-30, 10)
BINS_PER_DECADE = 2
EDGES = 10.0 ** (
    np.arange(DECADES[0] * BINS_PER_DECADE, DECADES[1] * BINS_PER_DECADE + 1) / BINS_PER_DECADE
)
EDGES.setflags(write=False)
N_BINS = len(EDGES) + 1


class Moments(NamedTuple):
    """Of the finite entries, in float64; the last four are NaN where there are none."""

    finite: int
    zeros: int
    low: float
    high: float
    mean: float
    std: float


def moments(flat: Array) -> Moments:
    """Of a C-contiguous array of one axis, float32 or float64; −0.0 counts as a zero."""
    finite, zeros, low, high, mean, std = _sums(flat, 1.0)
    largest = max(-low, high)
    if largest > 0 and not 1e-140 < largest < 1e140:
        # The squares would leave float64's range: once more, times a power of two.
        factor = 2.0 ** min(1000, -math.frexp(largest)[1])
        mean, std = (value / factor for value in _sums(flat, factor)[4:])
    return Moments(int(finite), int(zeros), low, high, mean, std)


def _sums(flat: Array, factor: float) -> list[float]:
    """The six moments of factor·v (the extremes those of v), part by part, on all threads.

    The parts do not depend on the number of threads, so neither do the bits.
    """
    masks = _masks(flat.dtype)
    parts = np.empty((max(1, -(-flat.size // _PART)), 6))
    args = (flat, flat.view(masks[1].dtype), *masks, factor, parts)
    if flat.size < WORTH_THREADS:
        _moments_serial(*args)
    else:
        run(_moments_parallel, _moments_serial, *args)
    if len(parts) == 1:
        one: list[float] = parts[0].tolist()
        return one
    full = parts[parts[:, 0] > 0]
    if not len(full):
        return [0.0, 0.0, math.nan, math.nan, math.nan, math.nan]
    n, zeros, low, high, means, stds = full.T
    mean = (n * means).sum() / n.sum()
    variance = (n * (stds**2 + (means - mean) ** 2)).sum() / n.sum()
    joined = n.sum(), zeros.sum(), low.min(), high.max(), mean, np.sqrt(variance)
    return [float(value) for value in joined]


def moments_reference(flat: Array) -> Moments:
    """The same with NumPy."""
    v = flat[np.isfinite(flat)].astype(np.float64)
    counts = len(v), int((v == 0).sum())
    if not len(v):
        return Moments(*counts, *(math.nan,) * 4)
    return Moments(*counts, *map(float, (v.min(), v.max(), v.mean(), v.std())))


def magnitudes(v: Array) -> Array:
    """How many |v| are in each of the N_BINS bins; entries that are 0 or not finite in none."""
    counts = np.zeros(N_BINS, np.int64)
    _magnitudes(v, _FIRST, _NEXT, counts)
    return counts


def magnitudes_reference(v: Array) -> Array:
    """The same with NumPy."""
    size = np.abs(v[np.isfinite(v) & (v != 0)].astype(np.float64))
    return np.bincount(np.searchsorted(EDGES, size, side="right"), minlength=N_BINS)


def slope_counts(slopes: Array, largest: float) -> tuple[Array, Array]:
    """How small the slopes are, and which columns have one that isn't 0.

    Args: f′(s) (batch, units), C-contiguous; the largest |f′| that there is.

    Returns: counts (101,) of the finite |f′| in [k/100, (k + 1)/100) of the largest, the last with
    all above; and alive (units,). With `largest` 0, slopes of 0 count as the smallest.
    """
    counts = np.zeros(101, np.int64)
    alive = np.zeros(slopes.shape[1], np.bool_)
    _slope_counts(slopes, np.arange(101) / 100 * largest, counts, alive)
    return counts, alive


def slope_counts_reference(slopes: Array, largest: float) -> tuple[Array, Array]:
    """The same with NumPy."""
    edges = np.arange(101) / 100 * largest
    size = np.abs(slopes[np.isfinite(slopes)].astype(np.float64))
    if largest > 0:
        bins = np.searchsorted(edges, size, side="right") - 1
    else:
        bins = np.where(size > 0, 100, 0)
    return np.bincount(bins, minlength=101), (slopes != 0).any(axis=0)


@cache
def _masks(dtype: np.dtype[Any]) -> tuple[Any, Any, Any]:
    """By how many bits the sign stands on the left, the mask of |v|, that of the exponent."""
    if dtype.itemsize == 4:
        return np.int32(31), np.int32(0x7FFFFFFF), np.int32(0x7F800000)
    return np.int64(63), np.int64(0x7FFFFFFFFFFFFFFF), np.int64(0x7FF0000000000000)


# A bin is wider than a factor of two, so a binary exponent meets one edge at most: the bin at its
# lower end, and the edge above which it is the next one.
# Looked up by the bits of float64's exponent; those of denormals are 0.
_FIRST = np.searchsorted(EDGES, 2.0 ** (np.arange(2047.0) - 1023), side="right")
_NEXT = np.append(EDGES, np.inf)[_FIRST]


@jit(contract=True)
def _moments(
    x: Array, bits: Array, shift: Any, magnitude: Any, exponent: Any, factor: float, sums: Array
) -> None:
    integer = bits.dtype.type
    count = zeros = 0
    least, most = magnitude, integer(-magnitude)
    mean, squares = 0.0, 0.0
    for start in range(0, x.size, 1024):
        block, keys = x[start : start + 1024], bits[start : start + 1024]
        bad = nought = integer(0)
        low, high = magnitude, integer(-magnitude)
        for i in range(keys.size):
            b = keys[i]
            k = integer(b ^ ((b >> shift) & magnitude))  # −0.0 becomes −1, and less the less v
            bad = integer(bad + ((b & exponent) == exponent))
            nought = integer(nought + ((b & magnitude) == 0))
            if k < low:
                low = k
            if k > high:
                high = k
        n = block.size - bad
        if n == 0:
            continue
        if bad == 0:
            origin = mean if count else block[0] * factor
            total, square = _about(block, factor, origin)
        else:
            low, high = magnitude, integer(-magnitude)
            origin, total, square = mean, 0.0, 0.0
            started = count > 0
            for i in range(keys.size):
                b = keys[i]
                if (b & exponent) == exponent:
                    continue
                k = integer(b ^ ((b >> shift) & magnitude))
                low, high = min(low, k), max(high, k)
                if not started:
                    origin, started = block[i] * factor, True
                d = block[i] * factor - origin
                total += d
                square += d * d
        least, most = min(least, low), max(most, high)
        zeros += nought
        # This block's own mean and Σ (v − mean)², then both blocks' together.
        shifted = total / n
        own = max(square - shifted * total, 0.0)
        apart = origin + shifted - mean
        both = count + n
        mean += apart * n / both
        squares += own + apart * apart * count * n / both
        count = both
    sums[0], sums[1] = count, zeros
    sums[2] = sums[3] = sums[4] = sums[5] = np.nan
    if count > 0:
        keys = np.array([least, most])
        for i in range(2):  # the map of the bits is its own inverse
            keys[i] = keys[i] ^ ((keys[i] >> shift) & magnitude)
        ends = keys.astype(bits.dtype).view(x.dtype)
        sums[2], sums[3], sums[4], sums[5] = ends[0], ends[1], mean, math.sqrt(squares / count)


@jit()
def _moments_of_parts(
    x: Array,
    bits: Array,
    shift: Any,
    magnitude: Any,
    exponent: Any,
    factor: float,
    parts: Array,
    low: int,
    high: int,
) -> None:
    for i in range(low, high):
        start, stop = i * _PART, (i + 1) * _PART
        _moments(x[start:stop], bits[start:stop], shift, magnitude, exponent, factor, parts[i])


@jit(parallel=True)
def _moments_parallel(
    x: Array,
    bits: Array,
    shift: Any,
    magnitude: Any,
    exponent: Any,
    factor: float,
    parts: Array,
    n_threads: int,
) -> None:
    n = len(parts)
    for thread in numba.prange(n_threads):
        low, high = thread * n // n_threads, (thread + 1) * n // n_threads
        _moments_of_parts(x, bits, shift, magnitude, exponent, factor, parts, low, high)


def _moments_serial(
    x: Array, bits: Array, shift: Any, magnitude: Any, exponent: Any, factor: float, parts: Array
) -> None:
    _moments_of_parts(x, bits, shift, magnitude, exponent, factor, parts, 0, len(parts))


@register_jitable
def _about(x: Array, factor: float, origin: float) -> tuple[float, float]:
    """Σ (v − origin) and Σ (v − origin)²."""
    a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = 0.0
    b0 = b1 = b2 = b3 = b4 = b5 = b6 = b7 = 0.0
    whole = x.size - x.size % 8
    for i in range(0, whole, 8):
        d0, d1 = x[i] * factor - origin, x[i + 1] * factor - origin
        d2, d3 = x[i + 2] * factor - origin, x[i + 3] * factor - origin
        d4, d5 = x[i + 4] * factor - origin, x[i + 5] * factor - origin
        d6, d7 = x[i + 6] * factor - origin, x[i + 7] * factor - origin
        a0, a1, a2, a3 = a0 + d0, a1 + d1, a2 + d2, a3 + d3
        a4, a5, a6, a7 = a4 + d4, a5 + d5, a6 + d6, a7 + d7
        b0, b1, b2, b3 = b0 + d0 * d0, b1 + d1 * d1, b2 + d2 * d2, b3 + d3 * d3
        b4, b5, b6, b7 = b4 + d4 * d4, b5 + d5 * d5, b6 + d6 * d6, b7 + d7 * d7
    for i in range(whole, x.size):
        d = x[i] * factor - origin
        a0 += d
        b0 += d * d
    return (
        ((a0 + a4) + (a1 + a5)) + ((a2 + a6) + (a3 + a7)),
        ((b0 + b4) + (b1 + b5)) + ((b2 + b6) + (b3 + b7)),
    )


@jit()
def _magnitudes(x: Array, first: Array, following: Array, counts: Array) -> None:
    for i in range(x.size):
        size = abs(np.float64(x[i]))
        if 0 < size < np.inf:
            power = np.float64(size).view(np.int64) >> 52
            counts[first[power] + (size >= following[power])] += 1


@jit()
def _slope_counts(slopes: Array, edges: Array, counts: Array, alive: Array) -> None:
    largest = edges[100]
    per_bin = 100 / largest if largest > 0 else 0.0
    for i in range(slopes.shape[0]):
        for j in range(slopes.shape[1]):
            size = abs(np.float64(slopes[i, j]))
            if size != 0:
                alive[j] = True
            if not size < np.inf:
                continue
            k = 0
            if size > 0:
                k = int(size * per_bin) if size < largest else 100
                # The product is rounded: the edges decide.
                if size < edges[k]:
                    k -= 1
                elif k < 100 and size >= edges[k + 1]:
                    k += 1
            counts[k] += 1
