"""A pool of buffers, so that large results reuse memory to which no array refers any more.

Every training step allocates the same arrays: activations and gradients, megabytes each for a large
net. The operating system maps new memory page by page at the first write, which takes longer than
the product that fills the array. So large arrays are cut from pooled buffers. A buffer returns to
the pool when the last array or view that refers to the buffer is deleted.

A buffer never backs two live arrays. Callers can't tell pooled arrays from ordinary arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.kernels.plain import Array

# Bytes from which an array is pooled; the C library allocates smaller arrays quickly enough.
_WORTH_KEEPING = 1 << 16
# The most bytes that unused buffers hold in all.
_MOST_IDLE = 1 << 29

_LINE = 64  # bytes of a cache line; arrays begin at the start of a line


class _Buffer(bytearray):
    """Memory for one array, and the offset at which the array begins."""

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
    """A C-contiguous array of this shape and dtype, with undefined content."""
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
    # A view's base is the first object in the chain that is no plain ndarray: the _Lent.
    return _Lent(shape, dtype, buffer, buffer.start).view(np.ndarray)


def _give_back(buffer: _Buffer) -> None:
    global _idle_bytes
    if _idle_bytes + len(buffer) <= _MOST_IDLE:
        _idle.setdefault(len(buffer), []).append(buffer)
        _idle_bytes += len(buffer)
