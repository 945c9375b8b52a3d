"""Counts over the arrays of a trace: entries by magnitude, and dead units."""

from __future__ import annotations

import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.plain import EDGES, N_BINS, Array


def magnitudes(v: Array) -> Array:
    """The number of |v| in each of the N_BINS bins; zeros, NaN and ±∞ are not counted."""
    counts = np.zeros(N_BINS, np.int64)
    _magnitudes(v, _FIRST, _NEXT, counts)
    return counts


def dead_columns(slopes: Array) -> Array:
    """Whether all entries are 0, for each column of a C-contiguous matrix."""
    dead = np.ones(slopes.shape[1], np.bool_)
    _dead_columns(slopes, dead)
    return dead


# A bin spans more than a factor of two, so between 2ᵏ and 2ᵏ⁺¹ lies at most one edge. _FIRST is the
# bin of 2ᵏ, and _NEXT is the edge at which the next bin begins. The index is the exponent's bits in
# a float64, which are 0 for denormals.
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
        if i % 8 == 7 and not dead.any():  # a few rows mostly suffice
            return
