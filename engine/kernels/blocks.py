"""A large matrix product: blocks that fit the caches, packed for the tile.

The tile of `engine.kernels.tile` reads A and B in an order of its own. So a block of B (DEPTH
rows, as many columns as fit the last cache) is copied into panels as wide as the tile, then blocks
of A (DEPTH columns, few enough rows for the second cache) into panels as high as the tile, and
every pair of panels goes through the tile. Copying costs n·p + m·n moves against m·n·p
multiplications. Operands may be strided or transposed: the copy straightens them, a block at a
time. (Goto & van de Geijn 2008; the order of the loops is theirs.)

Panels are filled up with zeros, and at the edges the tile writes into a scratch tile. The order in
which an entry's products are summed is the same wherever a block ends, so the bits of the result
do not depend on how rows or columns are shared out among threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit
from engine.kernels.packing import flattened, pack
from engine.kernels.runs import finish, share
from engine.kernels.tile import ROWS, VECTORS, columns, tile

Array = npt.NDArray[Any]

# A panel of B (2 KiB × the tile's vectors) and one of A stay in the first cache.
DEPTH_BYTES = 2048
# 192 rows of A of that depth are 384 KiB, well inside a second cache of 512 KiB or more.
A_ROWS = 192
# And 3072 columns of B of that depth are 6 MiB of the last cache.
B_COLUMNS = 3072


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
    n = a.shape[0] if a_transposed else a.shape[1]
    width = columns(b)
    depth = min(n, DEPTH_BYTES // a.itemsize)
    a_block = np.empty(_round_up(min(bottom - top, A_ROWS), ROWS) * depth, a.dtype)
    b_block = np.empty(_round_up(min(right - left, B_COLUMNS), width) * depth, a.dtype)
    scratch = np.empty(ROWS * width, a.dtype)
    for j in range(left, right, B_COLUMNS):
        j_end = min(j + B_COLUMNS, right)
        for start in range(0, n, depth):
            stop = min(start + depth, n)
            _pack_panels(b, b_transposed, start, stop, j, j_end, b_block, width)
            for i in range(top, bottom, A_ROWS):
                i_end = min(i + A_ROWS, bottom)
                _pack_panels(a, not a_transposed, start, stop, i, i_end, a_block, ROWS)
                part, more = out[i:i_end, j:j_end], add or start > 0
                _multiply_blocks(a_block, b_block, part, stop - start, scratch, more)


@jit()
def _pack_panels(
    source: Array,
    transpose: bool,
    start: int,
    stop: int,
    left: int,
    right: int,
    block: Array,
    width: int,
) -> None:
    size = (stop - start) * width
    for panel, i in enumerate(range(left, right, width)):
        to = block[panel * size : (panel + 1) * size]
        pack(source, transpose, start, stop, i, min(i + width, right), to, width)


@jit()
def _multiply_blocks(
    a_block: Array, b_block: Array, out: Array, depth: int, scratch: Array, add: bool
) -> None:
    m, p = out.shape
    w = columns(b_block)
    flat, stride = flattened(out)
    for j in range(0, p, w):
        for i in range(0, m, ROWS):
            whole = i + ROWS <= m and j + w <= p
            c, at, c_i = (flat, i * stride + j, stride) if whole else (scratch, 0, w)
            a_at, b_at, more = i * depth, j * depth, add and whole
            # fmt: off
            tile(
                ROWS, VECTORS, False, 0,
                c, at, c_i,
                a_block, a_at, 1, ROWS,
                b_block, b_at, w,
                depth, more,
            )
            # fmt: on
            if not whole:
                _add_scratch(scratch, out[i : i + ROWS, j : j + w], w, add)


@jit()
def _add_scratch(scratch: Array, out: Array, width: int, add: bool) -> None:
    """The part of a scratch tile that lies inside `out`."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if add:
                out[i, j] += scratch[i * width + j]
            else:
                out[i, j] = scratch[i * width + j]


@jit()
def _round_up(size: int, step: int) -> int:
    return (size + step - 1) // step * step


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
    by_columns = p > m
    for part in numba.prange(n_threads):
        top, bottom = (0, m) if by_columns else share(m, ROWS, part, n_threads)
        left, right = share(p, columns(b), part, n_threads) if by_columns else (0, p)
        if top < bottom and left < right:
            add_part(a, a_transposed, b, b_transposed, out, add, top, bottom, left, right)
            finish(address, parameters, bias, s, out, top, bottom, left, right)
