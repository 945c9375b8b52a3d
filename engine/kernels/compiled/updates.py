"""The step of gradient descent in one pass over memory: w ← w + by·direction.

NumPy would write the product by·direction to a third array as large as w, and read it again.
"""

from __future__ import annotations

import numba
import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.threads import run
from engine.kernels.plain import Array

# Below this many entries, waking the threads costs more than it saves.
_WORTH_THREADS = 100_000


def add_scaled(w: Array, direction: Array, by: float) -> None:
    """w += by·direction in place; w is C-contiguous, and both have one shape and dtype."""
    if not direction.flags.c_contiguous:
        direction = np.ascontiguousarray(direction)
    by = float(by)
    if w.size < _WORTH_THREADS:
        _add_scaled(w, direction, by)
    else:
        run(_add_scaled_parallel, _add_scaled, w.reshape(-1), direction.reshape(-1), by)


@jit(contract=True)
def _add_scaled(w: Array, direction: Array, by: float) -> None:
    flat, other, step = w.reshape(-1), direction.reshape(-1), w.dtype.type(by)
    for i in range(flat.size):
        flat[i] += step * other[i]


@jit(parallel=True, contract=True)
def _add_scaled_parallel(w: Array, direction: Array, by: float, n_threads: int) -> None:
    size = w.size
    for part in numba.prange(n_threads):
        low, high = part * size // n_threads, (part + 1) * size // n_threads
        _add_scaled(w[low:high], direction[low:high], by)
