"""What `diagnose` looks at: for each layer of a trace, the parts of E[f′²] · n · Var W.

Going back from ∂L/∂s of layer i + 1 to ∂L/∂s of layer i, a gradient's mean square is multiplied by
n Var W, with n the units of layer i + 1 and W its weights, and by E[f′²] of layer i (Glorot &
Bengio 2010, equation 6). Mean squares are taken here, so Var W stands for E[W²].

All numbers come from the statistics and the samples of a layer, which a trace has with arrays and
without. A sample holds every entry of up to 4,096; where a question needs every entry and the
arrays are there, they are asked.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from engine.activations import Activation
from engine.arrays import Array
from engine.spelling import printable
from engine.tracing.data import TraceData
from engine.tracing.read.find import repeats_of, rows_by_main_link
from engine.tracing.rows import LayerRecord

# |f′| below this share of its maximum counts as saturated; for tanh, from |s| = 2.18 on.
SATURATED = 0.05
# A unit is dead if |f′(s)| is below this share of max |f′| for every example: exactly 0 for ReLU,
# while leaky ReLU's slope of 0.01 is alive.
DEAD = 1e-3
# Entries are equal if they differ by less than this share of the largest, as rounding may.
ALIKE = 1e-4


@printable
@dataclass(frozen=True)
class Measures:
    """The numbers of one layer; `position` in `t.layers`.

    `n_var_W` is fan_out · E[W²], what the backward pass meets; `forward` is fan_in · E[W²]. Where x
    repeats the entries of the output of the layer before, as patches of an image do, an entry meets
    `repeats` times as many weights: n is fan_out · repeats.
    `s_bias` is the mean square of b over that of s. `dL_ds` is a root mean square. `saturated` is
    the share of entries of f′(s), and None where f does not saturate on both sides; `dead` the
    share of units, None where f saturates on both sides or on none.
    """

    position: int
    row: LayerRecord
    repeats: float
    x2: float
    slope2: float
    n_var_W: float
    forward: float
    s_bias: float
    dL_ds: float
    saturated: float | None
    dead: float | None


def measure(t: TraceData) -> list[Measures]:
    """The numbers of every layer that the backward pass reached, from the input's side.

    A layer with several links is seen from the one on the way from the layer before.
    """
    repeats = repeats_of(t)
    rows = rows_by_main_link(t)
    return [_of(i, row, repeats[i]) for i, row in enumerate(rows) if row.sweeps]


def rms(row: LayerRecord, name: str) -> float:
    """√E[a²] of the finite entries of one of a layer's arrays; 0 where there are none."""
    statistics = row.statistics(name)
    return statistics.rms if statistics is not None and statistics.sampled else 0.0


def mean_square(row: LayerRecord, name: str) -> float:
    """The square of `rms`."""
    size = rms(row, name)
    return size * size  # where ** would raise OverflowError


def all_zero(row: LayerRecord, name: str) -> bool:
    """Whether an array is there and each of its entries is exactly 0."""
    statistics = row.statistics(name)
    return statistics is not None and statistics.zeros == 1 and not statistics.nonfinite


def norm(a: Array | None) -> float:
    """√Σ a² in float64, scaled so that no square overflows or becomes 0."""
    size = np.abs(np.asarray(a, np.float64))
    largest = float(size.max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.square(size / largest).sum()))


def units_alike(row: LayerRecord, name: str) -> bool:
    """Whether the columns of an array, which are units, are equal, and finite."""
    statistics = row.statistics(name)
    if statistics is None or statistics.nonfinite:
        return False
    if row.kept:
        array = getattr(row, name)
        apart = np.abs(array - array[..., :1])
    else:
        values, places = _with_places(row, name)
        examples = places // row.fan_out
        together = examples[1:] == examples[:-1]
        if not together.any():  # of no row two entries are in the sample
            return False
        apart = np.abs(np.diff(values))[together]
    largest = max(abs(statistics.min), abs(statistics.max))
    return bool(apart.max(initial=0) <= ALIKE * largest)


def spread(row: LayerRecord, name: str) -> float:
    """By how much entries differ from example to example: √ of the variance over the batch.

    The variance is the mean over columns. NaN with a single example, or where the sample holds
    too few of a column.
    """
    statistics = row.statistics(name)
    if statistics is None or row.batch < 2 or not statistics.sampled:
        return math.nan
    if row.kept:
        with np.errstate(all="ignore"):
            return float(np.sqrt(getattr(row, name).var(axis=0, dtype=np.float64, ddof=1).mean()))
    values, places = _with_places(row, name)
    columns = places % statistics.shape[-1]
    counts = np.bincount(columns)
    if (counts < 2).all():
        return math.nan
    with np.errstate(all="ignore"):
        means = np.bincount(columns, values) / counts
        squares = np.bincount(columns, np.square(values - means[columns]))
        several = counts > 1
        return float(np.sqrt((squares[several] / (counts[several] - 1)).mean()))


def examples_alike(row: LayerRecord, name: str) -> bool:
    """Whether the rows of an array, which are examples, are equal, of two or more."""
    size = rms(row, name)
    return row.batch > 1 and bool(spread(row, name) <= 1e-6 * size)


def flat_sides(f: Activation) -> tuple[bool, bool, float]:
    """Whether f′ goes to 0 toward −∞ and toward ∞, and the largest |f′|."""
    slopes = np.abs(f.slope(np.linspace(-10.0, 10.0, 2001)))
    largest = float(slopes.max())
    low, high = np.abs(f.slope(np.array([-1e4, 1e4]))) < SATURATED * largest
    return bool(low), bool(high), largest


def _with_places(row: LayerRecord, name: str) -> tuple[Array, Array]:
    """The entries of the sample in float64, and their places in the array, from 0."""
    values, stride = row.sample(name)
    return values.astype(np.float64), np.arange(len(values)) * stride


def _of(position: int, row: LayerRecord, repeats: float) -> Measures:
    low, high, largest = flat_sides(row.f)
    s2 = mean_square(row, "s")
    return Measures(
        position=position,
        row=row,
        repeats=repeats,
        x2=mean_square(row, "x"),
        slope2=mean_square(row, "df_ds"),
        n_var_W=repeats * row.fan_out * mean_square(row, "W"),
        forward=row.fan_in * mean_square(row, "W"),
        s_bias=mean_square(row, "b") / s2 if s2 else 0.0,
        dL_ds=rms(row, "dL_ds"),
        saturated=row.saturated(SATURATED) if low and high and largest else None,
        dead=_share_dead(row, DEAD * largest) if low != high else None,
    )


def _share_dead(row: LayerRecord, least: float) -> float:
    """The share of units with |f′(s)| < least for every example.

    Of statistics of more entries than a sample has, it is the share with f′ = 0 exactly.
    """
    slopes = row.statistics("df_ds")
    if slopes is None or not slopes.sampled:
        return 0.0
    if max(abs(slopes.min), abs(slopes.max)) < least:
        return 1.0
    if not row.kept and slopes.sampled < slopes.size:
        return row.dead().share
    array = row.df_ds if row.kept else row.sample("df_ds")[0].reshape(slopes.shape)
    return float((np.abs(array).max(axis=0) < least).mean())
