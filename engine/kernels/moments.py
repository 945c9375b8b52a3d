"""What the statistics of an array are made of: sums, extremes and counts, in one pass.

Fast because each block of 1024 entries stays in the nearest cache while two loops run over it. The
first looks at the bits as integers, since a compiler may reorder integers (and so use vectors)
where it must not reorder floating-point numbers: it counts, and finds the extremes by a map of the
bits that preserves order. The second may add in any order, and adds differences from the mean so
far, so that few digits cancel. Blocks are joined as in Chan, Golub & LeVeque 1983.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

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
    bits = flat.view(masks.dtype)
    if flat.size < WORTH_THREADS:
        _moments_serial(flat, bits, masks, factor, parts)
    else:
        run(_moments_parallel, _moments_serial, flat, bits, masks, factor, parts)
    joined: list[float] = parts[0].tolist()
    return joined


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
    counts = np.zeros((4, 102), np.int64)
    alive = np.zeros(slopes.shape[1], np.bool_)
    _slope_counts(slopes, largest, counts, alive)
    return counts.sum(axis=0)[:101], alive


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
def _masks(dtype: np.dtype[Any]) -> Array:
    """The bits of |v|, and those of the exponent alone."""
    if dtype.itemsize == 4:
        return np.array([0x7FFFFFFF, 0x7F800000], np.int32)
    return np.array([0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000], np.int64)


# A bin is wider than a factor of two, so a binary exponent meets one edge at most: the bin at its
# lower end, and the edge above which it is the next one.
# Looked up by the bits of float64's exponent; those of denormals are 0.
_FIRST = np.searchsorted(EDGES, 2.0 ** (np.arange(2047.0) - 1023), side="right")
_NEXT = np.append(EDGES, np.inf)[_FIRST]


@jit(contract=True)
def _moments(x: Array, bits: Array, masks: Array, factor: float, sums: Array) -> None:
    integer = bits.dtype.type
    magnitude, exponent = masks[0], masks[1]
    count = zeros = 0
    lowest, highest = magnitude, integer(-magnitude)
    mean, squares = 0.0, 0.0
    for start in range(0, x.size, 1024):
        block, keys = x[start : start + 1024], bits[start : start + 1024]
        least, low, high = magnitude, magnitude, integer(-magnitude)
        for i in range(keys.size):
            b = keys[i]
            size = integer(b & magnitude)
            k = size if b >= 0 else integer(~size)  # −0.0 becomes −1, and less the less v
            least, low, high = min(least, size), min(low, k), max(high, k)
        if least == 0:
            nought = integer(0)
            for i in range(keys.size):
                nought = integer(nought + ((keys[i] & magnitude) == 0))
            zeros += nought
        n = keys.size
        if high < exponent and low > ~exponent:
            origin = mean if count else block[0] * factor
            total, square = _about(block, factor, origin)
        else:  # infinities and NaNs lie beyond all numbers in that order
            low, high = magnitude, integer(-magnitude)
            origin, total, square = mean, 0.0, 0.0
            started = count > 0
            for i in range(keys.size):
                b = keys[i]
                if (b & exponent) == exponent:
                    n -= 1
                    continue
                k = b if b >= 0 else integer(~(b & magnitude))
                low, high = min(low, k), max(high, k)
                if not started:
                    origin, started = block[i] * factor, True
                d = block[i] * factor - origin
                total += d
                square += d * d
            if n == 0:
                continue
        lowest, highest = min(lowest, low), max(highest, high)
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
        keys = np.array([lowest, highest])
        for i in range(2):
            keys[i] = keys[i] if keys[i] >= 0 else ~keys[i] | ~magnitude
        ends = keys.astype(bits.dtype).view(x.dtype)
        sums[2], sums[3], sums[4], sums[5] = ends[0], ends[1], mean, math.sqrt(squares / count)


@jit()
def _moments_of_parts(
    x: Array, bits: Array, masks: Array, factor: float, parts: Array, low: int, high: int
) -> None:
    for i in range(low, high):
        start, stop = i * _PART, (i + 1) * _PART
        _moments(x[start:stop], bits[start:stop], masks, factor, parts[i])


@jit()
def _moments_serial(x: Array, bits: Array, masks: Array, factor: float, parts: Array) -> None:
    n = len(parts)
    _moments_of_parts(x, bits, masks, factor, parts, n - n, n)
    _join(parts)


@jit(parallel=True)
def _moments_parallel(
    x: Array, bits: Array, masks: Array, factor: float, parts: Array, n_threads: int
) -> None:
    n = len(parts)
    for thread in numba.prange(n_threads):
        low, high = thread * n // n_threads, (thread + 1) * n // n_threads
        _moments_of_parts(x, bits, masks, factor, parts, low, high)
    _join(parts)


@jit()
def _join(parts: Array) -> None:
    """All parts' moments, into the first."""
    joined = parts[0]
    for i in range(1, len(parts)):
        part = parts[i]
        if part[0] == 0:
            continue
        n, m = joined[0], part[0]
        if n == 0:
            joined[:] = part
            continue
        apart = part[4] - joined[4]
        squares = n * joined[5] ** 2 + m * part[5] ** 2 + apart * apart * n * m / (n + m)
        joined[0], joined[1] = n + m, joined[1] + part[1]
        joined[2], joined[3] = min(joined[2], part[2]), max(joined[3], part[3])
        joined[4] += apart * m / (n + m)
        joined[5] = math.sqrt(squares / (n + m))


@jit(contract=True, any_order=True)
def _about(x: Array, factor: float, origin: float) -> tuple[float, float]:
    """Σ (v − origin) and Σ (v − origin)², of finite v alone."""
    total = square = 0.0
    for i in range(x.size):
        d = x[i] * factor - origin
        total += d
        square += d * d
    return total, square


@jit()
def _magnitudes(x: Array, first: Array, following: Array, counts: Array) -> None:
    for i in range(x.size):
        size = abs(np.float64(x[i]))
        if 0 < size < np.inf:
            power = np.float64(size).view(np.int64) >> 52
            counts[first[power] + (size >= following[power])] += 1


@jit()
def _slope_counts(slopes: Array, largest: float, counts: Array, alive: Array) -> None:
    """Into four rows of counts, so that an increment seldom waits for the one before.

    Each row has a last bin for what is not finite.
    """
    per_bin = 100 / largest if largest > 0 else 0.0
    bins = np.empty(slopes.shape[1], np.int32)
    for i in range(slopes.shape[0]):
        for j in range(slopes.shape[1]):
            size = abs(np.float64(slopes[i, j]))
            alive[j] |= size != 0
            # The product is rounded: the edges k/100 · largest decide.
            k = np.int32(size * per_bin if size < largest else 100.0)
            k -= np.int32(size < k / 100 * largest)
            k += np.int32(k < 100 and size >= (k + 1) / 100 * largest)
            k = np.int32(0) if size == 0 else k
            bins[j] = k if size < np.inf else np.int32(101)
        for j in range(slopes.shape[1]):
            counts[j & 3, bins[j]] += 1
