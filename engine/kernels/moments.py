"""What the statistics of an array are made of: sums, extremes and counts, in one pass.

Fast because each block of 1024 entries stays in the nearest cache while two loops run over it. The
first looks at the bits as integers, since a compiler may reorder integers (and so use vectors)
where it must not reorder floating-point numbers: it counts, and finds the extremes by a map of the
bits that preserves order. The second may add in any order, and adds differences from the mean so
far, so that few digits cancel. Blocks are joined as in Chan, Golub & LeVeque 1983.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit
from engine.kernels.runs import WORTH_THREADS
from engine.kernels.threads import run

Array = npt.NDArray[Any]

_PART = 1 << 14  # one thread's, and what is summed at once
AT_ONCE = 6  # a layer has no more arrays at one end of its forward or backward step


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
    return as_moments(look([flat], (1,))[0][0])


def as_moments(row: Array) -> Moments:
    finite, zeros, low, high, mean, std = row.tolist()
    return Moments(int(finite), int(zeros), low, high, mean, std)


def look(flats: Sequence[Array], strides: tuple[int, ...]) -> list[tuple[Array, Array]]:
    """The moments of up to AT_ONCE arrays, and of each every k-th entry, in one call of a kernel.

    At small batches the calls from Python, not the entries, would decide what a look costs.

    Args: C-contiguous arrays of one axis and one dtype, float32 or float64; k of each.

    Returns: for each array its six moments, in the order of `Moments`, and its sample.
    """
    dtype = flats[0].dtype
    plan, n_parts, ends = _plan(tuple([flat.size for flat in flats]), strides)
    sums, parts = np.empty((len(flats), 6)), np.empty((n_parts, 6))
    samples = np.empty(ends[-1], dtype)
    # A read-only array would be another type, for which the kernels were compiled once more.
    writeable = [flat if flat.flags.writeable else flat.copy() for flat in flats]
    arrays = writeable + [_nothing(dtype)] * (AT_ONCE - len(flats))
    args: Any = (*arrays, _masks(dtype), plan, parts, sums, samples)
    if n_parts * _PART < WORTH_THREADS:
        _look_serial(*args)
    else:
        run(_look_parallel, _look_serial, *args)
    return [(sums[i], samples[ends[i] : ends[i + 1]]) for i in range(len(flats))]


@lru_cache(maxsize=256)
def _plan(sizes: tuple[int, ...], strides: tuple[int, ...]) -> tuple[Array, int, list[int]]:
    """A row for each array: its first part, the one after its last, k, where its sample begins.

    The parts do not depend on the number of threads, so neither do the bits.
    """
    ends = [0]
    rows, part = [], 0
    for size, stride in zip(sizes, strides, strict=True):
        n_parts = max(1, -(-size // _PART))
        rows.append((part, part + n_parts, stride, ends[-1]))
        ends.append(ends[-1] - (-size // stride))
        part += n_parts
    return np.array(rows), part, ends


@cache
def _nothing(dtype: np.dtype[Any]) -> Array:
    return np.empty(0, dtype)


def moments_reference(flat: Array) -> Moments:
    """The same with NumPy."""
    v = flat[np.isfinite(flat)].astype(np.float64)
    counts = len(v), int((v == 0).sum())
    if not len(v):
        return Moments(*counts, *(math.nan,) * 4)
    return Moments(*counts, *map(float, (v.min(), v.max(), v.mean(), v.std())))


@cache
def _masks(dtype: np.dtype[Any]) -> Array:
    """The bits of |v|, and those of the exponent alone."""
    if dtype.itemsize == 4:
        return np.array([0x7FFFFFFF, 0x7F800000], np.int32)
    return np.array([0x7FFFFFFFFFFFFFFF, 0x7FF0000000000000], np.int64)


@jit(contract=True)
def _moments(x: Array, masks: Array, factor: float, sums: Array) -> None:
    bits = x.view(masks.dtype)
    integer = masks.dtype.type
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
def _look_at_parts(
    arrays: tuple[Array, ...],
    masks: Array,
    plan: Array,
    parts: Array,
    samples: Array,
    low: int,
    high: int,
) -> None:
    for i in range(len(plan)):
        x, first, stride, at = arrays[i], plan[i, 0], plan[i, 2], plan[i, 3]
        for part in range(max(low, first), min(high, plan[i, 1])):
            start = (part - first) * _PART
            end = min(start + _PART, x.size)
            _moments(x[start:end], masks, 1.0, parts[part])
            # The sample too, while the part is in a near cache.
            for k in range(-(-start // stride), -(-end // stride)):
                samples[at + k] = x[k * stride]


@jit()
def _look_serial(
    a: Array,
    b: Array,
    c: Array,
    d: Array,
    e: Array,
    f: Array,
    masks: Array,
    plan: Array,
    parts: Array,
    sums: Array,
    samples: Array,
) -> None:
    arrays = (a, b, c, d, e, f)
    _look_at_parts(arrays, masks, plan, parts, samples, 0, len(parts))
    _finish(arrays, masks, plan, parts, sums)


@jit(parallel=True)
def _look_parallel(
    a: Array,
    b: Array,
    c: Array,
    d: Array,
    e: Array,
    f: Array,
    masks: Array,
    plan: Array,
    parts: Array,
    sums: Array,
    samples: Array,
    n_threads: int,
) -> None:
    arrays = (a, b, c, d, e, f)
    n = len(parts)
    for thread in numba.prange(n_threads):
        low, high = thread * n // n_threads, (thread + 1) * n // n_threads
        _look_at_parts(arrays, masks, plan, parts, samples, low, high)
    _finish(arrays, masks, plan, parts, sums)


@jit()
def _finish(
    arrays: tuple[Array, ...],
    masks: Array,
    plan: Array,
    parts: Array,
    sums: Array,
) -> None:
    for i in range(len(plan)):
        x, own, joined = arrays[i], parts[plan[i, 0] : plan[i, 1]], sums[i]
        _join(own, joined)
        largest = max(-joined[2], joined[3])
        if largest > 0 and not 1e-140 < largest < 1e140:
            # The squares would leave float64's range: once more, times a power of two.
            factor = 2.0 ** min(1000, -math.frexp(largest)[1])
            low, high = joined[2], joined[3]
            for part in range(len(own)):
                start = part * _PART
                _moments(x[start : start + _PART], masks, factor, own[part])
            _join(own, joined)
            joined[2], joined[3] = low, high
            joined[4] /= factor
            joined[5] /= factor


@jit()
def _join(parts: Array, joined: Array) -> None:
    """The moments of all parts together."""
    joined[:] = parts[0]
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
