"""`theory`: do nets at their initialisation do what theory predicts, for any activation?

Nets are drawn by the schemes that the predictions are for, and measured in one pass forward and
one back: gains of single layers, fixed points and depth scales of deep tanh nets, sigmoid's and
ReLU's factors per layer, correlations of pairs of inputs, norms over many draws. Nothing is
trained.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
import nn
from experiments.figures.theory import figures, tables
from experiments.lab.limits import check_limits
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.questions.answers import theory_answer
from experiments.questions.theory_claims import claims
from experiments.questions.theory_curves import GAINS, MODES, curves, own
from experiments.questions.theory_nets import deep, measure, norm_ratios, rescale, signals
from nn import theory

Array = npt.NDArray[np.float64]

TANH = (  # σ_w², σ_b²
    *((var_w, 0.05) for var_w in (1.3, 1.5, 1.65, 1.88, 2.0, 2.5, 3.0)),
    (25 / 9, 0.0),  # PyTorch's gain 5/3, without biases
)
SIGMOID = {"standard": 1 / 3, "Xavier": 1.0}  # n Var[W]
SLOPES = (0.1, 0.25, 0.5)  # of PReLU
WIDTHS = (0.5, 1, 0.5, 2, 1, 0.5, 1, 2, 1, 2)  # of the uneven net, in units of --width
FANS: tuple[nn.init.Mode, ...] = ("fan_in", "fan_out")
TAIL = (100, 20)  # units and layers of S8
NEAR = (2.0, 0.05)  # the σ_w², σ_b² of S2 nearest to the critical line in the chaotic phase
# Draws of a study, in units of --draws, where a number differs most from draw to draw: 9 % for l δ²
# after 30 layers (S4), 18 % for 1/ξ_c at NEAR. Those of "near" are further to the ones of "tanh".
REPEATS = {"xavier": 4, "near": 3}

_LIMITS = {
    "width": (10, 10_000),
    "depth": (6, 1000),
    "relu_depth": (4, 1000),
    "draws": (2, 10_000),
    "tail_draws": (2, 1_000_000),
    "pairs": (2, 1000),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True)
class Settings:
    """Do nets at their initialisation do what theory predicts, for any activation?"""

    width: int = 500
    """Units in each layer."""
    depth: int = 40
    """Hidden layers of the tanh nets; ReLU's growth is measured over 30."""
    relu_depth: int = 101
    """Hidden layers of the ReLU nets whose correlations are followed; 101 for S7's last number."""
    draws: int = 30
    """Nets drawn for each number."""
    tail_draws: int = 500
    """Nets drawn for the fourth moment of the norm (S8)."""
    pairs: int = 16
    """Pairs of inputs put through each net; an even number."""
    seed: int = 0
    """Of weights and inputs."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder theory."""

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        if self.pairs % 2:
            raise SettingsError(f"--pairs must be even, got {self.pairs}")


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "width": 200,
        "depth": 24,
        "relu_depth": 30,
        "draws": 10,
        "tail_draws": 100,
        "pairs": 8,
    },
    "paper": {"width": 1000, "depth": 101, "draws": 60, "tail_draws": 5000},
}


def run(settings: Settings, progress: Progress) -> Result:
    """Measure every study, and predict it."""
    studies: dict[str, Callable[[Settings, np.random.Generator], dict[str, Array]]] = {
        "gains": _gains,
        "tanh": _tanh,
        "xavier": _tanh_xavier,
        "sigmoid": _sigmoid,
        "relu": _relu,
        "uneven": _uneven,
        "prelu": _prelu,
        "near": lambda s, rng: _tanh(s, rng, (NEAR,)),
    }
    draws = {name: settings.draws * REPEATS.get(name, 1) for name in studies}
    progress.expect(sum(draws.values()) + 2)
    arrays: dict[str, Array] = {}
    for number, (name, study) in enumerate(studies.items()):
        rows = []
        for draw in range(draws[name]):
            rows.append(study(settings, np.random.default_rng([settings.seed, number, draw])))
            progress.step(name)
        arrays |= {f"{name}_{key}": np.array([row[key] for row in rows]) for key in rows[0]}
    tail = np.random.default_rng([settings.seed, len(studies)])
    ratios = [norm_ratios(*TAIL, tail) for _ in range(settings.tail_draws)]
    arrays["tail_ratios"] = np.array(ratios)
    progress.step("predictions")
    arrays |= _predicted(settings) | curves()
    progress.step("predictions")
    measurements = {
        "gains": {f: dict(zip(MODES, row, strict=True)) for f, row in _gain_means(arrays).items()},
        "gains_predicted": {f: {mode: theory.gain(own(f), mode) for mode in MODES} for f in GAINS},
        "tanh": [
            {"var_w": w, "var_b": b} | _tanh_means(arrays, i) for i, (w, b) in enumerate(TANH)
        ],
        "norm_ratio_direct": float(_fourth(np.prod(arrays["tail_ratios"], axis=1))),
    }
    return Result(measurements, arrays, claims(settings, arrays))


