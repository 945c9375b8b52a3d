"""The matrix product, without BLAS. `matmul` chooses one of three ways by the sizes.

The README of this folder tells how a product becomes fast, from the definition to the hardware's
limit. The ways are

- `compiled.unpacked`: operands are not copied, for most products;
- `compiled.transposed`: W is not copied, for g·Wᵀ with a batch of few rows;
- `compiled.blocks`: blocks of the operands are copied into the caches, for large products.

Each way is one function over a part of the result; the loops around it are in `compiled.parts`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.compiled.blocks import BLOCKS
from engine.kernels.compiled.buffers import empty
from engine.kernels.compiled.parts import plain_product, product, small_product
from engine.kernels.compiled.runs import finish
from engine.kernels.compiled.threads import run
from engine.kernels.compiled.transposed import MOST_ROWS, TRANSPOSED
from engine.kernels.compiled.unpacked import UNPACKED
from engine.kernels.plain import Array, check_operands, check_out, refuse_shapes

# Below this many multiplications, waking the threads costs more than it saves.
_WORTH_THREADS = 300_000
# The same limit for a square product, whose operands fit the caches.
_SQUARE_WORTH_THREADS = 1_000_000
# From this many rows of the result, copying A into blocks saves more than it costs.
_WORTH_COPIES = 400
_F32, _F64 = np.dtype(np.float32), np.dtype(np.float64)
_NOTHING_32, _NOTHING_64 = ((np.empty(0, t), np.empty((0, 0), t)) for t in (_F32, _F64))


def nothing(dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """An empty vector and an empty matrix, which stand for None in calls of kernels."""
    return _NOTHING_32 if dtype is _F32 or dtype == _F32 else _NOTHING_64


def matmul(
    a: Array,
    b: Array,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: Array | None = None,
    accumulate: bool = False,
) -> Array:
    """The product C = A·B of two matrices, C_ik = Σ_j A_ij B_jk.

    Args:
        a, b: (m, n) and (n, p), both float32 or both float64, in any memory layout.
        transpose_a, transpose_b: multiply by the operand's transpose.
        out: the array for the result, (m, p), C-contiguous; must not overlap a or b.
        accumulate: add to `out` instead of overwriting it.

    Returns: `out`, or a new (m, p) array. Its bits do not depend on the number of threads.

    Raises: ValueError for shapes, dtypes or an `out` that do not fit.
    """
    shape_a, shape_b, dtype = a.shape, b.shape, a.dtype
    if (  # a small product needs a short path: a call costs as much as 16³ multiplications
        out is None
        and not (transpose_a or transpose_b or accumulate)
        and len(shape_a) == 2 == len(shape_b)
        and shape_a[1] == shape_b[0]
        and 0 < shape_a[0] * shape_a[1] * shape_b[1] < _SQUARE_WORTH_THREADS
        and max(shape_a[0], shape_a[1], shape_b[1]) <= 128
        and b.dtype is dtype
        and (dtype is _F32 or dtype is _F64)
        and a.flags.c_contiguous
        and b.flags.c_contiguous
    ):
        out = np.empty((shape_a[0], shape_b[1]), dtype)
        plain_product(UNPACKED.part(dtype), a, b, out)
        return out
    if len(shape_a) != 2 or len(shape_b) != 2:
        refuse_shapes(a, b)
    m, n = shape_a[::-1] if transpose_a else shape_a
    n_too, p = shape_b[::-1] if transpose_b else shape_b
    if n != n_too or b.dtype is not dtype or (dtype is not _F32 and dtype is not _F64):
        check_operands(a.T if transpose_a else a, b.T if transpose_b else b)
    if out is None:
        if accumulate:
            raise ValueError("accumulate=True needs an array `out` to add to")
        if 0 < m * n * p < _WORTH_THREADS and a.flags.forc and b.flags.forc:
            out = np.empty((m, p), dtype)
            a, transpose_a = (a, transpose_a) if a.flags.c_contiguous else (a.T, not transpose_a)
            b, transpose_b = (b, transpose_b) if b.flags.c_contiguous else (b.T, not transpose_b)
            small_product(UNPACKED.part(dtype), a, transpose_a, b, transpose_b, out)
            return out
        out = empty((m, p), dtype)
    else:
        check_out(out, (m, p), a, b)
    vector, matrix = nothing(dtype)
    multiply(a, transpose_a, b, transpose_b, out, accumulate, 0, vector, vector, matrix)
    return out


def multiply(
    a: Array,
    transpose_a: bool,
    b: Array,
    transpose_b: bool,
    out: Array,
    add: bool,
    address: int,
    parameters: Array,
    bias: Array,
    s: Array,
) -> None:
    """out (+)= A·B, then s = out + bias and out = f(s) by `finish`; nothing is checked."""
    m, p = out.shape
    n = a.shape[0] if transpose_a else a.shape[1]
    size = m * n * p
    if size == 0:  # an empty sum is 0
        if not add:
            out.fill(0)
        if out.size:
            finish(address, parameters, bias, s, out, 0, m, 0, p)
        return
    way = UNPACKED
    gaps = False
    if not a.flags.c_contiguous:
        a, transpose_a = _stored(a, transpose_a)
        gaps = not _rows_lie_apart(a)
    if not b.flags.c_contiguous:
        b, transpose_b = _stored(b, transpose_b)
        gaps |= not _rows_lie_apart(b)
    if gaps:
        way = BLOCKS
    elif size < _WORTH_THREADS:
        part = UNPACKED.part(out.dtype)
        product(part, a, transpose_a, b, transpose_b, out, add, address, parameters, bias, s)
        return
    elif m > _WORTH_COPIES and n > 64 and size > 10_000_000:
        way = BLOCKS
    elif transpose_b and not transpose_a and m <= MOST_ROWS:
        way = TRANSPOSED
    args = (a, transpose_a, b, transpose_b, out, add, address, parameters, bias, s)
    if size < _WORTH_THREADS:
        way.product(*args)
    else:
        run(way.product_parallel, way.product, *args)


def _stored(x: Array, transpose: bool) -> tuple[Array, bool]:
    """(x, transpose), or (x.T, not transpose) if only the rows of x.T are contiguous.

    Kernels count steps in entries, so x is copied if its strides are no multiples of an entry's
    size, as in a field of a structured array.
    """
    if x.strides[0] % x.itemsize or x.strides[1] % x.itemsize:
        return np.ascontiguousarray(x), transpose
    return (
        (x.T, not transpose) if not _rows_lie_apart(x) and _rows_lie_apart(x.T) else (x, transpose)
    )


def _rows_lie_apart(x: Array) -> bool:
    """Whether each row is contiguous and ends before the next row begins."""
    return bool(x.strides[1] == x.itemsize and x.strides[0] >= x.shape[1] * x.itemsize)
