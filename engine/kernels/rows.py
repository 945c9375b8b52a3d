"""A small matrix product: the three loops in the right order, and the compiler's vectors.

The definition's order (i, k, j) walks down a column of B, which is strided. In the order
i, j, k the inner loop runs along rows of B and of the result, so it loads and stores whole
vectors; eight rows of B are added in one pass, so the result is loaded and stored once for
eight products; and a stripe of B stays in cache for all rows of A. Nothing is copied first,
which is what small products, and batches of a few rows, would lose their time with.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy.typing as npt

from engine.kernels.compiling import jit

Array = npt.NDArray[Any]

# 512 columns of float32 are 2 KiB a row: one row of out and eight of b stay in the first cache.
_COLUMNS = 512
# 128 rows of such a stripe of b fill a quarter of a megabyte, half of a small second cache.
_DEPTH = 128


@jit(contract=True)
def add_product(a: Array, b: Array, out: Array) -> None:
    """out += a·b for C-contiguous arrays."""
    _add_part(a, b, out, 0, a.shape[0], 0, b.shape[1])


@jit(contract=True)
def _add_part(a: Array, b: Array, out: Array, low: int, high: int, left: int, right: int) -> None:
    """The rows low … high and columns left … right of `out`."""
    n = a.shape[1]
    for start in range(left, right, _COLUMNS):
        stop = min(start + _COLUMNS, right)
        for top in range(0, n, _DEPTH):
            bottom = min(top + _DEPTH, n)
            eights = top + (bottom - top) // 8 * 8
            for i in range(low, high):
                row = out[i, start:stop]
                for j in range(top, eights, 8):
                    a0, a1, a2, a3 = a[i, j], a[i, j + 1], a[i, j + 2], a[i, j + 3]
                    a4, a5, a6, a7 = a[i, j + 4], a[i, j + 5], a[i, j + 6], a[i, j + 7]
                    b0, b1 = b[j, start:stop], b[j + 1, start:stop]
                    b2, b3 = b[j + 2, start:stop], b[j + 3, start:stop]
                    b4, b5 = b[j + 4, start:stop], b[j + 5, start:stop]
                    b6, b7 = b[j + 6, start:stop], b[j + 7, start:stop]
                    for k in range(row.size):
                        row[k] += (a0 * b0[k] + a1 * b1[k] + a2 * b2[k] + a3 * b3[k]) + (
                            a4 * b4[k] + a5 * b5[k] + a6 * b6[k] + a7 * b7[k]
                        )
                for j in range(eights, bottom):
                    a0, b0 = a[i, j], b[j, start:stop]
                    for k in range(row.size):
                        row[k] += a0 * b0[k]


@jit(parallel=True, contract=True)
def add_product_parallel(a: Array, b: Array, out: Array, n_threads: int) -> None:
    """The same, the longer side of `out` shared out among the threads."""
    m, p = out.shape
    for part in numba.prange(n_threads):
        if m >= p:
            _add_part(a, b, out, part * m // n_threads, (part + 1) * m // n_threads, 0, p)
        else:
            _add_part(a, b, out, 0, m, part * p // n_threads, (part + 1) * p // n_threads)
