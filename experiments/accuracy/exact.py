"""The activations and their slopes as exact functions, in a wider precision than the judged one.

Each is written so that it neither cancels nor overflows: σ from e^−|s|, tanh from e^−2|s| − 1,
σ′ = e/(1 + e)². So its own error is a few units of the wider precision, thousandths of a unit of
the judged one. Parameters such as leaky_relu's `a` are taken as the judged precision holds them;
constants such as SELU's are exact, so that a kernel answers for rounding them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.accuracy.normal import density, distribution

Array = npt.NDArray[Any]
Function = Callable[..., Array]
Limits = tuple[float, float]

_INF = math.inf
_SELU_SCALE = "1.0507009873554804934193349852946"
_SELU_SCALE_ALPHA = "1.7580993408473768599402175208123"


@dataclass(frozen=True)
class Exact:
    """f, f′, and f′ as a function of y = f(s), of arrays and the activation's parameters.

    Attributes:
        f_limits, slope_limits: f and f′ at −∞ and ∞, for the parameters it starts with.
        floors: by quantity ("f", "slope", "step"), the |result| below which errors are measured
            in units of the floor, because the function crosses 0 there or is a difference.
    """

    f: Function
    slope: Function
    step: Function | None
    f_limits: Limits
    slope_limits: Limits
    floors: Mapping[str, float] = field(default_factory=dict)


def _sigmoid(s: Array) -> Array:
    e = np.exp(-np.abs(s))
    return np.asarray(np.where(s >= 0, 1, e) / (1 + e))


def _sigmoid_slope(s: Array) -> Array:
    e = np.exp(-np.abs(s))
    return np.asarray(e / (1 + e) ** 2)


def _tanh(s: Array) -> Array:
    m = np.expm1(-2 * np.abs(s))
    return np.asarray(np.copysign(m / (2 + m), s))


def _tanh_slope(s: Array) -> Array:
    return np.asarray(4 * _sigmoid_slope(2 * s))


def _steps(low: float, high: float) -> Function:
    """1 strictly between, 0 elsewhere."""
    return lambda s: np.where((s > low) & (s < high), s.dtype.type(1), 0)


def _elu(s: Array, alpha: Any) -> Array:
    return np.where(s > 0, s, alpha * np.expm1(np.minimum(s, 0)))


def _elu_slope(s: Array, alpha: Any) -> Array:
    return np.where(s > 0, 1, alpha * np.exp(np.minimum(s, 0)))


def _selu(s: Array) -> Array:
    below = s.dtype.type(_SELU_SCALE_ALPHA) * np.expm1(np.minimum(s, 0))
    return np.asarray(np.where(s > 0, s.dtype.type(_SELU_SCALE) * s, below))


def _selu_slope(s: Array) -> Array:
    below = s.dtype.type(_SELU_SCALE_ALPHA) * np.exp(np.minimum(s, 0))
    return np.asarray(np.where(s > 0, s.dtype.type(_SELU_SCALE), below))


def _selu_step(y: Array) -> Array:
    below = y + y.dtype.type(_SELU_SCALE_ALPHA)
    return np.asarray(np.where(y > 0, y.dtype.type(_SELU_SCALE), below))


def _softplus(s: Array) -> Array:
    return np.asarray(np.maximum(s, 0) + np.log1p(np.exp(-np.abs(s))))


def _silu_slope(s: Array) -> Array:
    return np.asarray(_sigmoid(s) * (1 + s * _sigmoid(-s)))


_SIGN_CHANGES = {"slope": 0.1}

EXACT: dict[str, Exact] = {
    "identity": Exact(lambda s: s, np.ones_like, np.ones_like, (-_INF, _INF), (1, 1)),
    "sigmoid": Exact(_sigmoid, _sigmoid_slope, lambda y: y * (1 - y), (0, 1), (0, 0)),
    "tanh": Exact(_tanh, _tanh_slope, lambda y: (1 - y) * (1 + y), (-1, 1), (0, 0)),
    "softsign": Exact(
        lambda s: s / (1 + np.abs(s)),
        lambda s: 1 / (1 + np.abs(s)) ** 2,
        lambda y: (1 - np.abs(y)) ** 2,
        (-1, 1),
        (0, 0),
    ),
    "hardtanh": Exact(lambda s: np.clip(s, -1, 1), _steps(-1, 1), _steps(-1, 1), (-1, 1), (0, 0)),
    "relu": Exact(lambda s: np.maximum(s, 0), _steps(0, _INF), _steps(0, _INF), (0, _INF), (0, 1)),
    "leaky_relu": Exact(
        lambda s, a: np.where(s > 0, s, a * s),
        lambda s, a: np.where(s > 0, 1, a),
        None,
        (-_INF, _INF),
        (0.01, 1),
    ),
    "elu": Exact(
        _elu,
        _elu_slope,
        lambda y, alpha: np.where(y > 0, 1, y + alpha),
        (-1, _INF),
        (0, 1),
    ),
    "selu": Exact(
        _selu,
        _selu_slope,
        _selu_step,
        (-float(_SELU_SCALE_ALPHA), _INF),
        (0, float(_SELU_SCALE)),
        # y + λα crosses 0 at the end of f's range, where y has lost what the slope is made of.
        {"step": 0.1},
    ),
    "softplus": Exact(_softplus, _sigmoid, lambda y: -np.expm1(-y), (0, _INF), (0, 1)),
    "gelu": Exact(
        lambda s: s * distribution(s),
        lambda s: distribution(s) + s * density(s),
        None,
        (0, _INF),
        (0, 1),
        _SIGN_CHANGES,
    ),
    "silu": Exact(lambda s: s * _sigmoid(s), _silu_slope, None, (0, _INF), (0, 1), _SIGN_CHANGES),
}
