"""The article's layer as kernels: x⁽ⁱ⁺¹⁾ = f(xW + b), and its backward pass.

Forward, each thread adds b and applies f to its part of the product right after computing it, while
that part is still in its cache. Backward, ∂L/∂s and ∂L/∂b come in one pass over ∂L/∂x⁽ⁱ⁺¹⁾, before
the two products.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernels.compiled.buffers import empty
from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.parts import call_part
from engine.kernels.compiled.products import matmul, multiply, nothing
from engine.kernels.compiled.runs import WORTH_THREADS, slopes_and_sums, slopes_and_sums_parallel
from engine.kernels.compiled.threads import run
from engine.kernels.compiled.unpacked import UNPACKED

Array = npt.NDArray[Any]

# Below this many multiplications, one call for a layer's whole backward pass.
WORTH_SEPARATE_CALLS = 100_000


def layer(
    x: Array, W: Array, b: Array, address: int, parameters: Array, keep: bool
) -> tuple[Array, Array | None]:
    """x⁽ⁱ⁺¹⁾ = f(s) and, if it is to be kept, s = xW + b.

    Args: x (batch, fan_in), W (fan_in, fan_out), b (fan_out,), of one dtype, not checked; the
    address of f's run over values, 0 for the identity.
    """
    dtype = x.dtype
    shape = (x.shape[0], W.shape[1])
    out = empty(shape, dtype)
    s = empty(shape, dtype) if keep and address else nothing(dtype)[1]
    multiply(x, False, W, False, out, False, address, parameters, b, s)
    return out, (s if address else out) if keep else None


def layer_backward(
    g: Array,
    v: Array,
    x: Array,
    W: Array,
    address: int,
    parameters: Array,
    needs_dW: bool,
    needs_dx: bool,
) -> tuple[Array, Array, Array | None, Array | None]:
    """∂L/∂s = g ⊙ f′, ∂L/∂b = Σ_batch ∂L/∂s, and if needed ∂L/∂W = xᵀ·∂L/∂s, ∂L/∂x = ∂L/∂s·Wᵀ.

    g and v are (batch, fan_out). f′ is the run at that address over v, which is x⁽ⁱ⁺¹⁾ or s; for
    the identity, 0, ∂L/∂s is g.
    """
    dtype = g.dtype
    db = np.empty(g.shape[1], dtype)
    if not g.flags.c_contiguous:
        g = np.ascontiguousarray(g)
    ds = empty(g.shape, dtype) if address else g
    size = x.size * W.shape[1]
    if 0 < size < WORTH_SEPARATE_CALLS and x.flags.c_contiguous and W.flags.c_contiguous:
        none = nothing(dtype)[1]
        dW, dx = np.empty(W.shape, dtype) if needs_dW else none, none
        if needs_dx:
            dx = empty(x.shape, dtype)
        part = UNPACKED.part(dtype)
        _small_backward(part, address, parameters, g, v, x, W, ds, db, dW, dx)
        return ds, db, dW if needs_dW else None, dx if needs_dx else None
    if g.size < WORTH_THREADS:
        slopes_and_sums(address, parameters, g, v, ds, db, 0, g.shape[1])
    else:
        run(slopes_and_sums_parallel, _on_one_thread, address, parameters, g, v, ds, db)
    dL_dW = matmul(x, ds, transpose_a=True) if needs_dW else None
    return ds, db, dL_dW, matmul(ds, W, transpose_b=True) if needs_dx else None


def _on_one_thread(
    address: int, parameters: Array, g: Array, v: Array, ds: Array, db: Array
) -> None:
    slopes_and_sums(address, parameters, g, v, ds, db, 0, g.shape[1])


@jit()
def _small_backward(
    part: int,
    address: int,
    parameters: Array,
    g: Array,
    v: Array,
    x: Array,
    W: Array,
    ds: Array,
    db: Array,
    dW: Array,
    dx: Array,
) -> None:
    """All of it in one call, since for a small layer a call costs more than the arithmetic."""
    (m, n), p = x.shape, W.shape[1]
    zero = m - m  # for a constant, Numba would compile `slopes_and_sums` once more
    slopes_and_sums(address, parameters, g, v, ds, db, zero, p)
    if dW.size > 0:
        call_part(part, x, True, ds, False, dW, False, 0, n, 0, p)
    if dx.size > 0:
        call_part(part, ds, False, W, True, dx, False, 0, m, 0, n)
