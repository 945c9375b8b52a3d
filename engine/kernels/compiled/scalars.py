"""Every built-in activation as scalar functions: f(s), f′(s), and f′ as a function of y = f(s).

The functions are correct at ±∞, ±1000, NaN, ±0 and denormals.

For most activations f′ is also a function of y, which is cheaper and lets the backward pass do
without s: tanh′ = 1 − y². This function loses digits in saturation: in float32, 1 − y² is off by up
to 6e-8, so a smaller slope has no correct digit, while the function of s is accurate everywhere.
Training uses the function of y, as every library does; `slope`, which traces use, takes s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba.extending import overload, register_jitable

from engine.kernels.compiled.compiling import INLINED
from engine.kernels.compiled.exponential import (
    exp_below,
    expm1_below,
    like,
    log1p,
    quotient,
    reduced_below,
)
from engine.kernels.compiled.normal import INV_SQRT_2_PI, bell, scaled_tail
from engine.kernels.plain import SELU_PRODUCT, SELU_SCALE

S = TypeVar("S", bound=Callable[..., Any])


def scalar(function: S) -> S:
    """Let kernels call a scalar function, and inline it, so that their loops vectorise."""
    jitable: S = register_jitable(**INLINED)(function)
    return jitable


def log(s: float) -> Any:
    """ln s: −∞ at 0, NaN below."""
    with np.errstate(all="ignore"):
        return np.log(s)


@overload(log, inline="always")
def _log(s):  # type: ignore[no-untyped-def]
    return lambda s: math.log(s)


def sqrt(s: float) -> Any:
    """√s: NaN below 0."""
    with np.errstate(all="ignore"):
        return np.sqrt(s)


@overload(sqrt, inline="always")
def _sqrt(s):  # type: ignore[no-untyped-def]
    return lambda s: math.sqrt(s)


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
def identity(s: float) -> float:
    return s


@scalar
def identity_slope(s: float) -> float:
    return s if s != s else like(s, 1)


@scalar
def sigmoid(s: float) -> float:
    one = like(s, 1)
    e = exp_below(-abs(s))  # never overflows
    y = one + e
    return quotient(one if s >= 0 else e, y, e - (y - one))


@scalar
def sigmoid_slope(s: float) -> float:
    one = like(s, 1)
    e = exp_below(-abs(s))
    y = one + e
    small = quotient(e, y, e - (y - one))  # σ(−|s|) ≤ ½, so 1 − σ(−|s|) does not cancel
    return small * (one - small)


@scalar
def sigmoid_slope_of_value(y: float) -> float:
    return y * (like(y, 1) - y)


@scalar
def tanh(s: float) -> float:
    # tanh|s| = −m / (m + 2) with m = e^−2|s| − 1
    two = like(s, 2)
    m = expm1_below(-two * abs(s))
    y = two + m
    return math.copysign(quotient(-m, y, m - (y - two)), s)


@scalar
def tanh_slope(s: float) -> float:
    return like(s, 4) * sigmoid_slope(s + s)  # 1 − tanh² cancels long before tanh′ underflows


@scalar
def tanh_slope_of_value(y: float) -> float:
    return like(y, 1) - y * y


@scalar
def softsign(s: float) -> float:
    one = like(s, 1)
    return math.copysign(one, s) if math.isinf(s) else s / (one + abs(s))


@scalar
def softsign_slope(s: float) -> float:
    d = like(s, 1) / (like(s, 1) + abs(s))
    return d * d


@scalar
def softsign_slope_of_value(y: float) -> float:
    d = like(y, 1) - abs(y)
    return d * d


@scalar
def hardtanh(s: float) -> float:
    return like(s, 1) if s > 1 else (like(s, -1) if s < -1 else s)


@scalar
def hardtanh_slope(s: float) -> float:
    return s if s != s else (like(s, 1) if -1 < s < 1 else like(s, 0))


@scalar
def relu(s: float) -> float:
    return like(s, 0) if s <= 0 else s


@scalar
def relu_slope(s: float) -> float:
    return s if s != s else (like(s, 1) if s > 0 else like(s, 0))


@scalar
def leaky_relu(s: float, a: float) -> float:
    return s if s > 0 else (like(s, 0) if a == 0 and s == s else a * s)


@scalar
def leaky_relu_slope(s: float, a: float) -> float:
    return s if s != s else (like(s, 1) if s > 0 else a)


@scalar
def elu(s: float, alpha: float) -> float:
    return s if s > 0 else alpha * expm1_below(s)


@scalar
def elu_slope(s: float, alpha: float) -> float:
    return like(s, 1) if s > 0 else alpha * exp_below(s)


@scalar
def elu_slope_of_value(y: float, alpha: float) -> float:
    return like(y, 1) if y > 0 else y + alpha


@scalar
def selu(s: float) -> float:
    return like(s, SELU_SCALE) * s if s > 0 else like(s, SELU_PRODUCT) * expm1_below(s)


@scalar
def selu_slope(s: float) -> float:
    return like(s, SELU_SCALE) if s > 0 else like(s, SELU_PRODUCT) * exp_below(s)


@scalar
def selu_slope_of_value(y: float) -> float:
    return like(y, SELU_SCALE) if y > 0 else y + like(y, SELU_PRODUCT)


@scalar
def softplus(s: float) -> float:
    return (s if s > 0 else like(s, 0)) + log1p(exp_below(-abs(s)))


@scalar
def softplus_slope_of_value(y: float) -> float:
    return -expm1_below(-y)


@scalar
def gelu(s: float) -> float:
    far = like(s, 40)  # Φ(−40) underflows to 0; without the limit, −∞·0 would be NaN
    t = far if s > far else (-far if s < -far else s)
    density, tail = bell(t), scaled_tail(abs(t))
    # For s ≪ 0 the density is denormal and has few digits, so it is the last factor.
    return t * tail * density if s < 0 else s * (like(s, 1) - tail * density)


@scalar
def gelu_slope(s: float) -> float:
    far = like(s, 40)
    t = far if s > far else (-far if s < -far else s)
    density = bell(t)
    tail = scaled_tail(abs(t)) * density
    return (tail if t < 0 else like(s, 1) - tail) + t * density * like(s, INV_SQRT_2_PI)


@scalar
def silu(s: float) -> float:
    t = like(s, -800) if s < -800 else s  # −∞·0 would be NaN
    one = like(s, 1)
    p, a, b = reduced_below(-abs(t))
    e = (one + p) * a * b
    y = one + e
    # For s < 0, silu is s·e^s / (1 + e^s). s is multiplied before the powers of two a and b,
    # because e^s alone may be denormal and have few digits.
    q = quotient(one if t >= 0 else t * (one + p) * a * b, y, e - (y - one))
    return t * q if t >= 0 else q


@scalar
def silu_slope(s: float) -> float:
    far = like(s, 800)
    t = far if s > far else (-far if s < -far else s)
    return sigmoid(t) + t * sigmoid_slope(t)


# These f′ depend only on the interval that s is in, and y is in the same interval.
identity_slope_of_value = identity_slope
hardtanh_slope_of_value = hardtanh_slope
relu_slope_of_value = relu_slope
softplus_slope = sigmoid
