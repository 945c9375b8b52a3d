"""How far a run is: a bar on a terminal, a quiet line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress(Protocol):
    """What a run calls to say that it has come further."""

    def expect(self, steps: int) -> None:
        """The whole run takes this many steps."""

    def step(self, what: str, steps: int = 1) -> None:
        """That many more are done; `what` names the one that comes next or is under way."""


class Silent:
    """No progress shown; for tests and programs."""

    def expect(self, steps: int) -> None:
        pass

    def step(self, what: str, steps: int = 1) -> None:
        pass


class Shown:
    """Progress on the error stream: `with Shown() as progress: run(settings, progress)`."""

    def __init__(self, every: float = 5.0) -> None:
        self._console = Console(stderr=True)
        self._every = every

    def __enter__(self) -> Shown:
        self._total, self._done, self._said = 1, 0, time.monotonic()
        self._bar: Bar | None = None
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("{task.description:<32}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f} %"),
                TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._task = self._bar.add_task("", total=None)
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

    def expect(self, steps: int) -> None:
        self._total = max(1, steps)
        if self._bar is not None:
            self._bar.update(self._task, total=self._total)

    def step(self, what: str, steps: int = 1) -> None:
        self._done += steps
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, description=what)
        elif time.monotonic() - self._said >= self._every:
            self._said = time.monotonic()
            print(f"{100 * self._done // self._total:3d} %  {what}", file=sys.stderr, flush=True)
