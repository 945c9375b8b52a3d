"""The figure of `speed`: ratios, how cost grows, the roofline, and the steps to a fast product."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.figures.panels import finish
from experiments.figures.speed_ratios import draw_ratios, ratio_rows
from experiments.figures.speed_roofline import draw_roofline
from experiments.figures.speed_tables import tables, texts
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

__all__ = ["figure", "tables", "texts"]

# Colours that stay apart for colour-blind eyes (Okabe & Ito).
_COLOURS = {OURS: "#009e73", NUMPY: "#e69f00", TORCH: "#d55e00"}
_ROW = 0.21  # inches for a line of ratios
_PANELS = {
    "matmul": ("matmul",),
    "activations (marks grow with their number)": ("activations",),
    "training and start-up": ("training", "small", "startup"),
}


def figure(settings: Settings, result: Result) -> Figure:
    """Above, each case's ratios; how a training step's cost grows; traces; the roofline; the steps.

    What was not run has no panel.
    """
    from matplotlib.figure import Figure

    times = Times.of(result.measurements, result.arrays)
    targets = [row["targets"] for row in result.measurements["rows"]]
    panels = {title: ratio_rows(times, targets, groups) for title, groups in _PANELS.items()}
    panels = {title: rows for title, rows in panels.items() if rows}
    below: list[Callable[[Axes], None]] = []
    if "traces" in times.groups:
        at_most = next(c.statement.tolerance.size for c in result.claims if c.statement.id == "T5")
        below.append(lambda ax: _traces(ax, times, at_most))
    if "roofline" in times.groups:
        below.append(lambda ax: draw_roofline(ax, times))
    if "steps" in times.groups:
        below.append(lambda ax: _steps(ax, times))
    heights = []
    if panels:
        heights.append(1.3 + _ROW * max(map(len, panels.values())))
    if "scaling" in times.groups:
        heights.append(3.2)
    if below:
        heights.append(4.2)
    heights = heights or [2.0]
    made = Figure(figsize=(15, sum(heights) + 0.5), layout="constrained")
    cpu = result.measurements["machine"]["cpu"]
    made.suptitle(f"speed on {cpu}, {_threads(settings.threads)}", fontsize=13)
    parts = iter(made.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0])
    if panels:
        draw_ratios(next(parts), panels, settings.threads)
    if "scaling" in times.groups:
        _scaling(next(parts), times, settings.threads)
    if below:
        part = next(parts)
        for ax, draw in zip(part.subplots(1, len(below), squeeze=False)[0], below, strict=True):
            draw(ax)
    return made


def _threads(threads: Sequence[int]) -> str:
    numbers = " and ".join(map(str, threads))
    return f"{numbers} thread{'s' if threads[-1] > 1 else ''}"


def _scaling(part: Any, times: Times, threads: Sequence[int]) -> None:
    """A step's time against width, depth, batch and threads, the others staying as they are."""
    most = threads[-1]
    panels = (
        ("units of a layer", f"{DEPTH} layers, batch {BATCH}"),
        ("hidden layers", f"of {WIDTH} units, batch {BATCH}"),
        ("batch", f"{DEPTH} layers of {WIDTH}"),
        ("threads", f"{DEPTH} layers of {WIDTH}, batch {BATCH}"),
    )
    found: list[dict[int, Timing]] = [{}, {}, {}, {}]
    for timing in times.of_group("scaling"):
        case = timing.case
        if not isinstance(case, Training):
            continue
        at = (case.sizes[0], len(case.sizes) - 2, case.batch)
        if timing.threads == most:
            for i, others in enumerate(((DEPTH, BATCH), (WIDTH, BATCH), (WIDTH, DEPTH))):
                if at[:i] + at[i + 1 :] == others:
                    found[i][at[i]] = timing
        if at == (WIDTH, DEPTH, BATCH):
            found[3][timing.threads] = timing
    axes = part.subplots(1, 4, sharey=True)
    for ax, (xlabel, title), points in zip(axes, panels, found, strict=True):
        for name, colour in _COLOURS.items():
            _curve(ax, {x: t for x, t in sorted(points.items()) if name in t.medians}, name, colour)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log")
        ticks = sorted(points)
        ticks = ticks if len(ticks) <= 6 else [x for x in ticks if math.log2(x).is_integer()]
        ax.set_xticks(ticks, [str(x) for x in ticks])
        ax.minorticks_off()
        finish(ax, title, xlabel)
    axes[0].set_ylabel("ms for a training step")
    if axes[0].get_legend_handles_labels()[0]:
        axes[0].legend(frameon=False, fontsize=9)


