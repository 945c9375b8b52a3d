"""The article's layer x⁽ⁱ⁺¹⁾ = f(xW + b) as kernels, forward and backward.

Forward, each thread adds b and applies f to its part of the product right after computing that
part, while the part is still in the thread's cache. Backward, one pass over ∂L/∂x⁽ⁱ⁺¹⁾ computes
∂L/∂s and ∂L/∂b before the two products. The rule `dense` finds both functions in `FUSED`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from engine.kernels.compiled import scalars
from engine.kernels.compiled.buffers import empty
from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.elementwise import Elementwise
from engine.kernels.compiled.parts import call_part
from engine.kernels.compiled.products import matmul, multiply, nothing
from engine.kernels.compiled.runs import WORTH_THREADS, slopes_and_sums, slopes_and_sums_parallel
from engine.kernels.compiled.threads import run
from engine.kernels.compiled.unpacked import UNPACKED
from engine.kernels.plain import Array, Fused

# Below this many multiplications, one call computes a layer's whole backward pass.
WORTH_SEPARATE_CALLS = 100_000


class Runs(NamedTuple):
    """The addresses of an activation's compiled runs; 0 stands for the identity.

    `scaled` computes g ⊙ f′, from x⁽ⁱ⁺¹⁾ if `of_value`, and from s otherwise.
    """

    value: int
    scaled: int
    of_value: bool
    parameters: Array


@lru_cache(maxsize=256)
def runs_of(f: Elementwise, parameters: tuple[float, ...], dtype: np.dtype[Any]) -> Runs:
    """The runs of f with these parameters, compiled at the first request."""
    array = np.array(parameters, dtype)
    if f.f is scalars.identity:
        return Runs(0, 0, True, array)
    of_value = f.slope_of_value is not None and f.of_value_if(*parameters)
    scaled = f.run("scaled by value" if of_value else "scaled", dtype)
    return Runs(f.run("value", dtype), scaled, of_value, array)


def layer(
    f: Elementwise, parameters: tuple[float, ...], keep: bool, x: Array, W: Array, *b: Array
) -> tuple[Array, Array | None]:
    """x⁽ⁱ⁺¹⁾ = f(s), and s = xW + b if `keep` or if the backward pass needs s (None otherwise).

    Args: f's kernel and parameters; x (batch, fan_in), W (fan_in, fan_out), optionally b
    (fan_out,), all of one dtype. Nothing is checked.
    """
    dtype = x.dtype
    value, _, of_value, constants = runs_of(f, parameters, dtype)
    shape = (x.shape[0], W.shape[1])
    bias = b[0] if b else np.zeros(W.shape[1], dtype)
    keep = keep or not of_value
    out = empty(shape, dtype)
    s = empty(shape, dtype) if keep and value else nothing(dtype)[1]
    multiply(x, False, W, False, out, False, value, constants, bias, s)
    return out, (s if value else out) if keep else None


def layer_backward(
    f: Elementwise,
    parameters: tuple[float, ...],
    needs: Sequence[bool],
    g: Array,
    y: Array,
    s: Array | None,
    x: Array,
    W: Array,
) -> tuple[Array, Array | None, Array | None, Array]:
    """∂L/∂s = g ⊙ f′(s), and ∂L/∂x = ∂L/∂s·Wᵀ, ∂L/∂W = xᵀ·∂L/∂s, ∂L/∂b = Σ_batch ∂L/∂s.

    Args: g and y = x⁽ⁱ⁺¹⁾ (batch, fan_out), and s as returned by `layer`; `needs` says whether
    ∂L/∂x and ∂L/∂W are computed, or None. For the identity, ∂L/∂s is g.
    """
    dtype = g.dtype
    _, address, of_value, constants = runs_of(f, parameters, dtype)
    v = y if of_value or s is None else s
    db = np.empty(g.shape[1], dtype)
    if not g.flags.c_contiguous:
        g = np.ascontiguousarray(g)
    ds = empty(g.shape, dtype) if address else g
    size = x.size * W.shape[1]
    if 0 < size < WORTH_SEPARATE_CALLS and x.flags.c_contiguous and W.flags.c_contiguous:
        none = nothing(dtype)[1]
        dW, dx = np.empty(W.shape, dtype) if needs[1] else none, none
        if needs[0]:
            dx = empty(x.shape, dtype)
        part = UNPACKED.part(dtype)
        _small_backward(part, address, constants, g, v, x, W, ds, db, dW, dx)
        return ds, dx if needs[0] else None, dW if needs[1] else None, db
    if g.size < WORTH_THREADS:
        slopes_and_sums(address, constants, g, v, ds, db, 0, g.shape[1])
    else:
        run(slopes_and_sums_parallel, _on_one_thread, address, constants, g, v, ds, db)
    dL_dW = matmul(x, ds, transpose_a=True) if needs[1] else None
    return ds, matmul(ds, W, transpose_b=True) if needs[0] else None, dL_dW, db


FUSED = {"dense": Fused(layer, layer_backward)}


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
    """The backward pass in one call: for a small layer, a call costs more than the arithmetic."""
    (m, n), p = x.shape, W.shape[1]
    zero = m - m  # a constant would make Numba compile `slopes_and_sums` twice
    slopes_and_sums(address, parameters, g, v, ds, db, zero, p)
    if dW.size > 0:
        call_part(part, x, True, ds, False, dW, False, 0, n, 0, p)
    if dx.size > 0:
        call_part(part, ds, False, W, True, dx, False, 0, m, 0, n)
