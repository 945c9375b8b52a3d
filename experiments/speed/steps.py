"""The way to a fast matrix product, step by step: in each function there is one idea more.

All of them give C = A·B, C_ik = Σ_j A_ij B_jk, for A (m, n) and B (n, p), both C-contiguous and
of one dtype. They are here to be read and measured (`gradtrace run speed --groups steps`); the
engine uses the last alone.

| step | the idea | what it buys |
|---|---|---|
| `python_loops` | the definition | |
| `three_loops` | compiled | no interpreter: a number is a number, not an object |
| `along_rows` | another order of the loops | vectors, and no walking down a column |
| `blocked` | a block of B at a time | B comes from the second cache, not from farther away |
| `eight_rows` | eight products for one entry of C | C is loaded and stored an eighth as often |
| `packed` | the block copied into one piece | its rows share the first cache in peace |
| `register_tiles` | C's tile in registers | no loads and stores of C at all |
| `matmul` | both: packed, and in registers | the arithmetic units wait for nothing |
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.products import matmul
from engine.kernels.compiled.tile import ROWS, VECTORS, columns, tile
from engine.kernels.plain import Array

# 64 rows of 1024 float32 are 256 KiB, half of a small second cache.
_DEPTH = 64
# Of a row of B, 512 entries are packed at a time: eight such rows and one of C are 18 KiB.
_WIDTH = 512


def python_loops(a: Array, b: Array) -> Array:
    """C_ik = Σ_j A_ij B_jk, written as it is defined."""
    out = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    for i in range(a.shape[0]):
        for k in range(b.shape[1]):
            total = a.dtype.type(0)
            for j in range(a.shape[1]):
                total += a[i, j] * b[j, k]
            out[i, k] = total
    return out


@jit()
def three_loops(a: Array, b: Array) -> Array:
    """The definition, compiled: some hundred times as fast as Python.

    The inner loop still adds one product at a time, since each sum waits for the one before,
    and B is read down a column: every entry from another line of the cache.
    """
    m, n = a.shape
    p = b.shape[1]
    out = np.empty((m, p), a.dtype)
    for i in range(m):
        for k in range(p):
            total = a.dtype.type(0)
            for j in range(n):
                total += a[i, j] * b[j, k]
            out[i, k] = total
    return out


@jit(contract=True)
def along_rows(a: Array, b: Array) -> Array:
    """The sum over j outside, the columns inside: row i of C is Σ_j A_ij · row j of B.

    The inner loop runs along two rows, and its entries do not wait for each other, so the
    compiler takes eight or sixteen at once (vectors) and multiplies and adds in one instruction.
    """
    m, n = a.shape
    p = b.shape[1]
    out = np.zeros((m, p), a.dtype)
    for i in range(m):
        row = out[i]
        for j in range(n):
            x, b_row = a[i, j], b[j]
            for k in range(p):
                row[k] += x * b_row[k]
    return out


@jit(contract=True)
def blocked(a: Array, b: Array) -> Array:
    """The same for 64 rows of B at a time, which stay in the second cache for all rows of A.

    Without it, all of B comes through the caches once for every row of A. How much that costs
    depends on how far away B is: little where the last cache holds it and is fast.
    """
    m, n = a.shape
    p = b.shape[1]
    out = np.zeros((m, p), a.dtype)
    for top in range(0, n, _DEPTH):
        bottom = min(top + _DEPTH, n)
        for i in range(m):
            row = out[i]
            for j in range(top, bottom):
                x, b_row = a[i, j], b[j]
                for k in range(p):
                    row[k] += x * b_row[k]
    return out


@jit(contract=True)
def eight_rows(a: Array, b: Array) -> Array:
    """Eight rows of B in one pass: an entry of C is loaded and stored once for eight products.

    Until here every multiply-add needed two loads and a store; now nine loads and a store serve
    eight.
    """
    m, n = a.shape
    p = b.shape[1]
    out = np.zeros((m, p), a.dtype)
    for top in range(0, n, _DEPTH):
        bottom = min(top + _DEPTH, n)
        for i in range(m):
            _add_rows(a[i, top:bottom], b[top:bottom], out[i])
    return out


@jit(contract=True)
def packed(a: Array, b: Array) -> Array:
    """The block of B copied into one piece of memory first, 512 columns at a time.

    Rows of B lie as far apart as B is wide. If that is a power of two, all of them compete for
    the same few places in the first cache, and each lies in another page; in the copy they follow
    one another. Copying costs n·p moves against m·n·p multiplications.
    """
    m, n = a.shape
    p = b.shape[1]
    out = np.zeros((m, p), a.dtype)
    block = np.empty((_DEPTH, _WIDTH), a.dtype)
    for left in range(0, p, _WIDTH):
        width = min(_WIDTH, p - left)
        for top in range(0, n, _DEPTH):
            depth = min(_DEPTH, n - top)
            for j in range(depth):
                for k in range(width):
                    block[j, k] = b[top + j, left + k]
            for i in range(m):
                _add_rows(a[i, top : top + depth], block[:depth], out[i, left : left + width])
    return out


@jit(contract=True)
def _add_rows(x: Array, b: Array, row: Array) -> None:
    """row += Σ_j x_j · row j of b, eight rows in one pass."""
    n, width = x.size, row.size
    eights = n // 8 * 8
    for j in range(0, eights, 8):
        x0, x1, x2, x3, x4, x5, x6, x7 = (
            x[j], x[j + 1], x[j + 2], x[j + 3], x[j + 4], x[j + 5], x[j + 6], x[j + 7],
        )  # fmt: skip
        b0, b1, b2, b3 = b[j], b[j + 1], b[j + 2], b[j + 3]
        b4, b5, b6, b7 = b[j + 4], b[j + 5], b[j + 6], b[j + 7]
        for k in range(width):
            row[k] += (x0 * b0[k] + x1 * b1[k] + x2 * b2[k] + x3 * b3[k]) + (
                x4 * b4[k] + x5 * b5[k] + x6 * b6[k] + x7 * b7[k]
            )
    for j in range(eights, n):
        x0, b0 = x[j], b[j]
        for k in range(width):
            row[k] += x0 * b0[k]


@jit(contract=True)
def register_tiles(a: Array, b: Array) -> Array:
    """The tile of `compiled.tile` over A and B where they lie, without any copy.

    A tile of C stays in registers while all n products are added, so the inner loop loads a few
    vectors of B and does ROWS multiply-adds with each. But every row of B that it visits is in
    another page, and each tile brings its columns of B through the caches anew.
    """
    m, n = a.shape
    p = b.shape[1]
    out = np.zeros((m, p), a.dtype)
    flat_a, flat_b, flat = a.reshape(-1), b.reshape(-1), out.reshape(-1)
    width = columns(b)
    whole_m, whole_p = m // ROWS * ROWS, p // width * width
    for j in range(0, whole_p, width):
        for i in range(0, whole_m, ROWS):
            at, a_at = i * p + j, i * n
            tile(
                ROWS, VECTORS, flat, at, p, flat_a, a_at, n, 1, flat_b, j, p, n, False
            )  # fmt: skip
    for i in range(m):  # what no whole tile covers
        left = whole_p if i < whole_m else 0
        if left < p:
            _add_rows(a[i], b[:, left:], out[i, left:])
    return out


STEPS: dict[str, Callable[[Array, Array], Array]] = {
    "python_loops": python_loops,
    "three_loops": three_loops,
    "along_rows": along_rows,
    "blocked": blocked,
    "eight_rows": eight_rows,
    "packed": packed,
    "register_tiles": register_tiles,
    "matmul": matmul,
}
