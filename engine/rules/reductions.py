"""Sums, means and extremes over axes, and the softmax family.

`axis` is None for all axes, an integer, or a tuple; `keepdims` keeps the reduced axes with size 1.
Other keywords (PyTorch's `dim`, for example) and axes that are no integers raise TypeError.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.arrays import FLOATS
from engine.core.operation import apply
from engine.core.registry import answers, named, operations_of, truth
from engine.core.rule import partials, rule
from engine.core.tensor import Operand, Tensor, plain
from engine.rules.arguments import Axis, axes
from engine.rules.elementwise import exp
from engine.rules.elementwise import where as choose
from engine.rules.layout import broadcast_to, cast

_sum = rule(
    "sum",
    lambda a, *, axis, keepdims: np.sum(a, axis=axis, keepdims=keepdims),
    partials(lambda g, y, a, axis, keepdims: _spread(g, a, axis)),
    linear=True,
    formula="∂L/∂a = g for every entry",
)
_mean = rule(
    "mean",
    lambda a, *, axis, keepdims: _mean_value(a, axis, keepdims),
    partials(lambda g, y, a, axis, keepdims: _spread(g, a, axis) / _count(a, axis)),
    linear=True,
    formula="∂L/∂a = g / count for every entry",
)


def _extreme_vjp(g: Any, y: Any, a: Any, axis: Any, keepdims: bool) -> Any:
    is_extreme = (a == _restored(plain(y), a, axis)).astype(g.dtype)
    return _spread(g, a, axis) * (is_extreme / is_extreme.sum(axis=axis, keepdims=True))


_max = rule(
    "max",
    lambda a, *, axis, keepdims: np.max(a, axis=axis, keepdims=keepdims),
    partials(_extreme_vjp),
    formula="∂L/∂a = g where a is the largest (shared where several are), else 0",
)
_min = rule(
    "min",
    lambda a, *, axis, keepdims: np.min(a, axis=axis, keepdims=keepdims),
    partials(_extreme_vjp),
    formula="∂L/∂a = g where a is the smallest (shared where several are), else 0",
)
_softmax = rule(
    "softmax",
    lambda a, *, axis: _stable_softmax(a, axis),
    partials(lambda g, y, a, axis: y * (g - (g * y).sum(axis=axis, keepdims=True))),
    formula="∂L/∂a_k = y_k (g_k − Σ_j g_j y_j)",
)
_log_softmax = rule(
    "log_softmax",
    lambda a, *, axis: _stable_log_softmax(a, axis),
    partials(lambda g, y, a, axis: g - exp(y) * g.sum(axis=axis, keepdims=True)),
    formula="∂L/∂a_k = g_k − e^{y_k} Σ_j g_j",
)
_logsumexp = rule(
    "logsumexp",
    lambda a, *, axis, keepdims: _stable_logsumexp(a, axis, keepdims),
    partials(lambda g, y, a, axis, keepdims: _spread(g, a, axis) * apply(_softmax, a, axis=axis)),
    formula="∂L/∂a = g softmax(a)",
)


@named
def sum(a: Operand, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
    """The sum over the axes, 0 for no entries; ∂L/∂a = g for every entry."""
    return apply(_sum, a, axis=axes("sum", axis, others), keepdims=keepdims)


@named
def mean(a: Operand, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
    """The mean over the axes, NaN for no entries; ∂L/∂a = g / count for every entry."""
    return apply(_mean, a, axis=axes("mean", axis, others), keepdims=keepdims)


@named
def max(a: Operand, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
    """The largest entry over the axes; equal largest entries share g equally.

    Raises: ShapeError for no entries.
    """
    return apply(_max, a, axis=axes("max", axis, others), keepdims=keepdims)


@named
def min(a: Operand, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
    """The smallest entry over the axes; equal smallest entries share g equally.

    Raises: ShapeError for no entries.
    """
    return apply(_min, a, axis=axes("min", axis, others), keepdims=keepdims)


@answers(np.sum)
def _np_sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = None,
    where: Any = True,
) -> Any:
    if not _is_float(dtype):
        return NotImplemented
    a = a if dtype is None else cast(a, dtype)
    if where is not True:
        a = choose(np.broadcast_to(truth(where), a.shape), a, 0.0)
    y = sum(a, axis, keepdims)
    return y if initial is None else y + initial


@answers(np.mean)
def _np_mean(
    a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False
) -> Any:
    if not _is_float(dtype):
        return NotImplemented
    return mean(a if dtype is None else cast(a, dtype), axis, keepdims)


@answers(np.max, np.amax)
def _np_max(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return max(a, axis, keepdims)


@answers(np.min, np.amin)
def _np_min(a: Any, axis: Any = None, out: Any = None, keepdims: Any = False) -> Any:
    return min(a, axis, keepdims)


def _is_float(dtype: Any) -> bool:
    return dtype is None or np.dtype(dtype) in FLOATS


@named
def logsumexp(a: Operand, axis: Axis = None, keepdims: bool = False, **others: Any) -> Tensor:
    """ln Σ eᵃ without overflow, −∞ for no entries; ∂L/∂a = g softmax(a)."""
    return apply(_logsumexp, a, axis=axes("logsumexp", axis, others), keepdims=keepdims)


@named
def softmax(a: Operand, axis: Axis = -1, **others: Any) -> Tensor:
    """y_k = e^{a_k} / Σ_j e^{a_j}; ∂L/∂a_k = y_k (g_k − Σ_j g_j y_j)."""
    return apply(_softmax, a, axis=axes("softmax", axis, others))


@named
def log_softmax(a: Operand, axis: Axis = -1, **others: Any) -> Tensor:
    """y_k = a_k − ln Σ_j e^{a_j}; ∂L/∂a_k = g_k − e^{y_k} Σ_j g_j."""
    return apply(_log_softmax, a, axis=axes("log_softmax", axis, others))


def _mean_value(a: npt.NDArray[Any], axis: Any, keepdims: bool) -> Any:
    if a.size:
        return np.mean(a, axis=axis, keepdims=keepdims)
    # For no entries, np.mean gives a warning that errstate does not silence.
    return np.sum(a, axis=axis, keepdims=keepdims) / a.dtype.type(_count(a, axis))


def _shifted(a: npt.NDArray[Any], axis: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """a − m and m, where m is the largest entry, so that no exponential overflows.

    log_softmax is computed from a − m too: a − ln Σ eᵃ would have a rounding error of m's size.
    """
    highest = np.max(a, axis=axis, keepdims=True, initial=-np.inf)  # −∞ for no entries
    highest = np.where(np.isfinite(highest), highest, highest.dtype.type(0))  # ∞ − ∞ is NaN
    return a - highest, highest


def _stable_logsumexp(a: npt.NDArray[Any], axis: Any, keepdims: bool) -> npt.NDArray[Any]:
    shifted, highest = _shifted(a, axis)
    total = np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True)) + highest
    return np.asarray(total if keepdims else total.reshape(_reduced_shape(a, axis)))


def _stable_softmax(a: npt.NDArray[Any], axis: Any) -> npt.NDArray[Any]:
    e = np.exp(_shifted(a, axis)[0])
    return np.asarray(e / e.sum(axis=axis, keepdims=True))


def _stable_log_softmax(a: npt.NDArray[Any], axis: Any) -> npt.NDArray[Any]:
    shifted, _ = _shifted(a, axis)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)))


def _axes(a: Any, axis: Any) -> tuple[int, ...]:
    if axis is None or a.ndim == 0:  # NumPy accepts axis 0 for a single number
        return tuple(range(a.ndim))
    return tuple(i % a.ndim for i in (axis if isinstance(axis, tuple) else (axis,)))


def _reduced_shape(a: Any, axis: Any) -> tuple[int, ...]:
    reduced = _axes(a, axis)
    return tuple(size for i, size in enumerate(a.shape) if i not in reduced)


def _restored(y: Any, a: Any, axis: Any) -> Any:
    """y with the reduced axes restored, with size 1."""
    reduced = _axes(a, axis)
    return y.reshape(tuple(1 if i in reduced else size for i, size in enumerate(a.shape)))


def _spread(g: Any, a: Any, axis: Any) -> Any:
    """g repeated along the axes that were reduced."""
    return broadcast_to(_restored(g, a, axis), a.shape)


def _count(a: Any, axis: Any) -> int:
    return math.prod(a.shape[i] for i in _axes(a, axis))


if not TYPE_CHECKING:  # mypy reads the public names without `__all__`
    __all__ = operations_of(__name__)
