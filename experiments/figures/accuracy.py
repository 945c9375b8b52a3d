"""The figures of `accuracy`: the errors of each activation, where they lie, and the products'."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.accuracy_tables import product_lines, tables, texts
from experiments.figures.style import (
    BLACK,
    BLUE,
    COLOURS,
    GREEN,
    MARKERS,
    ORANGE,
    THEORY,
    VERMILION,
    drawing,
    finish,
    legend,
    limits,
    log_axis,
)
from experiments.figures.words import activation_name, listed, quantity
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.accuracy import Settings

__all__ = ["figures", "tables", "texts"]

Array = npt.NDArray[Any]

_QUANTITIES = {"f": (BLUE, "f(s)"), "slope": (ORANGE, "f′(s)"), "step": (GREEN, "backward step")}
_PRECISIONS = ("float32", "float64")
_COLUMNS = 3
# Between −2⁻⁷ and 2⁻⁷ the axis is linear, and beyond ±2¹⁰ nothing happens any more.
_NEAR, _FAR = 2.0**-7, 2.0**10
_UNMEASURED = 1e18  # drawn in the place of an error that is not finite


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """The largest errors, where they lie in float32, and the errors of the matrix product."""
    made = {"figure": _largest(settings, result)}
    if any(f"float32_{name}" in result.arrays for name in _QUANTITIES):
        made["by-place"] = _by_place(settings, result)
    if any(f"{p}_products" in result.arrays for p in _PRECISIONS):
        made["products"] = _products(settings, result)
    return made


def _name(row: Mapping[str, Any]) -> str:
    return f"{activation_name(row['activation'])}'s {_QUANTITIES[row['quantity']][1]}"


def _largest(settings: Settings, result: Result) -> Figure:
    """A row for each activation: f, f′ and the step, float32 full and float64 hollow."""
    from matplotlib.lines import Line2D

    rows = result.measurements["errors"]
    worst = max(rows, key=lambda row: row["largest"])
    figure, [ax] = drawing(
        f"No kernel is more than {quantity(worst['largest'])} ULP from the exact value: "
        f"{_name(worst)} in {worst['dtype']} is farthest",
        "Largest error of each activation's kernels over all s, in units in the last place; "
        "step: f′ from y = f(s)",
        height=0.36 * len(settings.activations) + 1.1,
    )
    ends = limits([[row["largest"] for row in rows], [0.0]])
    for row in rows:
        i = settings.activations.index(row["activation"])
        k = list(_QUANTITIES).index(row["quantity"])
        colour = _QUANTITIES[row["quantity"]][0]
        full = row["dtype"] == "float32"
        beyond = not row["largest"] <= ends[1]
        ax.plot(
            min(row["largest"], ends[1]) if row["largest"] == row["largest"] else ends[1],
            i + 0.24 * (k - 1),
            ">" if beyond else MARKERS[k],
            color=colour,
            markersize=7,
            markeredgewidth=1.5,
            markerfacecolor=colour if full else "none",
            clip_on=False,
        )
    ax.set_xlim(ends)
    ax.set_yticks(range(len(settings.activations)), map(activation_name, settings.activations))
    ax.set_ylim(len(settings.activations) - 0.5, -0.5)
    finish(ax, "largest error, ULP")
    look: dict[str, Any] = {"linestyle": "", "markersize": 7, "markeredgewidth": 1.5}
    handles = [
        Line2D([], [], color=colour, marker=marker, label=label, **look)
        for (colour, label), marker in zip(_QUANTITIES.values(), MARKERS, strict=False)
    ]
    handles += [
        Line2D([], [], color=BLACK, marker="o", label="float32", **look),
        Line2D([], [], color=BLACK, marker="o", markerfacecolor="none", label="float64", **look),
    ]
    legend(figure, handles)
    return figure


def _by_place(settings: Settings, result: Result) -> Figure:
    """float32: the largest error in each quarter of an octave of s.

    What lies nearer to 0 than the axis shows is one value, and what lies beyond its ends another.
    """
    from matplotlib.lines import Line2D

    rows = [row for row in result.measurements["errors"] if row["dtype"] == "float32"]
    worst = max(rows, key=lambda row: row["largest"])
    exact = [
        f
        for f in settings.activations
        if all(row["largest"] == 0 for row in rows if row["activation"] == f)
    ]
    shown = [f for f in settings.activations if f not in exact] or list(settings.activations)
    columns = min(_COLUMNS, len(shown))
    n_rows = -(-len(shown) // columns)
    without = f"; {listed(list(map(activation_name, exact)))}: no error" if exact else ""
    place = "y" if worst["quantity"] == "step" else "s"
    figure, axes = drawing(
        f"float32: {_name(worst)} is farthest from the exact value, {quantity(worst['largest'])} "
        f"ULP at {place} = {quantity(worst['at'])}",
        f"Largest error by s (by y for the backward step){without}",
        height=1.45 * n_rows + 0.7,
        rows=n_rows,
        columns=columns,
    )
    s = result.arrays["s"]
    for i, (ax, f) in enumerate(zip(axes, shown, strict=False)):
        curves = []
        for name, (colour, _) in _QUANTITIES.items():
            if f"float32_{name}" in result.arrays:
                errors = result.arrays[f"float32_{name}"][settings.activations.index(f)]
                curves.append(_curve(s, errors))
                ax.plot(*curves[-1], color=colour, linewidth=1.4)
        _place_axis(ax)
        top = limits([y for _, y in curves])[1]
        ax.set_ylim(0, max(1.0, 1.05 * top))
        bottom = i + columns >= len(shown)
        finish(ax, "s" if bottom else "", "ULP" if i % columns == 0 else "", activation_name(f))
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    legend(
        figure,
        [
            Line2D([], [], color=colour, linewidth=2.5, label=label)
            for colour, label in _QUANTITIES.values()
        ],
    )
    return figure


def _place_axis(ax: Axes) -> None:
    ax.set_xscale("symlog", linthresh=_NEAR, linscale=0.5)
    ax.set_xlim(-2 * _FAR, 2 * _FAR)
    ax.set_xticks([-100, -1, 0, 1, 100], ["−100", "−1", "0", "1", "100"])
    ax.minorticks_off()


def _curve(s: Array, largest: Array) -> tuple[Array, Array]:
    """Points of a line with a step for every bin; bins off the axis are pulled in at its ends."""
    edges = np.where(np.abs(s) < _NEAR, np.copysign(_NEAR / 2, s), s)
    edges = np.clip(edges, -_FAR, _FAR)
    known = ~np.isnan(largest)
    x, inverse = np.unique(edges[known], return_inverse=True)
    y = np.zeros(x.size)
    np.maximum.at(y, inverse, np.where(np.isfinite(largest[known]), largest[known], _UNMEASURED))
    return x, y


def _products(settings: Settings, result: Result) -> Figure:
    from matplotlib.lines import Line2D

    n = np.array(settings.lengths)
    lines = {
        p: product_lines(result.arrays[f"{p}_products"])
        for p in _PRECISIONS
        if f"{p}_products" in result.arrays
    }
    largest = {p: float(each["ours"][-1]) for p, each in lines.items()}
    said = " and ".join(f"{quantity(value)} roundings in {p}" for p, value in largest.items())
    figure, axes = drawing(
        f"Sums of {n[-1]:,} terms: our products' largest error is {said}; the bound is {n[-1]:,}",
        "Largest error of an entry, in units of the largest error of one rounding, by the length "
        "of the sums",
        height=3.3,
        columns=len(lines),
        sharey=True,
    )
    ends = limits([n, *(y for each in lines.values() for y in each.values())], log=True)
    labels = list(next(iter(lines.values())))
    for ax, (p, each) in zip(axes, lines.items(), strict=True):
        ax.plot(n, n, **THEORY)
        for y, colour, marker in zip(each.values(), COLOURS, MARKERS, strict=False):
            ax.plot(n, y, color=colour, marker=marker, markersize=5, linewidth=2)
        log_axis(ax.xaxis, limits([n], log=True))
        log_axis(ax.yaxis, ends)
        finish(
            ax, "n, the length of the sums", "largest error, roundings" if ax is axes[0] else "", p
        )
    handles = [
        Line2D([], [], color=colour, marker=marker, linewidth=2, label=label)
        for label, colour, marker in zip(labels, (BLUE, VERMILION, GREEN), MARKERS, strict=False)
    ]
    legend(figure, [*handles, Line2D([], [], **THEORY, label="n, the bound")])
    return figure
