"""Every built-in activation: f(s), its slope f′(s), and the loops that run them.

An activation is two scalar functions, written with the care that ±∞, ±1000, NaN, ±0 and
denormals need, beside the obvious NumPy formulas that the tests compare them with. One
template turns the scalar functions into three kernels: f(s), f′(s), and the fused backward
g ⊙ f′(s).

The templates close over plain functions (`register_jitable`), whose names are part of the
cache's key; a jitted function in their place would be compiled again in every process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable

from engine.kernels.compiling import jit
from engine.kernels.exponential import exp, expm1, like, log1p, quotient

Array = npt.NDArray[Any]
S = TypeVar("S", bound=Callable[..., Any])

_INV_SQRT_2 = 1 / math.sqrt(2)
_INV_SQRT_2_PI = 1 / math.sqrt(2 * math.pi)
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717


def scalar(function: S) -> S:
    """Mark a scalar function as one that kernels may call."""
    marked: S = register_jitable(forceinline=True)(function)  # or loops would not vectorise
    return marked


@scalar
def _identity(s: float) -> float:
    return s


@scalar
def _identity_slope(s: float) -> float:
    return s if s != s else 1.0


@scalar
def _sigmoid(s: float) -> float:
    one = like(s, 1)
    e = exp(-abs(s))  # never overflows
    y = one + e
    return quotient(one if s >= 0 else e, y, e - (y - one))


@scalar
def _sigmoid_slope(s: float) -> float:
    one = like(s, 1)
    e = exp(-abs(s))
    inverse = one / (one + e)
    return e * inverse * inverse


@scalar
def _tanh(s: float) -> float:
    # tanh|s| = m / (m + 2) with m = e^2|s| − 1; at 2|s| = 44 it has long been 1 to the last digit.
    two, most = like(s, 2), like(s, 44)
    x = two * abs(s)
    m = expm1(most if x > most else x)
    y = m + two
    return math.copysign(quotient(m, y, m - (y - two) if m < two else two - (y - m)), s)


@scalar
def _tanh_slope(s: float) -> float:
    one = like(s, 1)
    e = exp(like(s, -2) * abs(s))  # 1 - tanh² would cancel to 0 long before the slope does
    inverse = one / (one + e)
    return like(s, 4) * e * inverse * inverse


@scalar
def _softsign(s: float) -> float:
    one = like(s, 1)
    return math.copysign(one, s) if math.isinf(s) else s / (one + abs(s))


@scalar
def _softsign_slope(s: float) -> float:
    d = like(s, 1) / (like(s, 1) + abs(s))
    return d * d


@scalar
def _hardtanh(s: float) -> float:
    return 1.0 if s > 1 else (-1.0 if s < -1 else s)


@scalar
def _hardtanh_slope(s: float) -> float:
    return s if s != s else (1.0 if -1 < s < 1 else 0.0)


@scalar
def _relu(s: float) -> float:
    return 0.0 if s <= 0 else s


@scalar
def _relu_slope(s: float) -> float:
    return s if s != s else (1.0 if s > 0 else 0.0)


@scalar
def _leaky_relu(s: float, a: float) -> float:
    return s if s > 0 else (a * s if a != 0 else s - s if s != s else 0.0)


@scalar
def _leaky_relu_slope(s: float, a: float) -> float:
    return s if s != s else (1.0 if s > 0 else a)


@scalar
def _elu(s: float, alpha: float) -> float:
    return s if s > 0 else alpha * expm1(s)


@scalar
def _elu_slope(s: float, alpha: float) -> float:
    return like(s, 1) if s > 0 else alpha * exp(s)


@scalar
def _selu(s: float) -> float:
    return like(s, SELU_SCALE) * (s if s > 0 else like(s, SELU_ALPHA) * expm1(s))


@scalar
def _selu_slope(s: float) -> float:
    return like(s, SELU_SCALE) * (like(s, 1) if s > 0 else like(s, SELU_ALPHA) * exp(s))


@scalar
def _softplus(s: float) -> float:
    return (s if s > 0 else like(s, 0)) + log1p(exp(-abs(s)))


@scalar
def _gelu(s: float) -> float:
    if s < -40:  # Φ(s) has underflowed; -∞·0 would be NaN
        return -0.0
    return 0.5 * s * math.erfc(-s * _INV_SQRT_2)  # 1 + erf would cancel in the left tail


@scalar
def _gelu_slope(s: float) -> float:
    cdf = 0.5 * math.erfc(-s * _INV_SQRT_2)
    if abs(s) > 40:
        return cdf
    return cdf + s * math.exp(-0.5 * s * s) * _INV_SQRT_2_PI


@scalar
def _silu(s: float) -> float:
    t = like(s, -800) if s < -800 else s  # −∞·0 would be NaN
    return t * _sigmoid(t)


@scalar
def _silu_slope(s: float) -> float:
    far = like(s, 800)
    t = far if s > far else (-far if s < -far else s)
    return _sigmoid(t) + t * _sigmoid_slope(t)


def _values(f: Callable[..., float]) -> Callable[..., None]:
    def kernel(s: Array, out: Array, *parameters: float) -> None:
        for i in range(s.size):
            out[i] = f(s[i], *parameters)

    kernel.__qualname__ = f"values{f.__name__}"  # a cache file of its own
    return jit(contract=True)(kernel)


def _scaled(slope: Callable[..., float]) -> Callable[..., None]:
    def kernel(g: Array, s: Array, out: Array, *parameters: float) -> None:
        for i in range(s.size):
            out[i] = g[i] * slope(s[i], *parameters)

    kernel.__qualname__ = f"scaled{slope.__name__}"
    return jit(contract=True)(kernel)


@dataclass(frozen=True)
class Elementwise:
    """The kernels of one activation: arrays in, arrays out, the shape and dtype of s.

    `value(s)` is f(s), `slope(s)` is f′(s), `scaled_slope(g, s)` is g ⊙ f′(s); each takes the
    activation's parameters after the arrays. `reference_value` and `reference_slope` are the
    obvious NumPy formulas, right where nothing overflows.
    """

    f: Callable[..., float]
    f_slope: Callable[..., float]
    reference_value: Callable[..., Array]
    reference_slope: Callable[..., Array]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_value", _values(self.f))
        object.__setattr__(self, "_slope", _values(self.f_slope))
        object.__setattr__(self, "_scaled", _scaled(self.f_slope))

    def value(self, s: Array, *parameters: float) -> Array:
        return _map(self._value, (s,), parameters)  # type: ignore[attr-defined]

    def slope(self, s: Array, *parameters: float) -> Array:
        return _map(self._slope, (s,), parameters)  # type: ignore[attr-defined]

    def scaled_slope(self, g: Array, s: Array, *parameters: float) -> Array:
        return _map(self._scaled, (g, s), parameters)  # type: ignore[attr-defined]


def _map(
    kernel: Callable[..., None], arrays: tuple[Array, ...], parameters: tuple[float, ...]
) -> Array:
    first = arrays[0]
    for other in arrays[1:]:  # the kernels check nothing, and would write beyond the end
        if other.shape != first.shape or other.dtype != first.dtype:
            raise ValueError(
                f"arrays of shape {first.shape}, {first.dtype} and {other.shape}, {other.dtype}; "
                "they must have one shape and dtype"
            )
    out = np.empty(first.shape, first.dtype)
    flat = [np.ascontiguousarray(array).reshape(-1) for array in arrays]
    kernel(*flat, out.reshape(-1), *(out.dtype.type(p) for p in parameters))
    return out


def _reference_sigmoid(s: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-s)))


def _reference_normal_cdf(s: Array) -> Array:
    return np.asarray(
        np.vectorize(lambda z: 0.5 * (1 + math.erf(z * _INV_SQRT_2)), otypes=[s.dtype])(s)
    )


def _reference_normal_density(s: Array) -> Array:
    return np.asarray(np.exp(-s * s / 2) * _INV_SQRT_2_PI)


KERNELS = {
    "identity": Elementwise(_identity, _identity_slope, lambda s: s, np.ones_like),
    "sigmoid": Elementwise(
        _sigmoid,
        _sigmoid_slope,
        _reference_sigmoid,
        lambda s: _reference_sigmoid(s) * (1 - _reference_sigmoid(s)),
    ),
    "tanh": Elementwise(_tanh, _tanh_slope, np.tanh, lambda s: 1 - np.tanh(s) ** 2),
    "softsign": Elementwise(
        _softsign,
        _softsign_slope,
        lambda s: s / (1 + abs(s)),
        lambda s: 1 / (1 + abs(s)) ** 2,
    ),
    "hardtanh": Elementwise(
        _hardtanh, _hardtanh_slope, lambda s: np.clip(s, -1, 1), lambda s: 1.0 * (abs(s) < 1)
    ),
    "relu": Elementwise(_relu, _relu_slope, lambda s: np.maximum(s, 0), lambda s: 1.0 * (s > 0)),
    "leaky_relu": Elementwise(
        _leaky_relu,
        _leaky_relu_slope,
        lambda s, a: np.where(s > 0, s, a * s),
        lambda s, a: np.where(s > 0, 1, a),
    ),
    "elu": Elementwise(
        _elu,
        _elu_slope,
        lambda s, alpha: np.where(s > 0, s, alpha * (np.exp(s) - 1)),
        lambda s, alpha: np.where(s > 0, 1, alpha * np.exp(s)),
    ),
    "selu": Elementwise(
        _selu,
        _selu_slope,
        lambda s: SELU_SCALE * np.where(s > 0, s, SELU_ALPHA * (np.exp(s) - 1)),
        lambda s: SELU_SCALE * np.where(s > 0, 1, SELU_ALPHA * np.exp(s)),
    ),
    "softplus": Elementwise(
        _softplus, _sigmoid, lambda s: np.log(1 + np.exp(s)), _reference_sigmoid
    ),
    "gelu": Elementwise(
        _gelu,
        _gelu_slope,
        lambda s: s * _reference_normal_cdf(s),
        lambda s: _reference_normal_cdf(s) + s * _reference_normal_density(s),
    ),
    "silu": Elementwise(
        _silu,
        _silu_slope,
        lambda s: s * _reference_sigmoid(s),
        lambda s: _reference_sigmoid(s) * (1 + s * (1 - _reference_sigmoid(s))),
    ),
}
