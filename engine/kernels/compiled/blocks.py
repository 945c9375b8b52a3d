"""A large matrix product: blocks of A and B that fit the caches, copied for the register tile.

A block of B (DEPTH rows, and as many columns as fit the last-level cache) is copied into panels as
wide as the tile of `compiled.tile`. A block of A (DEPTH columns, and as many rows as fit the second
cache) is copied into panels as high as the tile. The tile then multiplies every pair of panels.
The copies move n·p + m·n numbers; the product needs m·n·p multiplications. Operands may be strided
or transposed: the panels are contiguous in any case. The order of the loops is that of Goto & van
de Geijn (2008).

Panels are padded with zeros, and at the edges of C the tile writes to a scratch tile. The products
of an entry of C are summed in the same order wherever a block ends, so the bits of the result do
not depend on how threads share out rows or columns.
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

# A panel of B (2 KiB × the tile's vectors) and a panel of A stay in the first cache.
DEPTH_BYTES = 2048
# A block of A with 192 rows takes 384 KiB of a second cache of 512 KiB or more.
A_ROWS = 192
# A block of B with 3072 columns takes 6 MiB of the last-level cache.
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
    rows = bottom - bottom + ROWS  # a constant would make Numba compile `_pack_panels` twice
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
    """Copy n columns of `source` into consecutive panels of `width` columns."""
    for i in range(0, n, width):
        here = min(width, n - i)
        pack(source, at + i * i_step, k_step, i_step, depth, here, block, i * depth, width)


@register_jitable(inline="always")
def _round_up(size: int, step: int) -> int:
    return (size + step - 1) // step * step


def _shares(m: int, p: int, a_transposed: bool, dtype: np.dtype[Any]) -> Shares:
    return (True, SHAPE.columns(dtype)) if p > m else (False, ROWS)


BLOCKS = Way("blocks", _blocks, _shares)
