"""The figures of `speed`: ratios, how cost grows, traces, the roofline, the steps to a product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.figures.durations import duration
from experiments.figures.speed_ratios import draw_ratios, ratio_rows
from experiments.figures.speed_roofline import draw_roofline
from experiments.figures.speed_tables import tables, texts
from experiments.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    LINE,
    ORANGE,
    SKY,
    SMALL,
    VERMILION,
    drawing,
    finish,
    legend,
    limits,
    log_axis,
)
from experiments.figures.words import quantity
from experiments.lab.question import Result
from experiments.speed.cases import Limit, Step, Training
from experiments.speed.plans import BATCH, DEPTH, WIDTH
from experiments.speed.rivals import ARRAYS, NUMPY, OURS, STATS, TITLES, TORCH
from experiments.speed.schedule import Timing
from experiments.speed.times import Times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.speed import Settings

__all__ = ["figures", "tables", "texts"]

_COLOURS = {OURS: GREEN, NUMPY: ORANGE, TORCH: VERMILION}
_RATIOS = {
    "training": ("Training steps", ("training", "small", "startup")),
    "products": ("Matrix products", ("matmul",)),
    "activations": ("Activations", ("activations",)),
}


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """Each case's ratios, how a training step's cost grows, traces, the roofline, the steps.

    The first that was run is "figure"; what was not run has no figure.
    """
    times = Times.of(result.measurements, result.arrays)
    targets = [row["targets"] for row in result.measurements["rows"]]
    about = f"{result.measurements['machine']['cpu']}, {_threads(settings.threads)}"
    made: dict[str, Figure] = {}
    for name, (title, groups) in _RATIOS.items():
        if rows := ratio_rows(times, targets, groups):
            made[name] = draw_ratios(title, about, rows, settings.threads)
    parts: Mapping[str, Callable[[], Figure]] = {
        "scaling": lambda: _scaling(about, times, settings.threads),
        "traces": lambda: _traces(about, times, _most_of_a_trace(result)),
        "roofline": lambda: draw_roofline(about, times),
        "steps": lambda: _steps(about, times),
    }
    for name, draw in parts.items():
        if any(OURS in timing.medians for timing in times.of_group(name)):
            made[name] = draw()
    if not made:
        made["figure"] = drawing("Nothing was timed", about, 0.5, rows=0)[0]
    first = next(iter(made))
    return {"figure" if name == first else name: figure for name, figure in made.items()}


def _most_of_a_trace(result: Result) -> float:
    """The target: how many times the plain step's time a traced step may take."""
    return next(c.statement.tolerance.size for c in result.claims if c.statement.id == "T5")


def _threads(threads: Sequence[int]) -> str:
    numbers = " and ".join(map(str, threads))
    return f"{numbers} thread{'s' if threads[-1] > 1 else ''}"


def _scaling(about: str, times: Times, threads: Sequence[int]) -> Figure:
    """A step's time against width, depth, batch and threads, the others staying as they are."""
    from matplotlib.lines import Line2D

    most = threads[-1]
    panels = (
        ("units of a layer", f"{DEPTH} layers, batch {BATCH}"),
        ("hidden layers", f"layers of {WIDTH} units, batch {BATCH}"),
        ("batch", f"{DEPTH} layers of {WIDTH}"),
        ("threads", f"{DEPTH} layers of {WIDTH}, batch {BATCH}"),
    )
    found: list[dict[int, Timing]] = [{}, {}, {}, {}]
    for timing in times.of_group("scaling"):
        case = timing.case
        if not isinstance(case, Training) or OURS not in timing.medians:
            continue
        at = (case.sizes[0], len(case.sizes) - 2, case.batch)
        if timing.threads == most:
            for i, others in enumerate(((DEPTH, BATCH), (WIDTH, BATCH), (WIDTH, DEPTH))):
                if at[:i] + at[i + 1 :] == others:
                    found[i][at[i]] = timing
        if at == (WIDTH, DEPTH, BATCH):
            found[3][timing.threads] = timing
    shown = [(panel, points) for panel, points in zip(panels, found, strict=True) if points]
    points = shown[0][1]
    ends = [f"{duration(points[x].seconds(OURS))} at {x}" for x in (min(points), max(points))]
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = drawing(
        f"A training step takes {' and '.join(dict.fromkeys(ends))} {shown[0][0][0]}",
        f"{about}; medians, and from the fastest to the slowest round",
        height=2.4 * rows,
        rows=rows,
        columns=columns,
        sharey=True,
    )
    every = [1e3 * m for _, points in shown for t in points.values() for m in t.medians.values()]
    for i, (ax, ((xlabel, title), points)) in enumerate(zip(axes, shown, strict=False)):
        for name, colour in _COLOURS.items():
            _curve(ax, {x: t for x, t in sorted(points.items()) if name in t.medians}, name, colour)
        ax.set_xscale("log", base=2)
        ticks = sorted(points)
        ticks = ticks if len(ticks) <= 6 else [x for x in ticks if math.log2(x).is_integer()]
        ax.set_xticks(ticks, [str(x) for x in ticks])
        ax.minorticks_off()
        finish(ax, xlabel, "ms for a step" if i % columns == 0 else "", title)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    log_axis(axes[0].yaxis, limits(every, log=True))
    present = [name for name in _COLOURS if any(name in t.medians for t in points.values())]
    legend(
        figure,
        [
            Line2D([], [], color=_COLOURS[name], marker="o", linewidth=2, label=TITLES[name])
            for name in present
        ],
    )
    return figure


