"""What the machine can do at most: multiply-adds without memory, memory without arithmetic.

A roofline is drawn from these two (Williams, Waterman & Patterson 2009): a kernel that does I
operations for every byte it moves reaches at most min(peak, I · bandwidth).
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.threads import number_of_threads, run
from engine.kernels.compiled.tile import ROWS, SHAPE, VECTORS, columns, tile
from engine.kernels.plain import Array

# A panel of B of so many rows is 18 KiB at most and stays in the first cache with one of A.
_DEPTH = 96


def operations(dtype: npt.DTypeLike) -> float:
    """How many operations one repeat of `multiply_adds` is on each thread.

    A multiplication and an addition count as two.
    """
    return 2.0 * ROWS * _width(dtype) * _DEPTH


def _width(dtype: npt.DTypeLike) -> int:
    return SHAPE.vectors * SHAPE.bits // (8 * np.dtype(dtype).itemsize)


def multiply_adds(dtype: npt.DTypeLike, repeats: int) -> Array:
    """Run the register tile over the same two small panels of ones, on every thread.

    Returns: the tile of each thread, every entry the panels' depth.
    """
    n_threads = number_of_threads()
    a = np.ones((n_threads, ROWS * _DEPTH), dtype)
    b = np.ones((n_threads, _width(dtype) * _DEPTH), dtype)
    c = np.zeros((n_threads, ROWS * _width(dtype)), dtype)
    run(_multiply_adds_parallel, _multiply_adds, a, b, c, repeats)
    return c


@jit()
def _multiply_adds(a: Array, b: Array, c: Array, repeats: int) -> None:
    for part in range(len(a)):
        _repeat(a[part], b[part], c[part], repeats)


@jit(parallel=True)
def _multiply_adds_parallel(a: Array, b: Array, c: Array, repeats: int, n_threads: int) -> None:
    for part in numba.prange(n_threads):
        _repeat(a[part], b[part], c[part], repeats)


@jit()
def _repeat(a: Array, b: Array, c: Array, repeats: int) -> None:
    width = columns(b)
    for _ in range(repeats):
        tile(ROWS, VECTORS, c, 0, width, a, 0, 1, ROWS, b, 0, width, _DEPTH, False)


def triad(a: Array, b: Array, out: Array) -> None:
    """out = a + 3 b, each array as long as the others: two arrays read, one written (STREAM).

    Raises: ValueError for arrays of different sizes or dtypes.
    """
    if not (a.shape == b.shape == out.shape and a.dtype == b.dtype == out.dtype):
        raise ValueError("a, b and out must have one size and dtype")
    run(_triad_parallel, _triad, a, b, out)


@jit(contract=True)
def _triad(a: Array, b: Array, out: Array) -> None:
    three = a.dtype.type(3)
    for i in range(out.size):
        out[i] = a[i] + three * b[i]


@jit(parallel=True, contract=True)
def _triad_parallel(a: Array, b: Array, out: Array, n_threads: int) -> None:
    size = out.size
    for part in numba.prange(n_threads):
        low, high = part * size // n_threads, (part + 1) * size // n_threads
        _triad(a[low:high], b[low:high], out[low:high])
