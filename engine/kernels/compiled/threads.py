"""When a kernel may run on several threads.

Numba's threading layer workqueue aborts the whole process when a parallel kernel is called while
another parallel kernel runs, this project's or the user's. The OpenMP layer hangs or crashes in a
child process made by `fork`. So every parallel kernel is called through `run`, which calls the
serial kernel instead if the layer is workqueue, in a forked child, and while a parallel kernel
runs. Both give the same bits, since a parallel kernel only distributes parts to the serial kernel.

Numba loads a threading layer at the first request for threads. If the layer is missing (an unknown
NUMBA_THREADING_LAYER, or "tbb" without TBB), kernels run on one thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numba

from engine.kernels.environment import say_once

_gate = threading.Lock()
_forked = False
_layer_is_missing = False


def run(parallel: Callable[..., Any], serial: Callable[..., Any], *args: Any) -> None:
    """Call `parallel(*args, n_threads)` if that is safe, otherwise `serial(*args)`.

    The number of threads is an argument, because a kernel that calls numba.get_num_threads can't be
    cached.
    """
    try:
        n_threads = 1 if _layer_is_missing else numba.get_num_threads()
    except ValueError:
        n_threads = number_of_threads()  # 1, and tells the user why
    if n_threads == 1 or _forked or not _layer_is_safe() or not _gate.acquire(blocking=False):
        serial(*args)
        return
    try:
        parallel(*args, n_threads)
    finally:
        _gate.release()


def number_of_threads() -> int:
    """The number of threads of a parallel kernel; 1 without a threading layer."""
    global _layer_is_missing
    if _layer_is_missing:
        return 1
    try:
        return int(numba.get_num_threads())
    except ValueError as error:
        _layer_is_missing = True
        layer = numba.config.THREADING_LAYER  # type: ignore[attr-defined]
        reason = str(error).partition("\n")[0].rstrip(".")
        say_once(
            f"NUMBA_THREADING_LAYER={layer}: {reason}; kernels run on one "
            'thread ("default", "omp", "tbb" and "workqueue" are layers, where installed)'
        )
        return 1


def most_threads() -> int:
    """The largest number of threads that `use_threads` accepts."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def use_threads(n: int) -> int:
    """Let parallel kernels called from this thread use n threads; return the previous number."""
    before = number_of_threads()
    if not _layer_is_missing:
        numba.set_num_threads(n)
    return before


@cache
def _layer_is_safe() -> bool:
    # Numba knows the layer once get_num_threads has been called.
    return bool(numba.threading_layer() != "workqueue")  # type: ignore[attr-defined]


def _in_child() -> None:
    global _forked, _gate
    _forked = True
    _gate = threading.Lock()  # the parent's lock may have been held at the fork, so never released


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
