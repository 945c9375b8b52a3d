"""The register tile: the innermost loop of a fast matrix product, in vectors.

    C[i, j] (+)= Σ_k A[k, i] B[k, j]        i < ROWS, j < columns(…)

The whole tile of C stays in vector registers while k runs. Each step loads one row of B (a few
vectors) and ROWS numbers of A, and computes ROWS × vectors multiply-adds, so the arithmetic units
never wait for memory. Compilers do not produce this code from three loops, because they do not keep
an array in registers. So the tile is written in LLVM's instructions, through Numba.

The number and the length of the registers depend on the processor.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import extending, types
from numba.core import cgutils
from numba.core.registry import cpu_target

intrinsic: Any = extending.intrinsic


class Shape(NamedTuple):
    """The tile's size. Registers hold rows × vectors sums, `vectors` vectors of B and one of A."""

    bits: int  # length of a vector register
    rows: int
    vectors: int

    def columns(self, dtype: np.dtype[Any]) -> int:
        """The number of columns of the tile for this dtype."""
        return self.vectors * self.bits // (8 * dtype.itemsize)


SHAPES = {
    "+avx512f": Shape(512, 8, 3),  # 24 + 3 + 1 of 32 registers
    "+avx2": Shape(256, 6, 2),  # 12 + 2 + 1 of 16
    "": Shape(128, 4, 2),  # 8 + 2 + 1 of 16 (SSE) or 32 (NEON)
}


# Numba compiles for the host, or for NUMBA_CPU_NAME and NUMBA_CPU_FEATURES if these are set.
_TRIPLE, _, _FEATURES = cpu_target.target_context.codegen().magic_tuple()
SHAPE = next(shape for name, shape in SHAPES.items() if name in _FEATURES)
ROWS, VECTORS = SHAPE.rows, SHAPE.vectors
# Without an FMA instruction, llvm.fma calls a slow function for every entry.
HAS_FMA = "+fma" in _FEATURES.split(",") or not _TRIPLE.startswith(("x86_64", "i686"))


@intrinsic
def columns(typing_context: Any, array: Any) -> Any:
    """The number of columns of the tile for this array's dtype, a constant for the compiler."""
    count = SHAPE.vectors * SHAPE.bits // array.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return ir.Constant(context.get_value_type(types.intp), count)

    return types.intp(array), generate


@intrinsic(prefer_literal=True)
def tile(
    typing_context: Any,
    rows: Any,
    vectors: Any,
    c: Any,
    c_at: Any,
    c_i: Any,
    a: Any,
    a_at: Any,
    a_i: Any,
    a_k: Any,
    b: Any,
    b_at: Any,
    b_k: Any,
    depth: Any,
    add: Any,
) -> Any:
    """C[i, j] (+)= Σ_k A[k, i] B[k, j] for i < rows, j < vectors × lanes, k < depth.

    C[i, j] is c[c_at + i·c_i + j], A[k, i] is a[a_at + i·a_i + k·a_k], B[k, j] is
    b[b_at + k·b_k + j]. `rows` and `vectors` are literals; c, a, b are contiguous 1-d arrays or
    pointers, all of one dtype. If `add` is false, C is overwritten. Nothing is checked.
    """
    if not (isinstance(rows, types.IntegerLiteral) and isinstance(vectors, types.IntegerLiteral)):
        return None
    at = types.intp
    signature = types.void(rows, vectors, c, at, at, a, at, at, at, b, at, at, at, types.boolean)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        operands = _Operands(context, builder, signature.args[2:], args[2:])
        _emit(builder, operands, rows.literal_value, vectors.literal_value, None)
        return context.get_dummy_value()

    return signature, generate


# Tiles at the lower edge of C have fewer rows, so that no row beyond the edge is computed.
HEIGHTS = tuple(dict.fromkeys((SHAPE.rows, 4, 2, 1)))


