"""The matrix product, without BLAS: three loops for reading, blocks of rows for running.

`matmul` is what the engine calls; `matmul_reference` is the definition, for the tests.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit
from engine.kernels.threads import run

Array = npt.NDArray[Any]

# 512 columns of float32 are 2 KiB a row: one row of out and eight of b stay in the first cache.
_COLUMNS = 512
# 256 rows of such a stripe of b fill half a megabyte, the size of a core's second cache.
_DEPTH = 256
# Below this many multiplications, waking the threads costs more than it saves.
_WORTH_THREADS = 400_000


def matmul(
    a: Array,
    b: Array,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: Array | None = None,
    accumulate: bool = False,
) -> Array:
    """The product C = A·B of two matrices, C_ik = Σ_j A_ij B_jk.

    Args:
        a, b: (m, n) and (n, p), both float32 or both float64, in any memory layout.
        transpose_a, transpose_b: take the operand's transpose instead.
        out: where to write, (m, p), C-contiguous; it must not overlap a or b.
        accumulate: add to `out` instead of overwriting it.

    Returns: `out`, or a new (m, p) array. Bits do not depend on the number of threads.

    Raises: ValueError for shapes, dtypes or an `out` that do not fit.
    """
    left = a.T if transpose_a else a
    right = b.T if transpose_b else b
    _check(left, right, out, accumulate)
    (m, n), p = left.shape, right.shape[1]
    if out is None:
        out = np.zeros((m, p), left.dtype)
    elif not accumulate:
        out.fill(0)
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    if m * n * p >= _WORTH_THREADS and m > 1:
        run(_add_product_parallel, _add_product, left, right, out)
    elif m * n * p:
        _add_product(left, right, out)
    return out


def matmul_reference(a: Array, b: Array) -> Array:
    """C_ik = Σ_j A_ij B_jk, written as it is defined; slow."""
    out = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for i in range(a.shape[0]):
        for k in range(b.shape[1]):
            total = a.dtype.type(0)
            for j in range(a.shape[1]):
                total += a[i, j] * b[j, k]
            out[i, k] = total
    return out


@jit(contract=True)
def _add_product(a: Array, b: Array, out: Array) -> None:
    """out += a·b for C-contiguous arrays.

    Why it is fast: the inner loop runs along rows of b and out, so it loads and stores whole
    vectors; eight rows of b are added in one pass, so out is loaded and stored once for
    eight products; and the stripe of b that the pass reads stays in cache for all rows of a.
    """
    m, n = a.shape
    p = b.shape[1]
    for start in range(0, p, _COLUMNS):
        stop = min(start + _COLUMNS, p)
        for top in range(0, n, _DEPTH):
            bottom = min(top + _DEPTH, n)
            eights = top + (bottom - top) // 8 * 8
            for i in range(m):
                row = out[i, start:stop]
                for j in range(top, eights, 8):
                    a0, a1, a2, a3 = a[i, j], a[i, j + 1], a[i, j + 2], a[i, j + 3]
                    a4, a5, a6, a7 = a[i, j + 4], a[i, j + 5], a[i, j + 6], a[i, j + 7]
                    b0, b1 = b[j, start:stop], b[j + 1, start:stop]
                    b2, b3 = b[j + 2, start:stop], b[j + 3, start:stop]
                    b4, b5 = b[j + 4, start:stop], b[j + 5, start:stop]
                    b6, b7 = b[j + 6, start:stop], b[j + 7, start:stop]
                    for k in range(row.size):
                        row[k] += ((a0 * b0[k] + a1 * b1[k]) + (a2 * b2[k] + a3 * b3[k])) + (
                            (a4 * b4[k] + a5 * b5[k]) + (a6 * b6[k] + a7 * b7[k])
                        )
                for j in range(eights, bottom):
                    a0, b0 = a[i, j], b[j, start:stop]
                    for k in range(row.size):
                        row[k] += a0 * b0[k]


@jit(parallel=True, contract=True)
def _add_product_parallel(a: Array, b: Array, out: Array, n_parts: int) -> None:
    m = a.shape[0]
    for part in numba.prange(n_parts):
        low, high = part * m // n_parts, (part + 1) * m // n_parts
        _add_product(a[low:high], b, out[low:high])


def _check(left: Array, right: Array, out: Array | None, accumulate: bool) -> None:
    if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
        raise ValueError(
            f"shapes {left.shape} and {right.shape} (after transposing) have no matrix product; "
            "the columns of the first must be as many as the rows of the second"
        )
    if left.dtype != right.dtype or left.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"dtypes {left.dtype} and {right.dtype} have no kernel; "
            "both must be float32 or both float64"
        )
    if out is None:
        if accumulate:
            raise ValueError("accumulate=True needs an array `out` to add to")
        return
    shape = (left.shape[0], right.shape[1])
    if out.shape != shape or out.dtype != left.dtype or not out.flags.c_contiguous:
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}; it must be C-contiguous, "
            f"{shape}, {left.dtype}"
        )
    if np.may_share_memory(out, left) or np.may_share_memory(out, right):
        raise ValueError("out overlaps an operand, which the product would overwrite as it reads")
