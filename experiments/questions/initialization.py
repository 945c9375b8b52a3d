"""`initialization`: standard against normalized (Xavier's), layer by layer.

Glorot & Bengio's figures 6 to 9 and their Jacobians: for each initialisation nets are drawn, and on
fixed test examples the distributions of activations, ∂L/∂s and ∂L/∂W are measured layer by layer,
with the singular values of the layers' Jacobians. Then narrower nets are trained by plain SGD, and
the gradients are followed along the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import engine
from experiments.data import DataSet, load
from experiments.figures.initialization import figures, tables
from experiments.lab.limits import check_data_dir, check_known, check_limits, check_positive
from experiments.lab.long_runs import LongRuns, train_all
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.training import Training
from experiments.questions.answers import initialization_answer
from experiments.questions.initialization_claims import INITS, at_end, claims, first_over_last
from experiments.questions.initialization_jacobians import jacobians
from experiments.questions.initialization_start import start
from experiments.questions.initialization_training import course

Array = npt.NDArray[np.float64]

_LIMITS = {
    "depth": (2, 1000),
    "width": (2, 20_000),
    "draws": (2, 10_000),
    "jacobians": (0, 10_000),
    "probe": (1, 10_000),
    "train_width": (1, 20_000),
    "updates": (0, 10**9),
    "records": (1, 10_000),
    "seeds": (2, 10_000),
    "n_train": (1, 10**6),
    "batch": (1, 10_000),
    "seed": (0, 2**62),
}
# A step of progress is an update of the default training; the other parts take about so many.
_DRAW, _JACOBIANS = 600, 4500


@dataclass(frozen=True)
class Settings(LongRuns):
    """What does normalized initialisation change, at the start and in training?"""

    data: Literal["shapeset", "mnist"] = "shapeset"
    """Shapeset-3x2 is generated; mnist is read from --data-dir or GRADTRACE_DATA, or downloaded."""
    data_dir: Path | None = None
    """Folder with the MNIST files."""
    activation: str = "tanh"
    """Of the hidden layers; most claims are about tanh."""
    depth: int = 5
    """Hidden layers."""
    width: int = 1000
    """Units in each hidden layer of the nets that are measured as they are drawn."""
    draws: int = 5
    """Nets drawn of each initialisation."""
    jacobians: int = 5
    """How many of them have their Jacobians decomposed, each for another example; 0 for none."""
    probe: int = 300
    """Fixed test examples on which the layers are measured."""
    train_width: int = 200
    """Units in each hidden layer of the nets that are trained."""
    updates: int = 20_000
    """Updates in training; 0 leaves it out."""
    records: int = 20
    """How often the gradients are measured along the way."""
    seeds: int = 4
    """Trainings of each initialisation."""
    n_train: int = 20_000
    """Training examples."""
    batch: int = 10
    """Examples in an update."""
    lr: float = 0.05
    """Learning rate of plain SGD."""
    seed: int = 0
    """Of the images, the weights and the order of training."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder initialization."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, _LIMITS)
        check_data_dir(self.data, self.data_dir)
        check_positive(self, "lr")
        check_known("activation", self.activation, engine.ACTIVATIONS)
        if self.jacobians == 1 or self.jacobians > self.draws:
            raise SettingsError(
                f"--jacobians must be 0, or 2 to the {self.draws} of --draws, got {self.jacobians}"
            )
        if self.jacobians > self.probe:
            raise SettingsError(
                f"--jacobians needs another example for each, and --probe has {self.probe}"
            )

    def trainings(self) -> list[Training]:
        """By seed and then by initialisation: what comes together has the same images."""
        if not self.updates:
            return []
        return [
            Training(
                activation=self.activation,
                init=init,
                depth=self.depth,
                width=self.train_width,
                data=self.data,
                data_dir=self.data_dir,
                n_train=self.n_train,
                n_test=max(2000, self.probe),
                updates=self.updates,
                batch=self.batch,
                lr=self.lr,
                seed=self.seed + number,
                probe=self.probe,
                every=max(1, self.updates // self.records),
            )
            for number in range(self.seeds)
            for init in INITS
        ]


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "width": 250,
        "train_width": 50,
        "updates": 4000,
        "n_train": 5000,
        "seeds": 3,
        "draws": 4,
        "jacobians": 3,
    },
    "paper": {"train_width": 1000, "updates": 100_000, "draws": 10},
}


