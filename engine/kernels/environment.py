"""What the kernels find around them: Numba, and the number of threads that it is told.

Imported before all other kernels: a wrong NUMBA_NUM_THREADS ends Numba's import in a traceback.
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


def _compiler() -> str:
    """Numba's version; "" if kernels run in NumPy, for which NUMBA_DISABLE_JIT=1 asks."""
    try:
        import numba
    except ImportError as error:  # Numba raises this for a NumPy too new for it as well
        say_once(f"kernels run in NumPy, many times slower, since Numba can't be imported: {error}")
        return ""
    disabled = bool(numba.config.DISABLE_JIT)  # type: ignore[attr-defined]
    return "" if disabled else str(numba.__version__)


COMPILER = _compiler()
COMPILED = bool(COMPILER)
