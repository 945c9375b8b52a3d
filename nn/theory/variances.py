"""The variance of s in deep nets: its map from layer to layer, its fixed point, and χ₁.

With Var[W] = σ_w² / fan_in and Var[b] = σ_b² (σ_w² is `var_w`, σ_b² is `var_b`),

    q⁽ⁱ⁺¹⁾ = V(q⁽ⁱ⁾) = σ_w² E[f(s)²] + σ_b²,      s ~ N(0, q⁽ⁱ⁾).

(Poole et al. 2016, equation 3; Schoenholz et al. 2017, sections 2 and 3.)
"""

from __future__ import annotations

import math

from engine import Activation, find_activation, meanfield
from nn.theory.roots import bracket, crossing

_SMALLEST, _LARGEST = 1e-14, 1e12  # the range in which fixed points are searched for


def variance_map(f: Activation | str, q: float, var_w: float, var_b: float = 0.0) -> float:
    """V(q) = σ_w² E[f(s)²] + σ_b², the variance of the next layer's s."""
    f = find_activation(f)
    check_variances(f, var_w, var_b)
    return var_w * meanfield.second_moment(f, q) + var_b


def variance_slope(f: Activation | str, q: float, var_w: float) -> float:
    """V′(q) = σ_w² (E[f′(s)²] + E[f(s) f″(s)]), the factor of a layer on a small deviation of q."""
    f = find_activation(f)
    check_variances(f, var_w, 0.0)
    return var_w * meanfield.second_moment_growth(f, q)


def chi_1(f: Activation | str, q: float, var_w: float) -> float:
    """χ₁ = σ_w² E[f′(s)²], the factor of a layer on the mean square of ∂L/∂s in the backward pass.

    (Poole et al. 2016, equation 5; Schoenholz et al. 2017, equation 14.) For χ₁ < 1 gradients
    vanish and inputs converge; for χ₁ > 1 gradients explode and similar inputs diverge.
    """
    f = find_activation(f)
    check_variances(f, var_w, 0.0)
    return var_w * meanfield.slope_second_moment(f, q)


def q_star(f: Activation | str, var_w: float, var_b: float = 0.0, start: float = 1.0) -> float:
    """q*, the fixed point V(q*) = q* to which the variance of s converges from `start`.

    q* = 0 if signals vanish. If V has several fixed points, q* is the nearest one in the direction
    in which V moves `start`. (q can't oscillate around q*, because q V′(q) ≥ −½ V(q).)

    Raises: ValueError if there is no fixed point (V(q) > q up to 10¹²: q diverges), if every
        variance is a fixed point (ReLU with σ_w² = 2), if `start` is an unstable fixed point, and
        as `variance_map`.
    """
    f = find_activation(f)
    check_variances(f, var_w, var_b)
    if not (start > 0 and math.isfinite(start)):
        raise ValueError(f"q_star of {f.name}: start={start}; it must be positive and finite")
    where = f"{f.name}, σ_w² = {var_w:g}, σ_b² = {var_b:g}"

    def excess(q: float) -> float:
        difference = variance_map(f, q, var_w, var_b) - q
        return 0.0 if abs(difference) <= 1e-13 * q else difference

    at_start = excess(start)
    if at_start == 0:
        if excess(2 * start) == 0 and excess(start / 2) == 0:
            raise ValueError(
                f"{where}: every variance is a fixed point, so q* depends on the input; pass q to "
                "functions that take q"
            )
        if variance_slope(f, start, var_w) > 1 + 1e-9:
            raise ValueError(
                f"{where}: {start:g} is an unstable fixed point, which q leaves in either "
                "direction; choose another start"
            )
        return start
    grows = at_start > 0
    try:
        factor, end = (1.5, _LARGEST) if grows else (1 / 1.5, _SMALLEST)
        interval = bracket(excess, start, factor, end)
    except ValueError as error:
        raise ValueError(f"{where}: q grows until it can't be computed ({error})") from None
    if interval is None and grows:
        raise ValueError(f"{where}: there is no fixed point; q grows from layer to layer forever")
    if not grows and (interval is None or interval[0] < 1e-10) and excess(0.0) == 0:
        return 0.0  # if V(q) = q − 2q² …, as for tanh at σ_w² = 1, rounding gives a zero above 0
    if interval is None:
        raise ValueError(f"{where}: there is no fixed point down to q = {_SMALLEST:g}")
    return crossing(excess, *interval)


def xi_q(f: Activation | str, var_w: float, var_b: float = 0.0) -> float:
    """ξ_q, the depth scale of q − q* ~ e^(−layers/ξ_q): ξ_q⁻¹ = −ln(χ₁ + σ_w² E[f f″]).

    (Schoenholz et al. 2017, equation 8.) ξ_q = 0 if V′(q*) = 0, and ∞ if V′(q*) = 1. Raises: as
    `q_star`.
    """
    q = q_star(f, var_w, var_b)
    return depth_scale(abs(variance_slope(f, q, var_w)))


def xi_gradient(
    f: Activation | str, var_w: float, var_b: float = 0.0, q: float | None = None
) -> float:
    """ξ_∇, the number of layers over which the gradient's mean square changes by e: ξ_∇⁻¹ = −ln χ₁.

    (Schoenholz et al. 2017, equation 16.) ξ_∇ is positive if gradients vanish, negative if they
    explode, and ∞ on the critical line. χ₁ is taken at q, by default q*. Raises: as `q_star`.
    """
    return depth_scale(chi_1(f, q_star(f, var_w, var_b) if q is None else q, var_w))


def depth_scale(factor: float) -> float:
    """−1 / ln factor, for a quantity that is multiplied by `factor` in each layer.

    ∞ for a factor that is 1 within the precision of the quadrature.
    """
    if factor <= 0:
        return 0.0
    return math.inf if abs(factor - 1) < 1e-6 else -1 / math.log(factor)


def check_variances(f: Activation, var_w: float, var_b: float) -> None:
    for name, value, least in (("var_w", var_w, "positive"), ("var_b", var_b, "not negative")):
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name == "var_b"))):
            raise ValueError(f"{f.name}: {name}={value}; it must be {least} and finite")
