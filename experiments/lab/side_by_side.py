"""`map_runs`: the same function for many items, one after another or side by side.

    trained = map_runs(train, trainings, workers=2, progress=progress)

What runs where changes nothing in the results: a run gets all that it depends on with its item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from typing import Any, TypeVar, cast

from experiments.lab.processes import processes, reporting
from experiments.lab.progress import Progress
from experiments.lab.question import SettingsError

Item = TypeVar("Item")
Made = TypeVar("Made")
Function = Callable[[Item, Progress], Made]
Keep = Callable[[int, Made], None]

_LOOK = 0.1  # seconds between two looks at what the processes report


def map_runs(
    function: Function[Item, Made],
    items: Sequence[Item],
    *,
    executor: Executor | None = None,
    workers: int = 1,
    progress: Progress,
    keep: Keep[Made] | None = None,
) -> list[Made]:
    """[function(item, progress) for item in items], in the order of the items.

    Args:
        function: what it reports reaches `progress`: at once from here and from processes,
            with the result from an executor of somebody else's.
        items: they, the function and its results are pickled unless all runs here, so the
            function is one of a module (or `functools.partial` of one), no lambda.
        executor: any of `concurrent.futures`; a Dask cluster's serves unchanged.
        workers: without an executor, so many processes; 0 or 1 runs here. Processes import the
            program that started them: a script of yours calls this under
            `if __name__ == "__main__":`.
        keep: called here with an item's position and result as soon as it is there.

    Raises: what the function raises, for the first item at which that is seen, once the others
        are stopped or cancelled; SettingsError if a process ended without a word.
    """
    results: list[Made | None] = [None] * len(items)

    def take(i: int, made: Made) -> None:
        results[i] = made
        if keep is not None:
            keep(i, made)

    if executor is not None:
        _elsewhere(function, items, executor, progress, take)
    elif min(workers, len(items)) > 1:
        _in_processes(function, items, min(workers, len(items)), progress, take)
    else:
        for i, item in enumerate(items):
            take(i, function(item, progress))
    return cast("list[Made]", results)


def _in_processes(
    function: Function[Item, Made],
    items: Sequence[Item],
    n: int,
    progress: Progress,
    take: Keep[Made],
) -> None:
    try:
        with processes(n) as running:
            futures = running.submit(_reported, [(function, item) for item in items])
            _gather(futures, take, lambda: running.tell(progress))
    except BrokenExecutor:
        raise SettingsError(
            "a process ended abruptly, perhaps for lack of memory; take fewer --workers (and "
            '--resume, to go on). A script of your own needs `if __name__ == "__main__":`'
        ) from None


def _elsewhere(
    function: Function[Item, Made],
    items: Sequence[Item],
    executor: Executor,
    progress: Progress,
    take: Keep[Made],
) -> None:
    def take_counted(i: int, made: tuple[Made, Counted]) -> None:
        progress.skip(made[1].skipped)
        progress.step(made[1].what, made[1].steps)
        take(i, made[0])

    futures = [executor.submit(_counted, function, item) for item in items]
    _gather(futures, take_counted, lambda: None)


def _gather(futures: Sequence[Future[Any]], take: Keep[Any], look: Callable[[], None]) -> None:
    numbers = {future: i for i, future in enumerate(futures)}
    waiting = set(futures)
    try:
        while waiting:
            done, waiting = wait(waiting, _LOOK, FIRST_COMPLETED)
            look()
            for future in sorted(done, key=numbers.__getitem__):
                take(numbers[future], future.result())
        look()
    finally:
        for future in waiting:
            future.cancel()


class Counted:
    """Progress that is counted where the function runs, and told when it is done."""

    def __init__(self) -> None:
        self.what, self.steps, self.skipped = "", 0, 0

    def expect(self, steps: int, unit: str = "") -> None:
        pass

    def step(self, what: str, steps: int = 1) -> None:
        self.what = what
        self.steps += steps

    def skip(self, steps: int) -> None:
        self.skipped += steps


def _reported(function: Function[Item, Made], item: Item) -> Made:
    progress = reporting()
    progress.heed()  # an executor hands out one item more than it can take back
    return function(item, progress)


def _counted(function: Function[Item, Made], item: Item) -> tuple[Made, Counted]:
    counted = Counted()
    return function(item, counted), counted
