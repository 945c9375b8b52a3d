"""Every built-in activation: f(s), its slope f′(s), and the loops that run them.

An activation is two scalar functions, written with the care that ±∞, ±1000, NaN, ±0 and
denormals need, beside the obvious NumPy formulas that the tests compare them with. One template
turns them into runs (`engine.kernels.runs`): f(s), f′(s), and the backward step g ⊙ f′(s).

For most, f′ is also a function of y = f(s), cheaper and without a need to keep s: tanh′ = 1 − y².
In saturation it has fewer digits: 1 − y² is off by up to 6e-8 in float32, so that of a slope below
that nothing is left, while the function of s has all its digits. Training uses the one of y, as
every library does; `slope`, for looking, is the one of s.

The templates close over plain functions (`register_jitable`), whose names are part of the
cache's key; a jitted function in their place would be compiled again in every process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numba
import numpy as np
import numpy.typing as npt
from numba.extending import register_jitable
from numba.np.unsafe import ndarray

from engine.kernels.buffers import empty
from engine.kernels.compiling import JIT
from engine.kernels.exponential import (
    exp_below,
    expm1_below,
    like,
    log1p,
    quotient,
    reduced_below,
)
from engine.kernels.normal import INV_SQRT_2_PI, bell, scaled_tail
from engine.kernels.products import nothing
from engine.kernels.runs import WORTH_THREADS, compile_run, over, over_parallel
from engine.kernels.threads import run

carray: Any = numba.carray  # type: ignore[attr-defined]
to_fixed_tuple: Any = ndarray.to_fixed_tuple

Array = npt.NDArray[Any]
S = TypeVar("S", bound=Callable[..., Any])

_INV_SQRT_2 = 1 / math.sqrt(2)
SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_PRODUCT = 1.7580993408473768599402175208123  # λα; the product of the two floats is 1 ULP off


def scalar(function: S) -> S:
    """Mark a scalar function as one that kernels may call."""
    marked: S = register_jitable(forceinline=True)(function)  # or loops would not vectorise
    return marked


@scalar
def sign(s: float) -> float:
    return s if s != s else like(s, 1) if s > 0 else like(s, -1) if s < 0 else s


@scalar
def larger(a: float, b: float) -> float:
    return a if a != a or a > b else b


@scalar
def smaller(a: float, b: float) -> float:
    return a if a != a or a < b else b


@scalar
def _identity(s: float) -> float:
    return s


@scalar
def _identity_slope(s: float) -> float:
    return s if s != s else like(s, 1)


@scalar
def _sigmoid(s: float) -> float:
    one = like(s, 1)
    e = exp_below(-abs(s))  # never overflows
    y = one + e
    return quotient(one if s >= 0 else e, y, e - (y - one))


@scalar
def _sigmoid_slope(s: float) -> float:
    one = like(s, 1)
    e = exp_below(-abs(s))
    y = one + e
    small = quotient(e, y, e - (y - one))  # σ(−|s|), at most a half: 1 − σ does not cancel
    return small * (one - small)


@scalar
def _sigmoid_slope_of_value(y: float) -> float:
    return y * (like(y, 1) - y)


@scalar
def _tanh(s: float) -> float:
    # tanh|s| = −m / (m + 2) with m = e^−2|s| − 1
    two = like(s, 2)
    m = expm1_below(-two * abs(s))
    y = two + m
    return math.copysign(quotient(-m, y, m - (y - two)), s)


@scalar
def _tanh_slope(s: float) -> float:
    return like(s, 4) * _sigmoid_slope(s + s)  # 1 − tanh² would cancel long before the slope does


@scalar
def _tanh_slope_of_value(y: float) -> float:
    return like(y, 1) - y * y


@scalar
def _softsign(s: float) -> float:
    one = like(s, 1)
    return math.copysign(one, s) if math.isinf(s) else s / (one + abs(s))


@scalar
def _softsign_slope(s: float) -> float:
    d = like(s, 1) / (like(s, 1) + abs(s))
    return d * d


@scalar
def _softsign_slope_of_value(y: float) -> float:
    d = like(y, 1) - abs(y)
    return d * d


@scalar
def _hardtanh(s: float) -> float:
    return like(s, 1) if s > 1 else (like(s, -1) if s < -1 else s)


@scalar
def _hardtanh_slope(s: float) -> float:
    return s if s != s else (like(s, 1) if -1 < s < 1 else like(s, 0))


@scalar
def _relu(s: float) -> float:
    return like(s, 0) if s <= 0 else s


@scalar
def _relu_slope(s: float) -> float:
    return s if s != s else (like(s, 1) if s > 0 else like(s, 0))


@scalar
def _leaky_relu(s: float, a: float) -> float:
    return s if s > 0 else (like(s, 0) if a == 0 and s == s else a * s)


@scalar
def _leaky_relu_slope(s: float, a: float) -> float:
    return s if s != s else (like(s, 1) if s > 0 else a)


@scalar
def _elu(s: float, alpha: float) -> float:
    return s if s > 0 else alpha * expm1_below(s)


@scalar
def _elu_slope(s: float, alpha: float) -> float:
    return like(s, 1) if s > 0 else alpha * exp_below(s)


@scalar
def _elu_slope_of_value(y: float, alpha: float) -> float:
    return like(y, 1) if y > 0 else y + alpha


@scalar
def _selu(s: float) -> float:
    return like(s, SELU_SCALE) * s if s > 0 else like(s, SELU_PRODUCT) * expm1_below(s)


@scalar
def _selu_slope(s: float) -> float:
    return like(s, SELU_SCALE) if s > 0 else like(s, SELU_PRODUCT) * exp_below(s)


@scalar
def _selu_slope_of_value(y: float) -> float:
    return like(y, SELU_SCALE) if y > 0 else y + like(y, SELU_PRODUCT)


@scalar
def _softplus(s: float) -> float:
    return (s if s > 0 else like(s, 0)) + log1p(exp_below(-abs(s)))


@scalar
def _softplus_slope_of_value(y: float) -> float:
    return -expm1_below(-y)


@scalar
def _gelu(s: float) -> float:
    far = like(s, 40)  # where Φ(−s) has underflowed; −∞·0 would be NaN
    t = far if s > far else (-far if s < -far else s)
    density, tail = bell(t), scaled_tail(abs(t))
    # In the far left, density has few digits left, so it is the last factor.
    return t * tail * density if s < 0 else s * (like(s, 1) - tail * density)


@scalar
def _gelu_slope(s: float) -> float:
    far = like(s, 40)
    t = far if s > far else (-far if s < -far else s)
    density = bell(t)
    tail = scaled_tail(abs(t)) * density
    return (tail if t < 0 else like(s, 1) - tail) + t * density * like(s, INV_SQRT_2_PI)


@scalar
def _silu(s: float) -> float:
    t = like(s, -800) if s < -800 else s  # −∞·0 would be NaN
    one = like(s, 1)
    p, a, b = reduced_below(-abs(t))
    e = (one + p) * a * b
    y = one + e
    # Below 0 it is s·e^s / (1 + e^s), and s goes in first: e^s may have lost its digits by then.
    q = quotient(one if t >= 0 else t * (one + p) * a * b, y, e - (y - one))
    return t * q if t >= 0 else q


@scalar
def _silu_slope(s: float) -> float:
    far = like(s, 800)
    t = far if s > far else (-far if s < -far else s)
    return _sigmoid(t) + t * _sigmoid_slope(t)


def _kernel(kind: str, f: Callable[..., float], count: int) -> Callable[..., None]:
    """The loop of one kind over a scalar function of an entry and `count` parameters."""
    if kind == "of one":

        def kernel(a: Any, b: Any, c: Any, n: int, parameters: Any) -> None:
            x, y = carray(a, (n,)), carray(c, (n,))
            p = to_fixed_tuple(carray(parameters, (count,)), count)
            for i in range(n):
                y[i] = f(x[i], *p)
    else:

        def kernel(a: Any, b: Any, c: Any, n: int, parameters: Any) -> None:
            g, x, y = carray(a, (n,)), carray(b, (n,)), carray(c, (n,))
            p = to_fixed_tuple(carray(parameters, (count,)), count)
            for i in range(n):
                y[i] = g[i] * f(x[i], *p)

    # The name is that of its file in the cache.
    kernel.__qualname__ = f"{'values' if kind == 'of one' else 'scaled'}{f.__name__}"
    return kernel


_KINDS = {
    "value": ("of one", "f"),
    "slope": ("of one", "f_slope"),
    "scaled": ("times g", "f_slope"),
    "scaled by value": ("times g", "slope_of_value"),
}


@dataclass(frozen=True)
class Elementwise:
    """The kernels of one activation: arrays in, arrays out, the shape and dtype of s.

    `value(s)` is f(s), `slope(s)` is f′(s), `scaled_slope(g, s)` is g ⊙ f′(s); each takes the
    activation's parameters after the arrays. Where f′ is a function of y = f(s), `slope_of_value`
    is that function, if `of_value_if(*parameters)`, and `scaled_slope_of_value(g, y)` is g ⊙ f′.
    `reference_value` and `reference_slope` are the obvious NumPy formulas, right where nothing
    overflows.
    """

    f: Callable[..., float]
    f_slope: Callable[..., float]
    reference_value: Callable[..., Array]
    reference_slope: Callable[..., Array]
    slope_of_value: Callable[..., float] | None = None
    parameters: int = 0
    of_value_if: Callable[..., bool] = lambda *parameters: True
    _addresses: dict[tuple[str, str], int] = field(default_factory=dict, compare=False)

    def value(self, s: Array, *parameters: float) -> Array:
        return self._over("value", s, s, parameters)

    def slope(self, s: Array, *parameters: float) -> Array:
        return self._over("slope", s, s, parameters)

    def scaled_slope(self, g: Array, s: Array, *parameters: float) -> Array:
        return self._over("scaled", g, s, parameters)

    def scaled(self, what: str, g: Array, v: Array, parameters: tuple[float, ...]) -> Array:
        """g ⊙ f′, of s ("scaled") or of y ("scaled by value")."""
        return self._over(what, g, v, parameters)

    def scaled_slope_of_value(self, g: Array, y: Array, *parameters: float) -> Array:
        return self._over("scaled by value", g, y, parameters)

    def run(self, what: str, dtype: np.dtype[Any]) -> int:
        """The address of one of its runs, compiled when it is first asked for."""
        key = (what, dtype.char)
        address = self._addresses.get(key)
        if address is None:
            kind, of = _KINDS[what]
            address = compile_run(_kernel(kind, getattr(self, of), self.parameters), dtype)
            self._addresses[key] = address
        return address

    def _over(self, what: str, a: Array, b: Array, parameters: tuple[float, ...]) -> Array:
        if a is not b and (a.shape != b.shape or a.dtype != b.dtype):  # the runs check nothing
            raise ValueError(
                f"arrays of shape {a.shape}, {a.dtype} and {b.shape}, {b.dtype}; "
                "they must have one shape and dtype"
            )
        if len(parameters) != self.parameters:
            raise ValueError(f"{len(parameters)} parameters for {self.parameters}")
        out = empty(a.shape, a.dtype)
        flat_a = _flat(a)
        flat_b = flat_a if b is a else _flat(b)
        flat = _flat(out)
        p = np.array(parameters, a.dtype) if parameters else nothing(a.dtype)[0]
        if not JIT:
            kind, of = _KINDS[what]
            f = getattr(self, of)
            for i in range(flat.size):
                y = f(flat_b[i], *p)
                flat[i] = y if kind == "of one" else flat_a[i] * y
        elif flat.size < WORTH_THREADS:
            over(self.run(what, a.dtype), flat_a, flat_b, flat, p)
        else:
            run(over_parallel, over, self.run(what, a.dtype), flat_a, flat_b, flat, p)
        return out


def _flat(x: Array) -> Array:
    if x.ndim == 1 and x.flags.c_contiguous:
        return x
    return np.ascontiguousarray(x).reshape(-1)


def _reference_sigmoid(s: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-s)))


def _reference_normal_cdf(s: Array) -> Array:
    return np.asarray(
        np.vectorize(lambda z: 0.5 * (1 + math.erf(z * _INV_SQRT_2)), otypes=[s.dtype])(s)
    )


def _reference_normal_density(s: Array) -> Array:
    return np.asarray(np.exp(-s * s / 2) * INV_SQRT_2_PI)


KERNELS = {
    "identity": Elementwise(_identity, _identity_slope, lambda s: s, np.ones_like, _identity_slope),
    "sigmoid": Elementwise(
        _sigmoid,
        _sigmoid_slope,
        _reference_sigmoid,
        lambda s: _reference_sigmoid(s) * (1 - _reference_sigmoid(s)),
        _sigmoid_slope_of_value,
    ),
    "tanh": Elementwise(
        _tanh, _tanh_slope, np.tanh, lambda s: 1 - np.tanh(s) ** 2, _tanh_slope_of_value
    ),
    "softsign": Elementwise(
        _softsign,
        _softsign_slope,
        lambda s: s / (1 + abs(s)),
        lambda s: 1 / (1 + abs(s)) ** 2,
        _softsign_slope_of_value,
    ),
    "hardtanh": Elementwise(
        _hardtanh,
        _hardtanh_slope,
        lambda s: np.clip(s, -1, 1),
        lambda s: 1.0 * (abs(s) < 1),
        _hardtanh_slope,
    ),
    "relu": Elementwise(
        _relu, _relu_slope, lambda s: np.maximum(s, 0), lambda s: 1.0 * (s > 0), _relu_slope
    ),
    "leaky_relu": Elementwise(
        _leaky_relu,
        _leaky_relu_slope,
        lambda s, a: np.where(s > 0, s, a * s),
        lambda s, a: np.where(s > 0, 1, a),
        parameters=1,
    ),
    "elu": Elementwise(
        _elu,
        _elu_slope,
        lambda s, alpha: np.where(s > 0, s, alpha * (np.exp(s) - 1)),
        lambda s, alpha: np.where(s > 0, 1, alpha * np.exp(s)),
        _elu_slope_of_value,
        parameters=1,
        of_value_if=lambda alpha: alpha >= 0,  # or y is above 0 on both sides
    ),
    "selu": Elementwise(
        _selu,
        _selu_slope,
        lambda s: SELU_SCALE * np.where(s > 0, s, SELU_ALPHA * (np.exp(s) - 1)),
        lambda s: SELU_SCALE * np.where(s > 0, 1, SELU_ALPHA * np.exp(s)),
        _selu_slope_of_value,
    ),
    "softplus": Elementwise(
        _softplus,
        _sigmoid,
        lambda s: np.log(1 + np.exp(s)),
        _reference_sigmoid,
        _softplus_slope_of_value,
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
