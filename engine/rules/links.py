"""`affine`: a layer with several inputs, x⁽ⁱ⁺¹⁾ = f(Σ x W + b), as a cell of a recurrent net.

For each link (x, W), with s the sum of all products and b,

    ∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′(s),  ∂L/∂W = xᵀ ∂L/∂s,  ∂L/∂x = ∂L/∂s Wᵀ,  ∂L/∂b = Σ_batch ∂L/∂s:

the derivation of `dense` in `engine.rules.linear`, which is the case of one link.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from engine import kernels
from engine.activations import Activation, find_activation, identity
from engine.arrays import Array
from engine.core.context import at_place
from engine.core.operation import apply, shape_of
from engine.core.registry import named, operations_of
from engine.core.rule import LayerForm, Link, rule
from engine.core.tensor import Operand, Tensor
from engine.errors import ShapeError
from engine.rules.layout import reshape
from engine.rules.linear import dense, dense_gradients, product


def _links(operands: Sequence[Any]) -> list[tuple[Any, Any]]:
    """The pairs (x, W) among the operands x, W, h, U, …, b; b may be left out."""
    return list(pairwise(operands))[: len(operands) // 2 * 2 : 2]


def _sum(operands: Sequence[Any]) -> Any:
    """s, of tensors or arrays."""
    first, *others = [product(x, W) for x, W in _links(operands)]
    s = first
    for term in others:
        s = s + term
    return s + operands[-1] if len(operands) % 2 else s


def _value(*operands: Array, f: Activation) -> tuple[Array, Array]:
    (x, W), *others = _links(operands)
    s = kernels.matmul(x, W)
    for h, U in others:
        kernels.matmul(h, U, out=s, accumulate=True)
    if len(operands) % 2:
        s += operands[-1]
    return (s if f is identity else f.value(s)), s


def _vjp(
    g: Any, y: Any, *operands: Any, f: Activation, saved: Any, needs: Sequence[Any]
) -> list[Any]:
    if type(g) is Tensor:
        dL_ds = g if f is identity else f.scale(g, _sum(operands))
    else:  # with the bits of `dense`
        x, W = operands[:2]
        dL_ds = dense_gradients(g, y, saved, x, W, f=f, needs=(False, False))[0]
    gradients: list[Any] = []
    for i, (x, W) in enumerate(_links(operands)):
        need_x, need_W = needs[2 * i : 2 * i + 2]
        gradients.append(product(dL_ds, W.T) if need_x else None)
        if need_W is True or need_W is False:
            gradients.append(product(x.T, dL_ds) if need_W else None)
        else:  # a sink
            gradients.append(need_W.product(x, dL_ds))
    if len(operands) % 2:
        gradients.append(dL_ds.sum(axis=0) if needs[-1] else None)
    return gradients


def _form(count: int) -> LayerForm:
    links = tuple(Link(2 * i, 2 * i + 1) for i in range(count // 2))
    return LayerForm(links, count - 1 if count % 2 else None)


_affine = rule(
    "affine",
    _value,
    _vjp,
    saves=True,
    formula="∂L/∂s = g ⊙ f′(s); ∂L/∂x_i = ∂L/∂s Wᵀ for an input, with W its weights, "
    "xᵀ ∂L/∂s for the weights of x, Σ_n ∂L/∂s for b",
    letters=("x_i",),
    layer=_form,
)


@named
def affine(
    links: Sequence[tuple[Operand, Operand]],
    b: Operand | None = None,
    f: Activation | str = identity,
) -> Tensor:
    """A layer with several inputs, f(x W + h U + … + b), as one operation.

    `affine([(x, W), (h, U)], b, "tanh")` is the step of a recurrent net.

    Args:
        links: pairs of an input, (batch, fan_in), and its weights, (fan_in, fan_out); inputs may
            have more axes before the last, or only the last, the same for all.
        b: (fan_out,), or None.
        f: an activation or its name.

    Raises: ShapeError if the shapes do not fit, ValueError for an unknown name of f and for no
        link.
    """
    f = f if type(f) is Activation else find_activation(f)
    if not links:
        raise ValueError(f"affine{at_place()}: there are no links; give pairs [(x, W), (h, U)]")
    if len(links) == 1:
        return dense(*links[0], b, f)
    lead, fan_out = shape_of(links[0][0])[:-1], shape_of(links[0][1])[-1:]
    for i, (x, W) in enumerate(links):
        shape, W_shape = shape_of(x), shape_of(W)
        if len(W_shape) != 2 or not shape or shape[-1] != W_shape[0]:
            raise ShapeError(
                f"affine{at_place()}: link {i} has x of shape {shape} and W of shape {W_shape}; W "
                "must be (fan_in, fan_out), with fan_in the length of x's last axis"
            )
        if shape[:-1] != lead or W_shape[1:] != fan_out:
            raise ShapeError(
                f"affine{at_place()}: link {i} gives {(*shape[:-1], W_shape[1])} and link 0 "
                f"{(*lead, *fan_out)}; all links must have the same examples and units"
            )
    if b is not None and shape_of(b) != fan_out:
        raise ShapeError(
            f"affine{at_place()}: b has shape {shape_of(b)}; it must be ({fan_out[0]},), one bias "
            "for each unit"
        )
    flat = [(x if len(lead) == 1 else reshape(x, -1, shape_of(W)[0]), W) for x, W in links]
    operands = [operand for link in flat for operand in link] + ([] if b is None else [b])
    y = apply(_affine, *operands, f=f)
    return y if len(lead) == 1 else reshape(y, (*lead, *fan_out))


if not TYPE_CHECKING:  # mypy reads the public names without `__all__`
    __all__ = operations_of(__name__)
