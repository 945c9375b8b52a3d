"""Kernels for a part of a product, some rows and columns of C (+)= A·B, called by address.

Each way to compute the product (`unpacked`, `blocks`, `transposed`) is one function with C's
calling convention, compiled once for each dtype. The loops around the function (on one thread or
several, with or without a layer's bias and activation) call it by its address. If the function were
compiled into each loop, the first product would take half a minute.

A and B are pointers with two steps each, A_ik = a[i·a_i + k·a_k] and B_kj = b[k·b_k + j·b_j], so
exchanging the two steps transposes the operand. C is C-contiguous.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.runs import compile_function, finish, share
from engine.kernels.compiled.tile import intrinsic
from engine.kernels.plain import Array

Shares = tuple[bool, int]


@dataclass(frozen=True)
class Way:
    """A way to compute the product.

    Attributes:
        kernel: `kernel(a, a_i, a_k, b, b_k, b_j, c, c_i, m, n, add, top, bottom, left, right)`
            computes the rows top … bottom and columns left … right of C, (m, p): adds A·B to C if
            `add`, otherwise overwrites C. n is the length of the sums.
        shares: `shares(m, p, a_transposed, dtype)` is (by_columns, step): whether threads share out
            the columns of C (otherwise the rows), and the number of which a share is a multiple.
    """

    name: str
    kernel: Callable[..., None]
    shares: Callable[[int, int, bool, np.dtype[Any]], Shares]
    _addresses: dict[np.dtype[Any], int] = field(default_factory=dict, compare=False)

    def __repr__(self) -> str:
        return self.name

    def part(self, dtype: np.dtype[Any]) -> int:
        """The address of the kernel for a dtype, compiled at the first request."""
        address = self._addresses.get(dtype)
        if address is None:
            pointer, at = types.CPointer(numba.from_dtype(dtype)), types.intp
            operands = (pointer, at, at, pointer, at, at, pointer, at)
            signature = (*operands, *(at,) * 7)
            address = self._addresses[dtype] = compile_function(self.kernel, signature)
        return address

    def product(
        self, a: Array, a_transposed: bool, b: Array, b_transposed: bool, out: Array, *rest: Any
    ) -> None:
        """Call the function `product` below with this kernel."""
        product(self.part(out.dtype), a, a_transposed, b, b_transposed, out, *rest)

    def product_parallel(
        self, a: Array, a_transposed: bool, b: Array, b_transposed: bool, out: Array, *rest: Any
    ) -> None:
        """Call the function `product_parallel` below with this kernel."""
        m, p = out.shape
        by_columns, step = self.shares(m, p, a_transposed, out.dtype)
        product_parallel(
            self.part(out.dtype), by_columns, step, a, a_transposed, b, b_transposed, out, *rest
        )


@intrinsic
def call_part(
    typing_context: Any,
    address: Any,
    a: Any,
    a_transposed: Any,
    b: Any,
    b_transposed: Any,
    out: Any,
    add: Any,
    top: Any,
    bottom: Any,
    left: Any,
    right: Any,
) -> Any:
    """Call the kernel of a `Way` at `address` on matrices; nothing is checked."""
    at, yes = types.intp, types.boolean
    signature = types.void(at, a, yes, b, yes, out, yes, at, at, at, at)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        def matrix(i: int) -> tuple[Any, list[Any], list[Any]]:
            """The data pointer of operand i, its shape, and its steps in entries."""
            kind = signature.args[i]
            array = context.make_array(kind)(context, builder, args[i])
            item = ir.Constant(args[0].type, kind.dtype.bitwidth // 8)
            steps = [
                builder.sdiv(builder.extract_value(array.strides, axis), item) for axis in (0, 1)
            ]
            return array.data, [builder.extract_value(array.shape, axis) for axis in (0, 1)], steps

        def exchanged(pair: list[Any], flag: Any) -> list[Any]:
            return [
                builder.select(flag, pair[1], pair[0]),
                builder.select(flag, pair[0], pair[1]),
            ]

        (a, shape_of_a, steps_of_a), (b, _, steps_of_b), (c, shape, steps) = map(matrix, (1, 3, 5))
        flags = [builder.icmp_unsigned("!=", args[i], args[i].type(0)) for i in (2, 4)]
        n = exchanged(shape_of_a, flags[0])[1]
        steps_of_a, steps_of_b = exchanged(steps_of_a, flags[0]), exchanged(steps_of_b, flags[1])
        add = builder.zext(args[6], args[0].type)
        operands = [a, *steps_of_a, b, *steps_of_b, c, steps[0], shape[0], n, add, *args[7:]]
        kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), operands)
        return context.get_dummy_value()

    return signature, generate


@jit()
def plain_product(part: int, a: Array, b: Array, out: Array) -> None:
    """out = a·b on one thread, with few arguments, because each lengthens the call."""
    m, p = out.shape
    call_part(part, a, False, b, False, out, False, 0, m, 0, p)


@jit()
def small_product(
    part: int, a: Array, a_transposed: bool, b: Array, b_transposed: bool, out: Array
) -> None:
    """out = a·b on one thread; a and b may be transposed."""
    m, p = out.shape
    call_part(part, a, a_transposed, b, b_transposed, out, False, 0, m, 0, p)


@jit()
def product(
    part: int,
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
    """out (+)= a·b on one thread, then `finish`, which adds the bias and applies f."""
    m, p = out.shape
    zero = m - m  # a constant would make Numba compile `finish` twice
    call_part(part, a, a_transposed, b, b_transposed, out, add, 0, m, 0, p)
    finish(address, parameters, bias, s, out, zero, m, zero, p)


@jit(parallel=True)
def product_parallel(
    part: int,
    by_columns: bool,
    step: int,
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
    """`product` on n_threads threads, which share out the columns or rows of `out`."""
    m, p = out.shape
    for i in numba.prange(n_threads):
        low, high = share(p if by_columns else m, step, i, n_threads)
        top, bottom = (0, m) if by_columns else (low, high)
        left, right = (low, high) if by_columns else (0, p)
        if low < high:
            call_part(part, a, a_transposed, b, b_transposed, out, add, top, bottom, left, right)
            finish(address, parameters, bias, s, out, top, bottom, left, right)
