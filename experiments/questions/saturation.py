"""`saturation`: which layers saturate, when, and do they come back?

Sigmoid nets of 3, 4 and 5 layers (the last under normalized initialisation too), tanh and softsign
nets under standard and normalized initialisation are trained by plain SGD on cross-entropy, several
of each from different seeds.
Along the way the mean, the standard deviation and the 98th percentile of every layer's
activations are taken on fixed test examples (Glorot & Bengio 2010, section 3 and figures 2, 3, 4
and 10). Nets of 4 sigmoid layers whose output biases stay 0 are the control of the mechanism.

The paper has 1000 units a layer and some millions of updates, its learning rates are not given.
The default has 100 units and up to 70,000 updates, so that it takes minutes, and learning rates
at which something happens in that time; `--paper` has the paper's sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from experiments.data import load
from experiments.figures.saturation import figures, tables
from experiments.lab.limits import check_data_dir, check_limits, check_positive
from experiments.lab.long_runs import LongRuns, train_all
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.training import Training
from experiments.questions.answers import saturation_answer
from experiments.questions.saturation_claims import claims
from experiments.questions.saturation_kinds import Kind, kinds, measure

MNIST_TRAIN = 50_000  # the paper's; the other 10,000 are its validation examples
N_TEST = 10_000
_LIMITS = {
    "width": (1, 20_000),
    "depth": (1, 100),
    "updates": (10, 100_000_000),
    "sigmoid_updates": (50, 100_000_000),
    "batch": (1, 10_000),
    "n_train": (0, 1_000_000),
    "seeds": (2, 1000),
    "probe": (1, N_TEST),
    "records": (3, 10_000),
    "seed": (0, 2**62),
}
# Shapeset's classes, in the order of SHAPESET_CLASSES.
_PRIORS = (*(1 / 6,) * 3, 1 / 18, 1 / 9, 1 / 9, 1 / 18, 1 / 9, 1 / 18)


@dataclass(frozen=True)
class Settings(LongRuns):
    """Which layers saturate, when, and do they come back?"""

    data: Literal["shapeset", "mnist"] = "shapeset"
    """Shapeset-3x2 is generated; mnist is read from --data-dir or GRADTRACE_DATA, or downloaded."""
    data_dir: Path | None = None
    """Folder with the MNIST files."""
    width: int = 100
    """Units in each hidden layer."""
    sigmoid_depths: tuple[int, ...] = (3, 4, 5)
    """Hidden layers of the sigmoid nets. Where 4 is listed, a control, b frozen at 0, is trained
    too; where 5 is, a net with normalized initialisation."""
    depth: int = 5
    """Hidden layers of the tanh and softsign nets."""
    sigmoid_updates: int = 70_000
    """Updates of sigmoid nets of 4 layers or more; shallower ones and the control take a third,
    those with normalized initialisation a fifth."""
    updates: int = 14_000
    """Updates of the tanh and softsign nets."""
    sigmoid_lr: float = 0.3
    """Learning rate of the sigmoid nets."""
    lr: float = 0.1
    """Learning rate of the tanh and softsign nets."""
    batch: int = 10
    """Examples in an update."""
    n_train: int = 0
    """Training images; 0: ever new ones of Shapeset, as in the paper, and 50,000 of MNIST."""
    seeds: int = 3
    """Nets of each kind, from that many seeds, --seed the first."""
    probe: int = 300
    """Fixed test examples on which the activations are measured."""
    records: int = 100
    """Measurements along the training."""
    seed: int = 0
    """Of the images, the weights and the order of training."""
    workers: int = 2
    """Nets that are trained side by side, each in a process of its own (1 with --scheduler)."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder saturation."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, _LIMITS)
        check_positive(self, "lr", "sigmoid_lr")
        depths = self.sigmoid_depths
        if min(depths, default=1) < 1 or max(depths, default=1) > 100:
            raise SettingsError(f"--sigmoid-depths must lie in 1 … 100, got {depths}")
        if len(set(depths)) < len(depths):
            raise SettingsError(f"--sigmoid-depths: name each once, got {depths}")
        check_data_dir(self.data, self.data_dir)
        least = min(map(self.updates_of, self.kinds()))
        if self.records > least:
            raise SettingsError(
                f"--records {self.records} is more than the {least} updates of the shortest "
                "training; take fewer records"
            )

    def kinds(self) -> list[Kind]:
        return list(kinds(self.sigmoid_depths, self.depth))

    def updates_of(self, kind: Kind) -> int:
        if kind.activation != "sigmoid":
            return self.updates
        # What these show, they show early, and the default is to take minutes.
        if kind.normalized:
            return self.sigmoid_updates // 5
        return self.sigmoid_updates // (3 if kind.frozen or kind.depth < 4 else 1)

    def every(self, kind: Kind) -> int:
        """Updates from one record to the next."""
        return -(-self.updates_of(kind) // self.records)

    def training(self, kind: Kind, number: int) -> Training:
        """The net of that kind with the seed of that number."""
        return Training(
            activation=kind.activation,
            init="xavier_uniform" if kind.normalized else "standard",
            depth=kind.depth,
            width=self.width,
            data=self.data,
            data_dir=self.data_dir,
            n_test=N_TEST,
            n_train=self.n_train if self.n_train or self.data == "shapeset" else MNIST_TRAIN,
            updates=self.updates_of(kind),
            batch=self.batch,
            lr=self.sigmoid_lr if kind.activation == "sigmoid" else self.lr,
            seed=self.seed + number,
            probe=self.probe,
            every=self.every(kind),
            freeze_top_bias=kind.frozen,
        )


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "width": 50,
        "sigmoid_updates": 4_500,
        "updates": 2_400,
        "records": 20,
    },
    "paper": {
        "width": 1000,
        "sigmoid_updates": 4_000_000,
        "updates": 5_000_000,
        "records": 200,
    },
}


