"""`speed`: how fast are kernels, layers and training steps beside NumPy's and PyTorch's?

Every rival works in a process of its own with the same number of threads. They take turns in
short blocks, each round in another order, and a claim is about the ratio of their times round by
round. Before anything is timed, results are compared.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from experiments.figures.speed import figures, tables, texts
from experiments.lab.limits import check_compiled, check_limits
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.questions.answers import speed_answer
from experiments.questions.speed_claims import claims, targets
from experiments.speed.machine import Machine, available_cores, busy, this_machine
from experiments.speed.plans import GROUPS, Planned, plan
from experiments.speed.rivals import NUMPY, OPENBLAS, Rival, find_rivals
from experiments.speed.schedule import Blocks, Timing, measure
from experiments.speed.startup import Starts, measure_starts, starts_expected
from experiments.speed.team import Team, station_of
from experiments.speed.times import Times

_LIMITS: dict[str, tuple[float, float]] = {
    "rounds": (1, 1000),
    "block_ms": (0, 10_000),
    "cold_starts": (0, 100),
    "seed": (0, 2**63 - 1),
}


def _default_threads() -> tuple[int, ...]:
    return (1, 2) if available_cores() >= 2 else (1,)


@dataclass(frozen=True)
class Settings:
    """How fast are kernels, layers and training steps beside NumPy's and PyTorch's?"""

    groups: tuple[str, ...] = GROUPS
    """What is measured: matmul activations training small traces startup scaling roofline steps."""
    sizes: Literal["few", "most", "all"] = "most"
    """How many sizes of each: few for a minute, all for everything that is claimed."""
    threads: tuple[int, ...] = field(default_factory=_default_threads)
    """Numbers of threads; each rival has a process for each."""
    rounds: int = 7
    """How often each rival has its turn; intervals narrow with it."""
    block_ms: float = 40.0
    """Milliseconds of a turn, at least three calls."""
    cold_starts: int = 2
    """Starts with an empty kernel cache, some 20 s each; 0 leaves them out."""
    torch_python: Path | None = None
    """An interpreter that has PyTorch; without it, this one if PyTorch is installed here."""
    seed: int = 0
    """Of the arrays, the weights and the order of turns."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder speed."""

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        unknown = [name for name in self.groups if name not in GROUPS]
        if unknown or not self.groups or len(set(self.groups)) < len(self.groups):
            wrong = f"{unknown[0]!r} is unknown" if unknown else "name each once, and at least one"
            raise SettingsError(f"--groups: {wrong}; there are {', '.join(GROUPS)}")
        cores = available_cores()
        if not self.threads or sorted(set(self.threads)) != list(self.threads):
            raise SettingsError("--threads: name each number once, the smallest first")
        if self.threads[0] < 1 or self.threads[-1] > cores:
            wrong_number = self.threads[0] if self.threads[0] < 1 else self.threads[-1]
            raise SettingsError(
                f"--threads must be 1 to {cores}, the cores that this process may use, "
                f"got {wrong_number}"
            )


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"sizes": "few", "rounds": 3, "block_ms": 8.0, "cold_starts": 0},
    "paper": {"sizes": "all", "rounds": 15, "block_ms": 100.0, "cold_starts": 5},
}


def run(settings: Settings, progress: Progress) -> Result:
    """Time every case of the settings' groups.

    Raises: SettingsError if an interpreter was named for PyTorch and has none.
    """
    check_compiled("speed")
    machine = this_machine()
    load = busy()
    found, missing = find_rivals(settings.torch_python, machine)
    if load:
        print(f"gradtrace: {load}", file=sys.stderr, flush=True)
    _say(missing)
    rivals = {rival.name: rival for rival in found}
    planned = plan(settings.groups, settings.sizes, settings.threads, machine)
    start_rounds = max(2, (settings.rounds + 1) // 2)  # a start takes longer than a block
    n_starts = starts_expected(rivals, start_rounds, settings.cold_starts)
    progress.expect(
        sum(p.rounds(settings.rounds) for p in planned) + ("startup" in settings.groups) * n_starts
    )
    rng = np.random.default_rng(settings.seed)
    starts = Starts()
    if "startup" in settings.groups:
        starts = measure_starts(
            rivals,
            settings.threads[-1],
            start_rounds,
            settings.cold_starts,
            rng,
            lambda name: progress.step(f"start-up: {name}"),
        )
    timings: list[Timing] = []
    abouts: dict[str, Any] = {}
    for threads in settings.threads:
        here = [p for p in planned if p.threads == threads]
        needed = {station_of(name) for p in here for name in p.entrants} - missing.keys()
        with Team([r for r in found if r.name in needed], threads, settings.seed) as team:
            said, lost = team.assemble()
            _say(lost)
            abouts |= said
            missing |= lost
            timings += [_measure(settings, p, team, rng, progress) for p in here]
    notes = [*machine.notes, *([load] if load else []), *_notes(abouts)]
    machine = replace(machine, notes=tuple(notes))
    return _result(settings, machine, abouts, missing, timings, starts, rivals)


def _say(missing: Mapping[str, str]) -> None:
    for why in missing.values():
        print(f"gradtrace: {why}; going on without it", file=sys.stderr, flush=True)


def _measure(
    settings: Settings, p: Planned, team: Team, rng: np.random.Generator, progress: Progress
) -> Timing:
    threads = f"{p.threads} thread" + "s" * (p.threads > 1)
    said = functools.partial(progress.step, f"{p.case.label}, {threads}")
    blocks = Blocks(p.rounds(settings.rounds), settings.block_ms / 1000)
    return measure(p.case, p.threads, team.entrants(p.entrants), blocks, rng, said)


def _result(
    settings: Settings,
    machine: Machine,
    abouts: Mapping[str, Any],
    missing: Mapping[str, str],
    timings: Sequence[Timing],
    starts: Starts,
    rivals: Mapping[str, Rival],
) -> Result:
    present = frozenset(name for name in rivals if name not in missing)
    times = Times(timings, starts, present, frozenset(settings.groups))
    measurements = {
        "machine": {
            "cpu": machine.cpu,
            "architecture": machine.architecture,
            "cores": machine.cores,
            "features": machine.features,
            "caches": dict(machine.caches),
            "notes": machine.notes,
        },
        "rivals": abouts,
        "absent": dict(missing),
        "present": sorted(present),
        "groups": settings.groups,
        "rows": [
            {**row, "targets": targets(timing)}
            for row, timing in zip(times.rows(), timings, strict=True)
        ],
        "start_failures": dict(starts.failures),
    }
    return Result(measurements, times.arrays(), claims(times))


def _notes(abouts: Mapping[str, Any]) -> Iterator[str]:
    core = abouts.get(NUMPY, {}).get("core", "unknown")
    if OPENBLAS in abouts and core == abouts[OPENBLAS]["core"]:
        yield (
            f"NumPy as installed takes this processor for a {core}, so it runs on OpenBLAS' "
            "AVX-512 kernels anyway: those two rivals are one"
        )


SPEED = Question(
    name="speed",
    asks="How fast are kernels, layers and training steps beside NumPy's and PyTorch's?",
    settings=Settings,
    run=run,
    answer=speed_answer,
    read_next="tutorials/03_from_three_loops_to_the_tile.py",
    takes="6 min",
    figures=figures,
    tables=tables,
    presets=PRESETS,
    texts=texts,
)
