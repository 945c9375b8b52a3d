"""Who is timed when: in blocks, one after another, in every round in another order.

A machine's speed drifts, by its temperature and by what else it does. So the entrants take turns
within a second or two, each for a block long enough to be warm, and what is compared is their
times in the same round. An entrant that fails is out of the case, with the reason, and the case
goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Measured
from experiments.speed.cases import Case, Limit
from experiments.speed.processes import WorkerError

Array = npt.NDArray[np.float64]


class Competitor(Protocol):
    """What can be timed: it prepares a case, runs blocks of it, and lets go of it."""

    name: str

    def prepare(self, request: Mapping[str, Any]) -> Sequence[float]: ...

    def block(self, seconds: float, least: int) -> Sequence[float]: ...

    def drop(self) -> None: ...


@dataclass(frozen=True)
class Timing:
    """What was measured of one case on so many threads.

    Attributes:
        medians, minima: (rounds,) for each entrant that was measured, in seconds of one call: of
            the calls in its block.
        repeats: (rounds,) calls in a block that were timed.
        failures: why the others were not.
    """

    case: Case
    threads: int
    medians: Mapping[str, Array]
    minima: Mapping[str, Array]
    repeats: Mapping[str, Array]
    failures: Mapping[str, str]

    def seconds(self, name: str) -> float:
        """The median of an entrant's rounds; NaN if it was not measured."""
        return float(np.median(self.medians[name])) if name in self.medians else float("nan")

    def best(self, name: str) -> float:
        """The least time of all: what an entrant can do at most; NaN if it was not measured."""
        return float(np.min(self.minima[name])) if name in self.minima else float("nan")

    def ratio(self, rival: str, ours: str) -> Measured:
        """The rival's time over ours, round by round: the geometric mean and its interval."""
        if rival not in self.medians or ours not in self.medians:
            return Measured.of([float("nan")])
        return Measured.of(self.medians[rival] / self.medians[ours], log=True)

    def fastest(self, names: Iterable[str]) -> str | None:
        """Which of these is the fastest, None if none was measured."""
        measured = [name for name in names if name in self.medians]
        return min(measured, key=self.seconds) if measured else None

    @property
    def flops(self) -> float:
        """Operations of one call on all threads; only a peak's are counted for a single one."""
        is_peak = isinstance(self.case, Limit) and self.case.limit == "peak"
        return self.case.flops * (self.threads if is_peak else 1)

    def rate(self, name: str) -> float:
        """Operations a second; for a limit of the machine the most that was reached."""
        is_limit = isinstance(self.case, Limit)
        return self.flops / (self.best(name) if is_limit else self.seconds(name))

    def bandwidth(self, name: str) -> float:
        """Bytes a second, in the same way."""
        is_limit = isinstance(self.case, Limit)
        return self.case.bytes / (self.best(name) if is_limit else self.seconds(name))


@dataclass(frozen=True)
class Blocks:
    """How long and how often: `rounds` blocks of at least `seconds` and `least` calls each."""

    rounds: int
    seconds: float
    least: int = 3


def measure(
    case: Case,
    threads: int,
    entrants: Sequence[Competitor],
    blocks: Blocks,
    rng: np.random.Generator,
    after_round: Callable[[], object] = lambda: None,
) -> Timing:
    """Time a case. The first entrant's result is what the others' are compared with."""
    failures: dict[str, str] = {}
    times: dict[str, list[tuple[float, float, int]]] = {}
    reference: Sequence[float] | None = None
    for entrant in entrants:
        try:
            digest = entrant.prepare(case.request())
        except WorkerError as error:
            failures[entrant.name] = str(error)
            continue
        if reference is None:
            reference = digest
        elif wrong := difference(reference, digest, case.tolerance):
            failures[entrant.name] = wrong
            continue
        times[entrant.name] = []
    for order in turns(len(entrants), blocks.rounds, rng):
        for entrant in [entrants[i] for i in order]:
            if entrant.name not in times:
                continue
            try:
                block = entrant.block(blocks.seconds, blocks.least)
            except WorkerError as error:
                failures[entrant.name] = str(error)
                del times[entrant.name]
                continue
            times[entrant.name].append((float(np.median(block)), min(block), len(block)))
        after_round()
    for entrant in entrants:
        entrant.drop()
    columns = {name: np.array(rows, np.float64).T for name, rows in times.items()}
    return Timing(
        case,
        threads,
        medians={name: column[0] for name, column in columns.items()},
        minima={name: column[1] for name, column in columns.items()},
        repeats={name: column[2] for name, column in columns.items()},
        failures=failures,
    )


def turns(entrants: int, rounds: int, rng: np.random.Generator) -> list[list[int]]:
    """The order in each round: a shuffled one, which then moves on by one place a round.

    So over as many rounds as there are entrants, each has each place once.
    """
    first = rng.permutation(entrants).tolist()
    shifts = [r % max(entrants, 1) for r in range(rounds)]
    return [first[shift:] + first[:shift] for shift in shifts]


def difference(reference: Sequence[float], digest: Sequence[float], tolerance: float) -> str:
    """Why two results are not the same, or nothing: entries and sums, relative to the rms.

    (See `digest` in `experiments/speed/workers/serve.py`; the first number is the rms.)
    """
    a, b = np.asarray(reference, np.float64), np.asarray(digest, np.float64)
    if a.shape != b.shape:
        return "its result has another size than ours"
    scale = max(abs(a[0]), abs(b[0]))
    with np.errstate(all="ignore"):  # ∞ − ∞
        off = float(np.max(np.abs(a - b))) / (scale if scale > 0 else 1.0)
    # Not `off > tolerance`: a NaN must not pass.
    return "" if off <= tolerance else f"its result differs from ours by {off:.1e} of its rms"
