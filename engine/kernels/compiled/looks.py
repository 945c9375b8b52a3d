"""`look`: the moments of one array, and a sample of its entries, in one pass.

The array is cut into parts of PART entries, whatever the number of threads, so that the bits do not
depend on that number. Instead of an array s the kernel can look at f′(s), which it computes part by
part in the nearest cache and keeps nowhere.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numba
import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.moments import join, masks_of, moments_of_part
from engine.kernels.compiled.runs import WORTH_THREADS, call_run
from engine.kernels.compiled.threads import run
from engine.kernels.plain import PART, Array, Moments, as_moments


def look(
    flat: Array, stride: int, address: int = 0, parameters: Array | None = None
) -> tuple[Array, Array]:
    """The six numbers of `Moments`, and every stride-th entry from the first on.

    Args:
        flat: a C-contiguous, writeable array of one axis, float32 or float64.
        stride: at least 1.
        address: that of a compiled run, to look at f′(flat) instead; 0 for the entries themselves.
        parameters: those of f.
    """
    none, masks = _constants(flat.dtype)
    sums, sample = np.empty(6), np.empty(-(-flat.size // stride), flat.dtype)
    own = none if parameters is None else parameters
    args: Any = (flat, address, own, masks, stride, sums, sample)
    if flat.size < WORTH_THREADS:
        _look_serial(*args)
    else:
        run(_look_parallel, _look_serial, *args)
    return sums, sample


def moments(flat: Array) -> Moments:
    """Of a C-contiguous array of one axis, float32 or float64; −0.0 counts as a zero."""
    if not flat.flags.writeable:  # for the kernels another type, for which they would be compiled
        flat = flat.copy()
    return as_moments(look(flat, max(1, flat.size))[0])


@cache
def _constants(dtype: np.dtype[Any]) -> tuple[Array, Array]:
    return np.empty(0, dtype), masks_of(dtype)


@jit(inner=True)
def _entries(x: Array, start: int, address: int, parameters: Array, scratch: Array) -> Array:
    """A part of x, or f′ of it."""
    part = x[start : start + PART]
    if address == 0:
        return part
    slopes = scratch[: part.size]
    call_run(address, part, 0, part, 0, slopes, 0, part.size, parameters)
    return slopes


@jit(inner=True)
def _look_at_parts(
    x: Array,
    address: int,
    parameters: Array,
    masks: Array,
    stride: int,
    parts: Array,
    sample: Array,
    first: int,
    last: int,
) -> None:
    scratch = np.empty(0 if address == 0 else min(PART, x.size), x.dtype)
    key = np.empty(1, masks.dtype)
    for part in range(first, last):
        start = part * PART
        v = _entries(x, start, address, parameters, scratch)
        k, end_k = -(-start // stride), -(-(start + v.size) // stride)
        own = sample[k:end_k]
        moments_of_part(v, masks, 1.0, parts[part], key, k * stride - start, stride, own)


@jit()
def _look_serial(
    x: Array,
    address: int,
    parameters: Array,
    masks: Array,
    stride: int,
    sums: Array,
    sample: Array,
) -> None:
    parts = np.empty((max(1, -(-x.size // PART)), 6))
    _look_at_parts(x, address, parameters, masks, stride, parts, sample, 0, len(parts))
    _finish(x, address, parameters, masks, parts, sums)


@jit(parallel=True)
def _look_parallel(
    x: Array,
    address: int,
    parameters: Array,
    masks: Array,
    stride: int,
    sums: Array,
    sample: Array,
    n_threads: int,
) -> None:
    n_parts = max(1, -(-x.size // PART))
    parts = np.empty((n_parts, 6))
    for thread in numba.prange(n_threads):
        first, last = thread * n_parts // n_threads, (thread + 1) * n_parts // n_threads
        _look_at_parts(x, address, parameters, masks, stride, parts, sample, first, last)
    _finish(x, address, parameters, masks, parts, sums)


@jit(inner=True)
def _finish(
    x: Array, address: int, parameters: Array, masks: Array, parts: Array, sums: Array
) -> None:
    join(parts, sums)
    largest = max(-sums[2], sums[3])
    if largest > 0 and not 1e-140 < largest < 1e140:
        # The squares would leave float64's range: once more, times a power of two.
        factor = 2.0 ** min(1000, -math.frexp(largest)[1])
        low, high = sums[2], sums[3]
        scratch, key = np.empty(PART, x.dtype), np.empty(1, masks.dtype)
        for part in range(len(parts)):
            v = _entries(x, part * PART, address, parameters, scratch)
            moments_of_part(v, masks, factor, parts[part], key, 0, 1, scratch[:0])
        join(parts, sums)
        sums[2], sums[3] = low, high
        sums[4] /= factor
        sums[5] /= factor
