"""A product with few rows: a batch of ten, or of thirty-two, against a large W.

Such a product has too little arithmetic to pay for packing W: the tile reads it where it lies.

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

# g·Wᵀ goes in groups of 16 rows of g, or of 32 where the registers are long enough for that.
_NARROW, _WIDE = 16, 32
MOST_ROWS = _WIDE if SHAPE.bits == 512 else _NARROW
# Vectors that hold so many numbers, and the rows of W beside them. More than eight rows are more
# addresses than a processor has room for.
_NARROW_32, _NARROW_64 = _NARROW * 32 // SHAPE.bits, _NARROW * 64 // SHAPE.bits
_WIDE_32, _WIDE_64 = _WIDE * 32 // SHAPE.bits, _WIDE * 64 // SHAPE.bits
_HEIGHT = 8 if SHAPE.bits == 512 else 2


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
    width = _NARROW if m <= _NARROW else _WIDE
    a_t = np.zeros(n * width, a.dtype)
    for k in range(n):
        for i in range(m):
            a_t[k * width + i] = a[i, k]
    flat, stride = flattened(W)
    scratch = np.empty(_HEIGHT * width, a.dtype)
    for j in range(left, right, _HEIGHT):
        rows = min(_HEIGHT, right - j)
        if rows == _HEIGHT:
            _full_height(scratch, flat, j * stride, stride, a_t, width, n)
        else:
            for r in range(rows):
                row = scratch[r * width : (r + 1) * width]
                _one_row(row, flat[(j + r) * stride : (j + r) * stride + n], a_t)
        for i in range(m):
            for r in range(rows):
                if add:
                    out[i, j + r] += scratch[r * width + i]
                else:
                    out[i, j + r] = scratch[r * width + i]


@jit()
def _full_height(c: Array, W: Array, at: int, stride: int, a_t: Array, width: int, n: int) -> None:
    if W.itemsize == 4:
        if width == _NARROW:
            tile(_HEIGHT, _NARROW_32, c, 0, width, W, at, stride, 1, a_t, 0, width, n, False)
        else:
            tile(_HEIGHT, _WIDE_32, c, 0, width, W, at, stride, 1, a_t, 0, width, n, False)
    elif width == _NARROW:
        tile(_HEIGHT, _NARROW_64, c, 0, width, W, at, stride, 1, a_t, 0, width, n, False)
    else:
        tile(_HEIGHT, _WIDE_64, c, 0, width, W, at, stride, 1, a_t, 0, width, n, False)


@jit(contract=True)
def _one_row(c: Array, w: Array, a_t: Array) -> None:
    """What the tile does for one of its rows, in its order."""
    width = c.size
    for i in range(width):
        c[i] = 0
    for k in range(w.size):
        wk, row = w[k], a_t[k * width : (k + 1) * width]
        for i in range(width):
            c[i] += wk * row[i]
