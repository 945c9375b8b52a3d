"""`loss_surface`: has the quadratic cost more plateaus than cross-entropy?

Glorot & Bengio's figure 5: a net with one hidden layer of tanh units, random inputs and random
targets, and the cost over one weight of each layer. Many nets of several sizes are drawn, and the
share of each surface that is a plateau is measured, for both costs on the same net.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
import nn
from experiments.figures.loss_surface import figures, tables
from experiments.lab.limits import check_known, check_limits
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.questions.answers import loss_surface_answer
from experiments.questions.loss_surface_claims import SURELY_WRONG, claims
from experiments.questions.loss_surface_grid import (
    COSTS,
    THRESHOLD,
    Labels,
    Surface,
    dL_do,
    dL_do_formula,
    surface,
)

Array = npt.NDArray[np.float64]

THRESHOLDS = (0.02, THRESHOLD, 0.1)  # how the measure depends on what is called small
PARTS = (1, 2, 4)  # and on how far the weights go: all of --reach, half, a quarter of it
SHOWN = 5  # hidden units of the net in the figure, if that size is measured

_LIMITS = {
    "inputs": (1, 10_000),
    "classes": (2, 1000),
    "examples": (1, 10_000),
    "draws": (2, 10_000),
    "points": (9, 2001),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True)
class Settings:
    """Has the quadratic cost more plateaus than cross-entropy?"""

    hidden: tuple[int, ...] = (2, 5, 10, 20, 50)
    """Hidden units of the nets: several sizes."""
    inputs: int = 10
    """Inputs; each is drawn from N(0, 1)."""
    classes: int = 5
    """Classes; each example's is drawn at random."""
    examples: int = 10
    """Examples over which the cost is taken."""
    activation: str = "tanh"
    """Of the hidden units."""
    init: str = "standard"
    """Initialisation of the weights that are not varied, see nn.init."""
    reach: float = 10.0
    """The two weights go from -reach to reach."""
    points: int = 81
    """Points along each weight; one more than a multiple of 8."""
    draws: int = 20
    """Nets drawn of each size."""
    seed: int = 0
    """Of weights, inputs and targets."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder loss_surface."""

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        if not self.hidden or len(set(self.hidden)) < len(self.hidden):
            raise SettingsError("--hidden: name each size once, and at least one")
        wrong = [size for size in self.hidden if not 1 <= size <= 10_000]
        if wrong:
            raise SettingsError(f"--hidden must be 1 to 10000 units, got {wrong[0]}")
        if not (0 < self.reach <= 1000):
            raise SettingsError(f"--reach must be above 0 and at most 1000, got {self.reach}")
        if self.points % 8 != 1:  # 0 and a quarter of --reach are among them
            raise SettingsError(
                f"--points must be one more than a multiple of 8, got {self.points}; "
                f"take {self.points // 8 * 8 + 1}"
            )
        inits = [name for name in nn.init.SCHEMES if name != "zeros"]
        check_known("activation", self.activation, engine.ACTIVATIONS)
        check_known("init", self.init, inits)

    @property
    def weights(self) -> Array:
        """The values that each of the two weights takes."""
        return np.linspace(-self.reach, self.reach, self.points)

    @property
    def shown(self) -> int:
        """Where in `hidden` the size of the net in the figure is."""
        return self.hidden.index(SHOWN) if SHOWN in self.hidden else 0


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"points": 41},
    "paper": {"points": 161, "draws": 100},
}


