"""Looks at arrays: the moments of several, and a sample of each, in one call of a kernel.

At small batches the calls from Python, not the entries, decide what a look costs.

Of an array s the kernel can look at f′(s) instead, which it computes part by part, in the nearest
cache, and keeps nowhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numba
import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.moments import join, masks_of, moments_of_part
from engine.kernels.compiled.runs import WORTH_THREADS, call_run
from engine.kernels.compiled.threads import run
from engine.kernels.plain import AT_ONCE, PART, Array, Moments, Plan, as_moments, plan_of


def look(
    flats: Sequence[Array],
    plan: Plan,
    samples: Array,
    addresses: Array | None = None,
    parameters: Array | None = None,
) -> Array:
    """The moments of up to AT_ONCE arrays, and of each every k-th entry.

    Args:
        flats: C-contiguous, writeable arrays of one axis and one dtype, float32 or float64.
        plan: of their sizes.
        samples: room for the samples, one after the other.
        addresses: for each array, that of the run which computes f′ of it, or 0 to look at itself.
        parameters: a row of f's for each array.

    Returns: (number of arrays, 6), the columns in the order of `Moments`.
    """
    rows, begins, _ = plan
    dtype = samples.dtype
    sums, parts = np.empty((len(flats), 6)), np.empty((len(begins) - 1, 6))
    none, masks = _constants(dtype)
    arrays = (*flats, *none[len(flats) :])
    if addresses is None or parameters is None:
        addresses, parameters = np.zeros(len(flats), np.int64), np.zeros((len(flats), 1), dtype)
    args: Any = (arrays, addresses, parameters, masks, rows, begins, parts, sums, samples)
    if begins[-1] < WORTH_THREADS:
        _look_serial(*args)
    else:
        run(_look_parallel, _look_serial, *args)
    return sums


def moments(flat: Array) -> Moments:
    """Of a C-contiguous array of one axis, float32 or float64; −0.0 counts as a zero."""
    if not flat.flags.writeable:  # for the kernels another type, for which they would be compiled
        flat = flat.copy()
    size = max(1, flat.size)
    return as_moments(look([flat], plan_of((flat.size,), (size,)), np.empty(1, flat.dtype))[0])


@cache
def _constants(dtype: np.dtype[Any]) -> tuple[list[Array], Array]:
    return [np.empty(0, dtype)] * AT_ONCE, masks_of(dtype)


@jit()
def _entries(x: Array, start: int, address: int, parameters: Array, scratch: Array) -> Array:
    """A part of x, or f′ of it."""
    part = x[start : start + PART]
    if address == 0:
        return part
    slopes = scratch[: part.size]
    call_run(address, part, 0, part, 0, slopes, 0, part.size, parameters)
    return slopes


@jit()
def _look_at_parts(
    arrays: tuple[Array, ...],
    addresses: Array,
    parameters: Array,
    masks: Array,
    rows: Array,
    begins: Array,
    parts: Array,
    samples: Array,
    low: int,
    high: int,
) -> None:
    """The parts that begin at one of the entries from `low` up to `high`."""
    room = 0
    for i in range(len(rows)):
        if addresses[i] != 0:
            room = max(room, min(PART, arrays[i].size))
    scratch, key = np.empty(room, samples.dtype), np.empty(1, masks.dtype)
    for i in range(len(rows)):
        x, first, stride, at = arrays[i], rows[i, 0], rows[i, 2], rows[i, 3]
        for part in range(first, rows[i, 1]):
            if not low <= begins[part] < high:
                continue
            start = (part - first) * PART
            v = _entries(x, start, addresses[i], parameters[i], scratch)
            k, end_k = -(-start // stride), -(-(start + v.size) // stride)
            sample = samples[at + k : at + end_k]
            moments_of_part(v, masks, 1.0, parts[part], key, k * stride - start, stride, sample)


@jit()
def _look_serial(
    arrays: tuple[Array, ...],
    addresses: Array,
    parameters: Array,
    masks: Array,
    rows: Array,
    begins: Array,
    parts: Array,
    sums: Array,
    samples: Array,
) -> None:
    end = begins[-1] + 1  # a part of nothing begins where the entries end
    _look_at_parts(arrays, addresses, parameters, masks, rows, begins, parts, samples, 0, end)
    _finish(arrays, addresses, parameters, masks, rows, parts, sums)


@jit(parallel=True)
def _look_parallel(
    arrays: tuple[Array, ...],
    addresses: Array,
    parameters: Array,
    masks: Array,
    rows: Array,
    begins: Array,
    parts: Array,
    sums: Array,
    samples: Array,
    n_threads: int,
) -> None:
    end = begins[-1] + 1
    for thread in numba.prange(n_threads):
        low, high = thread * end // n_threads, (thread + 1) * end // n_threads
        _look_at_parts(
            arrays, addresses, parameters, masks, rows, begins, parts, samples, low, high
        )
    _finish(arrays, addresses, parameters, masks, rows, parts, sums)


@jit()
def _finish(
    arrays: tuple[Array, ...],
    addresses: Array,
    parameters: Array,
    masks: Array,
    rows: Array,
    parts: Array,
    sums: Array,
) -> None:
    for i in range(len(rows)):
        own, joined = parts[rows[i, 0] : rows[i, 1]], sums[i]
        join(own, joined)
        largest = max(-joined[2], joined[3])
        if largest > 0 and not 1e-140 < largest < 1e140:
            # The squares would leave float64's range: once more, times a power of two.
            factor = 2.0 ** min(1000, -math.frexp(largest)[1])
            low, high = joined[2], joined[3]
            scratch, key = np.empty(PART, parameters.dtype), np.empty(1, masks.dtype)
            for part in range(len(own)):
                v = _entries(arrays[i], part * PART, addresses[i], parameters[i], scratch)
                moments_of_part(v, masks, factor, own[part], key, 0, 1, scratch[:0])
            join(own, joined)
            joined[2], joined[3] = low, high
            joined[4] /= factor
            joined[5] /= factor
