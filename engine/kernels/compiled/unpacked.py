"""A product that reads its operands in place, through the register tile.

Copying the operands first would cost more than it saves for a small product, and for a large
product in which each number of W is used only a few times, as with a batch of ten.

    small squares    all operands fit the first cache
    x·W, few rows    W is read once: 128 rows, strip after strip to the right, then the next rows
    xᵀ·g, few rows   the sums are short; most of the time is spent writing the result, row by row

Rows of B must be contiguous, or rows of Bᵀ, which are copied strip by strip. A may have any
strides, since the tile reads single numbers of A. Tiles at the lower edge have 4, 2 or 1 rows, and
at the right edge the last vector is masked. All sums are split into pieces of the same length, so
the bits do not depend on how threads share out rows or columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.compiled.packing import pack
from engine.kernels.compiled.parts import Shares, Way
from engine.kernels.compiled.runs import carray
from engine.kernels.compiled.tile import HEIGHTS, SHAPE, columns, part_of_tile

_HEIGHT = HEIGHTS[0]
# 128 rows of a strip of B, each at most 192 bytes, stay in the first cache for all rows of A.
_DEPTH = 128
# With up to 16 rows of A, reading B takes most of the time, and memory is faster with few streams.
_FEW_ROWS, _SHORT_DEPTH = 16, 32


def _unpacked(
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
    width = columns(b)
    copy = b_j != 1
    panel = np.empty(_DEPTH * width if copy else 0, carray(c, (1,)).dtype)
    by_rows = n <= 64 and not copy
    step = _SHORT_DEPTH if m <= _FEW_ROWS else _DEPTH
    for start in range(0, n, step):
        depth, more = min(step, n - start), add != 0 or start > 0
        i, j = top, left
        while i < bottom and j < right:
            left_over, here = bottom - i, min(width, right - j)
            if left_over >= _HEIGHT:
                rows = _HEIGHT
            else:
                rows = 4 if left_over >= 4 else 2 if left_over >= 2 else 1
            c_at, a_at, b_at = i * c_i + j, i * a_i + start * a_k, start * b_k + j * b_j
            if copy:
                if i == top:
                    pack(b, b_at, b_k, b_j, depth, here, panel, 0, width)
                part_of_tile(
                    rows, here, c, c_at, c_i, a, a_at, a_i, a_k, panel, 0, width, depth, more
                )
            else:
                part_of_tile(rows, here, c, c_at, c_i, a, a_at, a_i, a_k, b, b_at, b_k, depth, more)
            if by_rows:
                j += width
                if j >= right:
                    i, j = i + rows, left
            else:
                i += rows
                if i >= bottom:
                    i, j = top, j + width


def _shares(m: int, p: int, a_transposed: bool, dtype: np.dtype[Any]) -> Shares:
    if p >= m and not (a_transposed and p < 2 * m):
        return True, SHAPE.columns(dtype)
    return False, 8


UNPACKED = Way("unpacked", _unpacked, _shares)