def run(settings: Settings, progress: Progress) -> Result:
    """The surfaces of every net under both costs, what share is plateau, and ∂L/∂o."""
    n_sizes, n_draws = len(settings.hidden), settings.draws
    progress.expect(n_sizes * n_draws * len(COSTS))
    shares = np.zeros((2, len(PARTS), len(THRESHOLDS), len(COSTS), n_sizes, n_draws))
    shown: dict[str, Array] = {"weights": settings.weights}
    for k, draw, net, x, labels in _nets(settings):
        for c, cost in enumerate(COSTS):
            found = surface(net, x, labels, cost, settings.weights)
            shares[:, :, :, c, k, draw] = _shares(found)
            if (k, draw) == (settings.shown, 0):
                shown |= _as_arrays(found, cost)
            progress.step(f"{settings.hidden[k]} hidden units")
    at = THRESHOLDS.index(THRESHOLD)
    arrays = shown | {
        "flat": shares[0, 0, at],  # (cost, size, draw)
        "plateau": shares[1, 0, at],
        "shares": shares,
        "deviation": _deviations(settings),
        **_two_classes(),
    }
    kinds = ("gradient small", "plateau")
    measurements = {
        "costs": COSTS,
        "threshold": THRESHOLD,
        "share_of_surface": {
            kind: {
                cost: dict(zip(settings.hidden, shares[i, 0, at, c].mean(axis=-1), strict=True))
                for c, cost in enumerate(COSTS)
            }
            for i, kind in enumerate(kinds)
        },
        "by_reach_and_threshold": [
            {"kind": kind, "reach": settings.reach / part, "threshold": threshold}
            | {cost: shares[i, j, t, c].mean() for c, cost in enumerate(COSTS)}
            for i, kind in enumerate(kinds)
            for j, part in enumerate(PARTS)
            for t, threshold in enumerate(THRESHOLDS)
        ],
    }
    return Result(measurements, arrays, claims(settings, arrays))


def _nets(settings: Settings) -> Iterator[tuple[int, int, nn.MLP, Array, Labels]]:
    for k, hidden in enumerate(settings.hidden):
        for draw in range(settings.draws):
            # By the size itself, so that a net is the same whatever sizes are measured beside it.
            rng = np.random.default_rng([settings.seed, hidden, draw])
            sizes = [settings.inputs, hidden, settings.classes]
            net = nn.MLP(sizes, settings.activation, settings.init, rng=rng, dtype=np.float64)
            x = rng.normal(size=(settings.examples, settings.inputs))
            yield k, draw, net, x, rng.integers(settings.classes, size=settings.examples)


def _shares(found: Surface) -> Array:
    """Of flat and of plateau, by part and threshold."""
    parts = [found.inner(part) for part in PARTS]
    return np.array(
        [
            [[getattr(part, kind)(t).mean() for t in THRESHOLDS] for part in parts]
            for kind in ("flat", "plateau")
        ]
    )


def _as_arrays(found: Surface, cost: str) -> dict[str, Array]:
    name = cost.replace("-", "_")
    size = np.hypot(found.dL_dw1, found.dL_dw2)
    return {f"{name}_cost": found.cost, f"{name}_gradient": size}


def _deviations(settings: Settings) -> Array:
    """The largest |∂L/∂o − formula| over random outputs: by cost, for 2 classes and for many."""
    rng = np.random.default_rng([settings.seed, 0, 1])
    found = np.zeros((len(COSTS), 2))
    for j, classes in enumerate((2, settings.classes)):
        o = 4 * rng.normal(size=(1000, classes))
        labels = rng.integers(classes, size=len(o))
        for c, cost in enumerate(COSTS):
            wrong = dL_do(o, labels, cost) - dL_do_formula(o, labels, cost)
            found[c, j] = np.abs(wrong).max()
    return found


def _two_classes() -> dict[str, Array]:
    """∂L/∂o of the right class against its p, two classes; and the factor where p is small."""
    p = np.concatenate([np.linspace(0.01, 0.99, 99), SURELY_WRONG])
    o = np.stack([np.log(p), np.log1p(-p)], axis=1)
    right = np.zeros(len(p), np.int64)
    slopes = np.stack([dL_do(o, right, cost)[:, 0] for cost in COSTS])
    return {
        "p": p[: -len(SURELY_WRONG)],
        "dL_do": slopes[:, : -len(SURELY_WRONG)],
        "factor": (slopes[1] / slopes[0])[-len(SURELY_WRONG) :],
    }


LOSS_SURFACE = Question(
    name="loss_surface",
    asks="Has the quadratic cost more plateaus than cross-entropy?",
    settings=Settings,
    run=run,
    answer=loss_surface_answer,
    read_next="tutorials/06_two_costs.py",
    takes="5 s",
    figures=figures,
    tables=tables,
    presets=PRESETS,
)
