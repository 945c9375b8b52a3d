"""Copies of parts of A and B in the order in which the tile reads them.

    panel of A    ROWS rows, column by column:      panel[k, i] = a[i, k]
    panel of B    columns(b) columns, row by row:   panel[k, j] = b[k, j]

One of the two layouts of an operand in memory makes this a plain copy. The other makes it a
transpose, which one number at a time takes as long as a hundredth of the whole product would; so it
is done in registers, eight by eight.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from engine.kernels.compiling import jit
from engine.kernels.tile import intrinsic

Array = npt.NDArray[Any]

_EIGHT = 8


@intrinsic
def _transpose_8(
    typing_context: Any, to: Any, to_at: Any, to_row: Any, source: Any, at: Any, row: Any
) -> Any:
    """to[to_at + k·to_row + i] = source[at + i·row + k] for i, k < 8; nothing is checked.

    Three rounds of exchanging halves, quarters and eighths between pairs of rows, each a shuffle of
    two registers.
    """
    signature = types.void(to, *(types.intp,) * 2, source, *(types.intp,) * 2)
    bits = to.dtype.bitwidth
    vector = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), _EIGHT)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bases = [
            context.make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 3)
        ]

        def place(base: Any, start: Any, step: Any, i: int) -> Any:
            offset = builder.add(start, builder.mul(step, ir.Constant(step.type, i)))
            return builder.bitcast(builder.gep(base, [offset]), vector.as_pointer())

        rows = [
            builder.load(place(bases[1], args[4], args[5], i), align=bits // 8)
            for i in range(_EIGHT)
        ]
        for span in (4, 2, 1):
            low = [lane if not lane & span else lane - span + _EIGHT for lane in range(_EIGHT)]
            high = [lane + span if not lane & span else lane + _EIGHT for lane in range(_EIGHT)]
            masks = [
                ir.Constant(ir.VectorType(ir.IntType(32), _EIGHT), lanes) for lanes in (low, high)
            ]
            for i in range(_EIGHT):
                if not i & span:
                    pair = rows[i], rows[i + span]
                    rows[i], rows[i + span] = (
                        builder.shuffle_vector(*pair, mask) for mask in masks
                    )
        for i in range(_EIGHT):
            builder.store(rows[i], place(bases[0], args[1], args[2], i), align=bits // 8)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def _copy_8(typing_context: Any, to: Any, to_at: Any, source: Any, at: Any) -> Any:
    """to[to_at + i] = source[at + i] for i < 8, in one register."""
    signature = types.void(to, types.intp, source, types.intp)
    bits = to.dtype.bitwidth
    vector = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), _EIGHT)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        to, source = (
            builder.bitcast(
                builder.gep(
                    context.make_array(signature.args[i])(context, builder, args[i]).data,
                    [args[i + 1]],
                ),
                vector.as_pointer(),
            )
            for i in (0, 2)
        )
        builder.store(builder.load(source, align=bits // 8), to, align=bits // 8)
        return context.get_dummy_value()

    return signature, generate


@jit()
def pack(
    source: Array,
    transpose: bool,
    start: int,
    stop: int,
    left: int,
    right: int,
    panel: Array,
    width: int,
) -> None:
    """panel[k, i] = source[start + k, left + i], or of sourceᵀ; filled up to `width` with zeros."""
    here = right - left
    regular = source.strides[1] == source.itemsize and source.strides[0] >= source.itemsize
    if transpose and not regular:  # gaps between columns, rows upside down or all the same
        for k in range(start, stop):
            for i in range(width):
                panel[(k - start) * width + i] = source[left + i, k] if i < here else 0
        return
    if transpose:
        _transpose(source, start, stop, left, right, panel, width)
        return
    if here == width and width % _EIGHT == 0 and regular:
        flat, stride = flattened(source)
        for k in range(start, stop):
            for i in range(0, width, _EIGHT):
                _copy_8(panel, (k - start) * width + i, flat, k * stride + left + i)
        return
    for k in range(start, stop):
        row = panel[(k - start) * width : (k - start + 1) * width]
        numbers = source[k, left:right]
        for i in range(here):
            row[i] = numbers[i]
        for i in range(here, width):
            row[i] = 0


@jit()
def _transpose(
    source: Array, start: int, stop: int, left: int, right: int, panel: Array, width: int
) -> None:
    flat, stride = flattened(source)
    here, depth = right - left, stop - start
    eights, deep = here // _EIGHT * _EIGHT, depth // _EIGHT * _EIGHT
    for i in range(0, eights, _EIGHT):
        at = (left + i) * stride + start
        for k in range(0, deep, _EIGHT):
            _transpose_8(panel, k * width + i, width, flat, at + k, stride)
        for k in range(deep, depth):
            for r in range(_EIGHT):
                panel[k * width + i + r] = flat[at + r * stride + k]
    for k in range(depth):
        for i in range(eights, width):
            panel[k * width + i] = source[left + i, start + k] if i < here else 0


@jit()
def flattened(a: Array) -> tuple[Array, int]:
    """A matrix with contiguous rows, as one dimension, and the distance of its rows."""
    stride = a.strides[0] // a.itemsize
    length = (a.shape[0] - 1) * stride + a.shape[1]
    return np.lib.stride_tricks.as_strided(a, (length,), (a.itemsize,)), stride
