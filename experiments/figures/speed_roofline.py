"""The roofline of `speed`: what the machine allows, and where each kernel stands under it.

A kernel that does I operations for each byte it moves reaches at most min(peak, I · bandwidth)
(Williams, Waterman & Patterson 2009). Its place uses the fewest bytes possible; small products
stay in cache, and may stand above memory's line.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.figures.panels import finish
from experiments.speed.cases import Case, Elementwise, Limit, Product
from experiments.speed.rivals import OURS
from experiments.speed.schedule import Timing
from experiments.speed.times import Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_KINDS: tuple[tuple[str, str, str, Callable[[Case], bool]], ...] = (
    ("large products", "o", "#0072b2", lambda c: isinstance(c, Product) and c.batch >= 256),
    ("at batch 10", "D", "#56b4e9", lambda c: isinstance(c, Product) and c.batch == 10),
    ("squares of 16 to 96", "s", "#cc79a7", lambda c: isinstance(c, Product) and c.fan_in < 256),
    (
        "activations forward", "^", "#e69f00",
        lambda c: isinstance(c, Elementwise) and not c.backward,
    ),
    ("activations backward", "v", "#d55e00", lambda c: isinstance(c, Elementwise) and c.backward),
    ("training steps", "*", "#009e73", lambda c: c.group in ("training", "small")),
)  # fmt: skip
_STYLES = {"L2": ":", "L3": "--", "memory": "-"}


def draw_roofline(ax: Axes, times: Times) -> None:
    """Roofs for the most threads, in float32, and every float32 kernel's place at as many."""
    most = max((t.threads for t in times.timings), default=1)
    seen = [
        t
        for t in times.timings
        if t.threads == most and t.case.dtype == "float32" and OURS in t.medians
    ]
    x = np.geomspace(0.05, 1000, 200)
    _draw_roofs(ax, x, [t for t in seen if isinstance(t.case, Limit)])
    for label, marker, colour, belongs in _KINDS:
        chosen = [t for t in seen if belongs(t.case)]
        if chosen:
            ax.plot(
                [t.case.flops / t.case.bytes for t in chosen],
                [t.rate(OURS) / 1e9 for t in chosen],
                marker=marker, color=colour, label=label, linestyle="", markersize=6,
                markeredgecolor="white", markeredgewidth=0.4,
            )  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(x[0], x[-1])
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=9, loc="lower right")
    threads = f"{most} thread" + "s" * (most > 1)
    finish(ax, f"roofline, float32, {threads}", "operations for each byte that must be moved")
    ax.set_ylabel("GF/s")


def _draw_roofs(ax: Axes, x: npt.NDArray[np.float64], limits: Sequence[Timing]) -> None:
    peaks = [t.rate(OURS) / 1e9 for t in limits if getattr(t.case, "limit", "") == "peak"]
    peak = peaks[0] if peaks else np.inf
    for timing in limits:
        place = getattr(timing.case, "place", "")
        if place:
            bandwidth = timing.bandwidth(OURS) / 1e9
            roof = np.minimum(x * bandwidth, peak)
            ax.plot(
                x, roof, color="0.45", linestyle=_STYLES[place], linewidth=1.2, zorder=1,
                label=f"{place}, {bandwidth:.3g} GB/s",
            )  # fmt: skip
    if peaks:
        ax.axhline(peak, color="0.45", linewidth=1.2, zorder=1)
        ax.annotate(
            f"peak, {peak:.3g} GF/s", (x[0], peak), xytext=(6, 4), textcoords="offset points",
            fontsize=9, color="0.25",
        )  # fmt: skip
