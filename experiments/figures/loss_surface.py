"""The figure and the tables of `loss_surface`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from experiments.figures.panels import finish
from experiments.lab.claims import Measured
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.loss_surface import Settings

Array = npt.NDArray[Any]

# The paper's: cross-entropy black, the quadratic cost red.
_COLOURS = ("#222222", "#d5301a")
_NAMES = ("cross_entropy", "quadratic")
_TITLES = ("cross-entropy", "quadratic cost")


def figure(settings: Settings, result: Result) -> Figure:
    """The surfaces of one net in space and as contours, the shares of all nets, and ∂L/∂o.

    Hatched in the contours: the plateaus. Dotted: where the gradient is small, but the cost low.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=(13.5, 8.6), layout="constrained")
    grid = made.add_gridspec(2, 3)
    _space(made.add_subplot(grid[0, 0], projection="3d"), result)
    for c in range(2):
        ax = made.add_subplot(grid[0, 1 + c])
        made.colorbar(_contours(ax, settings, result, c), ax=ax, pad=0.02)
    kinds = (("plateau", "plateau: gradient small, cost high"), ("flat", "gradient small alone"))
    axes = [made.add_subplot(grid[1, column]) for column in range(3)]
    for ax, (kind, title) in zip(axes, kinds, strict=False):
        _shares(ax, settings, result, kind)
        finish(ax, title, "hidden units")
        ax.set_ylabel("share of the surface")
    axes[0].legend(fontsize=9, frameon=False)
    _outputs(axes[2], result)
    made.suptitle(
        f"The cost over one weight of each layer; {settings.activation} nets of "
        f"{settings.inputs} inputs and {settings.classes} classes, {settings.draws} of each size",
        fontsize=13,
    )
    return made


def _space(ax: Any, result: Result) -> None:
    """Both surfaces in one picture, as the paper has them."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    w1, w2 = np.meshgrid(result.arrays["weights"], result.arrays["weights"], indexing="ij")
    for name, colour in zip(_NAMES, _COLOURS, strict=True):
        ax.plot_wireframe(
            w1, w2, result.arrays[f"{name}_cost"], rcount=28, ccount=28, color=colour, linewidth=0.6
        )
    ax.set(xlabel=r"$w_1$", ylabel=r"$w_2$")
    ax.set_title("the cost of one net", fontsize=11)
    ax.tick_params(labelsize=8, pad=-1)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_major_locator(MaxNLocator(nbins=4))
    ax.view_init(elev=22, azim=-55)
    ax.set_box_aspect(None, zoom=0.9)
    handles = [
        Line2D([], [], color=colour, label=title)
        for title, colour in zip(_TITLES, _COLOURS, strict=True)
    ]
    ax.legend(handles=handles, fontsize=9, frameon=False, loc="upper right")


def _contours(ax: Axes, settings: Settings, result: Result, c: int) -> Any:
    from matplotlib.patches import Patch

    weights, cost = result.arrays["weights"], np.asarray(result.arrays[f"{_NAMES[c]}_cost"])
    slope = np.asarray(result.arrays[f"{_NAMES[c]}_gradient"])
    flat = slope < result.measurements["threshold"] * slope.max()
    high = cost > (cost.min() + cost.max()) / 2
    filled = ax.contourf(weights, weights, cost.T, levels=16, cmap="Blues")
    ax.contour(weights, weights, cost.T, levels=16, colors="0.35", linewidths=0.4)
    for where, hatch, colour in ((flat & high, "xxx", "#d5301a"), (flat & ~high, "...", "0.3")):
        marked = ax.contourf(
            weights,
            weights,
            where.T.astype(float),
            levels=[0.5, 1.5],
            colors="none",
            hatches=[hatch],
        )
        marked.set_edgecolor(colour)
        marked.set_linewidth(0)
    handles = [
        Patch(facecolor="none", edgecolor="#d5301a", hatch="xxx", label="plateau"),
        Patch(facecolor="none", edgecolor="0.3", hatch="...", label="flat valley"),
    ]
    share = f"{100 * np.mean(flat & high):.1f} % plateau"
    ax.set_title(f"{_TITLES[c]}: {share}", fontsize=11)
    ax.set(xlabel=r"$w_1$", ylabel=r"$w_2$")
    ax.legend(handles=handles, fontsize=8, loc="upper center", ncols=2, framealpha=0.9)
    ax.tick_params(labelsize=9)
    return filled


def _shares(ax: Axes, settings: Settings, result: Result, kind: str) -> None:
    place = np.arange(len(settings.hidden))
    for c, (title, colour) in enumerate(zip(_TITLES, _COLOURS, strict=True)):
        draws = np.asarray(result.arrays[kind][c], np.float64)
        found = [Measured.of(row) for row in draws]
        at = place + (c - 0.5) * 0.3
        for i, row in enumerate(draws):
            ax.plot(np.full(len(row), at[i]), row, "o", color=colour, alpha=0.18, markersize=3.5)
        mean = np.array([m.value for m in found])
        half = np.array([m.high - m.value for m in found])
        ax.errorbar(
            at, mean, half, fmt="D", color=colour, markersize=5, linewidth=1.4, capsize=4,
            label=f"{title}, mean and 95 %",
        )  # fmt: skip
    ax.set_xticks(place, [str(size) for size in settings.hidden])
    ax.set_ylim(bottom=-0.02)  # so that a mark at 0 is whole


def _outputs(ax: Axes, result: Result) -> None:
    """∂L/∂o of the right class, two classes: lines are the formulas, points the engine's."""
    p = np.asarray(result.arrays["p"])
    lines = (p - 1, 4 * p * (1 - p) * (p - 1))
    labels = (r"cross-entropy: $p-y$", r"quadratic: $4p(1-p)(p-y)$")
    for c in range(2):
        ax.plot(p, lines[c], color=_COLOURS[c], linewidth=1.5, label=labels[c])
        slope = np.asarray(result.arrays["dL_do"][c])
        ax.plot(p[::7], slope[::7], "o", color=_COLOURS[c], markersize=4)
    finish(ax, r"$\partial L/\partial o$ of the right class, two classes", "p of the right class")
    ax.legend(fontsize=9, frameon=False, loc="lower right")


