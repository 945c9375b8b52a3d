"""What `article` measures: a function for each erratum that a number can show.

Each returns `Quantity`s: the number, what the article's sentence makes of it (None where it says
nothing), and what the right sentence makes of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
import nn
from engine import Activation, Tensor, dense
from experiments.lab.claims import Measured

Array = npt.NDArray[np.float64]
Rng = np.random.Generator

_VAR_RELU = 0.5 - 1 / (2 * math.pi)  # Var relu(s) / Var s for a normal s
_EXAMPLES = 64


@dataclass(frozen=True)
class Quantity:
    """A number as it is measured, as it should be, and as the article has it."""

    label: str
    measured: Measured
    should: float
    says: float | None = None


Measure = Callable[[int, int, Rng], list[Quantity]]  # of width, draws and rng


def weight_derivative(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """∂x_k⁽ⁱ⁺¹⁾/∂w_jk of a tanh layer, by central differences of its forward pass."""
    x, W = rng.normal(size=3), rng.normal(size=(3, 3))
    s, step = x @ W, 1e-5
    f_prime = engine.tanh.slope(s)
    found = []
    for j, k in ((0, 1), (1, 2), (2, 0)):
        ends = []
        for sign in (1, -1):
            moved = W.copy()
            moved[j, k] += sign * step
            ends.append(dense(Tensor(x[None]), Tensor(moved), f="tanh").numpy()[0, k])
        found.append(
            Quantity(
                f"∂x_{k + 1}/∂w_{j + 1}{k + 1}",
                _exactly((ends[0] - ends[1]) / (2 * step)),
                should=float(f_prime[k] * x[j]),
                says=float(f_prime[j] * x[j]),
            )
        )
    return found


def slopes_at_zero(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """σ′ and tanh′ at s = 0, and σ′ where σ(s) = .01, near the lower saturation value."""
    low = math.log(0.01 / 0.99)
    return [
        Quantity("σ′(0)", _slope(engine.sigmoid, 0), should=0.25, says=0),
        Quantity("σ′ where σ(s) = .01", _slope(engine.sigmoid, low), should=0.0099),
        Quantity("tanh′(0)", _slope(engine.tanh, 0), should=1, says=1),
    ]


def slopes_far_out(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """tanh′ and σ′ at large |s|: tanh′(s) = 1/cosh² s, σ′(s) = 1/(4 cosh² ½s)."""
    return [
        Quantity(
            f"{name}({s})", _slope(f, s), should=1 / (scale * math.cosh(s / half) ** 2), says=0
        )
        for name, f, s, scale, half in (
            ("tanh′", engine.tanh, 3, 1, 1),
            ("tanh′", engine.tanh, 10, 1, 1),
            ("σ′", engine.sigmoid, -10, 4, 2),
        )
    ]


def xavier_both_ways(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """What one linear layer of Xavier's does to variances, with three times as many inputs."""
    n_in, n_out = width, max(1, width // 3)
    forward, back = [], []
    for _ in range(draws):
        x = Tensor(rng.normal(size=(_EXAMPLES, n_in)), requires_grad=True)
        g = rng.normal(size=(_EXAMPLES, n_out))
        s = dense(x, Tensor(nn.init.xavier_uniform()((n_in, n_out), rng, np.float64)))
        s.backward(g)
        forward.append(s.numpy().var() / x.numpy().var())
        back.append(x.grad.numpy().var() / g.var() if x.grad is not None else math.nan)
    both = n_in + n_out
    return [
        Quantity("Var ∂L/∂x over Var ∂L/∂s", Measured.of(back), should=2 * n_out / both, says=1),
        Quantity("Var s over Var x", Measured.of(forward), should=2 * n_in / both),
    ]


def variance_of_s(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """Var s / (n Var w) for x = relu(z), whose mean is not 0; over the units of an example."""
    ratios = []
    for _ in range(draws):
        x, W = _relu_examples(width, rng), _kaiming(width, rng)
        s = dense(Tensor(x), Tensor(W)).numpy()
        ratios.append(s.var(axis=1).mean() / (width * W.var()))
    return [Quantity("Var s / (n Var w)", Measured.of(ratios), should=0.5, says=_VAR_RELU)]


def relu_moments(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """Var x and E[x²] over Var s, and the growth of s where Var x = ½ Var s is taken at its word.

    With Var(s) = n Var(w) Var(x) and Var(x) as it is, s would keep its size at Var w = 2.93/n.
    """
    var_x, x2, growth = [], [], []
    literal = nn.init.kaiming_normal(gain=math.sqrt(1 / _VAR_RELU))
    for _ in range(draws):
        s = dense(Tensor(rng.normal(size=(_EXAMPLES, width))), Tensor(_kaiming(width, rng))).numpy()
        x = engine.relu.value(s)
        per_example = s.var(axis=1)
        var_x.append(np.mean(x.var(axis=1) / per_example))
        x2.append(np.mean(np.mean(x**2, axis=1) / per_example))
        W = literal((width, width), rng, np.float64)
        later = dense(Tensor(x), Tensor(W)).numpy()
        growth.append(np.mean(later**2) / np.mean(s**2))
    return [
        Quantity("Var x / Var s", Measured.of(var_x), should=_VAR_RELU, says=0.5),
        Quantity("E[x²] / Var s", Measured.of(x2), should=0.5),
        Quantity(
            "growth of E[s²] at Var w = 2.93/n",
            Measured.of(growth, log=True),
            should=0.5 / _VAR_RELU,
            says=1,
        ),
    ]


def kaiming_std(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """The std of Kaiming's uniform and normal weights, times √n, and the uniform's bound."""
    uniform, normal = nn.init.kaiming_uniform(), nn.init.kaiming_normal()
    stds: list[list[float]] = [[], []]
    largest = []
    for _ in range(draws):
        for scheme, found in zip((uniform, normal), stds, strict=True):
            W = scheme((width, width), rng, np.float64) * math.sqrt(width)
            found.append(float(W.std()))
            if scheme is uniform:
                largest.append(float(np.abs(W).max()))
    return [
        Quantity("√n · std, uniform", Measured.of(stds[0]), math.sqrt(2), says=math.sqrt(6)),
        Quantity("√n · bound, uniform", Measured.of(largest), should=math.sqrt(6)),
        Quantity("√n · std, normal", Measured.of(stds[1]), math.sqrt(2), says=math.sqrt(2)),
    ]


def pytorch_beside_keras(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """Weights by PyTorch's documented formula, gain·√(3/fan): its gain for ReLU is √2, and
    nn.Linear's default takes the leaky ReLU's gain with slope √5, √(2/(1 + 5))."""
    kaiming = nn.init.kaiming_uniform(gain=math.sqrt(2))
    linear = nn.init.kaiming_uniform(gain=math.sqrt(2 / (1 + 5)))
    bounds, ratios, standard = [], [], []
    for _ in range(draws):
        W, V = (scheme((width, width), rng, np.float64) for scheme in (kaiming, linear))
        bounds.append(np.abs(W).max() / math.sqrt(6 / width))
        ratios.append(W.std() / V.std())
        standard.append(np.abs(V).max() * math.sqrt(width))
    return [
        Quantity(
            "PyTorch's bound over Keras's √(6/n)",
            Measured.of(bounds),
            should=1,
            says=math.sqrt(2),
        ),
        Quantity("its std over nn.Linear's default", Measured.of(ratios), should=math.sqrt(6)),
        Quantity("nn.Linear's bound, times √n", Measured.of(standard), should=1),
    ]


def graded(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """The spread of the outputs of active ReLU units; 0 if they fired at one strength."""
    spreads = []
    for _ in range(draws):
        x = _layer_output(width, rng)
        active = x[x > 0]
        spreads.append(active.std() / active.mean())
    should = math.sqrt(math.pi / 2 - 1)  # of a normal's positive half
    return [Quantity("std / mean of active units", Measured.of(spreads), should, says=0)]


def exact_zeros(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """The share of a ReLU layer's outputs that are 0, at a symmetric initialisation."""
    shares = [np.mean(_layer_output(width, rng) == 0) for _ in range(draws)]
    return [Quantity("share of zeros", Measured.of(shares), should=0.5)]


def half_negated(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """Var x / E[x²] over the units of an example: 1 where x has mean 0."""
    plain: list[float] = []
    negated: list[float] = []
    signs = np.resize([1.0, -1.0], width)
    for _ in range(draws):
        x = _layer_output(width, rng)
        for found, one in ((plain, x), (negated, x * signs)):
            found.append(float(np.mean(one.var(axis=1) / np.mean(one**2, axis=1))))
    return [
        Quantity("Var x / E[x²], ReLU", Measured.of(plain), should=1 - 1 / math.pi),
        Quantity("Var x / E[x²], half negated", Measured.of(negated), should=1),
    ]


def factorised_posterior(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """max |p(h|v) − Π_j p(h_j|v)| over all v and h of RBMs with 6 visible and 4 hidden units."""
    v, h = _binary(6), _binary(4)
    largest = []
    for _ in range(draws):
        W, c = rng.normal(size=(6, 4)), rng.normal(size=4)  # b·v drops out of p(h|v)
        weight = np.exp((v @ W + c) @ h.T)
        posterior = weight / weight.sum(axis=1, keepdims=True)
        one = engine.sigmoid.value(c + v @ W)
        product = np.prod(np.where(h[None] == 1, one[:, None], 1 - one[:, None]), axis=2)
        largest.append(float(np.abs(posterior - product).max()))
    return [Quantity("max |p(h|v) − Π p(h_j|v)|", _exactly(max(largest)), should=0)]


def equation_6(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """Var ∂Cost/∂s⁽ⁱ⁾ with W⁽ⁱ⁾ doubled, over the same without, in linear layers."""
    weights = [nn.init.xavier_uniform()((width, width), rng, np.float64) for _ in range(3)]
    x, g = (rng.normal(size=(_EXAMPLES, width)) for _ in range(2))
    single, double = (
        _first_gradient(x, [weights[0] * factor, *weights[1:]], g) for factor in (1, 2)
    )
    ratio = double.var() / single.var()
    return [Quantity("Var ∂Cost/∂s⁽ⁱ⁾ with W⁽ⁱ⁾ doubled", _exactly(ratio), should=1, says=4)]


def equation_13(width: int, draws: int, rng: Rng) -> list[Quantity]:
    """Var ∂Cost/∂s⁽ⁱ⁾ of ten times the cost over that of the cost, with the same x."""
    weights = [nn.init.xavier_uniform()((width, width), rng, np.float64) for _ in range(3)]
    x, g = (rng.normal(size=(_EXAMPLES, width)) for _ in range(2))
    ratio = _first_gradient(x, weights, 10 * g).var() / _first_gradient(x, weights, g).var()
    return [Quantity("Var ∂Cost/∂s⁽ⁱ⁾, cost × 10", _exactly(ratio), should=100, says=1)]


def _first_gradient(x: Array, weights: Sequence[Array], g: Array) -> Array:
    """∂Cost/∂s of the first of several linear layers, where g is ∂Cost/∂s of the last."""
    with engine.trace() as t:
        s: Any = Tensor(x)
        for W in weights:
            s = dense(s, Tensor(W, requires_grad=True))
        s.backward(g)
    return np.asarray(t.layers[0].dL_ds, np.float64)


def _slope(f: Activation, s: float) -> Measured:
    return _exactly(float(f.slope(np.array([s], np.float64))[0]))


def _exactly(value: float) -> Measured:
    """A number that is no draw, so without an interval."""
    return Measured(float(value), float(value), float(value))


def _kaiming(width: int, rng: Rng) -> Array:
    return nn.init.kaiming_normal()((width, width), rng, np.float64)


def _relu_examples(width: int, rng: Rng) -> Array:
    return np.asarray(engine.relu.value(rng.normal(size=(_EXAMPLES, width))))


def _layer_output(width: int, rng: Rng) -> Array:
    """x⁽ⁱ⁺¹⁾ of a ReLU layer under Kaiming's initialisation, for normal inputs."""
    x = Tensor(rng.normal(size=(_EXAMPLES, width)))
    return np.asarray(dense(x, Tensor(_kaiming(width, rng)), f="relu").numpy())


def _binary(n: int) -> Array:
    """All 2ⁿ states of n binary units, a row each."""
    return ((np.arange(2**n)[:, None] >> np.arange(n)) & 1).astype(np.float64)
