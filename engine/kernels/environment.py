"""Checks before Numba is imported: whether it can be, and NUMBA_NUM_THREADS.

This module is imported before all other kernels, because a wrong NUMBA_NUM_THREADS makes Numba's
import raise.
"""

from __future__ import annotations

import os
import sys

_said: set[str] = set()


def say_once(message: str) -> None:
    """Print one line on the error stream, once per process for each message."""
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
            f"NUMBA_NUM_THREADS={text!r} is no number of threads, so one thread is used; set it to "
            "a positive integer, or unset it for one thread per core"
        )
        os.environ["NUMBA_NUM_THREADS"] = "1"


_check_number_of_threads()


def _compiler() -> str:
    """Numba's version; "" if kernels run in NumPy: without Numba, or with NUMBA_DISABLE_JIT=1."""
    try:
        import numba
    except ImportError as error:  # also if Numba does not support this version of NumPy
        say_once(f"kernels run in NumPy, many times slower, since Numba can't be imported: {error}")
        return ""
    disabled = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]
    return "" if disabled else str(numba.__version__)


COMPILER = _compiler()
COMPILED = bool(COMPILER)
