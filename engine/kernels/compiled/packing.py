"""Copies parts of A and B into panels, in the order in which the tile reads the entries.

    panel of A    ROWS rows, column by column:      panel[k, i] = a[i, k]
    panel of B    columns(b) columns, row by row:   panel[k, j] = b[k, j]

The copy keeps the order of the entries for one memory layout of an operand, and is a transpose for
the other. A transpose that moves single numbers would be slow, so blocks of eight by eight numbers
are transposed in registers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import register_jitable

from engine.kernels.compiled.tile import data_of, intrinsic
from engine.kernels.plain import Array

_EIGHT = 8


@intrinsic
def _transpose_8(
    typing_context: Any, to: Any, to_at: Any, to_row: Any, source: Any, at: Any, row: Any
) -> Any:
    """to[to_at + k·to_row + i] = source[at + i·row + k] for i, k < 8; nothing is checked.

    In three rounds, pairs of rows exchange halves, quarters and eighths; each exchange shuffles two
    registers.
    """
    signature = types.void(to, *(types.intp,) * 2, source, *(types.intp,) * 2)
    bits = to.dtype.bitwidth
    vector = ir.VectorType(ir.FloatType() if bits == 32 else ir.DoubleType(), _EIGHT)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bases = [data_of(context, builder, signature.args[i], args[i]) for i in (0, 3)]

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
                builder.gep(data_of(context, builder, signature.args[i], args[i]), [args[i + 1]]),
                vector.as_pointer(),
            )
            for i in (0, 2)
        )
        builder.store(builder.load(source, align=bits // 8), to, align=bits // 8)
        return context.get_dummy_value()

    return signature, generate


@register_jitable
def pack(
    source: Any,
    at: int,
    k_step: int,
    i_step: int,
    depth: int,
    here: int,
    panel: Array,
    to: int,
    width: int,
) -> None:
    """panel[to + k·width + i] = source[at + k·k_step + i·i_step] for k < depth, i < here.

    `source` is a pointer, so steps may be negative. Columns `here` to `width` are set to 0.
    """
    if i_step == 1:
        eights = here // _EIGHT * _EIGHT
        for k in range(depth):
            row, start = to + k * width, at + k * k_step
            for i in range(0, eights, _EIGHT):
                _copy_8(panel, row + i, source, start + i)
            for i in range(eights, width):
                panel[row + i] = source[start + i] if i < here else 0
        return
    eights = here // _EIGHT * _EIGHT if k_step == 1 else 0
    deep = depth // _EIGHT * _EIGHT
    for i in range(0, eights, _EIGHT):
        start = at + i * i_step
        for k in range(0, deep, _EIGHT):
            _transpose_8(panel, to + k * width + i, width, source, start + k, i_step)
        for k in range(deep, depth):
            for r in range(_EIGHT):
                panel[to + k * width + i + r] = source[start + r * i_step + k]
    for k in range(depth):
        for i in range(eights, width):
            panel[to + k * width + i] = source[at + i * i_step + k * k_step] if i < here else 0
