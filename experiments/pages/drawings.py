"""Small drawings as inline SVG and HTML: a histogram, and the strip of norms along the walk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from engine import Walk
from experiments.lab.tables import number
from experiments.pages.spreads import Spread

_WIDTH, _HEIGHT, _BASE = 240, 96, 78  # the axis is at _BASE, its numbers below


def histogram(spread: Spread) -> str:
    """A `<figure>`: the array's name, its rms and what else must be said, and the bars."""
    said = [f"rms {number(spread.rms)}" if math.isfinite(spread.rms) else "no finite entry"]
    if spread.zeros > 0.005:
        said.append(f"{100 * spread.zeros:.0f} % zeros")
    if spread.nonfinite:
        said.append(f"{spread.nonfinite} NaN or Inf")
    kind = "back" if spread.backward else "forth"
    name = f"|{spread.name}|" if spread.backward else spread.name
    caption = f"<b>{escape(name)}</b> {escape(', '.join(said))}"
    return (
        f'<figure class="spread {kind}"><figcaption>{caption}</figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="distribution of '
        f'{escape(spread.name)}">{_bars(spread)}{_axis(spread)}</svg></figure>'
    )


def _at(spread: Spread, value: float) -> float:
    """Where a value is on the axis, in the drawing's units."""
    low, high = float(spread.edges[0]), float(spread.edges[-1])
    if spread.backward:
        low, high, value = math.log10(low), math.log10(high), math.log10(value)
    return 4 + (_WIDTH - 8) * (value - low) / (high - low)


def _bars(spread: Spread) -> str:
    if spread.heights is None:
        return f'<text x="{_WIDTH // 2}" y="45" text-anchor="middle">nothing but zeros</text>'
    path = f"M{_at(spread, float(spread.edges[0])):.1f} {_BASE}"
    for height, right in zip(spread.heights, spread.edges[1:], strict=True):
        path += f"V{_BASE - 70 * height:.1f}H{_at(spread, float(right)):.1f}"
    return f'<path class="bars" d="{path}V{_BASE}Z"/>'


def _axis(spread: Spread) -> str:
    ticks = "".join(
        f'<path class="tick" d="M{x:.1f} {_BASE}v4"/>'
        f'<text x="{x:.1f}" y="{_HEIGHT - 3}" text-anchor="{anchor}">{escape(text)}</text>'
        for x, anchor, text in _ticks(spread)
    )
    return f'<path class="tick" d="M4 {_BASE}H{_WIDTH - 4}"/>{ticks}'


def _ticks(spread: Spread) -> list[tuple[float, str, str]]:
    low, high = float(spread.edges[0]), float(spread.edges[-1])
    if spread.backward:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        each = max(1, math.ceil((last - first + 1) / 5))
        values = [(10.0**e, f"10{_raised(e)}") for e in range(first, last + 1, each)]
    else:
        step = _round((high - low) / 4)
        start = math.ceil(low / step)
        numbers = [i * step for i in range(start, math.floor(high / step) + 1)]
        values = [(v, f"{v:.6g}".replace("-", "−")) for v in numbers]
    made = []
    for value, text in values:
        x = _at(spread, value)
        anchor = "start" if x < 16 else "end" if x > _WIDTH - 16 else "middle"
        made.append((x, anchor, text))
    return made


def _round(step: float) -> float:
    """The next of 1, 2, 5 × a power of ten."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= 0.999 * step)


def _raised(e: int) -> str:
    return str(e).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def strip(walk: Walk) -> str:
    """A bar for each step, as high as log ‖g‖ of what came in there; each leads to its step."""
    heights = _heights([step.norm for step in walk])
    bars = "".join(
        f'<a href="#step-{step.number}" title="{escape(_title(step.number, step.norm))}" '
        f'aria-label="{escape(_title(step.number, step.norm))}">'
        f'<span style="height:{height:.0f}%"></span></a>'
        for step, height in zip(walk, heights, strict=True)
    )
    return f'<nav class="strip" aria-label="norm of the gradient by step">{bars}</nav>'


def _title(number: int, norm: float) -> str:
    return f"step {number}: ‖g‖ = {norm:.3g}"


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
