"""A run: a kernel over n consecutive numbers, compiled once and called by its address.

Many loops apply an activation: over a whole array, on one thread or several, after a matrix product
or before one. If every loop were compiled for every activation, the first gradient would take
minutes. So an activation is compiled alone, as a function with C's calling convention,

    run(a, b, c, n, parameters)      c[i] = f(a[i], b[i]), i < n,

and the loops take the function's address as an argument. A call costs two nanoseconds, and a run
covers hundreds of entries. The machine code is cached on disk, like every kernel's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core.ccallback import CFunc

from engine.kernels.compiled.compiling import cached, jit
from engine.kernels.compiled.tile import intrinsic
from engine.kernels.plain import Array

carray: Any = numba.carray  # type: ignore[attr-defined]

# Entries of a piece, 16 or 32 KiB, which stays in the first cache for all steps of a loop.
_PIECE = 4096
# Below this many entries, waking the threads costs more than it saves.
WORTH_THREADS = 50_000


def compile_run(kernel: Callable[..., None], dtype: np.dtype[Any]) -> int:
    """Compile `kernel(a, b, c, n, parameters)`, of pointers and a length n; return its address."""
    pointer = types.CPointer(numba.from_dtype(dtype))
    return compile_function(kernel, (pointer, pointer, pointer, types.intp, pointer), "contract")


def compile_function(kernel: Callable[..., None], arguments: tuple[Any, ...], *flags: str) -> int:
    """Compile a kernel for these C types and return its address; `flags` are fast-math flags."""
    options = {"fastmath": set(flags) or False, "error_model": "numpy"}
    function = cached(CFunc(kernel, (arguments, types.void), {}, options), kernel)
    _compiled.append(function)  # the machine code is freed with its CFunc
    address: int = function.address
    return address


_compiled: list[Any] = []


def call_once(address: int, a: Array, b: Array, parameters: Array) -> Array:
    """Call the run at `address` from Python and return c; a and b are 1-d and of one dtype."""
    c = np.empty_like(a)
    pointer = ctypes.c_void_p
    call = ctypes.CFUNCTYPE(None, pointer, pointer, pointer, ctypes.c_ssize_t, pointer)(address)
    call(a.ctypes.data, b.ctypes.data, c.ctypes.data, a.size, parameters.ctypes.data)
    return c


@intrinsic
def call_run(
    typing_context: Any,
    address: Any,
    a: Any,
    a_at: Any,
    b: Any,
    b_at: Any,
    c: Any,
    c_at: Any,
    n: Any,
    parameters: Any,
) -> Any:
    """Call the run at `address` on n entries from a[a_at], b[b_at], c[c_at]; nothing is checked."""
    at = types.intp
    signature = types.void(types.intp, a, at, b, at, c, at, at, parameters)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a_at, b_at, c_at, n = args[2], args[4], args[6], args[7]
        places = [
            builder.gep(
                context.make_array(signature.args[i])(context, builder, args[i]).data, [start]
            )
            for i, start in ((1, a_at), (3, b_at), (5, c_at), (8, ir.Constant(n.type, 0)))
        ]
        operands = [*places[:3], n, places[3]]
        kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
        function = builder.inttoptr(args[0], kind.as_pointer())
        builder.call(function, operands)
        return context.get_dummy_value()

    return signature, generate


@jit()
def over(address: int, a: Array, b: Array, c: Array, parameters: Array) -> None:
    """c = f(a, b), entry by entry, for 1-d arrays."""
    call_run(address, a, 0, b, 0, c, 0, c.size, parameters)


@jit(parallel=True)
def over_parallel(
    address: int, a: Array, b: Array, c: Array, parameters: Array, n_threads: int
) -> None:
    """`over` on n_threads threads, in equal shares."""
    for part in numba.prange(n_threads):
        low, high = share(c.size, 64, part, n_threads)
        call_run(address, a, low, b, low, c, low, high - low, parameters)


@jit()
def share(size: int, step: int, part: int, n_parts: int) -> tuple[int, int]:
    """The range (low, high) of part number `part`; its ends are multiples of `step`, or `size`."""
    steps = (size + step - 1) // step
    return min(size, part * steps // n_parts * step), min(
        size, (part + 1) * steps // n_parts * step
    )


@jit()
def finish(
    address: int,
    parameters: Array,
    b: Array,
    s: Array,
    out: Array,
    top: int,
    bottom: int,
    left: int,
    right: int,
) -> None:
    """s = out + b and out = f(s), in the rows top … bottom and columns left … right.

    `out` and `s` are C-contiguous; an empty `s` is not written. An address of 0 stands for the
    identity. With an empty b, `finish` does nothing.
    """
    if b.size == 0:
        return
    if address == 0:
        for i in range(top, bottom):
            row, bias = out[i, left:right], b[left:right]
            for k in range(row.size):
                row[k] += bias[k]
        return
    width, p, keep = right - left, out.shape[1], s.size > 0
    rows = max(1, _PIECE // width) if width == p else 1
    flat_out = out.reshape(-1)
    flat_s = s.reshape(-1) if keep else np.empty(rows * width, out.dtype)
    for i in range(top, bottom, rows):
        last = min(i + rows, bottom)
        at = i * p + left
        s_at = at if keep else 0
        for r in range(last - i):
            product, bias = out[i + r, left:right], b[left:right]
            piece = flat_s[s_at + r * width : s_at + (r + 1) * width]
            for k in range(width):
                piece[k] = product[k] + bias[k]
        size = (last - i) * width
        call_run(address, flat_s, s_at, flat_s, s_at, flat_out, at, size, parameters)


@jit()
def slopes_and_sums(
    address: int,
    parameters: Array,
    g: Array,
    v: Array,
    ds: Array,
    db: Array,
    left: int,
    right: int,
) -> None:
    """ds = g ⊙ f′(v) and db = Σ_rows ds in the columns left … right, in one pass.

    v is s, or y = f(s) for a run of y. All arrays are C-contiguous. An address of 0 stands for the
    identity; then ds must be g.
    """
    m, p = g.shape
    width = right - left
    for k in range(left, right):
        db[k] = 0
    flat_g, flat_v, flat_ds = g.reshape(-1), v.reshape(-1), ds.reshape(-1)
    rows = max(1, _PIECE // width) if width == p else 1
    for i in range(0, m, rows):
        last = min(i + rows, m)
        at = i * p + left
        if address != 0:
            size = (last - i) * width
            call_run(address, flat_g, at, flat_v, at, flat_ds, at, size, parameters)
        for r in range(i, last):
            row, sums = ds[r, left:right], db[left:right]
            for k in range(width):
                sums[k] += row[k]


@jit(parallel=True)
def slopes_and_sums_parallel(
    address: int,
    parameters: Array,
    g: Array,
    v: Array,
    ds: Array,
    db: Array,
    n_threads: int,
) -> None:
    """`slopes_and_sums` on n_threads threads, which share out the columns."""
    for part in numba.prange(n_threads):
        low, high = share(g.shape[1], 64, part, n_threads)
        if high > low:
            slopes_and_sums(address, parameters, g, v, ds, db, low, high)
