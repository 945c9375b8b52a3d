"""`Statistics`: what an array of any size comes down to, over its finite entries.

The mean, the extremes and the counts are those of every entry, in one pass. The percentiles and
the histogram are those of a sample, every k-th entry and at most 4,096 of them: the share below a
percentile is then right to about 0.2 points (one standard error).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, final

import numpy as np
import numpy.typing as npt

from engine.activations import Activation
from engine.arrays import Array
from engine.kernels import EDGES, as_moments, dead_columns, look, magnitudes
from engine.spelling import printable

# A layer's arrays, in the order of the pass.
QUANTITIES = (
    *("x", "W", "b", "s", "df_ds", "x_next"),
    *("dL_dx_next", "dL_ds", "dL_dW", "dL_db", "dL_dx"),
)
SAMPLE = 4096
_MEASURED = frozenset({np.dtype(np.float32), np.dtype(np.float64)})


@printable
@final
@dataclass(frozen=True)
class Statistics:
    """Of the finite entries of an array; NaN, or 0, where there are none.

    Attributes:
        shape: the array's.
        mean, std, rms, min, max: of all; √(mean² + std²) = rms. Of float32 arrays, mean and std are
            right to some millionths of std, and of float64 ones to their last digits.
        p2, p98: the 2nd and 98th percentile of the sample, entries of it (NumPy's "inverted_cdf").
        zeros: the share of exact zeros, of all.
        nonfinite: how many entries are NaN or infinite; all else leaves them out.
        histogram: how many |v| of the sample are in each bin between `Statistics.edges`, with what
            is below the first edge, zeros apart, and above the last at the ends. Always the same
            bins, two for each power of ten from 1e-30 to 1e10, so that any two can be compared.
        positive, negative, sampled: numbers of entries of the sample, and all of them.
    """

    shape: tuple[int, ...]
    mean: float
    std: float
    rms: float
    min: float
    max: float
    p2: float
    p98: float
    zeros: float
    nonfinite: int
    positive: int
    negative: int
    sampled: int
    histogram: Array = field(repr=False, compare=False)

    edges = EDGES

    @classmethod
    def of(cls, array: npt.ArrayLike) -> Statistics:
        """The statistics of an array of numbers; other precisions are read as float64."""
        array = np.asarray(array)
        return cls.of_look(array.shape, *look(flat_of(array), stride_of(array.shape)))

    @classmethod
    def of_look(cls, shape: tuple[int, ...], moments: Array, sample: Array) -> Statistics:
        """The statistics of an array of that shape, from what `engine.kernels.look` gave."""
        m = as_moments(moments)
        v = sample[np.isfinite(sample)]
        n = len(v)
        low, high = math.nan, math.nan
        if n:
            ranks = [max(0, math.ceil(p * n / 100) - 1) for p in (2, 98)]
            low, high = np.partition(v, ranks)[ranks].tolist()
        return cls(
            shape=shape,
            mean=m.mean,
            std=m.std,
            rms=math.hypot(m.mean, m.std),
            min=m.low,
            max=m.high,
            p2=low,
            p98=high,
            zeros=m.zeros / m.finite if m.finite else 0.0,
            nonfinite=math.prod(shape) - m.finite,
            positive=int((v > 0).sum()),
            negative=int((v < 0).sum()),
            sampled=n,
            histogram=magnitudes(v),
        )

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __str__(self) -> str:
        """Two lines of at most 80 columns."""
        broken = f", {self.nonfinite} NaN or infinite" if self.nonfinite else ""
        return (
            f"{'×'.join(map(str, self.shape)) or 'scalar'}: mean {self.mean:.3g}, "
            f"std {self.std:.3g}, rms {self.rms:.3g}, zeros {100 * self.zeros:.3g} %{broken}\n"
            f"    {self.min:.3g} … {self.max:.3g}, 96 % within {self.p2:.3g} … {self.p98:.3g}"
        )


def flat_of(array: Array) -> Array:
    """An array as the kernels take it; a read-only one would be another type to them."""
    flags, known = array.flags, array.dtype in _MEASURED
    if flags.c_contiguous and flags.writeable and known:
        return array.reshape(-1)
    return array.astype(array.dtype if known else np.float64, order="C").reshape(-1)


def sample_of(array: Array) -> Array:
    """The sample of an array."""
    return flat_of(array)[:: stride_of(array.shape)]


@lru_cache(maxsize=1024)
def stride_of(shape: tuple[int, ...]) -> int:
    """The least k that leaves at most SAMPLE entries and has no factor common with the last axis.

    With a common factor, every k-th entry would come from the same few columns, which are units.
    """
    k = max(1, -(-math.prod(shape) // SAMPLE))
    columns = shape[-1] if shape else 1
    while k > 1 and math.gcd(k, columns) > 1:
        k += 1
    return k


@final
class Look:
    """What one pass over an array leaves of that array in a trace that keeps statistics only.

    Given f, it is a look at f′ of the array. `Statistics` are made of a look on request: most looks
    of a training run are never asked for them.
    """

    __slots__ = ("_dead", "_moments", "sample")

    def __init__(self, array: Array, f: Activation | None = None) -> None:
        run = None if f is None else _run_of(f, array.dtype)
        looked_at = f.slope(array) if f is not None and run is None else array
        flat = flat_of(looked_at)
        self._moments, self.sample = look(flat, stride_of(array.shape), *(run or ()))
        self._dead = _NONE_DEAD
        if f is not None and (self._moments[1] or not array.size):
            slopes = f.slope(array) if run else looked_at
            self._dead = dead_units(slopes.reshape(-1, array.shape[-1]), indices=False)

    def statistics(self, shape: tuple[int, ...]) -> Statistics:
        """The statistics of the array, as an array of that shape."""
        return Statistics.of_look(shape, self._moments, self.sample)

    def dead(self) -> DeadUnits:
        """The units where f′(s) is 0 for every example."""
        return self._dead


# --- f′ ------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def _run_of(f: Activation, dtype: np.dtype[Any]) -> tuple[int, Array] | None:
    """The address of the compiled f′ and its parameters, as the kernel takes them."""
    kernel: Any = f.kernel if f.compiled else None
    if kernel is None or dtype not in _MEASURED:
        return None
    return kernel.run("slope", dtype), np.array(f.constants, dtype)


@lru_cache(maxsize=256)
def largest_slope(f: Activation) -> float:
    """max |f′(s)| over a grid of 1/100 to ±30."""
    slopes = np.abs(f.slope(np.linspace(-30, 30, 6001)))
    finite = slopes[np.isfinite(slopes)]
    return float(finite.max()) if finite.size else 0.0


@final
@dataclass(frozen=True)
class DeadUnits:
    """Units whose f′ is exactly 0 for every example of the batch: no gradient passes them.

    `indices` is None in a trace that keeps statistics only.
    """

    share: float
    count: int
    indices: Array | None = field(compare=False)


_NONE_DEAD = DeadUnits(0.0, 0, None)


def dead_units(slopes: Array, *, indices: bool) -> DeadUnits:
    """Of f′(s), (batch, units)."""
    dead = dead_columns(np.ascontiguousarray(slopes))
    count = int(np.count_nonzero(dead))
    return DeadUnits(count / max(1, dead.size), count, np.flatnonzero(dead) if indices else None)


def share_below(slopes: Array, f: Activation, threshold: float) -> float:
    """The share of finite |f′(s)| below threshold · max |f′|, or 0; NaN with none."""
    size = np.abs(slopes[np.isfinite(slopes)].astype(np.float64))
    if not size.size:
        return math.nan
    return float(((size < threshold * largest_slope(f)) | (size == 0)).mean())
