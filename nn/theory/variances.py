"""The variance of s in deep nets: its map from layer to layer, its fixed point, the gradient there.

With W of variance σ_w² / fan_in and b of variance σ_b² (`var_w` and `var_b` here),

    q⁽ⁱ⁺¹⁾ = V(q⁽ⁱ⁾) = σ_w² E[f(s)²] + σ_b²,      s ~ N(0, q⁽ⁱ⁾).

(Poole et al. 2016, equation 3; Schoenholz et al. 2017, sections 2 and 3.)
"""

from __future__ import annotations

import math

from engine import Activation, find_activation, meanfield
from nn.theory.roots import bracket, crossing

_SMALLEST, _LARGEST = 1e-14, 1e12  # of the variances that are looked at


def variance_map(f: Activation | str, q: float, var_w: float, var_b: float = 0.0) -> float:
    """V(q) = σ_w² E[f(s)²] + σ_b², the variance of the next layer's s."""
    f = find_activation(f)
    check_variances(f, var_w, var_b)
    return var_w * meanfield.second_moment(f, q) + var_b


def variance_slope(f: Activation | str, q: float, var_w: float) -> float:
    """V′(q) = σ_w² (E[f′(s)²] + E[f(s) f″(s)]): by what a small deviation of q is multiplied."""
    f = find_activation(f)
    check_variances(f, var_w, 0.0)
    return var_w * meanfield.second_moment_growth(f, q)


def chi_1(f: Activation | str, q: float, var_w: float) -> float:
    """χ₁ = σ_w² E[f′(s)²]: the factor of a layer on the mean square of ∂L/∂s, going back.

    (Poole et al. 2016, equation 5; Schoenholz et al. 2017, equation 14.) Below 1 gradients vanish
    and inputs become alike, above 1 gradients explode and inputs that were alike part.
    """
    f = find_activation(f)
    check_variances(f, var_w, 0.0)
    return var_w * meanfield.slope_second_moment(f, q)


def q_star(f: Activation | str, var_w: float, var_b: float = 0.0, start: float = 1.0) -> float:
    """q*, the variance that s settles at: V(q*) = q*, reached from `start` as layers go by.

    0 if signals die out. Where there are several fixed points, the one next to `start` in the
    direction in which V moves it. (q can't swing about it: q V′(q) is never below −½ V(q).)

    Raises: ValueError where there is none (V(q) > q up to 10¹²: it diverges), where every variance
        is its own fixed point (ReLU with σ_w² = 2), where `start` is an unstable one, and as
        `variance_map` does.
    """
    f = find_activation(f)
    check_variances(f, var_w, var_b)
    if not (start > 0 and math.isfinite(start)):
        raise ValueError(f"q_star of {f.name}: start={start}; it must be positive and finite")
    where = f"{f.name}, σ_w² = {var_w:g}, σ_b² = {var_b:g}"

    def excess(q: float) -> float:
        found = variance_map(f, q, var_w, var_b) - q
        return 0.0 if abs(found) <= 1e-13 * q else found

    at_start = excess(start)
    if at_start == 0:
        if excess(2 * start) == 0 and excess(start / 2) == 0:
            raise ValueError(
                f"{where}: every variance is kept, so q* is whatever the input makes it; give q "
                "where a function takes it"
            )
        if variance_slope(f, start, var_w) > 1 + 1e-9:
            raise ValueError(
                f"{where}: {start:g} is an unstable fixed point, from which q goes either way; "
                "choose another start"
            )
        return start
    grows = at_start > 0
    try:
        found = bracket(excess, start, 1.5 if grows else 1 / 1.5, _LARGEST if grows else _SMALLEST)
    except ValueError as error:
        raise ValueError(f"{where}: q grows until it can't be followed ({error})") from None
    if found is None and grows:
        raise ValueError(f"{where}: there is no fixed point; q grows from layer to layer for ever")
    if not grows and (found is None or found[0] < 1e-10) and excess(0.0) == 0:
        return 0.0  # where V(q) = q − 2q² …, as for tanh at σ_w² = 1, rounding finds a zero above 0
    if found is None:
        raise ValueError(f"{where}: there is no fixed point down to q = {_SMALLEST:g}")
    return crossing(excess, *found)


def xi_q(f: Activation | str, var_w: float, var_b: float = 0.0) -> float:
    """ξ_q, the layers in which q comes nearer to q* by e: ξ_q⁻¹ = −ln(χ₁ + σ_w² E[f f″]).

    (Schoenholz et al. 2017, equation 8.) 0 where q* is reached at once, ∞ where V′(q*) = 1.
    Raises: as `q_star` does.
    """
    q = q_star(f, var_w, var_b)
    return depth_scale(abs(variance_slope(f, q, var_w)))


def xi_gradient(
    f: Activation | str, var_w: float, var_b: float = 0.0, q: float | None = None
) -> float:
    """ξ_∇, the layers in which the gradient's mean square changes by e: ξ_∇⁻¹ = −ln χ₁.

    (Schoenholz et al. 2017, equation 16.) Positive where it vanishes, negative where it explodes,
    ∞ on the critical line. At q*, unless another variance q is given. Raises: as `q_star` does.
    """
    return depth_scale(chi_1(f, q_star(f, var_w, var_b) if q is None else q, var_w))


def depth_scale(factor: float) -> float:
    """−1 / ln factor, for a quantity that is multiplied by `factor` in each layer.

    ∞ for a factor that is 1 as far as quadrature can tell.
    """
    if factor <= 0:
        return 0.0
    return math.inf if abs(factor - 1) < 1e-6 else -1 / math.log(factor)


def check_variances(f: Activation, var_w: float, var_b: float) -> None:
    for name, value, least in (("var_w", var_w, "positive"), ("var_b", var_b, "not negative")):
        if not (math.isfinite(value) and (value > 0 or (value == 0 and name == "var_b"))):
            raise ValueError(f"{f.name}: {name}={value}; it must be {least} and finite")
