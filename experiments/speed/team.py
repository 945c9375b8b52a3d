"""The rivals' processes at work: started when first asked, started anew when one has died."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol

from experiments.lab.signals import signals_held
from experiments.speed.processes import Worker, WorkerDiedError, WorkerError
from experiments.speed.rivals import BEST_CORE, OPENBLAS, OURS, TITLES, VARIANTS, Rival

_LONGEST = 300.0  # seconds for an answer; the first call of a kernel may have to compile it
_MOST_STARTS = 3


class Asked(Protocol):
    """What a station needs of a worker; tests have others than processes."""

    def ask(self, limit: float, **request: Any) -> dict[str, Any]: ...

    def close(self) -> None: ...


def start(rival: Rival, threads: int) -> Asked:
    """The process of a rival."""
    return Worker(rival.command(), rival.working(threads))


class Station:
    """A rival's process, started when first asked, and anew after it has died."""

    def __init__(
        self, rival: Rival, threads: int, start: Callable[[Rival, int], Asked] = start
    ) -> None:
        self.rival, self.threads = rival, threads
        self._start, self._starts = start, 0
        self._worker: Asked | None = None
        self._why = ""

    def ask(self, **request: Any) -> dict[str, Any]:
        """The worker's answer.

        Raises: WorkerError with the reason if there is none.
        """
        try:
            return self.started().ask(_LONGEST, **request)
        except WorkerDiedError as error:
            self._why = str(error)
            self.close()
            raise

    def started(self) -> Asked:
        """The worker, started if there is none; it need not be ready yet. Raises: WorkerError."""
        if self._worker is None:
            if self._starts == _MOST_STARTS:
                raise WorkerError(f"given up after {_MOST_STARTS} starts: {self._why}")
            self._starts += 1
            with signals_held():
                self._worker = self._start(self.rival, self.threads)
        return self._worker

    def drop(self) -> None:
        """Let go of all that was prepared; a worker that is gone has done so."""
        if self._worker is not None:
            with contextlib.suppress(WorkerError):
                self.ask(do="drop")

    def close(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.close()


class Entrant:
    """One side of a comparison: a station, and the variant of the work that it does there."""

    def __init__(self, name: str, station: Station, seed: int) -> None:
        self.name, self._station, self._seed = name, station, seed

    def prepare(self, request: Mapping[str, Any]) -> Sequence[float]:
        """The result's digest. Raises: WorkerError."""
        asked = {**request, "seed": self._seed, "variant": VARIANTS.get(self.name, "")}
        digest: Sequence[float] = self._station.ask(do="prepare", slot=self.name, request=asked)[
            "digest"
        ]
        return digest

    def block(self, seconds: float, least: int) -> Sequence[float]:
        """Seconds of each call in one block. Raises: WorkerError."""
        times: Sequence[float] = self._station.ask(
            do="time", slot=self.name, seconds=seconds, least=least
        )["times"]
        return times

    def drop(self) -> None:
        self._station.drop()


class Team:
    """The rivals on one number of threads, each in its process; none outlives the `with` block."""

    def __init__(
        self,
        rivals: Sequence[Rival],
        threads: int,
        seed: int,
        start: Callable[[Rival, int], Asked] = start,
    ) -> None:
        self._stations = {rival.name: Station(rival, threads, start) for rival in rivals}
        self._seed = seed

    def assemble(self) -> tuple[dict[str, Any], dict[str, str]]:
        """What each process says of itself, and why some can't be compared with and are dropped.

        To answer, a process has to be up; so all are before the first is timed. They get up side
        by side.
        """
        abouts: dict[str, Any] = {}
        lost: dict[str, str] = {}
        for station in self._stations.values():
            with contextlib.suppress(WorkerError):
                station.started()
        for name, station in self._stations.items():
            try:
                about = station.ask(do="about")["about"]
            except WorkerError as error:
                lost[name] = f"{TITLES[name]} can't be measured: {error}"
                continue
            if name == OPENBLAS and about["core"].lower() != BEST_CORE.lower():
                lost[name] = "NumPy's BLAS is no OpenBLAS that can be told which kernels to take"
            else:
                abouts[name] = about
        for name in lost:
            self._stations.pop(name).close()
        return abouts, lost

    def entrants(self, names: Sequence[str]) -> list[Entrant]:
        """Those of these who are there, in this order."""
        found = [(name, self._stations.get(station_of(name))) for name in names]
        return [Entrant(name, station, self._seed) for name, station in found if station]

    def __enter__(self) -> Team:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for station in self._stations.values():
            station.close()


def station_of(entrant: str) -> str:
    """Whose process an entrant's work is done in: variants of ours are our own, too."""
    return OURS if entrant in VARIANTS else entrant
