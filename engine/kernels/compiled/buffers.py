"""Memory for results, used again when nobody looks at it any more.

A training step makes the same arrays as the step before: activations, gradients, for a large net
megabytes each. From the operating system such memory comes empty, page by page at the first write,
which takes longer than the product that fills it. So large arrays are cut from buffers of this
module, and a buffer comes back when the last array that looks at it is gone, views included.

Whoever holds an array holds its memory: nothing is ever used twice at a time, and of an array from
here nothing tells that it is one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.plain import Array

# Smaller arrays come quickly enough from the C library.
_WORTH_KEEPING = 1 << 16
# Memory that is kept though nobody uses it: no more than this in all.
_MOST_IDLE = 1 << 29

_LINE = 64  # arrays begin where a line of the cache does


class _Buffer(bytearray):
    """Memory, and where in it an array begins."""

    start: int = 0


_idle: dict[int, list[_Buffer]] = {}
_idle_bytes = 0


class _Lent(np.ndarray):
    """The view of a buffer that all arrays cut from it look through; its end is the loan's."""

    def __del__(self) -> None:
        buffer: Any = self.base
        if type(buffer) is _Buffer:  # a view of this very view would be a loan of nothing
            _give_back(buffer)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A C-contiguous array of that shape and dtype; what is in it is not defined."""
    size = dtype.itemsize
    for n in shape:
        size *= n
    if size < _WORTH_KEEPING:
        return np.empty(shape, dtype)
    global _idle_bytes
    try:
        buffer = _idle[size + _LINE].pop()
        _idle_bytes -= len(buffer)
    except (KeyError, IndexError):
        buffer = _Buffer(size + _LINE)
        buffer.start = -np.frombuffer(buffer, np.uint8).ctypes.data % _LINE
    # NumPy remembers the first object of another kind as an array's base, which is this one.
    return _Lent(shape, dtype, buffer, buffer.start).view(np.ndarray)


def _give_back(buffer: _Buffer) -> None:
    global _idle_bytes
    if _idle_bytes + len(buffer) <= _MOST_IDLE:
        _idle.setdefault(len(buffer), []).append(buffer)
        _idle_bytes += len(buffer)
