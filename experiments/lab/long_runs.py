"""`LongRuns`: the flags of a question that trains nets for long, and `train_all`, which obeys them.

    @dataclass(frozen=True)
    class Settings(LongRuns):
        width: int = 100
        …
        results: Path = Path("results")

    def run(settings, progress):
        trainings = [Training(…, seed=seed) for seed in range(settings.seeds)]
        progress.expect(sum(t.updates for t in trainings), "updates")
        trained = train_all(trainings, settings, settings.results / "saturation", progress)

Nothing of this changes a result, whether nets are trained one after another, side by side, on a
cluster, or in a run that was interrupted and resumed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from experiments.lab.activations import label
from experiments.lab.checkpoints import FOLDER, Checkpoint, discard_unfinished
from experiments.lab.cluster import cluster
from experiments.lab.progress import Progress
from experiments.lab.question import SettingsError
from experiments.lab.side_by_side import map_runs
from experiments.lab.training import Trained, Training, train


@dataclass(frozen=True, kw_only=True)
class LongRuns:
    """Flags for long runs; none of them changes a result.

    A class that adds flags and has a `__post_init__` calls this one's: `super().__post_init__()`.
    """

    workers: int = 1
    """Nets that are trained side by side, each in a process of its own."""
    resume: bool = False
    """Go on where a run of the same settings was interrupted."""
    save_every: float = 30.0
    """Seconds from one checkpoint to the next; what is lost by an interruption."""
    scheduler: str = ""
    """tcp://HOST:PORT of a Dask cluster that trains the nets; needs gradtrace[cluster]."""

    def __post_init__(self) -> None:
        default = next(field.default for field in fields(self) if field.name == "workers")
        if self.scheduler and self.workers == default:  # a cluster in their place
            object.__setattr__(self, "workers", 1)
        if not 1 <= self.workers <= 1024:
            bound = "at least 1" if self.workers < 1 else "at most 1024"
            raise SettingsError(f"--workers must be {bound}, got {self.workers}")
        if not self.save_every >= 0:
            raise SettingsError(f"--save-every must be at least 0, got {self.save_every}")
        if self.scheduler and not self.scheduler.startswith(("tcp://", "tls://")):
            raise SettingsError(
                f"--scheduler must be an address like tcp://127.0.0.1:8786, got {self.scheduler!r}"
            )
        if self.scheduler and self.workers > 1:
            raise SettingsError(
                "--workers and --scheduler are two ways to train side by side; choose one (a "
                "cluster has as many workers as were started for it)"
            )


def train_all(
    trainings: Sequence[Training], settings: LongRuns, folder: Path, progress: Progress
) -> list[Trained]:
    """Train every net as the flags say; the same nets in the same order whatever they are.

    `folder` is the question's, results/NAME. Every `save_every` seconds checkpoints go into its
    subfolder "checkpoints", so a shorter run writes none; they stay until `save_result` has
    written the results. A question may call this several times. Progress makes `t.updates` steps
    a net.

    Raises: as `train` does; SettingsError if there is nothing to resume, or if the cluster can't be
        used.
    """
    store = _Store(folder / FOLDER, trainings, settings)
    results = store.finished(progress) if settings.resume else {}
    left = [i for i in range(len(trainings)) if i not in results]

    def keep(position: int, trained: Trained) -> None:
        results[left[position]] = trained
        store.keep(left[position], trained)

    try:
        with _executor(settings.scheduler) as executor:
            if executor is not None:
                store.folder.mkdir(parents=True, exist_ok=True)
            map_runs(
                partial(_train, save_every=settings.save_every, resume=settings.resume),
                [(trainings[i], store.paths[i], executor is not None) for i in left],
                executor=executor,
                workers=settings.workers,
                progress=progress,
                keep=keep,
            )
    except BaseException:
        store.write()
        raise
    return [results[i] for i in range(len(trainings))]


def how_to_resume(settings: object, folder: Path) -> str:
    """What follows "interrupted" for a run of these settings; "" where nothing can be resumed."""
    if isinstance(settings, LongRuns) and any((folder / FOLDER).glob("*/*.npz")):
        return "; the same command with --resume goes on from its checkpoints"
    return ""


def _train(
    item: tuple[Training, Path, bool], progress: Progress, save_every: float, resume: bool
) -> Trained:
    t, path, far = item
    # Another machine writes checkpoints if it sees the same folder.
    checkpoint = path if not far or path.parent.is_dir() else None
    return train(t, progress, checkpoint, save_every, resume)


@contextmanager
def _executor(scheduler: str) -> Iterator[Executor | None]:
    if not scheduler:
        yield None
        return
    with cluster(scheduler) as executor:
        yield executor


class _Store:
    """The checkpoints of several trainings, a file each, named by what is trained."""

    def __init__(self, folder: Path, trainings: Sequence[Training], settings: LongRuns) -> None:
        # A folder for each run, so that --resume with other flags finds nothing.
        self.folder = folder.absolute() / _run(settings)
        self.paths = [self.folder / f"{_name(t)}.npz" for t in trainings]
        self._trainings, self._save_every = trainings, settings.save_every
        self._saved = time.monotonic()
        self._unsaved: dict[int, Trained] = {}
        discard_unfinished(self.folder)

    def finished(self, progress: Progress) -> dict[int, Trained]:
        """The nets, by number, whose training was over when the run was interrupted.

        Raises: SettingsError if that run has left no checkpoint.
        """
        if not any(self.folder.glob("*.npz")):
            raise SettingsError(
                f"--resume: {self.folder.parent} has no checkpoint of a run with these flags; "
                "give those of the run that was interrupted, or leave --resume out"
            )
        trainings = self._trainings
        return {
            i: train(trainings[i], progress, path, resume=True)
            for i, path in enumerate(self.paths)
            if path.exists()
            and Checkpoint.read(path, trainings[i].identity).update == trainings[i].updates
        }

    def keep(self, i: int, trained: Trained) -> None:
        """Hold a finished net, and write those that are held if the time has come."""
        self._unsaved[i] = trained
        if time.monotonic() - self._saved >= self._save_every:
            self.write()

    def write(self) -> None:
        for i, trained in self._unsaved.items():
            trained.checkpoint(self._trainings[i]).write(self.paths[i])
        self._unsaved.clear()
        self._saved = time.monotonic()


def _run(settings: LongRuns) -> str:
    """A name for what the flags ask for, the same whatever changes no result."""
    given = {field.name: getattr(settings, field.name) for field in fields(settings)}
    unimportant = {field.name for field in fields(LongRuns)} | {"results", "data_dir"}
    return _digest({k: v for k, v in given.items() if k not in unimportant})


def _name(t: Training) -> str:
    return f"{label(t.activation)}-{t.init}-{t.depth}x{t.width}-{_digest(t.asked)}"


def _digest(thing: Any) -> str:
    text = json.dumps(thing, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
