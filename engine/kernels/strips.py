"""A product with few rows, at most 16: a batch of ten against a large W.

Such a product is bound by reading W once, so W is not packed: the tile reads it where it lies.

    x·W     strips of W as wide as the tile, one tile of x's rows after the other
    g·Wᵀ    its transpose, W·gᵀ: rows of W against gᵀ, which is small and is copied

In both, the sum over k runs from the first to the last in one accumulator, so the bits do not
depend on how the columns of the result are shared out among the threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.blocks import add_scratch, flattened
from engine.kernels.compiling import jit
from engine.kernels.tile import SHAPE, VECTORS, columns, tile

Array = npt.NDArray[Any]

MOST_ROWS = 16
# Vectors that hold 16 numbers, and as many rows of W beside them as the registers allow.
_VECTORS_32, _VECTORS_64 = MOST_ROWS * 32 // SHAPE.bits, MOST_ROWS * 64 // SHAPE.bits
_HEIGHT_32 = 8 if _VECTORS_32 <= 2 else 2
_HEIGHT_64 = 8 if _VECTORS_64 <= 2 else 2


@jit()
def add_product(a: Array, b: Array, out: Array, add: bool) -> None:
    """out (+)= a·b; a and out are C-contiguous, and so is b or its transpose."""
    _add_part(a, b, out, add, 0, b.shape[1])


@jit(parallel=True)
def add_product_parallel(a: Array, b: Array, out: Array, add: bool, n_threads: int) -> None:
    """The same, the columns of `out` shared out among the threads."""
    p = b.shape[1]
    width = columns(b)
    strips = (p + width - 1) // width
    for part in numba.prange(n_threads):
        low, high = part * strips // n_threads * width, (part + 1) * strips // n_threads * width
        _add_part(a, b, out, add, low, min(high, p))


@jit()
def _add_part(a: Array, b: Array, out: Array, add: bool, left: int, right: int) -> None:
    if b.strides[1] == b.itemsize:
        _rows_times_strips(a, b, out, add, left, right)
    else:
        _strips_times_rows(a, b.T, out, add, left, right)


@jit()
def _rows_times_strips(a: Array, b: Array, out: Array, add: bool, left: int, right: int) -> None:
    n = b.shape[0]
    width = columns(b)
    flat_b, stride = flattened(b)
    flat_a, flat_out, p = a.reshape(-1), out.reshape(-1), out.shape[1]
    whole = left + (right - left) // width * width
    for j in range(left, whole, width):
        _column_of_tiles(flat_a, n, flat_b, j, stride, flat_out, j, p, out.shape[0], add)
    if whole < right:
        strip = np.zeros(n * width, b.dtype)
        for k in range(n):
            for j in range(right - whole):
                strip[k * width + j] = b[k, whole + j]
        scratch = np.empty(out.shape[0] * width, b.dtype)
        _column_of_tiles(flat_a, n, strip, 0, width, scratch, 0, width, out.shape[0], False)
        add_scratch(scratch, out[:, whole:right], width, add)


@jit()
def _column_of_tiles(
    a: Array,
    n: int,
    b: Array,
    b_at: int,
    b_k: int,
    c: Array,
    c_at: int,
    c_i: int,
    m: int,
    add: bool,
) -> None:
    """All m rows of one strip, in tiles of 8, 4, 2 and 1 rows (4, 2 and 1 on short vectors)."""
    i = 0
    if SHAPE.bits == 512:
        while i + 8 <= m:
            tile(8, VECTORS, c, c_at + i * c_i, c_i, a, i * n, n, 1, b, b_at, b_k, n, add)
            i += 8
    while i + 4 <= m:
        tile(4, VECTORS, c, c_at + i * c_i, c_i, a, i * n, n, 1, b, b_at, b_k, n, add)
        i += 4
    while i + 2 <= m:
        tile(2, VECTORS, c, c_at + i * c_i, c_i, a, i * n, n, 1, b, b_at, b_k, n, add)
        i += 2
    if i < m:
        tile(1, VECTORS, c, c_at + i * c_i, c_i, a, i * n, n, 1, b, b_at, b_k, n, add)


@jit()
def _strips_times_rows(a: Array, W: Array, out: Array, add: bool, left: int, right: int) -> None:
    """outᵀ (+)= W·aᵀ for the rows left … right of W, which are the columns of `out`."""
    m, n = a.shape
    height = _HEIGHT_32 if a.itemsize == 4 else _HEIGHT_64
    a_t = np.zeros(n * MOST_ROWS, a.dtype)
    for k in range(n):
        for i in range(m):
            a_t[k * MOST_ROWS + i] = a[i, k]
    scratch = np.empty(height * MOST_ROWS, a.dtype)
    flat, stride = flattened(W)
    for j in range(left, right, height):
        rows = min(height, right - j)
        if rows < height:
            for r in range(rows):
                _one_height(1, scratch, r * MOST_ROWS, flat, (j + r) * stride, stride, a_t, n)
        else:
            _one_height(height, scratch, 0, flat, j * stride, stride, a_t, n)
        for i in range(m):
            for r in range(rows):
                if add:
                    out[i, j + r] += scratch[r * MOST_ROWS + i]
                else:
                    out[i, j + r] = scratch[r * MOST_ROWS + i]


@jit()
def _one_height(
    rows: int, c: Array, c_at: int, W: Array, W_at: int, stride: int, a_t: Array, n: int
) -> None:
    """`rows` rows of W (one, or the full height) against aᵀ."""
    if W.itemsize == 4:
        if rows == 1:
            tile(
                1, _VECTORS_32, c, c_at, MOST_ROWS, W, W_at, stride, 1, a_t, 0, MOST_ROWS, n, False
            )
        else:
            tile(
                _HEIGHT_32,
                _VECTORS_32,
                c,
                c_at,
                MOST_ROWS,
                W,
                W_at,
                stride,
                1,
                a_t,
                0,
                MOST_ROWS,
                n,
                False,
            )
    elif rows == 1:
        tile(1, _VECTORS_64, c, c_at, MOST_ROWS, W, W_at, stride, 1, a_t, 0, MOST_ROWS, n, False)
    else:
        tile(
            _HEIGHT_64,
            _VECTORS_64,
            c,
            c_at,
            MOST_ROWS,
            W,
            W_at,
            stride,
            1,
            a_t,
            0,
            MOST_ROWS,
            n,
            False,
        )
