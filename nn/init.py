"""Initial weights: each scheme with its formula, its variance, and its name in PyTorch and Keras.

A scheme is an `Initializer`: called with a shape, it draws weights; `variance` is the variance of a
weight. Weights are (fan_in, fan_out), as in s = xW. Kernels of a convolution are (height, width,
channels in, channels out), and both fans include the factor height × width.

Glorot's condition for signals that neither grow nor shrink is n_i Var[W] = 1 forward and
n_{i+1} Var[W] = 1 backward (Glorot & Bengio 2010, equations 10 and 11).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine import Activation, DtypeError, find_activation, printable
from nn.randomness import Rng, generator
from nn.theory.gains import gain
from nn.theory.profiles import Profile, laws, profile

Array = npt.NDArray[Any]
Mode = Literal["fan_in", "fan_out"]


@printable
@dataclass(frozen=True)
class Initializer:
    """A scheme to draw weights.

    `variance(fan_in, fan_out)` is the variance of one weight. `draw(rng, shape, std)` returns
    float64 numbers with mean zero and standard deviation std. `predicted_profile` predicts signals
    and gradients in a net drawn with this scheme. To pickle an Initializer, or a net with it, use
    functions of a module, as the schemes here do; lambdas can't be pickled.
    """

    name: str
    variance: Callable[[int, int], float]
    draw: Callable[[np.random.Generator, tuple[int, ...], float], Array]

    def __call__(
        self,
        shape: Sequence[int],
        rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
        fans: tuple[int, int] | None = None,
    ) -> Array:
        """Weights of this shape. `fans` are (fan_in, fan_out), by default those of the shape.

        Raises: ValueError for a fan below 1, a variance that is negative or not finite, or a draw
            of another shape; DtypeError unless dtype is float32 or float64; TypeError if rng is no
            seed or generator.
        """
        shape, dtype = _whole_numbers(shape), weights_dtype(dtype, self.name)
        fan_in, fan_out = fan_in_and_out(shape) if fans is None else fans
        for name, fan in (("fan_in", fan_in), ("fan_out", fan_out)):
            if not fan >= 1:
                raise ValueError(
                    f"{self.name}: weights of shape {shape} have {name} = {fan}; it must be at "
                    "least 1"
                )
        variance = self.variance(fan_in, fan_out)
        if not 0 <= variance < math.inf:
            raise ValueError(
                f"{self.name}: the variance of its weights is {variance}; it must be finite and "
                "not negative"
            )
        weights = np.asarray(self.draw(generator(rng), shape, math.sqrt(variance)))
        if weights.shape != shape:
            raise ValueError(
                f"{self.name}: its draw gave shape {weights.shape} for weights of shape {shape}"
            )
        return weights.astype(dtype)

    def predicted_profile(
        self,
        sizes: Sequence[int],
        activation: Activation | str = "tanh",
        x_second_moments: float | Sequence[float] = 1.0,
        bias_init: Initializer | str = "zeros",
    ) -> Profile:
        """The profile of `MLP(sizes, activation, this scheme, bias_init)` by theory, not drawn.

            nn.init.xavier_uniform().predicted_profile([784, 256, 256, 256, 10], "relu").dL_ds

        The fields are those of `nn.theory.Profile`, an entry for each hidden layer.
        `x_second_moments` is E[x²] of the inputs, one number or one per example.

        Raises: as `nn.theory.predict_profile`, and ValueError for an unknown name.
        """
        f, biases = find_activation(activation), find_initializer(bias_init)
        return profile(laws(sizes, f, self, biases), np.atleast_1d(x_second_moments))

    def __repr__(self) -> str:
        return f"Initializer({self.name})"


def fan_in_and_out(shape: Sequence[int]) -> tuple[int, int]:
    """(fan_in, fan_out): the number of inputs of a unit, and the number of units that an input
    reaches.

    Raises: ValueError for a shape of fewer than two axes; TypeError for lengths that are no
        integers.
    """
    shape = _whole_numbers(shape)
    if len(shape) < 2:
        raise ValueError(
            f"weights of shape {shape} have no fan_in and fan_out; weights are "
            "(fan_in, fan_out), kernels (height, width, channels in, channels out)"
        )
    positions = math.prod(shape[:-2])
    return positions * shape[-2], positions * shape[-1]


def weights_dtype(dtype: npt.DTypeLike, what: str) -> np.dtype[Any]:
    """`dtype` as a NumPy dtype.

    Raises: DtypeError unless dtype is float32 or float64.
    """
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise DtypeError(f"{what}: dtype {np.dtype(dtype)}; weights are float32 or float64")
    return np.dtype(dtype)


def _whole_numbers(shape: Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(index(n) for n in shape)
    except TypeError:
        raise TypeError(
            f"{shape!r} is no shape of weights; give a tuple of integers, (fan_in, fan_out)"
        ) from None


# Functions of this module and partials of them, not lambdas, so that nets can be pickled.


def _constant(variance: float, fan_in: int, fan_out: int) -> float:
    return variance


def _over_fan_in(c: float, fan_in: int, fan_out: int, times: int = 1) -> float:
    return c / (times * fan_in)


def _over_fan_out(c: float, fan_in: int, fan_out: int) -> float:
    return c / fan_out


def _over_sum(c: float, fan_in: int, fan_out: int) -> float:
    return c / (fan_in + fan_out)


def _over_larger(c: float, fan_in: int, fan_out: int) -> float:
    return c / max(fan_in, fan_out)


def _zeros(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> Array:
    return np.zeros(shape)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> Array:
    bound = math.sqrt(3) * std  # Var U[−a, a] = a²/3
    return rng.uniform(-bound, bound, shape)


def _normal(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> Array:
    return rng.normal(0.0, std, shape)


def _orthogonal(rng: np.random.Generator, shape: tuple[int, ...], std: float, gain: float) -> Array:
    rows, columns = math.prod(shape[:-1]), shape[-1]
    tall = rng.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.diag(r))  # removes the signs of the QR routine, which would bias Q
    return gain * (q if rows >= columns else q.T).reshape(shape)


def zeros() -> Initializer:
    """All 0, for biases. With weights of zero, all units of a layer would stay equal.

    PyTorch `zeros_`, Keras `Zeros`.
    """
    return Initializer("zeros", partial(_constant, 0.0), _zeros)


def normal(std: float) -> Initializer:
    """N(0, std²), independent of the layer's size; Var = std².

    PyTorch `normal_(std=…)` (whose default is 1), Keras `RandomNormal` (whose default is 0.05).
    """
    _check_positive("std", std)
    return Initializer(f"normal({std:g})", partial(_constant, std**2), _normal)


def standard() -> Initializer:
    """U[−1/√fan_in, 1/√fan_in]; Var = 1 / (3 fan_in), a third of the variance that keeps signals.

    The "standard" initialisation of Glorot & Bengio 2010 (equation 1), and the default of PyTorch's
    `nn.Linear`. Keras has no name for it: use `VarianceScaling(1/3, "fan_in", "uniform")`.
    """
    return Initializer("standard", partial(_over_fan_in, 1, times=3), _uniform)


def xavier_uniform(gain: float = 1.0) -> Initializer:
    """U[−a, a], a = gain √(6 / (fan_in + fan_out)); Var = 2 gain² / (fan_in + fan_out).

    The "normalized" initialisation of Glorot & Bengio 2010 (equation 16). PyTorch
    `xavier_uniform_`, Keras `GlorotUniform` (the default of Keras's layers).
    """
    _check_positive("gain", gain)
    return Initializer("xavier_uniform", partial(_over_sum, 2 * gain**2), _uniform)


def xavier_normal(gain: float = 1.0) -> Initializer:
    """N(0, σ²), σ = gain √(2 / (fan_in + fan_out)); Var = σ² (equation 12).

    PyTorch `xavier_normal_`. Keras `GlorotNormal` truncates the normal distribution at two standard
    deviations, and rescales it to the same variance.
    """
    _check_positive("gain", gain)
    return Initializer("xavier_normal", partial(_over_sum, 2 * gain**2), _normal)


def kaiming_uniform(mode: Mode = "fan_in", gain: float = math.sqrt(2)) -> Initializer:
    """U[−a, a], a = gain √(3 / fan); Var = gain² / fan. With the gain √2 of ReLU, a = √(6 / fan).

    He et al. 2015 (equation 10, for a normal distribution). PyTorch `kaiming_uniform_`, whose
    default is the gain √2 too (leaky ReLU with slope 0); but `nn.Linear` calls it with slope √5,
    which is `standard` here. Keras `HeUniform`.
    """
    return Initializer("kaiming_uniform", _over_fan(mode, gain), _uniform)


def kaiming_normal(mode: Mode = "fan_in", gain: float = math.sqrt(2)) -> Initializer:
    """N(0, σ²), σ = gain / √fan; Var = gain² / fan. With the gain √2 of ReLU, σ = √(2 / fan).

    He et al. 2015, equation 10 (mode "fan_in") and 14 ("fan_out"). PyTorch `kaiming_normal_`.
    Keras `HeNormal` truncates at two standard deviations, with the same variance.
    """
    return Initializer("kaiming_normal", _over_fan(mode, gain), _normal)


def kaiming(
    activation: Activation | str = "relu",
    mode: Mode = "fan_in",
    distribution: Literal["normal", "uniform"] = "normal",
) -> Initializer:
    """Kaiming's scheme for any activation: Var = gain² / fan, with the gain of the activation.

    With s ~ N(0, 1), gain² is 1 / E[f(s)²] for "fan_in", which keeps E[x²], and 1 / E[f′(s)²] for
    "fan_out", which keeps the gradient (`nn.theory.gain`). For ReLU both are 2, the condition of He
    et al. (2015). PyTorch's `calculate_gain` has a table of seven activations, some with other
    gains (5/3 for tanh, 3/4 for SELU, 1 for sigmoid), without GELU, SiLU or ELU.

    Raises: ValueError for an unknown name, mode or distribution, or if f has no gain.
    """
    if distribution not in ("normal", "uniform"):
        raise ValueError(f"distribution={distribution!r}; it must be 'normal' or 'uniform'")
    f = find_activation(activation)
    _over_fan(mode, 1.0)
    g = gain(f, "forward" if mode == "fan_in" else "backward")
    base = (kaiming_normal if distribution == "normal" else kaiming_uniform)(mode, g)
    return Initializer(f"kaiming({f.name})", base.variance, base.draw)


def lecun_uniform() -> Initializer:
    """U[−a, a], a = √(3 / fan_in); Var = 1 / fan_in. (LeCun et al. 1998.)

    Keras `LecunUniform`; PyTorch `kaiming_uniform_(nonlinearity="linear")`.
    """
    return Initializer("lecun_uniform", partial(_over_fan_in, 1), _uniform)


def lecun_normal() -> Initializer:
    """N(0, 1 / fan_in); Var = 1 / fan_in. (LeCun et al. 1998; the scheme for SELU.)

    Keras `LecunNormal` truncates at two standard deviations, with the same variance. PyTorch
    `kaiming_normal_(nonlinearity="linear")`.
    """
    return Initializer("lecun_normal", partial(_over_fan_in, 1), _normal)


def orthogonal(gain: float = 1.0) -> Initializer:
    """Orthonormal columns (or rows, if there are fewer rows), times gain: all singular values are
    gain.

    Var = gain² / max(fan_in, fan_out) for a matrix. A kernel is treated as a matrix with fan_in
    rows and a column per output channel. (Saxe et al. 2014.) PyTorch `orthogonal_`, Keras
    `Orthogonal`, with other orders of axes.
    """
    _check_positive("gain", gain)
    return Initializer(
        "orthogonal", partial(_over_larger, gain**2), partial(_orthogonal, gain=gain)
    )


def _over_fan(mode: Mode, gain: float) -> Callable[[int, int], float]:
    """gain² / fan."""
    _check_positive("gain", gain)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"mode={mode!r}; it must be 'fan_in' or 'fan_out'")
    return partial(_over_fan_in if mode == "fan_in" else _over_fan_out, gain**2)


def _check_positive(what: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{what}={value}; it must be positive and finite")


SCHEMES: dict[str, Callable[[], Initializer]] = {
    "zeros": zeros,
    "standard": standard,
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal,
    "lecun_uniform": lecun_uniform,
    "lecun_normal": lecun_normal,
    "orthogonal": orthogonal,
}


def find_initializer(scheme: Initializer | str) -> Initializer:
    """The scheme with this name and default arguments, or `scheme` itself if an Initializer.

    Raises: ValueError with all names for an unknown name.
    """
    if isinstance(scheme, Initializer):
        return scheme
    if scheme not in SCHEMES:
        raise ValueError(
            f"no initialisation is named {scheme!r}; the names are {', '.join(SCHEMES)}; for "
            "N(0, std²) use nn.init.normal(std)"
        )
    return SCHEMES[scheme]()
