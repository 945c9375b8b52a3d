"""g·Wᵀ for a batch of few rows, computed as its transpose W·gᵀ, which reads W along its rows.

`compiled.unpacked` would copy strips of Wᵀ, and for up to sixteen rows of g the copy costs more
than the product. Here W is the tile's operand A: single numbers of up to eight rows are read side
by side. gᵀ is small, and a copy of it is the tile's operand B. Each entry is one sum over all k in
order, so the bits do not depend on how threads share out the rows of W.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.compiled.parts import Shares, Way
from engine.kernels.compiled.runs import carray
from engine.kernels.compiled.tile import SHAPE, tile

MOST_ROWS = 16
# The vectors that hold MOST_ROWS numbers, and the rows of W that a tile reads: processors prefetch
# about eight streams well.
_VECTORS_32, _VECTORS_64 = MOST_ROWS * 32 // SHAPE.bits, MOST_ROWS * 64 // SHAPE.bits
_HEIGHT = 8 if SHAPE.bits == 512 else 2


def _transposed(
    g: Any,
    g_i: int,
    g_k: int,
    W: Any,
    w_k: int,
    w_j: int,
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
    entry_of_c, w = carray(c, (1,)), MOST_ROWS
    g_t = np.zeros(n * w, entry_of_c.dtype)
    for k in range(n):
        for i in range(m):
            g_t[k * w + i] = g[i * g_i + k * g_k]
    scratch = np.empty(_HEIGHT * w, entry_of_c.dtype)
    for j in range(left, right, _HEIGHT):
        rows = min(_HEIGHT, right - j)
        for r in range(1 if rows == _HEIGHT else rows):
            at, to = (j + r) * w_j, r * w
            if entry_of_c.itemsize == 4:
                if rows == _HEIGHT:
                    tile(_HEIGHT, _VECTORS_32, scratch, to, w, W, at, w_j, w_k, g_t, 0, w, n, False)
                else:
                    tile(1, _VECTORS_32, scratch, to, w, W, at, w_j, w_k, g_t, 0, w, n, False)
            elif rows == _HEIGHT:
                tile(_HEIGHT, _VECTORS_64, scratch, to, w, W, at, w_j, w_k, g_t, 0, w, n, False)
            else:
                tile(1, _VECTORS_64, scratch, to, w, W, at, w_j, w_k, g_t, 0, w, n, False)
        for i in range(m):
            for r in range(rows):
                entry = scratch[r * w + i]
                c[i * c_i + j + r] = c[i * c_i + j + r] + entry if add != 0 else entry


def _shares(m: int, p: int, a_transposed: bool, dtype: np.dtype[Any]) -> Shares:
    return True, _HEIGHT


TRANSPOSED = Way("transposed", _transposed, _shares)