def tables(settings: Settings, result: Result) -> list[Table]:
    """The shares by size, how they depend on the measure's two choices, and the claims."""
    return [_sizes(settings, result), _choices(result), claims_table(result.claims)]


def _sizes(settings: Settings, result: Result) -> Table:
    made = table(
        f"share of the surface, %, mean of {settings.draws} nets ± 95 %",
        ("hidden units", "plateau: CE", "quadratic", "flat: CE", "quadratic"),
    )
    for k, hidden in enumerate(settings.hidden):
        cells = [
            _percent(result.arrays[kind][c, k]) for kind in ("plateau", "flat") for c in range(2)
        ]
        made.add_row(str(hidden), *cells)
    made.caption = (
        "flat: the gradient is below 5 % of the surface's largest; plateau: and the cost is in the "
        "upper half of its range"
    )
    made.caption_justify = "left"
    return made


def _percent(draws: Array) -> str:
    found = Measured.of(100 * np.asarray(draws, np.float64))
    return f"{found.value:.1f} ± {found.high - found.value:.1f}"


def _choices(result: Result) -> Table:
    """The same over all sizes, were other choices made."""
    made = table(
        "over all sizes, %, had the measure been another",
        (
            *("weights", "gradient below", "plateau: CE", "quadratic"),
            *("flat: CE", "quadratic"),
        ),
    )
    rows = result.measurements["by_reach_and_threshold"]
    half = len(rows) // 2
    for alone, both in zip(rows[:half], rows[half:], strict=True):
        cells = [
            f"{100 * row[cost]:.1f}"
            for row in (both, alone)
            for cost in result.measurements["costs"]
        ]
        made.add_row(f"±{number(alone['reach'])}", f"{100 * alone['threshold']:g} %", *cells)
    return made
