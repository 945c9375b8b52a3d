"""`table1`: which activation and initialisation leave the least test error in deep nets?

Glorot & Bengio's Table 1: softsign, tanh and sigmoid nets of five hidden layers on Shapeset, MNIST
and CIFAR-10, softsign and tanh under normalized initialisation too. For each of the five kinds
and each data set, the learning rate is the one with the least error on validation examples among
those tried; with it, nets from several seeds are trained, and their test errors after the last
update make a mean and its interval. `--budget` says how much training that is.

What is less than in the paper: with the budgets "minutes" and "hours" the widths and the numbers
of updates (see `table1_budgets`); CIFAR-10 has its first batch alone; ImageNet is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from experiments.data import DataError, load
from experiments.figures.table1 import figures, tables
from experiments.lab.limits import check_limits
from experiments.lab.long_runs import LongRuns, train_all
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.training import Training
from experiments.questions.answers import table1_answer
from experiments.questions.table1_budgets import BUDGETS, EXAMPLES, Budget
from experiments.questions.table1_claims import claims
from experiments.questions.table1_statements import KINDS, PAPER

_LIMITS = {
    "width": (1, 20_000),
    "depth": (1, 100),
    "updates": (1, 100_000_000),
    "search_updates": (1, 100_000_000),
    "seeds": (2, 1000),
    "batch": (1, 10_000),
    "seed": (0, 2**62),
}


@dataclass(frozen=True)
class Settings(LongRuns):
    """Which activation and initialisation leave the least test error in deep nets?"""

    budget: Literal["minutes", "hours", "paper"] = "minutes"
    """How much training: layers of 100, 400 or 1000 units; 9,000, 400,000 or 5 million updates."""
    data: tuple[Literal["shapeset", "mnist", "cifar10"], ...] = ("shapeset", "mnist", "cifar10")
    """Data sets; one that can't be had is left out, and the table says why."""
    data_dir: Path | None = None
    """Folder with the files of MNIST and CIFAR-10; else that of GRADTRACE_DATA."""
    depth: int = 5
    """Hidden layers."""
    width: int | None = None
    """Units in each hidden layer, in place of the budget's."""
    updates: int | None = None
    """Updates of each net, in place of the budget's."""
    search_updates: int | None = None
    """Updates of each net that tries a learning rate, in place of the budget's."""
    lrs: tuple[float, ...] | None = None
    """Learning rates to try, in place of the budget's."""
    seeds: int | None = None
    """Nets of each kind, in place of the budget's number; from so many seeds, --seed the first."""
    batch: int = 10
    """Examples in an update."""
    seed: int = 0
    """Of images, weights and the order of training; the search has this one alone."""
    workers: int = 2
    """Nets that are trained side by side, each in a process of its own (1 with --scheduler)."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder table1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_limits(self, _LIMITS)
        if not self.data or len(set(self.data)) < len(self.data):
            raise SettingsError(f"--data: name each once, and at least one of {', '.join(PAPER)}")
        lrs = self.plan.lrs
        if not lrs or not all(lr > 0 and np.isfinite(lr) for lr in lrs):
            raise SettingsError(f"--lrs must be positive and finite, and at least one, got {lrs}")
        if len(set(lrs)) < len(lrs):
            raise SettingsError(f"--lrs: name each once, got {lrs}")

    @property
    def plan(self) -> Budget:
        """The budget with what the flags replace in it."""
        names = ("width", "updates", "search_updates", "lrs", "seeds")
        given = {name: getattr(self, name) for name in names}
        chosen = {name: value for name, value in given.items() if value is not None}
        return replace(BUDGETS[self.budget], **chosen)

    def training(self, data: str, kind: str, lr: float) -> Training:
        activation, init = KINDS[kind]
        n_train, n_valid, n_test = EXAMPLES[data]
        return Training(
            activation=activation,
            init=init,
            depth=self.depth,
            width=self.plan.width,
            data=data,
            data_dir=None if data == "shapeset" else self.data_dir,
            n_train=n_train,
            n_valid=n_valid,
            n_test=n_test,
            updates=self.plan.updates,
            batch=self.batch,
            lr=lr,
            seed=self.seed,
        )


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "data": ("shapeset",),
        "width": 50,
        "updates": 2_000,
        "search_updates": 500,
    },
    "paper": {"budget": "paper"},
}


def run(settings: Settings, progress: Progress) -> Result:
    """Search a learning rate for each kind of net and data set, then train nets with it.

    Raises: DataError if no data set can be had; SettingsError as `train_all` does.
    """
    plan, folder = settings.plan, settings.results / "table1"
    data, missing = _available(settings)
    cells = [(name, kind) for name in data for kind in KINDS]
    steps = len(plan.lrs) * plan.search_updates + plan.seeds * plan.updates
    progress.expect(len(cells) * steps, "updates")
    tries = [
        replace(settings.training(*cell, lr), updates=plan.search_updates)
        for cell in cells
        for lr in plan.lrs
    ]
    searched = train_all(tries, settings, folder, progress)
    valid = np.array([t.valid_error for t in searched]).reshape(len(data), len(KINDS), -1)
    chosen = np.array(plan.lrs)[np.argmin(valid, axis=2)]
    trainings = [
        replace(settings.training(*cell, float(lr)), seed=settings.seed + number)
        for cell, lr in zip(cells, chosen.reshape(-1), strict=True)
        for number in range(plan.seeds)
    ]
    trained = train_all(trainings, settings, folder, progress)
    found = np.array([(t.valid_error, t.test_error) for t in trained])
    final_valid, test = found.T.reshape(2, len(data), len(KINDS), -1)
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "search_valid_error": valid,
        "lr": chosen,
        "valid_error": final_valid,
        "test_error": test,
    }
    measurements = {
        "data": data,
        "missing": missing,
        "kinds": list(KINDS),
        "plan": vars(plan),
        "lr": chosen,
        "test_error_percent": 100 * test,
        "paper_percent": {name: PAPER[name] for name in data},
    }
    return Result(measurements, arrays, claims(settings, data, test))


def _available(settings: Settings) -> tuple[list[str], dict[str, str]]:
    """The data sets that can be had, and why the others can't."""
    missing: dict[str, str] = {}
    failed: DataError | None = None
    for name in settings.data:
        n_train, n_valid, n_test = EXAMPLES[name]
        try:
            load(
                name,
                data_dir=None if name == "shapeset" else settings.data_dir,
                n_train=max(1, n_train + n_valid if name != "shapeset" else 1),
                n_test=n_test if name != "shapeset" else 1,
                seed=settings.seed,
            )
        except DataError as error:
            missing[name], failed = str(error), error
    data: list[str] = [name for name in settings.data if name not in missing]
    if failed is not None and not data:
        raise failed
    return data, missing


TABLE1 = Question(
    name="table1",
    asks="Which activation and initialisation leave the least test error in deep nets?",
    settings=Settings,
    run=run,
    answer=table1_answer,
    read_next="experiments/README.md",
    takes="2 min",
    figures=figures,
    tables=tables,
    presets=PRESETS,
)
