"""A large matrix product: blocks that fit the caches, packed for the tile.

The tile of `engine.kernels.tile` needs A and B in the order in which it reads them. So a block
of B (DEPTH rows, as many columns as fit the last cache) is copied into panels as wide as the
tile, then blocks of A (DEPTH columns, few enough rows for the second cache) into panels as high
as the tile, and every pair of panels goes through the tile. Copying costs n·p + m·n moves
against m·n·p multiplications. Operands may be strided or transposed: the copy straightens them,
a block at a time. (Goto & van de Geijn 2008; the order of the loops is theirs.)

At the edges, panels are padded with zeros and the tile writes into a scratch tile. The
order in which an entry's products are summed is the same wherever a block ends, so the bits of
the result do not depend on how rows or columns are shared out among threads.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit
from engine.kernels.tile import ROWS, VECTORS, columns, tile

Array = npt.NDArray[Any]

# A panel of B (2 KiB × the tile's vectors) and one of A stay in the first cache.
_DEPTH_BYTES = 2048
# 192 rows of A of that depth are 384 KiB, well inside a second cache of 512 KiB or more.
_A_ROWS = 192
# And 3072 columns of B of that depth are 6 MiB of the last cache.
_B_COLUMNS = 3072


@jit()
def add_product(a: Array, b: Array, out: Array, add: bool) -> None:
    """out = a·b, or out += a·b; `out` has rows without gaps, a and b any strides."""
    m, n = a.shape
    p = b.shape[1]
    width = columns(b)
    depth = min(n, _DEPTH_BYTES // a.itemsize)
    a_block = np.empty(_round_up(min(m, _A_ROWS), ROWS) * depth, a.dtype)
    b_block = np.empty(_round_up(min(p, _B_COLUMNS), width) * depth, a.dtype)
    scratch = np.empty(ROWS * width, a.dtype)
    for left in range(0, p, _B_COLUMNS):
        right = min(left + _B_COLUMNS, p)
        for start in range(0, n, depth):
            stop = min(start + depth, n)
            _pack_b(b[start:stop, left:right], b_block)
            for top in range(0, m, _A_ROWS):
                bottom = min(top + _A_ROWS, m)
                _pack_a(a[top:bottom, start:stop], a_block)
                _multiply_blocks(
                    a_block,
                    b_block,
                    out[top:bottom, left:right],
                    stop - start,
                    scratch,
                    add or start > 0,
                )


@jit()
def _multiply_blocks(
    a_block: Array, b_block: Array, out: Array, depth: int, scratch: Array, add: bool
) -> None:
    m, p = out.shape
    width = columns(b_block)
    flat, stride = flattened(out)
    for j in range(0, p, width):
        for i in range(0, m, ROWS):
            whole = i + ROWS <= m and j + width <= p
            target, at, step = (flat, i * stride + j, stride) if whole else (scratch, 0, width)
            tile(
                ROWS,
                VECTORS,
                target,
                at,
                step,
                a_block,
                i * depth,
                1,
                ROWS,
                b_block,
                j * depth,
                width,
                depth,
                add and whole,
            )
            if not whole:
                add_scratch(scratch, out[i : i + ROWS, j : j + width], width, add)


@jit()
def add_scratch(scratch: Array, out: Array, width: int, add: bool) -> None:
    """The part of a scratch tile that lies inside `out`."""
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            if add:
                out[i, j] += scratch[i * width + j]
            else:
                out[i, j] = scratch[i * width + j]


@jit()
def flattened(a: Array) -> tuple[Array, int]:
    """A matrix whose rows have no gaps, as one dimension, and the distance of its rows."""
    stride = a.strides[0] // a.itemsize
    length = (a.shape[0] - 1) * stride + a.shape[1]
    return np.lib.stride_tricks.as_strided(a, (length,), (a.itemsize,)), stride


@jit()
def _pack_a(a: Array, block: Array) -> None:
    """Panels of ROWS rows, each column by column: block[panel, k, i] = a[panel·ROWS + i, k]."""
    m, n = a.shape
    at = 0
    for top in range(0, m, ROWS):
        if top + ROWS <= m:
            for k in range(n):
                for i in range(ROWS):
                    block[at + i] = a[top + i, k]
                at += ROWS
        else:
            for k in range(n):
                for i in range(ROWS):
                    block[at + i] = a[top + i, k] if top + i < m else 0
                at += ROWS


@jit()
def _pack_b(b: Array, block: Array) -> None:
    """Panels of the tile's width, each row by row: block[panel, k, j] = b[k, panel·width + j]."""
    n, p = b.shape
    width = columns(b)
    at = 0
    for left in range(0, p, width):
        if left + width <= p:
            if b.strides[1] == b.itemsize:
                for k in range(n):
                    row = b[k, left : left + width]
                    for j in range(width):
                        block[at + j] = row[j]
                    at += width
            else:
                # A transposed B has contiguous columns. They are read 64 entries at a time: enough
                # for the processor to see a stream, and those rows of the panel stay in cache.
                for k0 in range(0, n, 64):
                    for j in range(width):
                        for k in range(k0, min(k0 + 64, n)):
                            block[at + (k - k0) * width + j] = b[k, left + j]
                    at += (min(k0 + 64, n) - k0) * width
        else:
            for k in range(n):
                for j in range(width):
                    block[at + j] = b[k, left + j] if left + j < p else 0
                at += width


@jit()
def _round_up(size: int, step: int) -> int:
    return (size + step - 1) // step * step


@jit(parallel=True)
def add_product_parallel(a: Array, b: Array, out: Array, add: bool, n_threads: int) -> None:
    """The same, the longer side of `out` shared out among the threads."""
    m, p = out.shape
    for part in numba.prange(n_threads):
        if m >= p:
            low, high = _share(m, ROWS, part, n_threads)
            add_product(a[low:high], b, out[low:high], add)
        else:
            low, high = _share(p, columns(b), part, n_threads)
            add_product(a, b[:, low:high], out[:, low:high], add)


@jit()
def _share(size: int, step: int, part: int, n_parts: int) -> tuple[int, int]:
    """This part's range, its ends at whole tiles."""
    tiles = _round_up(size, step) // step
    return min(size, part * tiles // n_parts * step), min(
        size, (part + 1) * tiles // n_parts * step
    )
