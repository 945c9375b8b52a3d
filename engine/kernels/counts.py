"""What the histograms of a trace are made of: how many entries are of which size."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit

Array = npt.NDArray[Any]

# The bins of |v|: two for each power of ten; what lies outside is counted in the first and last.
DECADES = (-30, 10)
BINS_PER_DECADE = 2
EDGES = 10.0 ** (
    np.arange(DECADES[0] * BINS_PER_DECADE, DECADES[1] * BINS_PER_DECADE + 1) / BINS_PER_DECADE
)
EDGES.setflags(write=False)
N_BINS = len(EDGES) + 1


def magnitudes(v: Array) -> Array:
    """How many |v| are in each of the N_BINS bins; entries that are 0 or not finite in none."""
    counts = np.zeros(N_BINS, np.int64)
    _magnitudes(v, _FIRST, _NEXT, counts)
    return counts


def magnitudes_reference(v: Array) -> Array:
    """The same with NumPy."""
    size = np.abs(v[np.isfinite(v) & (v != 0)].astype(np.float64))
    return np.bincount(np.searchsorted(EDGES, size, side="right"), minlength=N_BINS)


def slope_counts(slopes: Array, largest: float) -> tuple[Array, Array]:
    """How small the slopes are, and which columns have one that isn't 0.

    Args: f′(s) (batch, units), C-contiguous; the largest |f′| that there is.

    Returns: counts (101,) of the finite |f′| in [k/100, (k + 1)/100) of the largest, the last with
    all above; and alive (units,). With `largest` 0, slopes of 0 count as the smallest.
    """
    counts = np.zeros(101, np.int64)
    alive = np.zeros(slopes.shape[1], np.bool_)
    _slope_counts(slopes, largest, counts, alive)
    return counts, alive


def slope_counts_reference(slopes: Array, largest: float) -> tuple[Array, Array]:
    """The same with NumPy."""
    edges = np.arange(101) / 100 * largest
    size = np.abs(slopes[np.isfinite(slopes)].astype(np.float64))
    if largest > 0:
        bins = np.searchsorted(edges, size, side="right") - 1
    else:
        bins = np.where(size > 0, 100, 0)
    return np.bincount(bins, minlength=101), (slopes != 0).any(axis=0)


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
def _slope_counts(slopes: Array, largest: float, counts: Array, alive: Array) -> None:
    # Into four rows, so that an increment seldom waits for the one before. Each row has a last bin
    # for what is not finite.
    rows = np.zeros((4, 102), np.int64)
    per_bin = 100 / largest if largest > 0 else 0.0
    bins = np.empty(slopes.shape[1], np.int32)
    for i in range(slopes.shape[0]):
        for j in range(slopes.shape[1]):
            size = abs(np.float64(slopes[i, j]))
            alive[j] |= size != 0
            # The product is rounded: the edges k/100 · largest decide.
            k = np.int32(size * per_bin if size < largest else 100.0)
            k -= np.int32(size < k / 100 * largest)
            k += np.int32(k < 100 and size >= (k + 1) / 100 * largest)
            k = np.int32(0) if size == 0 else k
            bins[j] = k if size < np.inf else np.int32(101)
        for j in range(slopes.shape[1]):
            rows[j & 3, bins[j]] += 1
    for i in range(4):
        counts += rows[i, :101]
