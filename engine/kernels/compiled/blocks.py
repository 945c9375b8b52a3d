"""A large matrix product: blocks that fit the caches, packed for the tile.

The tile of `compiled.tile` reads A and B in an order of its own. So a block of B (DEPTH
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

import numpy as np
from numba.extending import register_jitable

from engine.kernels.compiled.packing import pack
from engine.kernels.compiled.parts import Shares, Way
from engine.kernels.compiled.runs import carray
from engine.kernels.compiled.tile import ROWS, SHAPE, VECTORS, columns, pointer, tile
from engine.kernels.plain import Array

# A panel of B (2 KiB × the tile's vectors) and one of A stay in the first cache.
DEPTH_BYTES = 2048
# 192 rows of A of that depth are 384 KiB, well inside a second cache of 512 KiB or more.
A_ROWS = 192
# And 3072 columns of B of that depth are 6 MiB of the last cache.
B_COLUMNS = 3072


def _blocks(
    a: Any,
    a_i: int,
    a_k: int,
    b: Any,
    b_k: int,
    b_j: int,
    c: Any,
    c_i: int,
    m: int,
    n: int,
    add: int,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> None:
    entry_of_c = carray(c, (1,))
    dtype, width = entry_of_c.dtype, columns(b)
    depth = min(n, DEPTH_BYTES // entry_of_c.itemsize)
    a_block = np.empty(_round_up(min(bottom - top, A_ROWS), ROWS) * depth, dtype)
    b_block = np.empty(_round_up(min(right - left, B_COLUMNS), width) * depth, dtype)
    scratch = np.empty(ROWS * width, dtype)
    edge = pointer(scratch)
    rows = bottom - bottom + ROWS  # for a constant, Numba would compile `_pack_panels` once more
    for j in range(left, right, B_COLUMNS):
        j_end = min(j + B_COLUMNS, right)
        for start in range(0, n, depth):
            deep = min(depth, n - start)
            _pack_panels(b, start * b_k + j * b_j, b_k, b_j, deep, j_end - j, b_block, width)
            for i in range(top, bottom, A_ROWS):
                i_end = min(i + A_ROWS, bottom)
                _pack_panels(a, i * a_i + start * a_k, a_k, a_i, deep, i_end - i, a_block, rows)
                for right_panel in range(j, j_end, width):
                    for panel in range(i, i_end, ROWS):
                        whole = panel + ROWS <= i_end and right_panel + width <= j_end
                        more = add != 0 or start > 0
                        at, a_at, b_at = (
                            panel * c_i + right_panel,
                            (panel - i) * deep,
                            (right_panel - j) * deep,
                        )
                        to, to_at, to_i = (c, at, c_i) if whole else (edge, 0, width)
                        adding = more and whole
                        # fmt: off
                        tile(
                            ROWS, VECTORS,
                            to, to_at, to_i,
                            a_block, a_at, 1, ROWS,
                            b_block, b_at, width,
                            deep, adding,
                        )
                        # fmt: on
                        if whole:
                            continue
                        for r in range(min(ROWS, i_end - panel)):
                            for k in range(min(width, j_end - right_panel)):
                                entry, place = scratch[r * width + k], at + r * c_i + k
                                c[place] = c[place] + entry if more else entry


@register_jitable
def _pack_panels(
    source: Any, at: int, k_step: int, i_step: int, depth: int, n: int, block: Array, width: int
) -> None:
    """n columns of a source into panels of `width` columns, one after the other."""
    for i in range(0, n, width):
        here = min(width, n - i)
        pack(source, at + i * i_step, k_step, i_step, depth, here, block, i * depth, width)


@register_jitable(inline="always")
def _round_up(size: int, step: int) -> int:
    return (size + step - 1) // step * step


def _shares(m: int, p: int, a_transposed: bool, dtype: np.dtype[Any]) -> Shares:
    return (True, SHAPE.columns(dtype)) if p > m else (False, ROWS)


BLOCKS = Way("blocks", _blocks, _shares)
