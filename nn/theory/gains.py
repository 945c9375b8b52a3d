"""`gain`: the factor by which weights must exceed 1/√fan to keep the size of signals or gradients.

Three measures of size can be kept; for most activations their gains differ.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from engine import Activation, find_activation, meanfield

GainMode = Literal["forward", "variance", "backward"]


def gain(f: Activation | str, mode: GainMode = "forward", q: float = 1.0) -> float:
    """The gain g of f: weights of variance g² / fan keep the size that `mode` names, s ~ N(0, q).

    "forward", √(q / E[f(s)²]), with fan = fan_in: the next layer's s has variance q again. This
        keeps E[x²], which determines the variance of s = xW whatever the mean of x (He et al. 2015,
        equation 10, with √2 for ReLU; fixed points as in Poole et al. 2016).
    "variance", √(q / Var f(s)), with fan = fan_in: keeps Var[x], provided that the mean of x is
        subtracted before the weights are applied; otherwise, with E[x] ≠ 0, s grows. This is the
        literal condition of Glorot & Bengio (2010, equation 10).
    "backward", 1 / √E[f′(s)²], with fan = fan_out: keeps the mean square of ∂L/∂s from layer to
        layer (He et al. 2015, equation 14).

    At q = 1, the default, the gains are 1/√E[f²], 1/√Var f and 1/√E[f′²] for a standard normal s.
    The gains do not depend on q only if f(as) = a f(s) for a > 0. For odd f, "forward" and
    "variance" are equal.

    The estimated error is below 1e-6, and far below if f is smooth between kinks.

    Raises: ValueError for an unknown name or mode; if q isn't positive and finite; if the moment is
        infinite (near a point, which the message names, or because f grows too fast), can't be
        computed to 1e-6, or is 0 (f is constant).
    """
    f = find_activation(f)
    if mode not in get_args(GainMode):
        raise ValueError(f"mode={mode!r}; it must be 'forward', 'variance' or 'backward'")
    if not (q > 0 and math.isfinite(q)):
        raise ValueError(f"gain of {f.name}: q={q}; it must be positive and finite")
    if mode == "backward":
        moment, name, size = meanfield.slope_second_moment(f, q), "E[f′(s)²]", 1.0
    elif mode == "forward":
        moment, name, size = meanfield.second_moment(f, q), "E[f(s)²]", q
    else:
        moment, name, size = meanfield.variance(f, q), "Var f(s)", q
    if moment == 0:
        raise ValueError(
            f"{f.name} has no {mode} gain: {name} is 0 for s ~ N(0, {q:g}), which no scale of the "
            "weights can change"
        )
    return math.sqrt(size / moment)
