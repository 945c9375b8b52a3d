"""How an array's entries are distributed, layer by layer, on an axis that all layers share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from engine.arrays import Array
from engine.tracing.rows import LayerRecord
from engine.tracing.statistics import Statistics, sample_of

_BINS = 80
_LOGARITHMIC = ("dL_dx_next", "dL_ds", "dL_dW", "dL_db", "dL_dx")


@final
@dataclass(frozen=True)
class Ridge:
    """One layer's distribution.

    Attributes:
        edges, heights: of its bins; the highest is 1. None without arrays, or without entries.
        interval: without arrays, the 2nd percentile, the mean and the 98th percentile.
        logarithmic: the bins are of |v| on a logarithmic axis; zeros are in none of them.
        note: what the picture must say in words.
    """

    edges: Array
    heights: Array | None
    interval: tuple[float, float, float] | None
    logarithmic: bool
    note: str


def ridges(rows: Sequence[LayerRecord], name: str) -> list[Ridge]:
    """The distributions of one quantity in several layers.

    Gradients, whose size changes by powers of ten, are shown as |v| on a logarithmic axis; the rest
    between the least 2nd and the largest 98th percentile of the layers, and a fifth beyond.
    """
    statistics = [row.statistics(name) for row in rows]
    if name in _LOGARITHMIC:
        return _logarithmic(statistics)
    ends = [e for s in statistics if s is not None for e in (s.p2, s.p98) if math.isfinite(e)]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = 0.2 * (high - low) or max(1e-3 * abs(high), 1e-30)
    edges = np.linspace(low - room, high + room, _BINS + 1)
    drawn = []
    for row, s in zip(rows, statistics, strict=True):
        heights, interval = None, None
        if s is not None and s.sampled:
            if row.kept:
                heights = _heights(np.histogram(sample_of(getattr(row, name)), edges)[0])
            else:
                interval = s.p2, s.mean, s.p98
        drawn.append(Ridge(edges, heights, interval, False, _note(s)))
    return drawn


def _logarithmic(statistics: Sequence[Statistics | None]) -> list[Ridge]:
    counts = [s.histogram for s in statistics if s is not None]
    used = np.flatnonzero(np.sum(counts, axis=0)) if counts else np.array([], int)
    first, last = (int(used[0]), int(used[-1])) if used.size else (60, 60)
    # The outermost bins have no outer edge; they are drawn as wide as the others.
    step = Statistics.edges[1] / Statistics.edges[0]
    edges = np.concatenate(
        [[Statistics.edges[0] / step], Statistics.edges, [Statistics.edges[-1] * step]]
    )[first : last + 2]
    drawn = []
    for s in statistics:
        heights = None if s is None else _heights(s.histogram[first : last + 1])
        note = _note(s)
        if s is not None and s.zeros > 0.005:
            note = f"{100 * s.zeros:.0f} % zeros" + (f", {note}" if note else "")
        drawn.append(Ridge(edges, heights, None, True, note))
    return drawn


def _heights(counts: Array) -> Array | None:
    highest = counts.max() if counts.size else 0
    return counts / highest if highest else None


def _note(s: Statistics | None) -> str:
    if s is None:
        return "not there"
    return f"{s.nonfinite} NaN or Inf" if s.nonfinite else ""