def run(settings: Settings, progress: Progress) -> Result:
    """Train and measure every kind of net from every seed.

    Raises: DataError if the data can't be had; SettingsError as `train_all` does.
    """
    entropy, description = _classes(settings)
    trainings = [
        settings.training(kind, number)
        for kind in settings.kinds()
        for number in range(settings.seeds)
    ]
    progress.expect(sum(t.updates for t in trainings), "updates")
    trained = train_all(trainings, settings, settings.results / "saturation", progress)
    found = [measure(*each) for each in zip(trainings, trained, strict=True)]
    arrays: dict[str, npt.NDArray[np.generic]] = {"entropy": np.array(entropy)}
    measurements: dict[str, Any] = {"data": description, "entropy_of_classes": entropy}
    for i, kind in enumerate(settings.kinds()):
        nets = found[i * settings.seeds : (i + 1) * settings.seeds]
        arrays |= {f"{kind.key}_{name}": np.array([net[name] for net in nets]) for name in nets[0]}
        measurements[kind.key] = _summary(kind, nets)
    return Result(measurements, arrays, claims(settings, arrays))


def _summary(kind: Kind, nets: list[dict[str, npt.NDArray[np.float64]]]) -> dict[str, Any]:
    """Of a kind's nets, by seed; of layers, at the last record."""
    return {
        "title": kind.title,
        "test_error": [float(net["error"]) for net in nets],
        "loss_at_end": [float(net["last_loss"]) for net in nets],
        **{
            f"{name}_at_end": [net[name][-1] for net in nets]
            for name in ("mean", "std", "p98", "saturated")
        },
    }


def _classes(settings: Settings) -> tuple[float, str]:
    """The entropy of the classes in nats, the loss of the best constant guess; the data's name."""
    all_there_are = None if settings.data == "mnist" else 1
    data = load(
        settings.data,
        data_dir=settings.data_dir,
        n_train=all_there_are,
        n_test=settings.probe,
        seed=settings.seed,
    )
    priors = np.array(_PRIORS)
    if settings.data != "shapeset":
        priors = np.bincount(data.y_train, minlength=data.n_classes) / len(data.y_train)
    priors = priors[priors > 0]
    return float(-(priors * np.log(priors)).sum()), data.description


SATURATION = Question(
    name="saturation",
    asks="Which layers saturate, when, and do they come back?",
    settings=Settings,
    run=run,
    answer=saturation_answer,
    read_next="tutorials/05_sigmoid_tanh_softsign.py",
    takes="2.5 min",
    figures=figures,
    tables=tables,
    presets=PRESETS,
)
