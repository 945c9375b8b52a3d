"""When a kernel may run on several threads.

Numba's simplest threading layer aborts the whole process when two Python threads enter a
parallel kernel at once, and the OpenMP one hangs or dies in a child made by `fork`. So a
parallel kernel is entered through `run`, which sends the caller to the serial kernel when
the parallel one is busy or the process is a forked child. Both give the same bits: a
parallel kernel of this project only hands rows out to its serial one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import numba

_gate = threading.Lock()
_forked = False


def run(parallel: Callable[..., Any], serial: Callable[..., Any], *args: Any) -> None:
    """Call `parallel(*args, n_threads)` where that is safe, otherwise `serial(*args)`.

    The number of threads is an argument because a kernel that asks Numba for it itself
    cannot be cached.
    """
    n_threads = numba.get_num_threads()
    if _forked or n_threads == 1 or not _gate.acquire(blocking=False):
        serial(*args)
        return
    try:
        parallel(*args, n_threads)
    finally:
        _gate.release()


def _in_child() -> None:
    global _forked, _gate
    _forked = True
    _gate = threading.Lock()  # the parent's may have been held at the moment of the fork


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
