"""A product whose operands are read where they lie, through the register tile.

Nothing is copied first, which is what a small product would lose its time with, and also a large
one in which each number of W is used only a few times: a batch of ten.

    small squares    everything is in the first cache anyway
    x·W, few rows    W is read once: 128 rows of it, strip after strip to the right, then the next
    xᵀ·g, few rows   the sums are short, and the time goes into writing the result, row by row

Rows of B and of the result must be contiguous; A may be transposed, since the tile takes one
number of it at a time. Tiles at the lower edge are 4, 2 and 1 rows high, and at the right edge the
last vector is masked. The sums are cut into runs of the same length wherever the tile lies, so the
bits do not depend on how rows or columns are shared out among threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit
from engine.kernels.packing import flattened, pack
from engine.kernels.runs import finish, share
from engine.kernels.tile import SHAPE, VECTORS, columns, tile

Array = npt.NDArray[Any]

_HIGH = SHAPE.bits == 512  # registers for eight rows
# 128 rows of a strip of B, 192 bytes wide at most, stay in the first cache for all rows of A.
_DEPTH = 128
# With up to 16 rows of A the time goes into reading B, and memory answers faster to few streams.
_FEW_ROWS, _SHORT_DEPTH = 16, 32


@jit()
def add_part(
    a: Array,
    a_transposed: bool,
    b: Array,
    b_transposed: bool,
    out: Array,
    add: bool,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> None:
    """The rows top … bottom and columns left … right of out (+)= a·b."""
    flat_a, a_stride = flattened(a)
    a_i, a_k = (1, a_stride) if a_transposed else (a_stride, 1)
    n = a.shape[0] if a_transposed else a.shape[1]
    flat_b, b_stride = flattened(b)
    flat_out, c_i = flattened(out)
    width = columns(b)
    panel = np.empty(_DEPTH * width if b_transposed else 0, b.dtype)
    by_rows = n <= 64 and not b_transposed
    step = _SHORT_DEPTH if out.shape[0] <= _FEW_ROWS else _DEPTH
    for start in range(0, n, step):
        depth, more = min(step, n - start), add or start > 0
        i, j = top, left
        while i < bottom and j < right:
            rows, here = _height(bottom - i), min(width, right - j)
            if b_transposed and i == top:
                pack(b, b_transposed, start, start + depth, j, j + here, panel, width)
            c_at, a_at = i * c_i + j, i * a_i + start * a_k
            if b_transposed:
                rows_of_b, b_at, b_k = panel, 0, width
            else:
                rows_of_b, b_at, b_k = flat_b, start * b_stride + j, b_stride
            if here == width:
                _whole(
                    *(rows, flat_out, c_at, c_i),
                    *(flat_a, a_at, a_i, a_k),
                    *(rows_of_b, b_at, b_k),
                    *(depth, more),
                )
            else:
                _edge(
                    *(rows, here, width // VECTORS),
                    *(flat_out, c_at, c_i),
                    *(flat_a, a_at, a_i, a_k),
                    *(rows_of_b, b_at, b_k),
                    *(depth, more),
                )
            if by_rows:
                j += width
                if j >= right:
                    i, j = i + rows, left
            else:
                i += rows
                if i >= bottom:
                    i, j = top, j + width


@jit()
def _height(rows: int) -> int:
    if rows >= 8 and _HIGH:
        return 8
    return 4 if rows >= 4 else 2 if rows >= 2 else 1


@jit()
def _whole(rows, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add):  # type: ignore[no-untyped-def]
    """A tile of full width."""
    if _HIGH and rows == 8:
        tile(8, VECTORS, False, 0, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    elif rows == 4:
        tile(4, VECTORS, False, 0, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    elif rows == 2:
        tile(2, VECTORS, False, 0, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    else:
        tile(1, VECTORS, False, 0, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)


@jit()
def _edge(rows, here, lanes, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add):  # type: ignore[no-untyped-def]
    """The tile at the right edge, `here` columns wide."""
    if here <= lanes:
        if _HIGH and rows == 8:
            tile(8, 1, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
        elif rows == 4:
            tile(4, 1, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
        elif rows == 2:
            tile(2, 1, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
        else:
            tile(1, 1, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    elif VECTORS == 2 or here <= 2 * lanes:
        if _HIGH and rows == 8:
            tile(8, 2, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
        elif rows == 4:
            tile(4, 2, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
        elif rows == 2:
            tile(2, 2, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
        else:
            tile(1, 2, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    elif _HIGH and rows == 8:
        tile(8, 3, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    elif rows == 4:
        tile(4, 3, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    elif rows == 2:
        tile(2, 3, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)
    else:
        tile(1, 3, True, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, n, add)


@jit()
def plain_product(a: Array, b: Array, out: Array) -> None:
    """out = a·b on one thread; the fewer arguments, the shorter the call."""
    m, p = out.shape
    zero, no = m - m, m != m  # for constants, Numba would compile all that is called once more
    add_part(a, no, b, no, out, no, zero, m, zero, p)


@jit()
def small_product(a: Array, a_transposed: bool, b: Array, b_transposed: bool, out: Array) -> None:
    """out = a·b on one thread."""
    m, p = out.shape
    zero = m - m  # for a constant, Numba would compile all that is called once more
    add_part(a, a_transposed, b, b_transposed, out, m != m, zero, m, zero, p)


@jit()
def product(
    a: Array,
    a_transposed: bool,
    b: Array,
    b_transposed: bool,
    out: Array,
    add: bool,
    address: int,
    parameters: Array,
    bias: Array,
    s: Array,
) -> None:
    """out (+)= a·b, and `finish` where there is a bias."""
    m, p = out.shape
    zero = m - m  # for a constant, Numba would compile all that is called once more
    add_part(a, a_transposed, b, b_transposed, out, add, zero, m, zero, p)
    finish(address, parameters, bias, s, out, zero, m, zero, p)


@jit(parallel=True)
def product_parallel(
    a: Array,
    a_transposed: bool,
    b: Array,
    b_transposed: bool,
    out: Array,
    add: bool,
    address: int,
    parameters: Array,
    bias: Array,
    s: Array,
    n_threads: int,
) -> None:
    """The same, rows or columns of the result shared out."""
    m, p = out.shape
    by_columns = p >= m and not (a_transposed and p < 2 * m)
    for part in numba.prange(n_threads):
        top, bottom = (0, m) if by_columns else share(m, 8, part, n_threads)
        left, right = share(p, columns(b), part, n_threads) if by_columns else (0, p)
        if top < bottom and left < right:
            add_part(a, a_transposed, b, b_transposed, out, add, top, bottom, left, right)
            finish(address, parameters, bias, s, out, top, bottom, left, right)
