"""rms ∂L/∂s by layer on a logarithmic axis, from the loss down to the input, as data to draw.

Beside the measured points stands what is predicted of them: a theory's profile, or the estimate
from the trace's own weights.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from unicodedata import east_asian_width

import numpy as np

from engine import Trace
from engine.tracing.read.estimate import estimate
from engine.tracing.show.figure import beside
from engine.tracing.widths import shortened
from experiments.lab.tables import number

_LONGEST_NAME = 22
_TOP, _ROW, _LOW_ROW, _MANY = 24, 22, 8, 40  # pixels; more layers than that have low rows


@dataclass(frozen=True)
class Point:
    """A layer: x in per cent of the width, y in pixels; x is None where there is nothing to draw.

    `step` is the walk's step of this layer, None where no gradient came. `labelled` is false for a
    layer whose name would stand on another's.
    """

    name: str
    value: str
    x: float | None
    y: float
    step: int | None
    labelled: bool


@dataclass(frozen=True)
class Chart:
    """What the template draws: points, the axis' ticks (x, exponent), and dotted segments."""

    points: list[Point]
    ticks: list[tuple[float, int]]
    predicted: list[tuple[float, float, float, float]]
    prediction: str
    row: float
    height: float
    longest: int


def chart(trace: Trace, steps: Mapping[int, int], theory: Any = None) -> Chart:
    """The layers of a trace, the last one first, as the walk comes to them.

    Args:
        steps: the number of the walk's step for each layer's position in the trace.
        theory: as `Trace.plot` takes it; None for the estimate from the weights.
    """
    rows = trace.layers
    found = [row.statistics("dL_ds") for row in rows]
    measured = np.array([math.nan if s is None else s.rms for s in found])
    with np.errstate(all="ignore"):  # where there is no gradient, nothing is predicted
        profile = estimate(trace) if theory is None else theory
        curve = beside(measured, np.asarray(profile.dL_ds), "dL_ds")
    low, high = _decades([*measured, *curve])
    row = _ROW if len(rows) <= _MANY else _LOW_ROW
    each = math.ceil(_ROW / row)  # one name in so many rows

    def x(value: float) -> float | None:
        drawn = math.isfinite(value) and value > 0
        return round(100 * (math.log10(value) - low) / (high - low), 2) if drawn else None

    points, dots = [], []
    for line, i in enumerate(reversed(range(len(rows)))):
        y = _TOP + row * (line + 0.5)
        name = shortened(rows[i].label, _LONGEST_NAME)
        value = "no gradient" if found[i] is None else _said(measured[i])
        points.append(Point(name, value, x(measured[i]), y, steps.get(i), line % each == 0))
        dots.append((x(curve[i]), y))
    apart = math.ceil((high - low) / 5)
    return Chart(
        points,
        [(100 * (e - low) / (high - low), e) for e in range(low, high + 1, apart)],
        [
            (x1, y1, x2, y2)
            for (x1, y1), (x2, y2) in pairwise(dots)
            if x1 is not None and x2 is not None
        ],
        "mean-field estimate from the weights" if theory is None else "theory",
        row,
        _TOP + row * len(rows),
        max((_columns(point.name) for point in points), default=0),
    )


def _columns(name: str) -> int:
    """The width of a name in letters of one width, of which Chinese or Japanese ones take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in name)


def _said(value: float) -> str:
    return number(value) if math.isfinite(value) else "NaN or Inf"


def _decades(values: list[float]) -> tuple[int, int]:
    """The powers of ten around the values, two at least, so that a level pass looks level."""
    logs = [math.log10(v) for v in values if math.isfinite(v) and v > 0] or [0.0]
    low, high = math.floor(min(logs)), math.ceil(max(logs))
    return (low, high) if high - low > 1 else (low - 1, low + 1)
