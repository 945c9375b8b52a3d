"""`silence`: NumPy's floating-point warnings switched off, as by `np.errstate(all="ignore")`.

`np.errstate` builds NumPy's settings anew each time, which takes as long as a small kernel. NumPy
keeps the settings in a context variable, so `silence` sets that variable to settings made once. An
operation's ∞ and NaN are results here; `detect_nonfinite` finds them.
"""

from __future__ import annotations

from contextvars import Token, copy_context
from types import TracebackType
from typing import Any

import numpy as np


def _settings() -> tuple[Any, Any]:
    """NumPy's context variable and its value when all is ignored; (None, None) if it has none."""
    with np.errstate(all="ignore"):
        for variable, value in copy_context().items():
            if variable.name == "numpy.ufunc.extobj":
                return variable, value
    return None, None


_VARIABLE, _IGNORING = _settings()


class _Silence:
    """`with silence():` may be entered in any thread, once for each object."""

    __slots__ = ("_token",)
    _token: Token[Any]

    def __enter__(self) -> None:
        self._token = _VARIABLE.set(_IGNORING)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _VARIABLE.reset(self._token)


def _errstate() -> np.errstate:
    return np.errstate(all="ignore")


# A NumPy that keeps its settings elsewhere is asked by its public way.
silence: Any = _Silence if _VARIABLE is not None else _errstate
