"""How far a run is: a bar on a terminal, a quiet line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from experiments.lab.rates import Rate


class Progress(Protocol):
    """What a run calls to say that it has come further."""

    def expect(self, steps: int, unit: str = "") -> None:
        """The whole run takes this many steps; with a unit, "updates", their rate is shown."""

    def step(self, what: str, steps: int = 1) -> None:
        """That many more are done; `what` names the one that comes next or is under way."""

    def skip(self, steps: int) -> None:
        """That many were done in an earlier run, which this one continues."""


class Silent:
    """No progress shown; for tests and programs."""

    def expect(self, steps: int, unit: str = "") -> None:
        pass

    def step(self, what: str, steps: int = 1) -> None:
        pass

    def skip(self, steps: int) -> None:
        pass


class Shown:
    """Progress on the error stream: `with Shown() as progress: run(settings, progress)`.

    On a terminal a bar. Elsewhere a line for each tenth of the run, and a line each time that the
    run has taken twice as long as at the line before: some ten lines in all, twenty in a day.
    """

    def __init__(self, every: float = 5.0) -> None:
        self._console = Console(stderr=True)
        self._every = every  # seconds between two lines, at least

    def __enter__(self) -> Shown:
        self._total, self._done, self._skipped, self._unit = 1, 0, 0, ""
        self._start = self._said = time.monotonic()
        self._said_tenth = 0
        self._rate = Rate()
        self._bar: Bar | None = None
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description:<32}"),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:>3.0f} %"),
                TextColumn("{task.fields[speed]}"),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, speed="")
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def expect(self, steps: int, unit: str = "") -> None:
        self._total, self._unit = max(1, steps), unit
        if self._bar is not None:
            self._bar.update(self._task, total=self._total)

    def step(self, what: str, steps: int = 1) -> None:
        self._done += steps
        now = time.monotonic()
        self._rate.saw(now, self._done - self._skipped)
        tenth = 10 * self._done // self._total
        if self._bar is None:
            waited, before = now - self._said, self._said - self._start
            if waited < self._every or (tenth <= self._said_tenth and waited < before):
                return
        speed = self._rate.told(self._total - self._done, self._unit)
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=what, speed=speed)
            return
        self._said, self._said_tenth = now, tenth
        more = f"; {speed}" if speed else ""
        print(f"{100 * self._done // self._total:3d} %  {what}{more}", file=sys.stderr, flush=True)

    def skip(self, steps: int) -> None:
        self._skipped += steps
        self._done += steps
