"""NUMBA_NUM_THREADS, looked at before Numba is imported, which ends in a traceback of its own.

Imported before all other kernels for that reason.
"""

from __future__ import annotations

import os
import sys

_said: set[str] = set()


def say_once(message: str) -> None:
    """One line on the error stream."""
    if message not in _said and sys.stderr is not None:
        _said.add(message)
        print(f"gradtrace: {message}", file=sys.stderr, flush=True)


def _check_number_of_threads() -> None:
    text = os.environ.get("NUMBA_NUM_THREADS")
    if text is None or "numba" in sys.modules:
        return
    try:
        usable = int(text) >= 1
    except ValueError:
        usable = False
    if not usable:
        say_once(
            f"NUMBA_NUM_THREADS={text!r} is no number of threads; one thread is used (give an "
            "integer from 1 on, or unset NUMBA_NUM_THREADS for one thread per core)"
        )
        os.environ["NUMBA_NUM_THREADS"] = "1"


_check_number_of_threads()