@intrinsic
def part_of_tile(
    typing_context: Any,
    rows: Any,
    width: Any,
    c: Any,
    c_at: Any,
    c_i: Any,
    a: Any,
    a_at: Any,
    a_i: Any,
    a_k: Any,
    b: Any,
    b_at: Any,
    b_k: Any,
    depth: Any,
    add: Any,
) -> Any:
    """`tile` for `rows` in HEIGHTS and `width` columns, both unknown at compile time.

    The last vector is masked, so B and C are neither read nor written beyond column `width`.
    """
    at = types.intp
    signature = types.void(at, at, c, at, at, a, at, at, at, b, at, at, at, types.boolean)
    lanes = SHAPE.bits // c.dtype.bitwidth

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        operands = _Operands(context, builder, signature.args[2:], args[2:])
        rows, width = args[:2]

        def number(n: int) -> Any:
            return ir.Constant(width.type, n)

        # 0 vectors stand for a tile of full width, without a mask.
        vectors = builder.sdiv(builder.add(width, number(lanes - 1)), number(lanes))
        whole = builder.icmp_signed("==", width, number(SHAPE.vectors * lanes))
        vectors = builder.select(whole, number(0), vectors)
        end = builder.append_basic_block("end")
        choice = builder.add(builder.mul(rows, number(4)), vectors)
        switch = builder.switch(choice, end)
        for n_rows in HEIGHTS:
            for n_vectors in range(SHAPE.vectors + 1):
                block = builder.append_basic_block(f"tile_{n_rows}_{n_vectors}")
                switch.add_case(number(4 * n_rows + n_vectors), block)
                with builder.goto_block(block):
                    masked = width if n_vectors else None
                    _emit(builder, operands, n_rows, n_vectors or SHAPE.vectors, masked)
                    builder.branch(end)
        builder.position_at_end(end)
        return context.get_dummy_value()

    return signature, generate


