"""The standard streams as the command finds them: closed, full, or left by their reader."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, final

OUTPUT, ERRORS = 1, 2
"""Numbers of the streams for results and for messages."""


class OutputLost(Exception):  # noqa: N818
    """Standard output takes no more; the message says why.

    Attributes:
        read: its reader has seen enough, which is no mistake.
    """

    def __init__(self, reason: str, read: bool = False) -> None:
        super().__init__(f"standard output can't be written: {reason}")
        self.read = read


def prepare_streams() -> None:
    """Make the standard streams such that no closed or full one ends in a traceback.

    Raises: OutputLost if standard output is closed.
    """
    closed = [name for name in ("stdin", "stdout", "stderr") if getattr(sys, name) is None]
    # A file opened later would get a closed stream's number, and with it what is printed.
    while (null := os.open(os.devnull, os.O_RDWR)) <= ERRORS:
        os.set_inheritable(null, True)
    os.close(null)
    for name in closed:
        mode = "r" if name == "stdin" else "w"
        setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115
    sys.stdout = _guarded(sys.stdout, OUTPUT, _lost)
    sys.stderr = _guarded(sys.stderr, ERRORS, _nothing)
    if "stdout" in closed:
        raise OutputLost("it is closed; send it to /dev/null if you don't want it")


def silence(number: int) -> None:
    """From here on, what is written into that stream goes nowhere."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)


@final
class _Guarded(io.TextIOWrapper):
    """A text stream that calls `failed` with the error where it can't be written."""

    number: int
    first: io.TextIOWrapper  # which would close the file if nothing held it
    failed: Callable[[Exception], object]

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except (OSError, ValueError) as error:  # ValueError: closed by a user's file
            self._fail(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except (OSError, ValueError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        silence(self.number)  # or the interpreter fails once more at its end, with code 120
        self.failed(error)


def _guarded(stream: Any, number: int, failed: Callable[[Exception], object]) -> Any:
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    guarded = _Guarded(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    guarded.number, guarded.failed, guarded.first = number, failed, stream
    return guarded


def _lost(error: Exception) -> NoReturn:
    reason = getattr(error, "strerror", None) or str(error).rstrip(".")
    raise OutputLost(reason, isinstance(error, BrokenPipeError)) from None


def _nothing(error: Exception) -> None:
    """A message that can't be written is lost; the work goes on."""
