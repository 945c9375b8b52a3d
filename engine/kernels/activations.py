"""`KERNELS`: every built-in activation, its scalar functions beside the obvious NumPy formulas.

The formulas are right where nothing overflows; the tests compare the two.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernels import scalars
from engine.kernels.elementwise import Elementwise
from engine.kernels.normal import INV_SQRT_2_PI
from engine.kernels.scalars import SELU_ALPHA, SELU_SCALE

Array = npt.NDArray[Any]

_INV_SQRT_2 = 1 / math.sqrt(2)


def _reference_sigmoid(s: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-s)))


def _reference_normal_cdf(s: Array) -> Array:
    return np.asarray(
        np.vectorize(lambda z: 0.5 * (1 + math.erf(z * _INV_SQRT_2)), otypes=[s.dtype])(s)
    )


def _reference_normal_density(s: Array) -> Array:
    return np.asarray(np.exp(-s * s / 2) * INV_SQRT_2_PI)


KERNELS = {
    "identity": Elementwise(
        scalars.identity, scalars.identity_slope, lambda s: s, np.ones_like, scalars.identity_slope
    ),
    "sigmoid": Elementwise(
        scalars.sigmoid,
        scalars.sigmoid_slope,
        _reference_sigmoid,
        lambda s: _reference_sigmoid(s) * (1 - _reference_sigmoid(s)),
        scalars.sigmoid_slope_of_value,
    ),
    "tanh": Elementwise(
        scalars.tanh,
        scalars.tanh_slope,
        np.tanh,
        lambda s: 1 - np.tanh(s) ** 2,
        scalars.tanh_slope_of_value,
    ),
    "softsign": Elementwise(
        scalars.softsign,
        scalars.softsign_slope,
        lambda s: s / (1 + abs(s)),
        lambda s: 1 / (1 + abs(s)) ** 2,
        scalars.softsign_slope_of_value,
    ),
    "hardtanh": Elementwise(
        scalars.hardtanh,
        scalars.hardtanh_slope,
        lambda s: np.clip(s, -1, 1),
        lambda s: 1.0 * (abs(s) < 1),
        scalars.hardtanh_slope,
    ),
    "relu": Elementwise(
        scalars.relu,
        scalars.relu_slope,
        lambda s: np.maximum(s, 0),
        lambda s: 1.0 * (s > 0),
        scalars.relu_slope,
    ),
    "leaky_relu": Elementwise(
        scalars.leaky_relu,
        scalars.leaky_relu_slope,
        lambda s, a: np.where(s > 0, s, a * s),
        lambda s, a: np.where(s > 0, 1, a),
        parameters=1,
    ),
    "elu": Elementwise(
        scalars.elu,
        scalars.elu_slope,
        lambda s, alpha: np.where(s > 0, s, alpha * (np.exp(s) - 1)),
        lambda s, alpha: np.where(s > 0, 1, alpha * np.exp(s)),
        scalars.elu_slope_of_value,
        parameters=1,
        of_value_if=lambda alpha: alpha >= 0,  # or y is above 0 on both sides
    ),
    "selu": Elementwise(
        scalars.selu,
        scalars.selu_slope,
        lambda s: SELU_SCALE * np.where(s > 0, s, SELU_ALPHA * (np.exp(s) - 1)),
        lambda s: SELU_SCALE * np.where(s > 0, 1, SELU_ALPHA * np.exp(s)),
        scalars.selu_slope_of_value,
    ),
    "softplus": Elementwise(
        scalars.softplus,
        scalars.sigmoid,
        lambda s: np.log(1 + np.exp(s)),
        _reference_sigmoid,
        scalars.softplus_slope_of_value,
    ),
    "gelu": Elementwise(
        scalars.gelu,
        scalars.gelu_slope,
        lambda s: s * _reference_normal_cdf(s),
        lambda s: _reference_normal_cdf(s) + s * _reference_normal_density(s),
    ),
    "silu": Elementwise(
        scalars.silu,
        scalars.silu_slope,
        lambda s: s * _reference_sigmoid(s),
        lambda s: _reference_sigmoid(s) * (1 + s * (1 - _reference_sigmoid(s))),
    ),
}
