"""The ratios of `speed`: for each case, how many times as fast as each rival."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.figures.style import (
    BLACK,
    BLUE,
    LINE,
    ORANGE,
    VERMILION,
    drawing,
    finish,
    legend,
    limits,
    log_axis,
)
from experiments.figures.words import quantity
from experiments.lab.claims import Measured
from experiments.speed.cases import Elementwise, count
from experiments.speed.rivals import FUSED, NUMPY, OPENBLAS, OURS, TITLES, TORCH
from experiments.speed.times import Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {OPENBLAS: BLUE, NUMPY: ORANGE, TORCH: VERMILION}
_OFFSETS = {OPENBLAS: -0.25, NUMPY: 0.0, TORCH: 0.25}
_ROW = 0.27  # inches for a line of dots


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


def draw_ratios(title: str, about: str, rows: Sequence[Row], threads: Sequence[int]) -> Figure:
    """A line of dots for each case: right of 1, gradtrace is faster."""
    from matplotlib.lines import Line2D

    figure, [ax] = drawing(
        _message(title, rows, threads[-1]),
        f"{about}; thin lines: 95 % intervals" + _sizes(rows),
        height=_ROW * len(rows) + 1.2,
    )
    for i, row in enumerate(rows):
        _draw_row(ax, i, row, threads[-1])
    ax.axvline(1, color=LINE, linewidth=1.2, zorder=0)
    ax.set_yticks(range(len(rows)), [row.label for row in rows])
    ax.set_ylim(len(rows) - 0.4, -0.6)
    log_axis(ax.xaxis, _reach(rows))
    finish(ax, "times as fast as the rival")
    ax.grid(visible=False, axis="y")
    dot: dict[str, Any] = {"marker": "o", "markersize": 7, "linestyle": ""}
    drawn = {rival for row in rows for rival, *_ in row.dots}
    handles = [
        Line2D([], [], color=colour, label=TITLES[rival], **dot)
        for rival, colour in COLOURS.items()
        if rival in drawn
    ]
    handles += [
        Line2D(
            [], [], label=f"{n} thread{'s' if n > 1 else ''}", color=BLACK,
            markerfacecolor=BLACK if n == threads[-1] else "white", **dot,
        )
        for n in threads
    ]  # fmt: skip
    handles.append(
        Line2D(
            [], [], color=BLACK, marker="|", markersize=12, markeredgewidth=2, linestyle="",
            label="target",
        )
    )  # fmt: skip
    legend(figure, handles)
    return figure


def _message(title: str, rows: Sequence[Row], most: int) -> str:
    """In how many cases gradtrace is faster than the fastest rival, and how much."""
    least = []
    for row in rows:
        values = [m.value for _, threads, _, m in row.dots if threads in (0, most)]
        least.append(min(values or [m.value for *_, m in row.dots]))
    faster = sum(value > 1 for value in least)
    cases = "case" if len(least) == 1 else "cases"
    return (
        f"{title}: gradtrace is faster than the fastest rival in {faster} of {len(least)} {cases}, "
        f"from {quantity(min(least))} to {quantity(max(least))} times as fast"
    )


def _sizes(rows: Sequence[Row]) -> str:
    several = len({size for row in rows for _, _, size, _ in row.dots}) > 1
    return "; marks grow with the number of entries" if several else ""


def _reach(rows: Sequence[Row]) -> tuple[float, float]:
    """Ends of the axis: of the dots and the targets; intervals may go beyond."""
    points = [m.value for row in rows for *_, m in row.dots]
    aims = [
        least
        for row in rows
        for rival, least in row.targets.items()
        if any(rival == dot[0] for dot in row.dots)
    ]
    low, high = limits([points, aims, [0.9, 1.15]], log=True)
    return max(low, 0.01), min(high, 1000.0)


def _draw_row(ax: Axes, i: int, row: Row, most: int) -> None:
    for rival, least in row.targets.items():
        if any(rival == dot[0] for dot in row.dots):
            ax.plot(
                least, i + _OFFSETS[rival], marker="|", markersize=11, color=COLOURS[rival],
                markeredgewidth=1.6, alpha=0.7,
            )  # fmt: skip
    for rival, threads, size, measured in row.dots:
        at, colour = i + _OFFSETS[rival], COLOURS[rival]
        if np.isfinite([measured.low, measured.high]).all():
            ax.plot([measured.low, measured.high], [at, at], color=colour, linewidth=1.0)
        ax.plot(
            measured.value, at, marker="o", markersize=size, color=colour, alpha=0.85,
            markerfacecolor=colour if threads in (0, most) else "white",
        )  # fmt: skip
