"""What is counted of arrays in a trace: entries of each size, and units that are dead."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.plain import EDGES, N_BINS, Array


def magnitudes(v: Array) -> Array:
    """How many |v| are in each of the N_BINS bins; entries that are 0 or not finite in none."""
    counts = np.zeros(N_BINS, np.int64)
    _magnitudes(v, _FIRST, _NEXT, counts)
    return counts


def dead_columns(slopes: Array) -> Array:
    """Whether each column of a matrix, C-contiguous, is 0 throughout."""
    dead = np.ones(slopes.shape[1], np.bool_)
    _dead_columns(slopes, dead)
    return dead


# A bin is wider than a factor of two, so a binary exponent meets one edge at most: the bin at its
# lower end, and the edge above which it is the next one.
# Looked up by the bits of float64's exponent; those of denormals are 0.
_FIRST = np.searchsorted(EDGES, 2.0 ** (np.arange(2047.0) - 1023), side="right")
_NEXT = np.append(EDGES, np.inf)[_FIRST]


@jit()
def _magnitudes(x: Array, first: Array, following: Array, counts: Array) -> None:
    for i in range(x.size):
        size = abs(np.float64(x[i]))
        if 0 < size < np.inf:
            power = np.float64(size).view(np.int64) >> 52
            counts[first[power] + (size >= following[power])] += 1


@jit()
def _dead_columns(slopes: Array, dead: Array) -> None:
    for i in range(slopes.shape[0]):
        for j in range(slopes.shape[1]):
            dead[j] &= slopes[i, j] == 0
        if i % 8 == 7 and not dead.any():  # mostly, a few rows decide
            return
