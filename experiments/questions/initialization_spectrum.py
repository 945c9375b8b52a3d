"""The singular values of a layer's Jacobian, as theory predicts them.

J = ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾ = diag(f′(s)) Wᵀ with W square, n×n, its entries independent of each other and, as
in mean-field theory, of s. For large n the law of λ, the squares of J's singular values σ, has the
Stieltjes transform m(z) = E[1/(λ − z)] that solves

    z m = −h(m),    h(m) = E[1 / (1 + τm)],    τ = n Var[W] f′(s)²,    s ~ N(0, q)

(Silverstein & Bai 1995, for a square matrix; for nets Pennington, Schoenholz & Ganguli 2017). With
f′ = 1 this is Marchenko & Pastur's law: σ has the density of a quarter circle on
[0, 2g], g = √(n Var[W]), and the mean 8g/(3π).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

import engine

Array = npt.NDArray[np.float64]

# Midpoints, close together: with few nodes, however well chosen, the law of τ would be so many
# lumps, and they would show in the density. None lies at 0, where f may have its kink.
_NODES = (np.arange(200) - 99.5) * 0.06
_WEIGHTS = np.exp(-(_NODES**2) / 2)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_LOG_M = np.linspace(-60.0, 60.0, 1201)  # ln(m · scale): what lies outside adds e⁻³⁰
_ANGLES = np.geomspace(math.pi, 1e-3, 28)[1:]


def quarter_circle_mean(n_var_W: float) -> float:
    """8g/(3π), g = √(n Var[W]): the mean singular value of W itself."""
    return 8 * math.sqrt(n_var_W) / (3 * math.pi)


def quarter_circle(sigma: Array, n_var_W: float) -> Array:
    """The density √(4g² − σ²) / (πg²) of the singular values of W itself."""
    inside = np.maximum(4 * n_var_W - sigma**2, 0.0)
    return np.asarray(np.sqrt(inside) / (math.pi * n_var_W))


def squared_slopes(f: engine.Activation, q: float, n_var_W: float) -> Array:
    """τ = n Var[W] f′(s)² at the nodes of a quadrature over s ~ N(0, q)."""
    slopes = f.slope(math.sqrt(q) * _NODES)
    return np.asarray(n_var_W * slopes.astype(np.float64) ** 2)


def mean_singular_value(tau: Array) -> float:
    """E[σ], from τ at the nodes.

    σ = (2/π) ∫₀^∞ σ²/(σ² + u²) du, and E[λ/(λ + u²)] = 1 − u² m(−u²) = 1 − h(m), where u² = h(m)/m:
    an integral over m, in which no equation need be solved.
    """
    scale = float(_WEIGHTS @ tau)
    if scale == 0:
        return 0.0
    m = np.exp(_LOG_M) / scale
    share = 1 / (1 + np.outer(m, tau))
    h = share @ _WEIGHTS
    dh = -(share * (1 - share)) @ _WEIGHTS  # by ln m
    u = np.sqrt(h / m)
    du = u * (dh / h - 1) / 2
    kept = (1 - share) @ _WEIGHTS
    return float(2 / math.pi * np.trapezoid(kept * -du, _LOG_M))


def density(sigma: Array, tau: Array) -> Array:
    """The density of the singular values at each σ > 0, from τ at the nodes.

    m is known on the negative axis, where it is real. It is followed from z = −σ² over the upper
    half-plane to z = σ², by Newton's method from angle to angle; there Im m = π times the density
    of λ = σ². Singular values that are exactly 0 (ReLU's) are no part of a density.
    """
    scale = float(_WEIGHTS @ tau)
    if scale == 0:
        return np.zeros_like(sigma)
    r = sigma**2
    known = np.exp(_LOG_M) / scale
    t = (1 / (1 + np.outer(known, tau))) @ _WEIGHTS / known
    m = np.exp(np.interp(-np.log(r), -np.log(t), np.log(known))).astype(np.complex128)
    for angle in (math.pi, *_ANGLES):
        z = r * np.exp(1j * angle)
        for _ in range(3):
            m = _newton(m, z, tau)
    return np.asarray(2 * sigma * np.maximum(m.imag, 0.0) / math.pi)


def _newton(m: npt.NDArray[Any], z: npt.NDArray[Any], tau: Array) -> npt.NDArray[Any]:
    """A step towards z m + h(m) = 0."""
    share = 1 / (1 + m[:, None] * tau)
    h, dh = share @ _WEIGHTS, -(tau * share**2) @ _WEIGHTS
    return np.asarray(m - (z * m + h) / (z + dh))
