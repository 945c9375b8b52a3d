"""The profile of a net at its initialisation by theory: signals and gradients, layer by layer.

In a wide net with independent weights of mean zero, s⁽ⁱ⁾ is normal with variance

    q⁽ⁱ⁾ = n_i Var[W⁽ⁱ⁾] E[(x⁽ⁱ⁾)²] + Var[b⁽ⁱ⁾],      E[(x⁽ⁱ⁺¹⁾)²] = E[f(s)²],

and in the backward pass, where n_{i+1} is the number of units of the next layer,

    E[(∂L/∂x⁽ⁱ⁺¹⁾)²] = n_{i+2} Var[W⁽ⁱ⁺¹⁾] E[(∂L/∂s⁽ⁱ⁺¹⁾)²],
    E[(∂L/∂s⁽ⁱ⁾)²] = E[f′(s⁽ⁱ⁾)²] E[(∂L/∂x⁽ⁱ⁺¹⁾)²].

These are equations 5 and 6 of Glorot & Bengio 2010 without the assumption that f is linear, and
with the second moment of x instead of its variance, which is right only if x has mean zero.
Sources: He et al. 2015; Poole et al. 2016; Schoenholz et al. 2017.
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
    """An initialisation; the theory uses only the variance of its weights."""

    @property
    def variance(self) -> Callable[[int, int], float]: ...


class Net(Protocol):
    """A net of layers, each with W, f, and the schemes with which W and b were drawn."""

    @property
    def layers(self) -> Sequence[Any]: ...


Array = npt.NDArray[Any]


@printable
@dataclass(frozen=True)
class Profile:
    """Predictions for the hidden layers, one entry each, from the first layer to the last.

    `s_std` and `x_std` are the standard deviations of s and of x⁽ⁱ⁺¹⁾ = f(s) over units and
    examples. `dL_ds`, `dL_dx` and `dL_dW` are root mean squares relative to the last hidden layer,
    because the absolute scale depends on the loss. `dL_dW` is the gradient of a single example; the
    theory ignores the correlation between the gradients of a batch's examples.
    """

    s_std: Array
    x_std: Array
    dL_ds: Array
    dL_dx: Array
    dL_dW: Array


@printable
@dataclass(frozen=True)
class Law:
    """A layer in the theory: f, its numbers of inputs and units, and the variances of W and b."""

    f: Activation
    n_in: int
    n_out: int
    var_W: float
    var_b: float


def laws(sizes: Sequence[int], f: Activation, weight_init: Scheme, bias_init: Scheme) -> list[Law]:
    """The laws of the layers of an MLP with these sizes; the f of the last law isn't used."""
    return [
        Law(f, i, o, weight_init.variance(i, o), bias_init.variance(i, o))
        for i, o in pairwise(sizes)
    ]


def predict_profile(net: Net, x_second_moments: Sequence[float] | Array) -> Profile:
    """The predicted profile of a net, from its sizes, activations and schemes.

    Args:
        net: the net; the values of its weights are not used.
        x_second_moments: E[x²] over the inputs of one example, or of several examples; the profile
            is averaged over the examples.

    Raises: ValueError for a net without hidden layers, for second moments that are negative or not
        finite, or if a moment of an activation is infinite.
    """
    layers = []
    for layer in net.layers:
        i, o = layer.W.shape
        var_W, var_b = layer.weight_init.variance(i, o), layer.bias_init.variance(i, o)
        layers.append(Law(layer.f, i, o, var_W, var_b))
    return profile(layers, x_second_moments)


def profile(layers: Sequence[Law], x_second_moments: Sequence[float] | Array) -> Profile:
    """The profile of the hidden layers: all layers but the last."""
    hidden = layers[:-1]
    if not hidden:
        raise ValueError("predict_profile: the net has no hidden layers; it needs at least one")
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
    with np.errstate(invalid="ignore"):  # 0 / 0 is NaN if f′ = 0
        return np.sqrt(np.asarray(squares) / squares[-1])
