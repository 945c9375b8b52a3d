"""Processes that run functions and say how far they are: what `map_runs` uses for `workers`.

They start afresh (spawn), since threads that a forked process inherits half are a trap, and end
with the process that started them, however that ends.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from typing import Any, final

import numba

from experiments.lab.progress import Progress

Message = tuple[str, str, int]  # "step" or "skip", what, steps


@dataclass(frozen=True)
class Processes:
    """Running processes, an executor of `concurrent.futures`, and what they have to say."""

    executor: Executor
    _queue: SimpleQueue[Message]
    _stop: Event

    def tell(self, progress: Progress) -> None:
        """Pass on what they have reported since."""
        while not self._queue.empty():
            kind, what, steps = self._queue.get()
            if kind == "skip":
                progress.skip(steps)
            else:
                progress.step(what, steps)

    def stop(self) -> None:
        """Every function that reports progress from now on is interrupted there."""
        self._stop.set()


@contextmanager
def processes(n: int) -> Iterator[Processes]:
    """n processes for the block; leaving it early stops what they are doing."""
    context = multiprocessing.get_context("spawn")
    queue: SimpleQueue[Message] = context.SimpleQueue()
    stop = context.Event()
    executor = ProcessPoolExecutor(n, context, _begin, (queue, stop))
    found = Processes(executor, queue, stop)
    try:
        yield found
    except BaseException:
        found.stop()
        raise
    finally:
        executor.shutdown(cancel_futures=True)


@final
class Reporting:
    """The progress of a function in one of the processes."""

    def __init__(self, queue: SimpleQueue[Message], stop: Event) -> None:
        self._queue, self._stop = queue, stop

    def expect(self, steps: int, unit: str = "") -> None:
        pass  # a part of the run can't say what the whole takes

    def step(self, what: str, steps: int = 1) -> None:
        self._send(("step", what, steps))

    def skip(self, steps: int) -> None:
        self._send(("skip", "", steps))

    def _send(self, message: Message) -> None:
        if self._stop.is_set():
            raise KeyboardInterrupt
        self._queue.put(message)


_reporting: Reporting | None = None


def reporting() -> Reporting:
    """In one of the processes: its way to report."""
    assert _reporting is not None
    return _reporting


def _begin(queue: SimpleQueue[Message], stop: Event) -> None:
    """What each process does first."""
    global _reporting
    _reporting = Reporting(queue, stop)
    # Ctrl-C goes to every process of a terminal; the one that started these decides what follows.
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    numba.set_num_threads(1)  # as many processes as cores are meant to run


def _end_with_parent() -> None:
    # An executor's processes wait for work for ever when the process above them was killed.
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)
