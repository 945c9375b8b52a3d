"""Small drawings as data for the templates: a histogram, and the strip of norms along the walk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine import Walk
from experiments.lab.tables import number
from experiments.pages.spreads import Spread

WIDTH, HEIGHT, BASE = 240, 96, 78  # the axis is at BASE, its numbers below
_APART = 62  # between powers of ten, which are written large on a narrow screen


@dataclass(frozen=True)
class Histogram:
    """A spread's name, what is said of it, the bars as an SVG path ("" without any entry but 0),
    and the axis' ticks: x, text and how the text is anchored."""

    name: str
    said: str
    kind: str
    bars: str
    ticks: list[tuple[float, str, str]]


def histogram(spread: Spread) -> Histogram:
    """The array's name, its rms and what else must be said, and the bars."""
    said = [f"rms {number(spread.rms)}" if math.isfinite(spread.rms) else "no finite entry"]
    if spread.zeros > 0.005:
        said.append(f"{100 * spread.zeros:.0f} % zeros")
    if spread.nonfinite:
        said.append(f"{spread.nonfinite} NaN or Inf")
    kind = "back" if spread.backward else "forth"
    name = f"|{spread.name}|" if spread.backward else spread.name
    return Histogram(name, ", ".join(said), kind, _bars(spread), _ticks(spread))


def _at(spread: Spread, value: float) -> float:
    """Where a value is on the axis, in the drawing's units."""
    low, high = float(spread.edges[0]), float(spread.edges[-1])
    if spread.backward:
        low, high, value = math.log10(low), math.log10(high), math.log10(value)
    return 4 + (WIDTH - 8) * (value - low) / (high - low)


def _bars(spread: Spread) -> str:
    if spread.heights is None:
        return ""
    path = f"M{_at(spread, float(spread.edges[0])):.1f} {BASE}"
    for height, right in zip(spread.heights, spread.edges[1:], strict=True):
        path += f"V{BASE - 70 * height:.1f}H{_at(spread, float(right)):.1f}"
    return f"{path}V{BASE}Z"


def _ticks(spread: Spread) -> list[tuple[float, str, str]]:
    low, high = float(spread.edges[0]), float(spread.edges[-1])
    if spread.backward:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        decade = (WIDTH - 8) / (math.log10(high) - math.log10(low))
        each = math.ceil(_APART / decade)
        values = [(10.0**e, power_of_ten(e)) for e in range(first, last + 1, each)]
    else:
        step = _round((high - low) / 4)
        start = math.ceil(low / step)
        numbers = [i * step for i in range(start, math.floor(high / step) + 1)]
        values = [(v, f"{v:.6g}".replace("-", "−")) for v in numbers]
    ticks = []
    for value, text in values:
        x = _at(spread, value)
        anchor = "start" if x < 16 else "end" if x > WIDTH - 16 else "middle"
        ticks.append((x, text, anchor))
    return ticks


def _round(step: float) -> float:
    """The next of 1, 2, 5 × a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= 0.999 * step)


def power_of_ten(e: int) -> str:
    return "10" + str(e).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def strip(walk: Walk) -> list[float]:
    """The height of each step's bar in per cent: log ‖g‖ of what came in there."""
    return _heights([step.norm for step in walk])


def _heights(norms: Sequence[float]) -> list[float]:
    positive = [n for n in norms if math.isfinite(n) and n > 0]
    if not positive:
        return [4.0] * len(norms)
    low, high = math.log10(min(positive)), math.log10(max(positive))
    # A tenfold range at least, so that a level pass looks level.
    span, high = max(high - low, 1.0), max(high, low + 0.5)
    return [
        float(np.clip(100 * (1 + 0.9 * (math.log10(n) - high) / span), 4, 100))
        if math.isfinite(n) and n > 0
        else (100.0 if n > 0 else 4.0)
        for n in norms
    ]
