"""The matrix product, without BLAS. `matmul` chooses the way that fits the sizes.

These files tell how a product becomes fast, from the definition to the hardware's limit:

- `matmul_reference`, here: three loops;
- `engine.kernels.rows`: loops in the right order, for small products;
- `engine.kernels.tile`: sums in registers, by `engine.kernels.blocks` with copies in cache, for
  large products, and by `engine.kernels.strips` without, for a batch of few rows.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernels import blocks, rows, strips
from engine.kernels.compiling import JIT
from engine.kernels.threads import run

Array = npt.NDArray[Any]

# Below this many multiplications, waking the threads costs more than it saves.
_WORTH_THREADS = 300_000
# Below this many, preparing the tiles costs more than they save.
_WORTH_TILES = 60_000


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
    size = m * n * p
    if out is None:
        out = np.empty((m, p), left.dtype)
    if size == 0:
        if not accumulate:
            out.fill(0)
        return out
    if size < _WORTH_TILES or not JIT:  # tiles are machine code, or nothing
        if not accumulate:
            out.fill(0)
        left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
        _run(rows, size, left, right, out)
    elif m <= strips.MOST_ROWS:
        _run(strips, size, np.ascontiguousarray(left), _straight(right), out, accumulate)
    else:
        _run(blocks, size, left, right, out, accumulate)
    return out


def _run(way: ModuleType, size: int, *args: Any) -> None:
    if size < _WORTH_THREADS:
        way.add_product(*args)
    else:
        run(way.add_product_parallel, way.add_product, *args)


def _straight(b: Array) -> Array:
    """b, or a copy of it if neither its rows nor its columns are contiguous."""
    rows_touch = b.strides[1] == b.itemsize and b.strides[0] >= b.shape[1] * b.itemsize
    columns_touch = b.strides[0] == b.itemsize and b.strides[1] >= b.shape[0] * b.itemsize
    return b if rows_touch or columns_touch else np.ascontiguousarray(b)


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