@np.errstate(all="ignore")  # a net that is dead or diverges gives 0/0 and ∞, and shows them
def run(settings: Settings, progress: Progress) -> Result:
    """Measure nets as they are drawn, then along training.

    Raises: DataError if the data can't be had or there are too few of them.
    """
    trainings = settings.trainings()
    n_jacobians = settings.jacobians * len(INITS)
    work = len(INITS) * settings.draws * _DRAW + n_jacobians * _JACOBIANS
    progress.expect(work + len(trainings) * settings.updates)
    progress.step("data", 0)
    data = load(
        settings.data,
        data_dir=settings.data_dir,
        n_train=1 if settings.data == "shapeset" else None,
        n_test=max(settings.probe, 1000),
        seed=settings.seed if settings.data == "shapeset" else 0,
    )
    arrays = start(settings, data, progress, _DRAW)
    arrays |= jacobians(settings, data, progress, _JACOBIANS)
    trained = train_all(trainings, settings, settings.results / "initialization", progress)
    courses = [course(one) for one in trained]
    shape = (settings.seeds, len(INITS)) if courses else (0, 0)
    for name in ("x_std", "dL_ds", "dL_dW", "losses", "test_error"):
        rows = np.array([getattr(one, name) for one in courses])
        arrays[f"training_{name}"] = rows.reshape(*shape, *rows.shape[1:]).swapaxes(0, 1)
    arrays["training_updates"] = np.array(courses[0].updates if courses else [], np.float64)
    return Result(_summary(data, arrays), arrays, claims(settings, arrays))


def _summary(data: DataSet, arrays: dict[str, Array]) -> dict[str, Any]:
    """The numbers that result.json has beside the claims."""
    moments = arrays["second_moments"]
    made: dict[str, Any] = {
        "data": data.description,
        "E_x2": float(moments.mean()),
        "inits": INITS,
        "x_std": arrays["init_x_std"].mean(axis=1),
        "dL_ds_first_over_last": first_over_last(arrays["init_dL_ds"]).mean(axis=1),
        "dL_dW_first_over_last": first_over_last(arrays["init_dL_dW"]).mean(axis=1),
    }
    if arrays["singular_J"].size:
        made["mean_singular_value"] = arrays["singular_J"].mean(axis=(1, 3))
        made["mean_singular_value_predicted"] = arrays["singular_J_predicted"].mean(axis=1)
        made["end_to_end_mean_singular_value"] = arrays["singular_end_to_end"].mean(axis=(1, 2))
    if arrays["training_updates"].size:
        for name in ("dL_ds", "dL_dW"):
            ratio = first_over_last(arrays[f"training_{name}"])
            made[f"training_{name}_first_over_last_at_end"] = at_end(ratio)
            made[f"training_{name}_first_over_last_at_start"] = ratio[..., 0]
        made["test_error"] = arrays["training_test_error"]
        made["reversed_at_update"] = _reversed_at(arrays)
    return made


def _reversed_at(arrays: dict[str, Array]) -> list[list[int | None]]:
    """By initialisation and seed: the first record at which rms ∂L/∂s is largest at the bottom."""
    above = first_over_last(arrays["training_dL_ds"]) >= 1
    updates = arrays["training_updates"]
    return [[int(updates[row.argmax()]) if row.any() else None for row in rows] for rows in above]


INITIALIZATION = Question(
    name="initialization",
    asks="What does normalized initialisation change, at the start and in training?",
    settings=Settings,
    run=run,
    answer=initialization_answer,
    read_next="tutorials/07_xavier.py",
    takes="2 min",
    figures=figures,
    tables=tables,
    presets=PRESETS,
)
