"""The moments of f(s) and f′(s) for normally distributed s, as used by mean-field theory.

With s ~ N(0, q), as in a wide layer with random weights of mean zero:

    E[f(s)²]    gives the next layer's variance: q⁽ⁱ⁺¹⁾ = n Var[W] E[f(s)²]
    E[f′(s)²]   gives the gradient's variance: Var[∂L/∂s⁽ⁱ⁾] = n Var[W] E[f′(s)²] Var[∂L/∂s⁽ⁱ⁺¹⁾]

(Glorot & Bengio 2010, equations 5 and 6, without their assumption that f is linear; Poole et
al. 2016.) Pair moments are the means of f(s₁) f(s₂) and f′(s₁) f′(s₂) for two inputs, whose s₁ and
s₂ are correlated. `engine.quadrature` gives the precision.

Each function raises ValueError with the moment, the activation and the point, if the moment is
infinite or undefined, or can't be computed to 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

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
    "variance",
]


def second_moment(f: Activation, q: float) -> float:
    """E[f(s)²] for s ~ N(0, q)."""
    with _named("E[f(s)²]", f):
        return normal_mean(lambda s: f.value(s) ** 2, q, f.breaks)


def mean(f: Activation, q: float) -> float:
    """E[f(s)] for s ~ N(0, q)."""
    with _named("E[f(s)]", f):
        return normal_mean(f.value, q, f.breaks)


def variance(f: Activation, q: float) -> float:
    """Var f(s) for s ~ N(0, q); 0 if it is below the rounding error."""
    centre = mean(f, q)
    with _named("Var f(s)", f):
        # f is centred first, because E[f²] − E[f]² cancels.
        variance = normal_mean(lambda s: (f.value(s) - centre) ** 2, q, f.breaks)
    return 0.0 if variance <= 1e-28 * centre * centre else variance


def slope_second_moment(f: Activation, q: float) -> float:
    """E[f′(s)²] for s ~ N(0, q)."""
    with _named("E[f′(s)²]", f):
        return normal_mean(lambda s: f.slope(s) ** 2, q, f.breaks)


def second_moment_growth(f: Activation, q: float) -> float:
    """d/dq E[f(s)²] = E[f′(s)²] + E[f(s) f″(s)], for s ~ N(0, q).

    Computed as E[(s²/q − 1) (f(s)² − f(0)²)] / 2q, which does not use f″, undefined at a kink.
    """
    if q == 0:
        q = 1e-8  # approximates the limit q → 0; for smaller q, rounding would dominate
    try:
        zero = second_moment(f, 0.0)
    except ValueError:  # f(0) is infinite, as for log |s|, but the derivative exists
        zero = 0.0
    with _named("d/dq E[f(s)²]", f):
        growth = normal_mean(lambda s: (s * s / q - 1) * (f.value(s) ** 2 - zero), q, f.breaks)
    return growth / (2 * q)


def pair_moment(f: Activation, q: float, c: float) -> float:
    """E[f(s₁) f(s₂)] for s₁, s₂ ~ N(0, q) with correlation c."""
    with _named("E[f(s₁) f(s₂)]", f):
        return pair_mean(f.value, q, c, f.breaks)


def slope_pair_moment(f: Activation, q: float, c: float) -> float:
    """E[f′(s₁) f′(s₂)] for s₁, s₂ ~ N(0, q) with correlation c."""
    with _named("E[f′(s₁) f′(s₂)]", f):
        return pair_mean(f.slope, q, c, f.breaks)


@contextmanager
def _named(moment: str, f: Activation) -> Iterator[None]:
    """Prefix an error of the quadrature with the moment and the activation."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{moment} of {f.name}: {error}") from None
