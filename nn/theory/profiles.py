"""What theory predicts for a whole net at its initialisation: the profile over depth.

In a wide net with independent weights of mean zero, s⁽ⁱ⁾ is normal with variance

    q⁽ⁱ⁾ = n_i Var[W⁽ⁱ⁾] E[(x⁽ⁱ⁾)²] + Var[b⁽ⁱ⁾],      E[(x⁽ⁱ⁺¹⁾)²] = E[f(s)²],

and going back, with n_{i+1} the units of the next layer,

    E[(∂L/∂x⁽ⁱ⁺¹⁾)²] = n_{i+2} Var[W⁽ⁱ⁺¹⁾] E[(∂L/∂s⁽ⁱ⁺¹⁾)²],
    E[(∂L/∂s⁽ⁱ⁾)²] = E[f′(s⁽ⁱ⁾)²] E[(∂L/∂x⁽ⁱ⁺¹⁾)²].

These are equations 5 and 6 of Glorot & Bengio 2010 without their assumption that f is linear
(and with the second moment of x where they write its variance, which holds only if x has mean
zero). Sources: He et al. 2015; Poole et al. 2016; Schoenholz et al. 2017.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from engine import Activation, meanfield, printable


class Scheme(Protocol):
    """An initialisation, as far as theory asks: the variance of what it draws."""

    @property
    def variance(self) -> Callable[[int, int], float]: ...


class Net(Protocol):
    """A net of layers: each with W, f, and the schemes by which W and b are drawn."""

    @property
    def layers(self) -> Sequence[Any]: ...


Array = npt.NDArray[Any]


@printable
@dataclass(frozen=True)
class Profile:
    """Predictions for the hidden layers, one entry each, from the input's side.

    `s_std` and `x_std` are the standard deviations of s and of x⁽ⁱ⁺¹⁾ = f(s) over units and
    examples. `dL_ds`, `dL_dx` and `dL_dW` are root mean squares relative to the last hidden
    layer's, since their scale depends on the loss. ∂L/∂W is that of a single example; over a
    batch the examples' gradients correlate, which the prediction leaves out.
    """

    s_std: Array
    x_std: Array
    dL_ds: Array
    dL_dx: Array
    dL_dW: Array


@printable
@dataclass(frozen=True)
class Law:
    """One layer as theory sees it: f, its sizes, and the variances that its schemes promise."""

    f: Activation
    n_in: int
    n_out: int
    var_W: float
    var_b: float


def laws(sizes: Sequence[int], f: Activation, weight_init: Scheme, bias_init: Scheme) -> list[Law]:
    """The layers of an MLP of these sizes; the last one's f isn't used."""
    return [
        Law(f, i, o, weight_init.variance(i, o), bias_init.variance(i, o))
        for i, o in pairwise(sizes)
    ]


def predict_profile(net: Net, x_second_moments: Sequence[float] | Array) -> Profile:
    """The profile of a net with this net's sizes, activations and schemes.

    Args:
        net: its weights are not looked at, only how they were drawn.
        x_second_moments: E[x²] over the inputs, for one example or, as examples differ, for
            several (then the profile is their average).

    Raises: ValueError for a net without hidden layers, for second moments that are negative or not
        finite, and where a moment of an activation is infinite.
    """
    layers = []
    for layer in net.layers:
        i, o = layer.W.shape
        var_W, var_b = layer.weight_init.variance(i, o), layer.bias_init.variance(i, o)
        layers.append(Law(layer.f, i, o, var_W, var_b))
    return profile(layers, x_second_moments)


def profile(layers: Sequence[Law], x_second_moments: Sequence[float] | Array) -> Profile:
    """The profile of the hidden layers, which are all but the last."""
    hidden = layers[:-1]
    if not hidden:
        raise ValueError("predict_profile: this net has no hidden layers to predict for")
    moment = np.asarray(x_second_moments, dtype=np.float64).reshape(-1)
    if not moment.size or not np.isfinite(moment).all() or (moment < 0).any():
        raise ValueError(
            f"predict_profile: x_second_moments={x_second_moments}; give E[x²] of one example or "
            "more, each finite and not negative"
        )
    q, x2, centred, slope2 = [], [moment], [], []
    for law in hidden:
        q.append(law.n_in * law.var_W * x2[-1] + law.var_b)
        x2.append(np.array([meanfield.second_moment(law.f, v) for v in q[-1]]))
        means = np.array([meanfield.mean(law.f, v) for v in q[-1]])
        centred.append(max(0.0, float(x2[-1].mean() - means.mean() ** 2)))
        slope2.append(np.array([meanfield.slope_second_moment(law.f, v) for v in q[-1]]))
    back = np.ones_like(moment)
    dx2: list[Array] = []
    ds2: list[Array] = []
    for i in reversed(range(len(hidden))):
        back = back * layers[i + 1].n_out * layers[i + 1].var_W
        dx2.insert(0, back)
        back = back * slope2[i]
        ds2.insert(0, back)
    dW2 = [(a * b).mean() for a, b in zip(x2[:-1], ds2, strict=True)]
    return Profile(
        s_std=np.sqrt([v.mean() for v in q]),
        x_std=np.sqrt(centred),
        dL_ds=_relative([v.mean() for v in ds2]),
        dL_dx=_relative([v.mean() for v in dx2]),
        dL_dW=_relative(dW2),
    )


def _relative(squares: Sequence[float]) -> Array:
    with np.errstate(invalid="ignore"):  # an f without a slope has 0 / 0, which is NaN
        return np.sqrt(np.asarray(squares) / squares[-1])
