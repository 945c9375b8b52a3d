"""The activations' errors over all floats: float32 in strides, float64 in samples.

Floats are taken by their bit patterns, so denormals, both ends and every octave between are in
each sample. For float64 the octaves in which the activations do something are sampled again more
densely. In both precisions the neighbours of kinks, and of the points where the kernels' formulas
switch or their results leave the normal range, are added.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.accuracy.cases import EVERYWHERE, Case, cases
from experiments.accuracy.ulp import (
    PIECE,
    count,
    magnitudes,
    neighbours,
    pieces,
    ulp_errors,
    wider,
)

Array = npt.NDArray[Any]

# The octaves that are sampled densely.
DENSE = (2.0**-40, 2.0**11)
# Kinks; thresholds in the kernels; where e^s and Φ(s) turn denormal, 0 or ∞; λα of SELU.
_POINTS = (
    *(0.0, 1.0, 1.7580993, 2.0, 14.5, 16.64, 22.0, 37.5, 39.0, 40.0, 44.0, 87.3365, 88.7228),
    *(103.28, 103.972, 104.0, 708.3964, 709.7827, 710.0, 744.44, 745.1332, 746.0, 800.0),
)
# e^x is made of e^r with x = n ln 2 + r, and n changes at odd multiples of ln 2 / 2; tanh takes
# the exponential of 2s.
_SWITCHES = tuple(k * math.log(2) / 4 for k in range(4400) if k % 4)
_WIDTH = 12

# Bins for the errors: quarters of an octave of |s|; the outermost hold all that lies beyond.
_LOWEST, _HIGHEST = -152, 130
BINS = 4 * (_HIGHEST - _LOWEST + 1)


class Piece:
    """A piece of a sample: numbers s of one sign, ordered by size, with their places in the bins.

    Attributes:
        s: in the judged precision; `wide` are the same numbers in the wider one.
        starts, bins, counts: the piece's bins, where each starts, how many numbers it has.
    """

    def __init__(self, s: Array, wide: Array) -> None:
        self.s, self.wide = s, wide
        found = bins(s)
        self.starts = np.flatnonzero(np.diff(found, prepend=-1))
        self.bins = found[self.starts]
        self.counts = np.diff(self.starts, append=s.size)

    def within(self, low: float, high: float) -> Piece | None:
        """The part of it that lies in [low, high]."""
        inside = (self.s >= low) & (self.s <= high)
        if inside.all():
            return self
        return Piece(self.s[inside], self.wide[inside]) if inside.any() else None


class Errors:
    """The errors of one case, by bins of s and in all."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.largest = np.full(2 * BINS, np.nan)
        self._sum, self._count = np.zeros(2 * BINS), np.zeros(2 * BINS)
        self.worst, self.worst_s = -1.0, math.nan

    def measure(self, whole: Piece) -> None:
        """Add the errors at the numbers of a piece."""
        piece = whole if self.case.domain == EVERYWHERE else whole.within(*self.case.domain)
        if piece is None:
            return
        exact = self.case.exact(piece.wide)
        error = ulp_errors(self.case.kernel(piece.s), exact, self.case.floor)
        at = piece.bins
        self.largest[at] = np.fmax(self.largest[at], np.maximum.reduceat(error, piece.starts))
        self._sum[at] += np.add.reduceat(error, piece.starts)
        self._count[at] += piece.counts
        i = int(np.argmax(error))
        if error[i] > self.worst:
            self.worst, self.worst_s = float(error[i]), float(piece.s[i])

    def mean(self, low: float, high: float) -> float:
        """The mean error over low ≤ |s| < high."""
        inside = (np.abs(EDGES) >= low) & (np.abs(EDGES) < high)
        return float(self._sum[inside].sum() / self._count[inside].sum())


def bins(s: Array) -> Array:
    """The bin of each number; negative ones come first, the largest of them in bin 0."""
    mantissa, exponent = np.frexp(np.abs(s))
    quarter = (8 * mantissa - 4).astype(np.int64)  # the mantissa lies in [½, 1)
    found = np.where(s == 0, 0, 4 * (exponent.astype(np.int64) - _LOWEST) + quarter)
    found = np.clip(found, 0, BINS - 1)
    return np.where(np.signbit(s), BINS - 1 - found, BINS + found)


def _edges() -> Array:
    """The end nearest to 0 of every bin."""
    k = np.arange(BINS)
    edges = np.ldexp((4 + k % 4) / 8, k // 4 + _LOWEST)
    return np.concatenate([-edges[::-1], edges])


EDGES = _edges()


def sample(dtype: npt.DTypeLike, stride: int, samples: int) -> Iterator[Array]:
    """Pieces of the sample: magnitudes, ascending in each."""
    for part in _parts(dtype, stride, samples):
        yield from magnitudes(dtype, *part)
    yield from pieces(neighbours(dtype, _POINTS + _SWITCHES, _WIDTH))


def n_pieces(dtype: npt.DTypeLike, stride: int, samples: int) -> int:
    """How many pieces the sample has."""
    sizes = [-(-count(dtype, *ends) // step) for step, *ends in _parts(dtype, stride, samples)]
    sizes.append(neighbours(dtype, _POINTS + _SWITCHES, _WIDTH).size)
    return sum(-(-size // PIECE) for size in sizes)


def _parts(dtype: npt.DTypeLike, stride: int, samples: int) -> list[tuple[int, float, float]]:
    """Step, low and high of what the sample is made of, beside the neighbours of points."""
    whole = (0.0, float(np.finfo(dtype).max))
    if np.dtype(dtype) == np.float32:
        return [(stride, *whole)]
    # An odd step, or the last bits of all numbers would be the same.
    return [(count(dtype, *ends) // samples | 1, *ends) for ends in (whole, DENSE)]


def sweep(
    activations: tuple[str, ...],
    dtype: npt.DTypeLike,
    stride: int,
    samples: int,
    done: Callable[[], None] = lambda: None,
) -> list[Errors]:
    """The errors of every case of these activations; none where no wider type is there.

    `done` is called after every piece.
    """
    wide = wider(dtype)
    if wide is None:
        return []
    found = [Errors(case) for name in activations for case in cases(name, dtype, wide)]
    for magnitude in sample(dtype, stride, samples):
        for s in (magnitude, -magnitude):
            piece = Piece(s, s.astype(wide))
            for errors in found:
                errors.measure(piece)
        done()
    return found
