"""A pool of buffers: the memory of large results is used again once no array refers to it.

A training step makes the same arrays as the step before: activations and gradients, megabytes each
for a large net. The operating system maps new memory page by page at the first write, which takes
longer than the product that fills the array. So large arrays are cut from pooled buffers. A buffer
returns to the pool when the last array or view that refers to the buffer is deleted.

A buffer never backs two live arrays. Callers can't tell pooled arrays from ordinary arrays.
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
    """Root view of a buffer.

    Every array cut from the buffer keeps this view alive. When the view is deleted, the buffer
    returns to the pool.
    """

    def __del__(self) -> None:
        buffer: Any = self.base
        if type(buffer) is _Buffer:  # not for a view of this view, which owns no buffer
            _give_back(buffer)


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """A C-contiguous array of that shape and dtype, with undefined content."""
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
