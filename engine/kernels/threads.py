"""When a kernel may run on several threads.

Numba's simplest threading layer, workqueue, aborts the whole process when a parallel kernel is
entered while another one runs, be it of this project or of the user's, and the OpenMP one hangs or
dies in a child made by `fork`. So a parallel kernel is entered through `run`, which sends the
caller to the serial kernel with workqueue, in a forked child, and while the parallel one is busy.
Both give the same bits: a parallel kernel of this project only hands out parts to its serial one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import cache
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
    if n_threads == 1 or _forked or not _layer_is_safe() or not _gate.acquire(blocking=False):
        serial(*args)
        return
    try:
        parallel(*args, n_threads)
    finally:
        _gate.release()


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
