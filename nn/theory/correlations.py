"""Two inputs of a net: how the correlation of their s changes from layer to layer.

At a variance q of both inputs' s (by default the fixed point q*),

    c⁽ⁱ⁺¹⁾ = C(c⁽ⁱ⁾) = (σ_w² E[f(s₁) f(s₂)] + σ_b²) / V(q),    s₁, s₂ ~ N(0, q), correlation c⁽ⁱ⁾.

C(1) = 1 and C′(1) = χ₁. (Poole et al. 2016, equation 4; Schoenholz et al. 2017, section 3.)
"""

from __future__ import annotations

import math

from engine import Activation, find_activation, meanfield
from nn.theory.roots import bracket, crossing
from nn.theory.variances import chi_1, depth_scale, q_star, variance_map


def correlation_map(
    f: Activation | str, c: float, var_w: float, var_b: float = 0.0, q: float | None = None
) -> float:
    """C(c), the correlation of two inputs' s in the next layer.

    Raises: ValueError for c outside [−1, 1] or q* = 0, where the correlation is undefined; and,
        without q, as `q_star`.
    """
    f = find_activation(f)
    q = _variance(f, var_w, var_b, q)
    shared = var_w * meanfield.pair_moment(f, q, c) + var_b
    # The Cauchy–Schwarz inequality bounds C by 1, up to rounding.
    return min(1.0, max(-1.0, shared / variance_map(f, q, var_w, var_b)))


def c_star(f: Activation | str, var_w: float, var_b: float = 0.0, q: float | None = None) -> float:
    """c*, the stable fixed point C(c*) = c*, to which the correlation of any two inputs converges.

    c* = 1 for χ₁ ≤ 1 (order: all inputs become equal), and c* < 1 for χ₁ > 1 (chaos). c* is unique,
    because C is convex on [0, 1]. Raises: as `correlation_map`.
    """
    f = find_activation(f)
    q = _variance(f, var_w, var_b, q)
    after = variance_map(f, q, var_w, var_b)
    # C′(1) = χ₁ q / V(q), which is χ₁ at q*.
    if chi_1(f, q, var_w) * q / after <= 1 + 1e-9:
        return 1.0

    def excess(apart: float) -> float:
        return 1 - apart - (var_w * meanfield.pair_moment(f, q, 1 - apart) + var_b) / after

    if excess(1.0) >= 0:
        return 0.0
    interval = bracket(excess, 1.0, 0.5, 1e-12)
    return 1.0 if interval is None else 1 - crossing(excess, *interval)


def xi_c(f: Activation | str, var_w: float, var_b: float = 0.0, q: float | None = None) -> float:
    """ξ_c, the depth scale of c − c* ~ e^(−layers/ξ_c): ξ_c⁻¹ = −ln(σ_w² E[f′(s₁) f′(s₂)]) at c*.

    (Schoenholz et al. 2017, equation 10.) ξ_c limits the depth at which the output still
    distinguishes two inputs; ξ_c = ∞ on the critical line. Raises: as `correlation_map`.
    """
    f = find_activation(f)
    q = _variance(f, var_w, var_b, q)
    c = c_star(f, var_w, var_b, q)
    factor = var_w * meanfield.slope_pair_moment(f, q, c) * q / variance_map(f, q, var_w, var_b)
    return depth_scale(factor)


def relu_correlation_map(c: float) -> float:
    """ReLU's C in closed form, without biases: [√(1 − c²) + (π − arccos c) c] / π.

    (Cho & Saul 2009, the arc-cosine kernel of degree 1, over its value at 0.)
    Raises: ValueError for c outside [−1, 1].
    """
    if not -1 <= c <= 1:
        raise ValueError(f"a correlation of {c}; it must be between -1 and 1")
    return (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / math.pi


def _variance(f: Activation, var_w: float, var_b: float, q: float | None) -> float:
    q = q_star(f, var_w, var_b) if q is None else q
    if not (q > 0 and math.isfinite(q)):
        raise ValueError(
            f"{f.name}, σ_w² = {var_w:g}, σ_b² = {var_b:g}: q = {q:g}, but correlations need a "
            "variance that is positive and finite; give such a q"
        )
    return q