def _curve(ax: Axes, points: Mapping[int, Timing], name: str, colour: str) -> None:
    """Medians, and from the fastest to the slowest round."""
    if not points:
        return
    rounds = [1e3 * t.medians[name] for t in points.values()]
    middle = np.array([np.median(r) for r in rounds])
    ends = np.array([[m - r.min(), r.max() - m] for m, r in zip(middle, rounds, strict=True)]).T
    ax.errorbar(
        list(points), middle, yerr=ends, color=colour, label=TITLES[name],
        marker="o", markersize=4, linewidth=1.5, elinewidth=1.0,
    )  # fmt: skip


def _traces(ax: Axes, times: Times, at_most: float) -> None:
    """The time of a traced step over the plain one's, with its interval."""
    shades = {STATS: "#0072b2", ARRAYS: "#56b4e9"}
    names = []
    longest = at_most
    for i, timing in enumerate(times.of_group("traces")):
        case = timing.case
        assert isinstance(case, Training)
        units = f"{len(case.sizes) - 2}×{case.sizes[1]}"
        names.append(f"{units}, batch {case.batch}, {_threads([timing.threads])}")
        for name, colour in shades.items():
            ratio = timing.ratio(name, OURS)
            if not math.isfinite(ratio.value):
                continue
            longest = max(longest, ratio.value)
            at = i + (0.2 if name == ARRAYS else -0.2)
            bar = ax.barh(at, ratio.value, 0.36, color=colour)
            bar.set_label(TITLES[name].removeprefix("gradtrace, "))
            if math.isfinite(ratio.high - ratio.low):
                ax.hlines(at, ratio.low, ratio.high, color="0.3", linewidth=1.0)
    ax.axvline(1, color="0.4", linewidth=1.0)
    ax.axvline(at_most, color="0.1", linewidth=1.2, linestyle="--", label="target")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.3 * longest)  # an interval of few rounds may reach far beyond
    handles = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    ax.legend(
        handles.values(), handles.keys(), frameon=False, fontsize=9, ncols=3, loc="upper center",
        bbox_to_anchor=(0.4, -0.12),
    )  # fmt: skip
    finish(ax, "what a trace costs", "times the plain step's time")


def _steps(ax: Axes, times: Times) -> None:
    """From three loops to the fast product: operations a second, on a logarithmic axis."""
    steps = [t for t in times.of_group("steps") if OURS in t.medians]
    names = []
    for timing in steps:
        case = timing.case
        assert isinstance(case, Step)
        names.append(f"{case.step.replace('_', ' ')}, {_threads([timing.threads])}")
        if case.step == "python_loops":
            names[-1] = f"python loops, of {case.size}³"
    rates = [t.rate(OURS) / 1e9 for t in steps]
    ax.barh(range(len(steps)), rates, color=_COLOURS[OURS], height=0.65)
    for i, rate in enumerate(rates):
        ax.annotate(
            f"{rate:.3g}", (rate, i), xytext=(4, 0), textcoords="offset points", va="center",
            fontsize=9, bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 1},
        )  # fmt: skip
    sizes = {t.case.size for t in steps if isinstance(t.case, Step)}
    products = [t for t in steps if NUMPY in t.medians and getattr(t.case, "step", "") == "matmul"]
    for timing, style in zip(products, ("--", ":"), strict=False):
        ax.axvline(
            timing.rate(NUMPY) / 1e9, color=_COLOURS[NUMPY], linestyle=style, linewidth=1.2,
            label=f"NumPy, {_threads([timing.threads])}",
        )  # fmt: skip
    fewest = min((t.threads for t in steps), default=1)
    for timing in times.of_group("roofline"):
        case = timing.case
        is_peak = isinstance(case, Limit) and (case.limit, case.dtype) == ("peak", "float32")
        if is_peak and timing.threads == fewest and OURS in timing.medians:
            peak = timing.rate(OURS) / 1e9
            ax.axvline(peak, color="0.3", linewidth=1.2, label=f"peak, {_threads([fewest])}")
    ax.set_yticks(range(len(steps)), names)
    ax.invert_yaxis()
    if rates:
        ax.set_xscale("log")
        ax.set_xlim(right=3 * max(rates))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(
            frameon=False, fontsize=9, ncols=3, loc="upper center", bbox_to_anchor=(0.4, -0.12)
        )  # below the axis: bars reach everywhere else
    finish(ax, f"steps to a fast product, float32, {max(sizes, default=0)}³", "GF/s")
