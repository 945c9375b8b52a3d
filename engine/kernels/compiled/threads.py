"""When a kernel may run on several threads.

Numba's simplest threading layer, workqueue, aborts the whole process when a parallel kernel is
entered while another one runs, be it of this project or of the user's, and the OpenMP one hangs or
dies in a child made by `fork`. So a parallel kernel is entered through `run`, which sends the
caller to the serial kernel with workqueue, in a forked child, and while the parallel one is busy.
Both give the same bits: a parallel kernel of this project only hands out parts to its serial one.

Numba looks for a threading layer when it is first asked for threads. Where that is not there (an
unknown NUMBA_THREADING_LAYER, or "tbb" without TBB), kernels run on one thread.
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
    """Call `parallel(*args, n_threads)` where that is safe, otherwise `serial(*args)`.

    The number of threads is an argument because a kernel that asks Numba for it itself
    cannot be cached.
    """
    try:
        n_threads = 1 if _layer_is_missing else numba.get_num_threads()
    except ValueError:
        n_threads = number_of_threads()  # says why there is one alone
    if n_threads == 1 or _forked or not _layer_is_safe() or not _gate.acquire(blocking=False):
        serial(*args)
        return
    try:
        parallel(*args, n_threads)
    finally:
        _gate.release()


def number_of_threads() -> int:
    """How many threads Numba has for a parallel kernel; 1 without a threading layer."""
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
    """How many threads a kernel may be given at most."""
    return int(numba.config.NUMBA_NUM_THREADS)  # type: ignore[attr-defined]


def use_threads(n: int) -> int:
    """Let parallel kernels that this thread calls have n threads; how many they had before."""
    before = number_of_threads()
    if not _layer_is_missing:
        numba.set_num_threads(n)
    return before


@cache
def _layer_is_safe() -> bool:
    # Known once get_num_threads was called.
    return bool(numba.threading_layer() != "workqueue")  # type: ignore[attr-defined]


def _in_child() -> None:
    global _forked, _gate
    _forked = True
    _gate = threading.Lock()  # the parent's may have been held at the moment of the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
