"""The roofline of `speed`: what the machine allows, and where each kernel stands under it.

A kernel that does I operations for each byte it moves reaches at most min(peak, I · bandwidth)
(Williams, Waterman & Patterson 2009). Its place uses the fewest bytes possible; small products
stay in cache, and may stand above memory's line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    LINE,
    ORANGE,
    PINK,
    SKY,
    VERMILION,
    drawing,
    finish,
    legend,
    limits,
    log_axis,
)
from experiments.figures.words import percent, quantity
from experiments.speed.cases import Case, Elementwise, Limit, Product
from experiments.speed.rivals import OURS
from experiments.speed.schedule import Timing
from experiments.speed.times import Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class _Kind:
    """Kernels that share a mark."""

    label: str
    marker: str
    colour: str
    belongs: Callable[[Case], bool]


_KINDS = (
    _Kind("large products", "o", BLUE, lambda c: isinstance(c, Product) and c.batch >= 256),
    _Kind("products at batch 10", "D", SKY, lambda c: isinstance(c, Product) and c.batch == 10),
    _Kind("squares of 16 to 96", "s", PINK, lambda c: isinstance(c, Product) and c.fan_in < 256),
    _Kind(
        "activations forward", "^", ORANGE, lambda c: isinstance(c, Elementwise) and not c.backward
    ),
    _Kind(
        "activations backward", "v", VERMILION, lambda c: isinstance(c, Elementwise) and c.backward
    ),
    _Kind("training steps", "*", GREEN, lambda c: c.group in ("training", "small")),
)
_STYLES = {"L2": ":", "L3": "--", "memory": "-"}


def draw_roofline(about: str, times: Times) -> Figure:
    """Roofs for the most threads, in float32, and every float32 kernel's place at as many."""
    most = max((t.threads for t in times.timings), default=1)
    seen = [
        t
        for t in times.timings
        if t.threads == most and t.case.dtype == "float32" and OURS in t.medians
    ]
    limits_seen = [t for t in seen if isinstance(t.case, Limit)]
    kernels = {
        kind: chosen for kind in _KINDS if (chosen := [t for t in seen if kind.belongs(t.case)])
    }
    figure, [ax] = drawing(
        _message(limits_seen, [t for chosen in kernels.values() for t in chosen]),
        f"{about}; roofline at {most} thread{'s' if most > 1 else ''}, float32: lines are what the "
        "machine allows, points what kernels reach",
        height=4.2,
    )
    x = np.geomspace(0.05, 1000, 200)
    handles = _draw_roofs(ax, x, limits_seen)
    rates = [[t.rate(OURS) / 1e9 for t in limits_seen if getattr(t.case, "limit", "") == "peak"]]
    for kind, chosen in kernels.items():
        rates.append([t.rate(OURS) / 1e9 for t in chosen])
        handles += ax.plot(
            [t.case.flops / t.case.bytes for t in chosen],
            rates[-1],
            marker=kind.marker, color=kind.colour, label=kind.label, linestyle="", markersize=7,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
    log_axis(ax.xaxis, (x[0], x[-1]))
    low, high = limits(rates, log=True)
    log_axis(ax.yaxis, (low, 1.3 * high))
    finish(ax, "operations for each byte that must be moved", "GF/s")
    if handles:
        legend(figure, handles)
    return figure


def _message(limits_seen: Sequence[Timing], kernels: Sequence[Timing]) -> str:
    """How near the fastest product comes to the peak; else the peak and the bandwidth alone."""
    peaks = [t.rate(OURS) / 1e9 for t in limits_seen if getattr(t.case, "limit", "") == "peak"]
    products = [t.rate(OURS) / 1e9 for t in kernels if isinstance(t.case, Product)]
    if peaks and products:
        return (
            f"The fastest product reaches {quantity(max(products), 3)} GF/s, "
            f"{percent(max(products) / peaks[0])} of the machine's peak"
        )
    if peaks:
        return f"The machine's peak is {quantity(peaks[0], 3)} GF/s"
    return "What the machine allows"


def _draw_roofs(ax: Axes, x: npt.NDArray[np.float64], timings: Sequence[Timing]) -> list[Any]:
    handles: list[Any] = []
    peaks = [t.rate(OURS) / 1e9 for t in timings if getattr(t.case, "limit", "") == "peak"]
    peak = peaks[0] if peaks else np.inf
    for timing in timings:
        place = getattr(timing.case, "place", "")
        if place:
            bandwidth = timing.bandwidth(OURS) / 1e9
            roof = np.minimum(x * bandwidth, peak)
            handles += ax.plot(
                x, roof, color=LINE, linestyle=_STYLES[place], linewidth=1.5, zorder=1,
                label=f"{place}, {quantity(bandwidth, 3)} GB/s",
            )  # fmt: skip
    if peaks:
        line = ax.axhline(peak, color=BLACK, linewidth=1.5, zorder=1)
        line.set_label(f"peak, {quantity(peak, 3)} GF/s")
        handles.append(line)
    return handles