def _curve(ax: Axes, points: Mapping[int, Timing], name: str, colour: str) -> None:
    """Medians, and from the fastest to the slowest round."""
    if not points:
        return
    rounds = [1e3 * t.medians[name] for t in points.values()]
    middle = np.array([np.median(r) for r in rounds])
    ends = np.array([[m - r.min(), r.max() - m] for m, r in zip(middle, rounds, strict=True)]).T
    ax.errorbar(
        list(points), middle, yerr=ends, color=colour, label=TITLES[name],
        marker="o", markersize=5, linewidth=2, elinewidth=1.2,
    )  # fmt: skip


def _traces(about: str, times: Times, at_most: float) -> Figure:
    """The time of a traced step over the plain one's, with its interval."""
    from matplotlib.lines import Line2D

    shades = {STATS: BLUE, ARRAYS: SKY}
    timings = [t for t in times.of_group("traces") if OURS in t.medians]
    ratios = [{name: t.ratio(name, OURS) for name in shades if name in t.medians} for t in timings]
    names = []
    for timing in timings:
        case = timing.case
        assert isinstance(case, Training)
        units = f"{len(case.sizes) - 2}×{case.sizes[1]}"
        names.append(f"{units}, batch {case.batch}, {_threads([timing.threads])}")
    costs = [ratio[STATS].value if STATS in ratio else math.nan for ratio in ratios]
    dearest = int(np.nanargmax(costs)) if np.isfinite(costs).any() else 0
    figure, [ax] = drawing(
        f"A trace of statistics makes a training step at most {quantity(costs[dearest], 3)} times "
        f"as long ({names[dearest]})",
        f"{about}; thin lines: 95 % intervals; dashed: the target, {quantity(at_most)} times",
        height=0.4 * len(names) + 1.0,
    )
    values = [1.0, at_most]
    for i, ratio in enumerate(ratios):
        for name, measured in ratio.items():
            if not math.isfinite(measured.value):
                continue
            values.append(measured.value)
            at = i + (0.2 if name == ARRAYS else -0.2)
            ax.barh(at, measured.value, 0.36, color=shades[name])
            if math.isfinite(measured.high - measured.low):
                ax.hlines(at, measured.low, measured.high, color=BLACK, linewidth=1.2)
    ax.axvline(1, color=LINE, linewidth=1.2)
    ax.axvline(at_most, color=BLACK, linewidth=1.5, linestyle="--")
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(0, 1.25 * limits([values])[1])  # an interval of few rounds may reach far beyond
    finish(ax, "times the plain step's time")
    legend(
        figure,
        [
            Line2D(
                [], [], color=colour, linewidth=7, label=TITLES[name].removeprefix("gradtrace, ")
            )
            for name, colour in shades.items()
        ],
    )
    return figure


def _steps(about: str, times: Times) -> Figure:
    """From three loops to the fast product: operations a second, on a logarithmic axis."""
    steps = [t for t in times.of_group("steps") if OURS in t.medians]
    names = []
    for timing in steps:
        case = timing.case
        assert isinstance(case, Step)
        names.append(f"{case.step.replace('_', ' ')}, {_threads([timing.threads])}")
        if case.step == "python_loops":
            names[-1] = f"python loops ({case.size}³)"
    rates = [t.rate(OURS) / 1e9 for t in steps]
    sizes = {t.case.size for t in steps if isinstance(t.case, Step)}
    figure, [ax] = drawing(
        f"From “{names[0]}” to “{names[-1]}” the matrix product becomes "
        f"{quantity(rates[-1] / rates[0])} times as fast",
        f"{about}; float32, {max(sizes)}³; billions of operations a second",
        height=0.34 * len(names) + 1.1,
    )
    ax.barh(range(len(steps)), rates, color=GREEN, height=0.65)
    for i, rate in enumerate(rates):
        ax.annotate(
            quantity(rate, 3), (rate, i), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize=SMALL,
        )  # fmt: skip
    handles = []
    products = [t for t in steps if NUMPY in t.medians and getattr(t.case, "step", "") == "matmul"]
    for timing, style in zip(products, ("--", ":"), strict=False):
        handles.append(
            ax.axvline(
                timing.rate(NUMPY) / 1e9,
                color=ORANGE,
                linestyle=style,
                linewidth=2,
                zorder=0,
                label=f"NumPy, {_threads([timing.threads])}",
            )
        )
    fewest = min(t.threads for t in steps)
    for timing in times.of_group("roofline"):
        case = timing.case
        is_peak = isinstance(case, Limit) and (case.limit, case.dtype) == ("peak", "float32")
        if is_peak and timing.threads == fewest and OURS in timing.medians:
            handles.append(
                ax.axvline(
                    timing.rate(OURS) / 1e9,
                    color=LINE,
                    linewidth=1.5,
                    zorder=0,
                    label=f"the processor's peak, {_threads([fewest])}",
                )
            )
    ax.set_yticks(range(len(steps)), names)
    ax.set_ylim(len(steps) - 0.5, -0.5)
    ax.set_xscale("log")
    log_axis(ax.xaxis, (min(rates) / 2, 8 * max(rates)))
    finish(ax, "GF/s")
    ax.grid(visible=False, axis="y")
    if handles:
        legend(figure, handles)
    return figure