def data_of(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """The address of the first entry of an array or pointer."""
    if isinstance(kind, types.CPointer):
        return value
    return context.make_array(kind)(context, builder, value).data


@intrinsic
def pointer(typing_context: Any, array: Any) -> Any:
    """A pointer to the entries of an array; the caller must keep the array alive."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return data_of(context, builder, signature.args[0], args[0])

    return types.CPointer(array.dtype)(array), generate


class _Operands:
    """The arguments of `tile` as LLVM values; c, a and b point to the first entries to use."""

    def __init__(self, context: Any, builder: Any, kinds: Any, args: Any) -> None:
        self.bits = kinds[0].dtype.bitwidth
        _, c_at, self.c_i, _, a_at, self.a_i, self.a_k, _, b_at, self.b_k, *rest = args
        self.depth, self.add = rest
        self.c, self.a, self.b = (
            builder.gep(data_of(context, builder, kinds[i], args[i]), [at])
            for i, at in ((0, c_at), (3, a_at), (7, b_at))
        )


def _emit(builder: Any, x: _Operands, n_rows: int, n_vectors: int, width: Any) -> None:
    """Emit the instructions of a tile; with a `width`, the last vector is masked."""
    bits, lanes = x.bits, SHAPE.bits // x.bits
    scalar = ir.FloatType() if bits == 32 else ir.DoubleType()
    vector = ir.VectorType(scalar, lanes)
    every = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)

    def multiply_add(x: Any, y: Any, z: Any) -> Any:
        if not HAS_FMA:
            return builder.fadd(builder.fmul(x, y), z)
        kind = ir.FunctionType(vector, [vector] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{lanes}f{bits}")
        return builder.call(fma, [x, y, z])

    def number(n: int) -> Any:
        return ir.Constant(x.c_i.type, n)

    def vector_at(base: Any, at: Any) -> Any:
        return builder.bitcast(builder.gep(base, [at]), vector.as_pointer())

    def broadcast(base: Any, at: Any) -> Any:
        undefined = ir.Constant(vector, ir.Undefined)
        entry = builder.load(builder.gep(base, [at]))
        entry = builder.insert_element(undefined, entry, ir.Constant(ir.IntType(32), 0))
        return builder.shuffle_vector(entry, undefined, every)

    zero = ir.Constant(vector, None)
    mask = None if width is None else _mask(builder, width, n_vectors - 1, lanes)

    def load(base: Any, at: Any, v: int) -> Any:
        # Loads are aligned to an entry, since rows of B need not start at a vector's boundary.
        edge = mask if v == n_vectors - 1 else None
        return _load(builder, vector_at(base, at), edge, zero, bits)

    def store(y: Any, base: Any, at: Any, v: int) -> None:
        edge = mask if v == n_vectors - 1 else None
        _store(builder, y, vector_at(base, at), edge, bits)

    # LLVM turns these stack slots into registers, since their addresses are not used.
    sums = [
        [cgutils.alloca_once_value(builder, zero) for _ in range(n_vectors)] for _ in range(n_rows)
    ]
    for slot in (slot for row in sums for slot in row):
        builder.store(zero, slot)  # alloca_once stores only at the function's entry
    # Prefetch C two tiles to the right: otherwise a product with short sums waits for memory.
    for i in range(n_rows if mask is None else 0):
        for v in range(2 * n_vectors, 3 * n_vectors):
            at = builder.add(builder.mul(x.c_i, number(i)), number(v * lanes))
            _prefetch(builder, builder.gep(x.c, [at]), to_write=True)
    with cgutils.for_range(builder, x.depth) as loop:
        b_row, a_column = builder.mul(loop.index, x.b_k), builder.mul(loop.index, x.a_k)
        # Prefetch row k of B two tiles to the right. The processor predicts no such access, and
        # without the prefetch the product waits for memory four times as long.
        for v in range(2 * n_vectors, 3 * n_vectors):
            _prefetch(builder, builder.gep(x.b, [builder.add(b_row, number(v * lanes))]))
        b_vectors = [load(x.b, builder.add(b_row, number(v * lanes)), v) for v in range(n_vectors)]
        for i in range(n_rows):
            entry = broadcast(x.a, builder.add(a_column, builder.mul(x.a_i, number(i))))
            for slot, y in zip(sums[i], b_vectors, strict=True):
                builder.store(multiply_add(entry, y, builder.load(slot)), slot)
    with builder.if_else(x.add) as (adding, overwriting):
        for old, branch in ((True, adding), (False, overwriting)):
            with branch:
                for i in range(n_rows):
                    for v, slot in enumerate(sums[i]):
                        at = builder.add(builder.mul(x.c_i, number(i)), number(v * lanes))
                        y = builder.load(slot)
                        if old:
                            y = builder.fadd(load(x.c, at, v), y)
                        store(y, x.c, at, v)


def _prefetch(builder: Any, place: Any, to_write: bool = False) -> None:
    i32 = ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [place.type, i32, i32, i32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, [place, *(ir.Constant(i32, n) for n in (int(to_write), 3, 1))])


def _mask(builder: Any, width: Any, v: int, lanes: int) -> Any:
    """The mask of vector v: true for lanes to the left of column `width`."""
    whole = ir.VectorType(width.type, lanes)
    columns = ir.Constant(whole, [v * lanes + lane for lane in range(lanes)])
    undefined = ir.Constant(whole, ir.Undefined)
    end = builder.insert_element(undefined, width, ir.Constant(ir.IntType(32), 0))
    same = ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes)
    return builder.icmp_signed("<", columns, builder.shuffle_vector(end, undefined, same))


def _load(builder: Any, place: Any, mask: Any, zero: Any, bits: int) -> Any:
    if mask is None:
        return builder.load(place, align=bits // 8)
    align = ir.Constant(ir.IntType(32), bits // 8)
    kind = ir.FunctionType(zero.type, [place.type, align.type, mask.type, zero.type])
    return builder.call(_masked(builder, "load", kind, zero.type, bits), [place, align, mask, zero])


def _store(builder: Any, y: Any, place: Any, mask: Any, bits: int) -> None:
    if mask is None:
        builder.store(y, place, align=bits // 8)
        return
    align = ir.Constant(ir.IntType(32), bits // 8)
    kind = ir.FunctionType(ir.VoidType(), [y.type, place.type, align.type, mask.type])
    builder.call(_masked(builder, "store", kind, y.type, bits), [y, place, align, mask])


def _masked(builder: Any, what: str, kind: Any, vector: Any, bits: int) -> Any:
    # LLVM versions with typed pointers correct the suffix p0.
    name = f"llvm.masked.{what}.v{vector.count}f{bits}.p0"
    return cgutils.get_or_insert_function(builder.module, kind, name)
