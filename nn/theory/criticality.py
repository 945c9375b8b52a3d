"""The critical line σ_w²(σ_b²), on which gradients neither vanish nor explode: χ₁ = 1 at q*."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine import Activation, find_activation, meanfield, printable
from nn.theory.roots import bracket, crossing
from nn.theory.variances import check_variances, variance_map, variance_slope


@printable
@dataclass(frozen=True)
class CriticalPoint:
    """The critical σ_w² for σ_b², and q*; q = 0 is the limit q → 0, if f(0) = 0 and σ_b = 0."""

    var_w: float
    var_b: float
    q: float


def critical_point(f: Activation | str, var_b: float = 0.0) -> CriticalPoint:
    """The σ_w² with χ₁ = 1 at q*: q − E[f(s)²] / E[f′(s)²] = σ_b², σ_w² = 1 / E[f′(s)²].

    (Schoenholz et al. 2017, section 3, figure 1. For ReLU with σ_b = 0 it is Kaiming's σ_w² = 2.)

    Raises: ValueError if no such σ_w² exists, as for ReLU with biases, or if the fixed point of q
        is unstable.
    """
    f = find_activation(f)
    check_variances(f, 1.0, var_b)
    where = f"{f.name}, σ_b² = {var_b:g}"
    if var_b == 0 and meanfield.second_moment(f, 0.0) == 0:
        slope = meanfield.slope_second_moment(f, 0.0)
        if slope > 0 and variance_map(f, 1e-4, 1 / slope) <= 1e-4 * (1 + 1e-9):
            return CriticalPoint(1 / slope, 0.0, 0.0)

    def excess(q: float) -> float:
        slope = meanfield.slope_second_moment(f, q)
        if slope == 0:
            raise ValueError(f"{where}: f′ is 0 almost everywhere, so gradients are 0")
        ratio = meanfield.second_moment(f, q) / slope
        difference = q - ratio - var_b
        return 0.0 if abs(difference) <= 1e-13 * (ratio + var_b) else difference

    start = max(var_b, 1e-6)
    unstable = ""
    while (interval := bracket(excess, start, 1.3, 1e8)) is not None:
        q = crossing(excess, *interval)
        var_w = 1 / meanfield.slope_second_moment(f, q)
        if abs(variance_slope(f, q, var_w)) <= 1 + 1e-9:
            return CriticalPoint(var_w, var_b, q)
        unstable = f" (at σ_w² = {var_w:.6g} and q = {q:.6g}, χ₁ = 1, but q is unstable)"
        start = interval[1]
    raise ValueError(f"{where}: no σ_w² has χ₁ = 1 at a stable fixed point of q{unstable}")


def critical_line(f: Activation | str, var_b: Sequence[float]) -> list[CriticalPoint]:
    """The critical point for each σ_b². Raises: as `critical_point`."""
    return [critical_point(f, variance) for variance in var_b]