def _gains(settings: Settings, rng: np.random.Generator) -> dict[str, Array]:
    """Each activation's three gains, from one layer whose s is N(0, 1)."""
    gains = []
    for name in GAINS:
        net = deep(own(name), 1.0, 0.0, settings.width, 1, rng)
        layers = measure(net, signals(rng, 32, settings.width, 1.0, 0.0), rng)
        kept = (layers.x2[0], layers.var_x[0], (layers.ds[0] / layers.dx[0]) ** 2)
        gains.append([1 / np.sqrt(one) for one in kept])
    return {"measured": np.array(gains)}


_TANH = ("q", "chi_1", "c", "xi_c")


def _tanh(
    settings: Settings, rng: np.random.Generator, points: Sequence[tuple[float, float]] = TANH
) -> dict[str, Array]:
    """q*, χ₁, c* and ξ_c of one draw of weights at several σ_w², σ_b².

    Pairs start at correlations .1 above and below the predicted c*, which is where they stay only
    if it is right; in the ordered phase at .95, and ξ_c is how fast 1 − c falls. In the chaotic
    phase ξ_c is from n Var[W] f′(s₁) f′(s₂), measured, since c soon only fluctuates.
    """
    net = deep("tanh", 1.0, 1.0, settings.width, settings.depth, rng)
    biases = [layer.b.numpy().copy() for layer in net.layers]
    settled = settings.depth // 2
    found: dict[str, list[float]] = {key: [] for key in _TANH}
    scale = 1.0
    for var_w, var_b in points:
        rescale(net, np.sqrt(var_w) / scale)
        scale = np.sqrt(var_w)
        for layer, b in zip(net.layers, biases, strict=True):
            layer.b.assign(b * np.float32(np.sqrt(var_b)))
        ordered = _tanh_c_star(var_w, var_b) == 1
        x = np.concatenate(
            [
                signals(rng, settings.pairs // 2, settings.width, 1.0, c)
                for c in _starts(var_w, var_b)
            ]
        )
        layers = measure(net, x, rng)
        found["q"].append(float(layers.q[settled:].mean()))
        steps = settings.depth - 1 - settled
        found["chi_1"].append(float((layers.ds[settled] / layers.ds[-1]) ** (2 / steps)))
        found["c"].append(float(layers.c[-1] if ordered else layers.c[settled:].mean()))
        factor = (
            (layers.apart[-1] / layers.apart[4]) ** (1 / (settings.depth - 5))
            if ordered
            else var_w * layers.slopes[settled:].mean()
        )
        found["xi_c"].append(float(-1 / np.log(factor)))
    return {key: np.array(values) for key, values in found.items()}


@cache
def _tanh_c_star(var_w: float, var_b: float) -> float:
    return theory.c_star("tanh", var_w, var_b)


def _starts(var_w: float, var_b: float) -> tuple[float, float]:
    """Correlations of inputs of mean square 1, by where s is to start in the first layer."""
    c = _tanh_c_star(var_w, var_b)
    low, high = (0.95, 0.95) if c == 1 else (c - 0.1, min(c + 0.1, 0.98))
    ends = [((start * (var_w + var_b)) - var_b) / var_w for start in (low, high)]
    return ends[0], ends[1]


def _tanh_xavier(settings: Settings, rng: np.random.Generator) -> dict[str, Array]:
    """q in each layer, and the gradient's mean square in layer 1 over that in layer l."""
    net = deep("tanh", 1.0, 0.0, settings.width, settings.depth, rng)
    layers = measure(net, signals(rng, settings.pairs, settings.width, 1.0, 0.0), rng)
    return {"q": layers.q, "gradient": (layers.ds[0] / layers.ds) ** 2}


def _sigmoid(settings: Settings, rng: np.random.Generator) -> dict[str, Array]:
    """The factor per layer on rms ∂L/∂s, at q*."""
    factors = []
    for var_w in SIGMOID.values():
        net = deep("sigmoid", var_w, 0.0, settings.width, 10, rng)
        moment = theory.q_star("sigmoid", var_w) / var_w
        layers = measure(net, signals(rng, settings.pairs, settings.width, moment, 0.0), rng)
        factors.append(_per_layer(layers.ds[::-1]))
    return {"factor": np.array(factors)}


def _relu(settings: Settings, rng: np.random.Generator) -> dict[str, Array]:
    """Kaiming ReLU nets: correlations and moments; their growth, and that of two changed nets."""
    x = signals(rng, settings.pairs, settings.width, 1.0, 0.0)
    layers = measure(deep("relu", 2.0, 0.0, settings.width, settings.relu_depth, rng), x, rng)
    fainter = deep("relu", 2.0, 0.0, settings.width, 30, rng)
    fainter.layers[0].W.assign(fainter.layers[0].W.numpy() / np.float32(np.sqrt(2)))
    others = [
        deep("relu", 2.0, 0.0, settings.width, 30, rng),
        fainter,
        deep("relu", 1.0, 0.0, settings.width, 30, rng),
    ]
    growth = [_per_layer(np.sqrt(measure(net, x, rng).x2)) for net in others]
    return {
        "c": layers.c,
        "E_x2": np.array((layers.x2 / layers.q).mean()),
        "var_x": np.array((layers.var_x / layers.q).mean()),
        "growth": np.array(growth),  # Kaiming; with the first layer's W / √2; Xavier
    }


def uneven_net(settings: Settings, mode: nn.init.Mode, rng: nn.randomness.Rng) -> nn.MLP:
    """A ReLU net of widths that differ, with Kaiming's weights by fan_in or fan_out."""
    hidden = [round(settings.width * part) for part in WIDTHS]
    sizes = [settings.width, *hidden, min(settings.width, 50)]
    return nn.MLP(sizes, "relu", nn.init.kaiming(mode=mode), rng=rng)


def _uneven(settings: Settings, rng: np.random.Generator) -> dict[str, Array]:
    """rms x, last over first, and rms ∂L/∂s, first over last, by fan_in and by fan_out."""
    ratios = []
    for mode in FANS:
        net = uneven_net(settings, mode, rng)
        layers = measure(net, signals(rng, settings.pairs, settings.width, 1.0, 0.0), rng)
        ratios.append([np.sqrt(layers.x2[-1] / layers.x2[0]), layers.ds[0] / layers.ds[-1]])
    return {"ratios": np.array(ratios)}


def _prelu(settings: Settings, rng: np.random.Generator) -> dict[str, Array]:
    """PReLU's gain, from one layer, and the growth per layer of nets drawn with it."""
    gains, growth = [], []
    x = signals(rng, 32, settings.width, 1.0, 0.0)
    for a in SLOPES:
        f = engine.leaky_relu(a=a)
        gains.append(measure(deep(f, 1.0, 0.0, settings.width, 1, rng), x, rng).x2[0] ** -0.5)
        net = deep(f, 2 / (1 + a * a), 0.0, settings.width, 10, rng)
        growth.append(_per_layer(np.sqrt(measure(net, x, rng).x2)))
    return {"gain": np.array(gains), "growth": np.array(growth)}


def _predicted(settings: Settings) -> dict[str, Array]:
    """The expected numbers that depend on the settings."""
    xavier = theory.predict_profile(
        deep("tanh", 1.0, 0.0, settings.width, settings.depth, np.random.default_rng(0)), [1.0]
    )
    uneven = []
    for mode in FANS:
        profile = theory.predict_profile(uneven_net(settings, mode, 0), [1.0])
        # E[x²] = ½ E[s²] for ReLU without biases.
        uneven.append([profile.s_std[-1] / profile.s_std[0], profile.dL_ds[0] / profile.dL_ds[-1]])
    return {
        "predicted_xavier_q": xavier.s_std**2,
        "predicted_xavier_gradient": (xavier.dL_ds[0] / xavier.dL_ds) ** 2,
        "predicted_uneven": np.array(uneven),
    }


def _per_layer(values: Array) -> float:
    """The factor per layer from the first to the last."""
    return float((values[-1] / values[0]) ** (1 / (len(values) - 1)))


def _tanh_means(arrays: dict[str, Array], i: int) -> dict[str, float]:
    means = {key: float(arrays[f"tanh_{key}"][:, i].mean()) for key in ("q", "chi_1", "c")}
    # Of 1/ξ: near the critical line ξ itself jumps from +∞ to −∞.
    return means | {"xi_c": float(1 / np.mean(1 / arrays["tanh_xi_c"][:, i]))}


def _gain_means(arrays: dict[str, Array]) -> dict[str, list[float]]:
    means = arrays["gains_measured"].mean(axis=0)
    return {f: [float(v) for v in means[i]] for i, f in enumerate(GAINS)}


def _fourth(squares: Array) -> float:
    """E‖x‖⁴ / (E‖x‖²)²."""
    return float(np.mean(squares**2) / np.mean(squares) ** 2)


THEORY = Question(
    name="theory",
    asks="Do nets at their initialisation do what theory predicts, for any activation?",
    settings=Settings,
    run=run,
    answer=theory_answer,
    read_next="tutorials/08_relu_and_kaiming.py",
    takes="1.5 min",
    figures=figures,
    tables=tables,
    presets=PRESETS,
)
