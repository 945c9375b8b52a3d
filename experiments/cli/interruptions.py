"""Ctrl-C and SIGTERM: the first ends the command in order, and the next don't disturb that."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from types import FrameType, TracebackType
from typing import final

ORDERLY = 8.0
"""Seconds within which a command ends after it was interrupted; then the next signal ends it."""
_AGAIN = 0.05


def _ignored(event: sys.UnraisableHookArgs) -> None:
    """An error of Python's own end, after an interruption."""


@final
class Interruptions:
    """For the block, the first of the two signals raises KeyboardInterrupt.

    While what follows from it is done (processes end, finished nets are written, the terminal is
    put right), impatient ones are ignored, for `ORDERLY` seconds. Then the next ends the process
    at once. After the block they do so in any case: nothing is left to be done.

    Attributes:
        number: of the first signal that came, 0 if none has.
    """

    def __init__(self) -> None:
        self.number = 0
        self._since = 0.0
        self._answered = False

    def __enter__(self) -> Interruptions:
        # A shell starts what runs in its background with Ctrl-C ignored, and so it stays.
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._came)
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, self._came)
        self._hook, sys.unraisablehook = sys.unraisablehook, self._swallowed
        self._thread_hook, threading.excepthook = threading.excepthook, self._in_a_thread
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # After an interruption Python's own end is left, whose threads may find a pool of processes
        # half closed: in Python 3.11, an executor's thread fails on a future that was cancelled.
        if not self.number:
            sys.unraisablehook, threading.excepthook = self._hook, self._thread_hook
        else:
            sys.unraisablehook = _ignored
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) == self._came:
                signal.signal(number, signal.SIG_DFL)

    def _in_a_thread(self, event: threading.ExceptHookArgs) -> None:
        if not self.number:
            self._thread_hook(event)

    def answered(self) -> None:
        """The command has been left; nothing is to be raised any more."""
        self._answered = True

    def _came(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._since = number, now
            raise KeyboardInterrupt
        if now - self._since > ORDERLY:
            os.write(2, b"gradtrace: interrupted\n")
            os._exit(128 + number)

    def _swallowed(self, event: sys.UnraisableHookArgs) -> None:
        """Raise once more what a callback from C, of a compiler for example, couldn't pass on."""
        if not (self.number and isinstance(event.exc_value, KeyboardInterrupt)):
            self._hook(event)
            return
        # Raised here it would be lost as well.
        timer = threading.Timer(_AGAIN, self._once_more)
        timer.daemon = True
        timer.start()

    def _once_more(self) -> None:
        if not self._answered:
            number, self.number = self.number, 0
            if hasattr(signal, "pthread_kill"):  # to this thread, it would not end a wait of main's
                signal.pthread_kill(threading.main_thread().ident or 0, number)
            else:
                signal.raise_signal(number)
