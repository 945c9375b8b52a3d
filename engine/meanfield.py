"""What an activation does to a normal distribution: the moments that theory is made of.

With s ~ N(0, q), as in a wide layer with random weights of mean zero:

    E[f(s)²]    what the next layer's variance is made of: q⁽ⁱ⁺¹⁾ = n Var[W] E[f(s)²]
    E[f′(s)²]   what a gradient keeps: Var[∂L/∂s⁽ⁱ⁾] = n Var[W] E[f′(s)²] Var[∂L/∂s⁽ⁱ⁺¹⁾]

(Glorot & Bengio 2010, equations 5 and 6, without their assumption that f is linear; Poole et
al. 2016.) For two inputs, whose s correlate, the same of products. `engine.quadrature` says how
precise they are and what they raise.
"""

from __future__ import annotations

from engine.activations import Activation
from engine.quadrature import normal_mean, pair_mean

__all__ = [
    "mean",
    "normal_mean",
    "pair_mean",
    "pair_moment",
    "second_moment",
    "second_moment_growth",
    "slope_pair_moment",
    "slope_second_moment",
]


def second_moment(f: Activation, q: float) -> float:
    """E[f(s)²] for s ~ N(0, q)."""
    return normal_mean(lambda s: f.value(s) ** 2, q, f.kinks)


def mean(f: Activation, q: float) -> float:
    """E[f(s)] for s ~ N(0, q)."""
    return normal_mean(f.value, q, f.kinks)


def slope_second_moment(f: Activation, q: float) -> float:
    """E[f′(s)²] for s ~ N(0, q)."""
    return normal_mean(lambda s: f.slope(s) ** 2, q, f.kinks)


def second_moment_growth(f: Activation, q: float) -> float:
    """d/dq E[f(s)²] = E[f′(s)²] + E[f(s) f″(s)], for s ~ N(0, q).

    Taken as E[(s²/q − 1) (f(s)² − f(0)²)] / 2q, which needs no f″: at a kink that is not a number.
    """
    if q == 0:
        q = 1e-8  # the limit, as far as 16 digits let it be seen
    zero = float(second_moment(f, 0.0))
    return normal_mean(lambda s: (s * s / q - 1) * (f.value(s) ** 2 - zero), q, f.kinks) / (2 * q)


def pair_moment(f: Activation, q: float, c: float) -> float:
    """E[f(s₁) f(s₂)] for s₁, s₂ ~ N(0, q) with correlation c."""
    return pair_mean(f.value, q, c, f.kinks)


def slope_pair_moment(f: Activation, q: float, c: float) -> float:
    """E[f′(s₁) f′(s₂)] for s₁, s₂ ~ N(0, q) with correlation c."""
    return pair_mean(f.slope, q, c, f.kinks)
