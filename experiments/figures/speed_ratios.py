"""The ratio panels of `speed`: for each case, how many times as fast as each rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.figures.panels import finish
from experiments.lab.claims import Measured
from experiments.speed.cases import Elementwise, count
from experiments.speed.rivals import FUSED, NUMPY, OPENBLAS, OURS, TITLES, TORCH
from experiments.speed.times import Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {OPENBLAS: "#0072b2", NUMPY: "#e69f00", TORCH: "#d55e00"}
_OFFSETS = {OPENBLAS: -0.22, NUMPY: 0.0, TORCH: 0.22}


@dataclass
class Row:
    """A line of dots: each a rival, a number of threads, and a size of the mark."""

    label: str
    dots: list[tuple[str, int, float, Measured]] = field(default_factory=list)
    targets: dict[str, float] = field(default_factory=dict)


def ratio_rows(
    times: Times, targets: Sequence[Mapping[str, float]], groups: Sequence[str]
) -> list[Row]:
    """The rows of some groups; an activation's sizes share one, and its marks grow with them."""
    rows: dict[str, Row] = {}
    for timing, wanted in zip(times.timings, targets, strict=True):
        case = timing.case
        if case.group not in groups:
            continue
        label, size = case.label, 5.0
        if isinstance(case, Elementwise):
            label = label.replace(f", {count(case.size)}", "")
            size = 1.2 * np.log10(case.size) - 1.5
        for ours in (OURS, FUSED):
            named = label + (", fused SGD" if ours == FUSED else "")
            for rival in COLOURS:
                measured = timing.ratio(rival, ours)
                if np.isfinite(measured.value):
                    row = rows.setdefault(named, Row(named))
                    row.dots.append((rival, timing.threads, size, measured))
                    row.targets.update(wanted)
    found = list(rows.values())
    torch, warm = times.starts.torch, times.starts.warm
    if "startup" in groups and torch is not None and warm is not None:
        ratio = Measured.of(torch / warm, log=True)
        found.append(Row("start of a process", [(TORCH, 0, 5.0, ratio)], {TORCH: 1.0}))
    return found


def draw_ratios(part: Any, panels: Mapping[str, Sequence[Row]], threads: Sequence[int]) -> None:
    """A panel for each title, and one legend for all."""
    from matplotlib.lines import Line2D

    axes = part.subplots(1, len(panels), squeeze=False)[0]
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        for i, row in enumerate(rows):
            _draw_row(ax, i, row, threads[-1])
        ax.axvline(1, color="0.4", linewidth=1.0, zorder=0)
        ax.set_yticks(range(len(rows)), [row.label for row in rows])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        _scale(ax)
        finish(ax, title, "times as fast as the rival")
        ax.grid(visible=False, axis="y")
    dot: dict[str, Any] = {"marker": "o", "markersize": 5, "linestyle": ""}
    drawn = {rival for rows in panels.values() for row in rows for rival, *_ in row.dots}
    handles = [
        Line2D([], [], color=colour, label=f"over {TITLES[rival]}", **dot)
        for rival, colour in COLOURS.items()
        if rival in drawn
    ]
    grey: dict[str, Any] = {"color": "0.3", **dot}
    handles += [
        Line2D(
            [], [], label=f"{n} thread{'s' if n > 1 else ''}",
            markerfacecolor="0.3" if n == threads[-1] else "white", **grey,
        )
        for n in threads
    ]  # fmt: skip
    handles.append(
        Line2D([], [], color="0.3", marker="|", markersize=9, linestyle="", label="target")
    )
    part.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def _draw_row(ax: Axes, i: int, row: Row, most: int) -> None:
    for rival, least in row.targets.items():
        if any(rival == dot[0] for dot in row.dots):
            ax.plot(
                least, i + _OFFSETS[rival], marker="|", markersize=9, color=COLOURS[rival],
                markeredgewidth=1.6, alpha=0.6,
            )  # fmt: skip
    for rival, threads, size, measured in row.dots:
        at, colour = i + _OFFSETS[rival], COLOURS[rival]
        if np.isfinite([measured.low, measured.high]).all():
            ax.plot([measured.low, measured.high], [at, at], color=colour, linewidth=1.0)
        ax.plot(
            measured.value, at, marker="o", markersize=size, color=colour, alpha=0.85,
            markerfacecolor=colour if threads in (0, most) else "white",
        )  # fmt: skip


def _scale(ax: Axes) -> None:
    """Logarithmic, no farther than the dots, with as many ticks as there is room for."""
    ax.set_xscale("log")
    points = np.concatenate([np.atleast_1d(np.asarray(line.get_xdata())) for line in ax.lines])
    low, high = min(points.min() / 1.2, 0.8), max(points.max() * 1.2, 1.3)
    low, high = max(low, 0.01), min(high, 1000.0)
    ax.set_xlim(low, high)
    leading = (1,) if high / low > 100 else (1, 2, 5) if high / low > 6 else (1, 1.5, 2, 3, 5, 7)
    ticks = [m * 10.0**e for e in range(-2, 4) for m in leading]
    shown = sorted(tick for tick in ticks if low <= tick <= high)
    ax.set_xticks(shown, [f"{tick:g}" for tick in shown])
    ax.minorticks_off()
