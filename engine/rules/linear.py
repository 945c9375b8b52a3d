"""The matrix product, and `dense`: the article's layer with the article's derivation.

For one layer, x the input, s = xW + b, x⁽ⁱ⁺¹⁾ = f(s), with j counting the inputs, k the units:

    ∂L/∂s_k  = ∂L/∂x_k⁽ⁱ⁺¹⁾ · f′(s_k)
    ∂L/∂w_jk = Σ_batch x_j · ∂L/∂s_k
    ∂L/∂b_k  = Σ_batch ∂L/∂s_k
    ∂L/∂x_j  = Σ_k w_jk · ∂L/∂s_k

`_derivation` is these four lines, of tensors or arrays. They run without Numba, for an f without a
compiled kernel, and for second derivatives. Otherwise a fused kernel computes the same gradients of
arrays in one call (`engine.kernels.FUSED`, compiled/layers.py), with f′ from x⁽ⁱ⁺¹⁾ where f′ is a
function of x⁽ⁱ⁺¹⁾; tests compare the two.

(The article writes f′(s_j) x_j for ∂x_k⁽ⁱ⁺¹⁾/∂w_jk; by its own s = xW it is f′(s_k) x_j.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from engine import kernels
from engine.activations import Activation, find_activation, identity
from engine.arrays import Array
from engine.core.context import at_place, state
from engine.core.operation import apply, shape_of
from engine.core.registry import answers, named, operations_of
from engine.core.rule import LayerForm, Link, partials, rule
from engine.core.tensor import Operand, Tensor, plain
from engine.errors import ShapeError
from engine.rules.elementwise import multiply
from engine.rules.layout import reshape, transpose


def _matmul_value(a: Array, b: Array) -> Array:
    if a.ndim == b.ndim == 2:
        return kernels.matmul(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    a = np.broadcast_to(a, batch + a.shape[-2:])
    b = np.broadcast_to(b, batch + b.shape[-2:])
    out = np.empty((*batch, a.shape[-2], b.shape[-1]), a.dtype)
    for i in np.ndindex(batch):
        kernels.matmul(a[i], b[i], out=out[i])
    return out


_matmul = rule(
    "matmul",
    _matmul_value,
    partials(
        lambda g, y, a, b: product(g, _swapped(b)),
        lambda g, y, a, b: product(_swapped(a), g),
    ),
    broadcasts=True,
    formula="∂L/∂a = g bᵀ, ∂L/∂b = aᵀ g",
)


def product(a: Any, b: Any) -> Tensor:
    """a·b of matrices or stacks of matrices, tensors or arrays; the shapes are not checked."""
    return apply(_matmul, a, b)


def _swapped(a: Any) -> Any:
    return transpose(a, (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2))


@answers(np.matmul)
@named
def matmul(a: Operand, b: Operand) -> Tensor:
    """The product of vectors, matrices, or stacks of matrices, as NumPy's `@` defines it.

    y_ik = Σ_j a_ij b_jk; ∂L/∂a = g bᵀ, ∂L/∂b = aᵀ g. A one-dimensional operand counts as a row
    on the left, as a column on the right, and its axis is gone from the result.

    Raises: ShapeError unless a's last axis is as long as b's last but one (its only one).
    """
    a, b = (x if isinstance(x, Tensor | np.ndarray) else np.asarray(x) for x in (a, b))
    if a.ndim == 0 or b.ndim == 0 or a.shape[-1] != b.shape[-2 if b.ndim > 1 else 0]:
        raise ShapeError(
            f"matmul{at_place()}: "
            f"shapes {a.shape} and {b.shape}: the last axis of the first must be as long "
            "as the last but one of the second; transpose one of them, or multiply with * if that "
            "was meant"
        )
    row, column = a.ndim == 1, b.ndim == 1
    left = reshape(a, 1, -1) if row else a
    right = reshape(b, b.shape[0], 1) if column else b
    if left.ndim > 2 and right.ndim == 2:  # one large product is faster than many small ones
        lead = left.shape[:-1]
        flat = reshape(left, (int(np.prod(lead)), left.shape[-1]))
        y = reshape(product(flat, right), (*lead, right.shape[1]))
    else:
        y = product(left, right)
    if row or column:
        y = reshape(y, y.shape[: -1 - row] + (() if column else y.shape[-1:]))
    return y


@answers(np.dot)
def _np_dot(a: Any, b: Any, out: Any = None) -> Any:
    ndims = np.ndim(plain(a)), np.ndim(plain(b))
    if max(ndims) > 2:  # np.dot sums over other axes then
        return NotImplemented
    return matmul(a, b) if min(ndims) else multiply(a, b)


def _dense_value(x: Array, W: Array, *b: Array, f: Activation) -> tuple[Array, Array | None]:
    fused = kernels.FUSED.get("dense") if f.compiled else None
    if fused is not None:
        return fused.value(f.kernel, f.constants, state.trace is not None, x, W, *b)
    s = _affine(x, W, *b)
    return f.value(s), s


def _dense_vjp(
    g: Any, y: Any, x: Any, W: Any, *b: Any, f: Activation, saved: Any, needs: Sequence[Any]
) -> list[Any]:
    if type(g) is Tensor:
        return list(
            _derivation(g, _affine(x, W, *b), x, W, *b, f=f, needs=needs)[1 : len(needs) + 1]
        )
    sink = None if needs[1] is True or needs[1] is False else needs[1]
    wanted = needs if sink is None else (needs[0], False, *needs[2:])
    dL_ds, dL_dx, dL_dW, dL_db = dense_gradients(g, y, saved, x, W, *b, f=f, needs=wanted)
    if sink is not None:
        dL_dW = sink.product(x, dL_ds)
    return [dL_dx, dL_dW, dL_db] if b else [dL_dx, dL_dW]


def dense_gradients(
    g: Array,
    y: Array,
    s: Array | None,
    x: Array,
    W: Array,
    *b: Array,
    f: Activation,
    needs: Sequence[bool],
) -> Sequence[Any]:
    """∂L/∂s of a layer of arrays, then the gradients that are needed of x, W and b.

    g is ∂L/∂y; y = x⁽ⁱ⁺¹⁾ and s are the results of the rule's value; s is None where the fused
    kernel did not keep s. The backward pass calls this
    function, so a trace that calls it again gets the same bits.
    """
    fused = kernels.FUSED.get("dense") if f.compiled else None
    if fused is not None:
        return fused.vjp(f.kernel, f.constants, needs, g, y, s, x, W)
    with np.errstate(all="ignore"):
        return _derivation(g, s, x, W, *b, f=f, needs=needs)


def _derivation(
    g: Any, s: Any, x: Any, W: Any, *b: Any, f: Activation, needs: Sequence[bool]
) -> Sequence[Any]:
    """(∂L/∂s, ∂L/∂x, ∂L/∂W, ∂L/∂b) from g = ∂L/∂x⁽ⁱ⁺¹⁾, of tensors or arrays."""
    dL_ds = g if f is identity else f.scale(g, s)  # ∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′(s)
    dL_dW = product(x.T, dL_ds) if needs[1] else None  # ∂L/∂w_jk = Σ_batch x_j ∂L/∂s_k
    dL_db = dL_ds.sum(axis=0) if b and needs[2] else None  # ∂L/∂b_k = Σ_batch ∂L/∂s_k
    dL_dx = product(dL_ds, W.T) if needs[0] else None  # ∂L/∂x_j = Σ_k w_jk ∂L/∂s_k
    return dL_ds, dL_dx, dL_dW, dL_db


def _affine(x: Any, W: Any, *b: Any) -> Any:
    s = product(x, W)
    return s + b[0] if b else s


DENSE = rule(
    "dense",
    _dense_value,
    _dense_vjp,
    saves=True,
    formula="∂L/∂s = g ⊙ f′(s), ∂L/∂x = ∂L/∂s Wᵀ, ∂L/∂W = xᵀ ∂L/∂s, ∂L/∂b = Σ_n ∂L/∂s",
    letters=("x", "W", "b"),
    layer=lambda count: LayerForm((Link(0, 1),), b=2 if count > 2 else None),
)


@named
def dense(
    x: Operand, W: Operand, b: Operand | None = None, f: Activation | str = identity
) -> Tensor:
    """The article's layer, x⁽ⁱ⁺¹⁾ = f(xW + b), as one operation.

    Args:
        x: (batch, fan_in), or with any axes before the last; (fan_in,) is one example.
        W: (fan_in, fan_out).
        b: (fan_out,), or None.
        f: an activation or its name.

    Returns: x⁽ⁱ⁺¹⁾, (batch, fan_out). With s = xW + b, the gradients are
    ∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′(s), ∂L/∂W = xᵀ ∂L/∂s, ∂L/∂b = Σ_batch ∂L/∂s, ∂L/∂x = ∂L/∂s Wᵀ.

    Raises: ShapeError if the shapes do not fit, ValueError for an unknown name of f.
    """
    f = f if type(f) is Activation else find_activation(f)
    shape = x._array.shape if type(x) is Tensor else shape_of(x)
    W_shape = W._array.shape if type(W) is Tensor else shape_of(W)
    if len(W_shape) != 2 or not shape or shape[-1] != W_shape[0]:
        raise ShapeError(
            f"dense{at_place()}: "
            f"x has shape {shape} and W {W_shape}; W must be (fan_in, fan_out) with fan_in "
            f"= {shape[-1] if shape else '?'}, the length of x's last axis"
        )
    if b is not None and shape_of(b) != W_shape[1:]:
        raise ShapeError(
            f"dense{at_place()}: "
            f"b has shape {shape_of(b)}; for W of shape {W_shape} it must be "
            f"({W_shape[1]},), one bias for each unit"
        )
    if len(shape) == 2:
        return apply(DENSE, x, W, f=f) if b is None else apply(DENSE, x, W, b, f=f)
    flat = reshape(x, (int(np.prod(shape[:-1])), shape[-1]))
    return reshape(dense(flat, W, b, f), (*shape[:-1], W_shape[1]))


if not TYPE_CHECKING:  # mypy takes every public name
    __all__ = operations_of(__name__)
