"""g·Wᵀ for a batch of few rows: its transpose, W·gᵀ, which reads W along its rows.

In `engine.kernels.unpacked` the strips of Wᵀ would have to be copied; for up to sixteen rows the
copy costs more than the product. Here W takes the part of A in the tile, of which single numbers
are read, eight rows side by side, and gᵀ, which is small and is copied, that of B. Each entry is
one sum from the first k to the last, so the bits do not depend on how the rows of W are shared out.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit
from engine.kernels.packing import flattened
from engine.kernels.runs import finish, share
from engine.kernels.tile import SHAPE, tile

Array = npt.NDArray[Any]

MOST_ROWS = 16
# Vectors that hold sixteen numbers, and the rows of W beside them: eight streams are as many as
# a processor follows well.
_VECTORS_32, _VECTORS_64 = MOST_ROWS * 32 // SHAPE.bits, MOST_ROWS * 64 // SHAPE.bits
_HEIGHT = 8 if SHAPE.bits == 512 else 2


@jit()
def add_part(g: Array, W: Array, out: Array, add: bool, left: int, right: int) -> None:
    """The columns left … right of out (+)= g·Wᵀ, which belong to these rows of W."""
    m, n = g.shape
    g_t = np.zeros(n * MOST_ROWS, g.dtype)
    for k in range(n):
        for i in range(m):
            g_t[k * MOST_ROWS + i] = g[i, k]
    flat, stride = flattened(W)
    scratch = np.empty(_HEIGHT * MOST_ROWS, g.dtype)
    for j in range(left, right, _HEIGHT):
        rows = min(_HEIGHT, right - j)
        if rows == _HEIGHT:
            _tile(scratch, flat, j * stride, stride, g_t, n)
        else:
            for r in range(rows):
                _tile_of_one(scratch[r * MOST_ROWS :], flat, (j + r) * stride, g_t, n)
        for i in range(m):
            for r in range(rows):
                if add:
                    out[i, j + r] += scratch[r * MOST_ROWS + i]
                else:
                    out[i, j + r] = scratch[r * MOST_ROWS + i]


@jit()
def _tile(c: Array, W: Array, at: int, stride: int, g_t: Array, n: int) -> None:
    w = MOST_ROWS
    if W.itemsize == 4:
        tile(_HEIGHT, _VECTORS_32, False, 0, c, 0, w, W, at, stride, 1, g_t, 0, w, n, False)
    else:
        tile(_HEIGHT, _VECTORS_64, False, 0, c, 0, w, W, at, stride, 1, g_t, 0, w, n, False)


@jit()
def _tile_of_one(c: Array, W: Array, at: int, g_t: Array, n: int) -> None:
    w = MOST_ROWS
    if W.itemsize == 4:
        tile(1, _VECTORS_32, False, 0, c, 0, w, W, at, 0, 1, g_t, 0, w, n, False)
    else:
        tile(1, _VECTORS_64, False, 0, c, 0, w, W, at, 0, 1, g_t, 0, w, n, False)


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
    add_part(a, b, out, add, zero, p)
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
    """The same, the columns of the result shared out."""
    m, p = out.shape
    zero = m - m  # for a constant, Numba would compile all that is called once more
    for part in numba.prange(n_threads):
        left, right = share(p, _HEIGHT, part, n_threads)
        if left < right:
            add_part(a, b, out, add, left, right)
            finish(address, parameters, bias, s, out, zero, m, left, right)
