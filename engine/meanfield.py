"""What an activation does to a normal distribution: the moments that theory is made of.

With s ~ N(0, q), as in a wide layer with random weights of mean zero:

    E[f(s)²]    what the next layer's variance is made of: q⁽ⁱ⁺¹⁾ = n Var[W] E[f(s)²]
    E[f′(s)²]   what a gradient keeps: Var[∂L/∂s⁽ⁱ⁾] = n Var[W] E[f′(s)²] Var[∂L/∂s⁽ⁱ⁺¹⁾]

(Glorot & Bengio 2010, equations 5 and 6, without their assumption that f is linear; Poole et
al. 2016.) Integrals are Gauss–Legendre over pieces that end at the kinks of f.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.activations import Activation

Array = npt.NDArray[Any]

_REACH = 12.0  # e^(−72) of the normal distribution lies outside
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)


def normal_mean(
    function: Callable[[Array], Array], q: float, kinks: tuple[float, ...] = ()
) -> float:
    """E[function(s)] for s ~ N(0, q), q ≥ 0; `kinks` are points where it is not smooth.

    Raises: ValueError for q that is negative or not finite.
    """
    if not (q >= 0 and math.isfinite(q)):
        raise ValueError(f"a variance of {q}; it must be finite and not negative")
    if q == 0:
        return float(function(np.zeros(1))[0])
    sd = math.sqrt(q)
    # Saturating functions bend within a few units of s, however large q is, and those that
    # saturate like a power of s go on bending: so the pieces double from there.
    far = [12.0 * 2**i for i in range(1, 60) if 12.0 * 2**i < _REACH * sd]
    points = (*kinks, *range(-12, 13, 2), *far, *(-point for point in far))
    inner = [point / sd for point in points if abs(point) < _REACH * sd]
    edges = np.unique([*np.linspace(-_REACH, _REACH, 13), *inner])
    low, high = edges[:-1, None], edges[1:, None]
    z = (low + high) / 2 + (high - low) / 2 * _NODES
    density = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    values = function((z * sd).reshape(-1)).reshape(z.shape)
    return float(((high - low) / 2 * _WEIGHTS * density * values).sum())


def second_moment(f: Activation, q: float) -> float:
    """E[f(s)²] for s ~ N(0, q)."""
    return normal_mean(lambda s: f.value(s) ** 2, q, f.kinks)


def mean(f: Activation, q: float) -> float:
    """E[f(s)] for s ~ N(0, q)."""
    return normal_mean(f.value, q, f.kinks)


def slope_second_moment(f: Activation, q: float) -> float:
    """E[f′(s)²] for s ~ N(0, q)."""
    return normal_mean(lambda s: f.slope(s) ** 2, q, f.kinks)
