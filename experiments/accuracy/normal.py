"""The normal distribution's Φ and φ in the wider precision, which GELU is judged by.

Float64 has the C library's erfc. For long double, Φ(−a) of a ≥ 0 comes from

    a < 2    ½ − φ(a) (a + a³/3 + a⁵/(3·5) + …)
    a ≥ 2    φ(a) / (a + 1/(a + 2/(a + 3/(a + …))))         (Laplace)
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernels import jit

Array = npt.NDArray[Any]

_SQRT_2_PI = "2.5066282746310005024157652848110"
# Beyond, Φ(−a) and a·Φ(−a) are 0 in float64.
_FAR = 50.0
_SWITCH = 2.0
# At a = 2, as many as it takes until nothing changes.
_TERMS, _FRACTIONS = 40, 200


def density(s: Array) -> Array:
    """φ(s) = exp(−s²/2) / √(2π).

    s² = h² + (s − h)(s + h), with h so short that its square is exact: the rounding of s² would
    cost s²/2 units.
    """
    s = np.clip(s, -_FAR, _FAR)
    h = s.astype(np.float32).astype(s.dtype)
    rest = (s - h) * (s + h)
    return np.asarray(np.exp(-h * h / 2) * np.exp(-rest / 2) / s.dtype.type(_SQRT_2_PI))


def distribution(s: Array) -> Array:
    """Φ(s), without cancellation on either side."""
    a = np.abs(np.clip(s, -_FAR, _FAR))
    tail = _tail_by_erfc(a) if s.dtype == np.float64 else _tail(a)
    tail[a >= _FAR] = 0
    return np.where(s < 0, tail, 1 - tail)


def _tail_by_erfc(a: Array) -> Array:
    out = np.empty_like(a)
    _erfc_over(a, out)
    return out


@jit()
def _erfc_over(a: Array, out: Array) -> None:
    for i in range(a.size):
        out[i] = 0.5 * math.erfc(a[i] * 0.7071067811865476)


def _tail(a: Array) -> Array:
    out = np.empty_like(a)
    near = a < _SWITCH
    x = a[near]
    term, total = x.copy(), x.copy()
    for k in range(1, _TERMS):
        term = term * (x * x) / (2 * k + 1)
        total += term
    out[near] = 0.5 - density(x) * total
    x = a[~near]
    nested = x.copy()
    for k in range(_FRACTIONS, 0, -1):
        nested = x + k / nested
    out[~near] = density(x) / nested
    return out
