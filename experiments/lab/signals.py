"""`signals_held`: a process is started whole or not at all."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signals_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM have their effect after the block.

    Within it they could leave a process that nobody knows of. A process that is started in it
    never gets a Ctrl-C: before it has read its first modules it could only answer by a traceback.
    """
    if threading.current_thread() is not threading.main_thread():  # no signal interrupts others
        yield
        return
    numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
    came: list[int] = []
    handlers = [signal.signal(number, lambda number, _: came.append(number)) for number in numbers]
    masks = hasattr(signal, "pthread_sigmask")  # not on Windows
    if masks:
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        if masks:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for number, handler in zip(numbers, handlers, strict=True):
            if handler is not None:  # None: not one of Python's
                signal.signal(number, handler)
        for number in came[:1]:
            signal.raise_signal(number)
