"""Losses: cross-entropy from logits, the quadratic cost, and the mean squared error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine import kernels
from engine.arrays import Array
from engine.core.context import at_place
from engine.core.operation import apply, shape_of
from engine.core.registry import named, operations_of
from engine.core.rule import partials, rule
from engine.core.tensor import Operand, Tensor, plain
from engine.errors import ShapeError
from engine.rules.layout import reshape
from engine.rules.reductions import softmax


def _cross_entropy_value(logits: Array, *, labels: Array) -> tuple[Array, Array]:
    return kernels.cross_entropy(logits, labels)


def _cross_entropy_vjp(
    g: Any, y: Any, logits: Any, *, labels: Array, saved: Any, needs: Sequence[bool]
) -> list[Any]:
    if not isinstance(g, Tensor):
        return [kernels.cross_entropy_slopes(saved, labels, float(g) / len(labels))]
    target = np.zeros(logits.shape, logits.dtype)
    target[np.arange(len(labels)), labels] = 1
    return [(softmax(logits) - target) * (g * (1.0 / len(labels)))]


_cross_entropy = rule(
    "cross_entropy",
    _cross_entropy_value,
    _cross_entropy_vjp,
    saves=True,
    formula="∂L/∂o = g (softmax(o) − onehot(label)) / N",
    letters=("o",),
)


def _squared_error_value(a: Array, t: Array, *, over: float) -> Array:
    return kernels.squared_error(a, t, over)


def _difference(g: Any, a: Any, t: Any, over: float) -> Any:
    """∂L/∂a = 2 (a − t) g / over."""
    if isinstance(g, Tensor):
        return (a - t) * (g * (2.0 / over))
    return kernels.scaled_difference(a, t, 2.0 * float(g) / over)


_squared_error = rule(
    "squared_error",
    _squared_error_value,
    partials(
        lambda g, y, a, t, over: _difference(g, a, t, over),
        lambda g, y, a, t, over: _difference(g, t, a, over),
    ),
    formula="∂L/∂a = 2 g (a − t) / n, ∂L/∂t = −∂L/∂a",
    letters=("a", "t"),
)


@named
def cross_entropy(logits: Operand, labels: npt.ArrayLike) -> Tensor:
    """−ln softmax(logits)_label, averaged over the batch, in nats.

    L = (1/N) Σ_n [ln Σ_k e^{o_nk} − o_n,label]; ∂L/∂o = (softmax(o) − y) / N with y one-hot. L is
    computed from the logits, because a probability could underflow to 0.

    Args:
        logits: (N, K), or (K,) for one example.
        labels: (N,) integers in [0, K).

    Raises: ShapeError for shapes that do not fit, TypeError for labels that are no integers,
        ValueError for a label outside [0, K).
    """
    shape = shape_of(logits)
    y = np.array(plain(labels))
    if len(shape) == 1 and y.ndim == 0:
        return cross_entropy(reshape(logits, 1, -1), y.reshape(1))
    if len(shape) != 2 or y.shape != shape[:1] or not y.size:
        raise ShapeError(
            f"cross_entropy{at_place()}: "
            f"logits of shape {shape} and labels of shape {y.shape}; they must be "
            "(N, K) and (N,), N at least 1"
        )
    if y.dtype.kind not in "iu":
        raise TypeError(
            f"cross_entropy{at_place()}: labels of dtype {y.dtype}; they must be integers "
            "(y.astype(int), or y.argmax(axis=1) from one-hot)"
        )
    wrong = np.flatnonzero((y < 0) | (y >= shape[1]))
    if wrong.size:
        raise ValueError(
            f"cross_entropy{at_place()}: "
            f"label {y[wrong[0]]} of example {wrong[0]} is not one of the "
            f"{shape[1]} classes 0 … {shape[1] - 1}"
        )
    return apply(_cross_entropy, logits, labels=y)


@named
def quadratic(x: Operand, target: Operand) -> Tensor:
    """The quadratic cost, (1/N) Σ_n Σ_k (x_nk − t_nk)²; ∂L/∂x = 2 (x − t) / N.

    x and target have the same shape; N is the length of the first axis.
    """
    shape = _one_shape("quadratic", x, target)
    return apply(_squared_error, x, target, over=float(shape[0] if shape else 1))


@named
def mse(prediction: Operand, target: Operand) -> Tensor:
    """The mean of (p − t)² over all entries; ∂L/∂p = 2 (p − t) / size, p being the prediction."""
    shape = _one_shape("mse", prediction, target)
    return apply(_squared_error, prediction, target, over=float(math.prod(shape)))


def _one_shape(name: str, a: Operand, b: Operand) -> tuple[int, ...]:
    shape: tuple[int, ...] = shape_of(a)
    other = shape_of(b)
    if shape != other or 0 in shape:
        raise ShapeError(
            f"{name}{at_place()}: "
            f"shapes {shape} and {other}; prediction and target must have the same shape, with "
            "at least one entry (broadcasting would silently average wrong pairs)"
        )
    return shape


if not TYPE_CHECKING:  # mypy reads the public names without `__all__`
    __all__ = operations_of(__name__)
