"""`gain`: by how much weights must be larger than 1/√fan_in for a signal to keep its size.

Three sizes can be kept, and for most activations they ask for three different gains.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

from engine import Activation, find_activation, meanfield

GainMode = Literal["forward", "variance", "backward"]


def gain(f: Activation | str, mode: GainMode = "forward", q: float = 1.0) -> float:
    """The gain g of f: weights of variance g² / fan keep what `mode` names, where s ~ N(0, q).

    "forward", √(q / E[f(s)²]), with fan = fan_in: the next layer's s has variance q again. It keeps
        E[x²], which is what s = xW is made of whether or not x has mean zero (He et al. 2015,
        equation 10, where ReLU's √2 comes from; fixed points as in Poole et al. 2016).
    "variance", √(q / Var f(s)), with fan = fan_in: keeps Var[x], as if the mean of x were
        subtracted before the weights. Without that, and with E[x] ≠ 0, s grows. It is Glorot &
        Bengio's condition (2010, equation 10) taken at its word: the variance of x.
    "backward", 1 / √E[f′(s)²], with fan = fan_out: keeps the mean square of ∂L/∂s from layer to
        layer (He et al. 2015, equation 14).

    At q = 1, the default, these are 1/√E[f²], 1/√Var f and 1/√E[f′²] of a standard normal; only
    functions with f(as) = a f(s) have the same gain for every q. For odd f, forward is variance.

    Its estimated error is below 1e-6, and far below for a function that is smooth between kinks.

    Raises: ValueError for an unknown name or mode, for q that isn't positive and finite, where the
        moment is infinite (near a point, which the message names, or because f outgrows the normal
        distribution) or can't be computed to 1e-6, and where it is 0 (nothing to keep: f is
        constant, or 0 throughout).
    """
    f = find_activation(f)
    if mode not in get_args(GainMode):
        raise ValueError(f"mode={mode!r}; it is 'forward', 'variance' or 'backward'")
    if not (q > 0 and math.isfinite(q)):
        raise ValueError(f"gain of {f.name}: q={q}; a variance of s is positive and finite")
    if mode == "backward":
        kept, what, size = meanfield.slope_second_moment(f, q), "E[f′(s)²]", 1.0
    elif mode == "forward":
        kept, what, size = meanfield.second_moment(f, q), "E[f(s)²]", q
    else:
        kept, what, size = meanfield.variance(f, q), "Var f(s)", q
    if kept == 0:
        raise ValueError(
            f"{f.name} has no {mode} gain: {what} is 0 for s ~ N(0, {q:g}), so no scale of the "
            "weights brings anything back"
        )
    return math.sqrt(size / kept)
