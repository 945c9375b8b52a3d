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
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Event
from typing import Any, final

from engine.kernels import use_threads
from experiments.lab.progress import Progress
from experiments.lab.signals import signals_held

Message = tuple[str, str, int]  # "step" or "skip", what, steps

_GRACE = 2.0  # seconds in which processes that are told to stop may do so themselves


@dataclass(frozen=True)
class Processes:
    """Running processes, and what they have to say."""

    _executor: Executor
    _queue: SimpleQueue[Message]

    def submit(
        self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]
    ) -> list[Future[Any]]:
        """`function` with the arguments of each of the calls, in their order."""
        with signals_held():
            return [self._executor.submit(function, *arguments) for arguments in calls]

    def tell(self, progress: Progress) -> None:
        """Pass on what they have reported since."""
        while not self._queue.empty():
            kind, what, steps = self._queue.get()
            if kind == "skip":
                progress.skip(steps)
            else:
                progress.step(what, steps)


@contextmanager
def processes(n: int) -> Iterator[Processes]:
    """n processes for the block; leaving it early stops what they are doing, in `_GRACE` at most.

    Then those that are still busy, starting or compiling perhaps, are killed.
    """
    others = set(multiprocessing.active_children())
    context = multiprocessing.get_context("spawn")
    queue: SimpleQueue[Message] = context.SimpleQueue()
    stop = context.Event()
    executor = ProcessPoolExecutor(n, context, _begin, (queue, stop))
    try:
        yield Processes(executor, queue)
    except BaseException:
        stop.set()
        # Waiting here for the executor would be waiting for the slowest process.
        executor.shutdown(wait=False, cancel_futures=True)
        _end(set(multiprocessing.active_children()) - others)
        raise
    executor.shutdown()


def _end(children: Iterable[BaseProcess]) -> None:
    running = {child.sentinel: child for child in children}
    limit = time.monotonic() + _GRACE
    try:
        while running and (left := limit - time.monotonic()) > 0:
            for sentinel in wait(list(running), left):
                del running[sentinel]  # type: ignore[arg-type]
    finally:
        for child in running.values():
            child.kill()


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
        self.heed()
        self._queue.put(message)

    def heed(self) -> None:
        """Raises: KeyboardInterrupt if all are to stop."""
        if self._stop.is_set():
            raise KeyboardInterrupt


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
    # (Where signals have masks, it is blocked from the start: `signals_held`.)
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    use_threads(1)  # as many processes as cores are meant to run


def _end_with_parent() -> None:
    # An executor's processes wait for work for ever when the process above them was killed.
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)
