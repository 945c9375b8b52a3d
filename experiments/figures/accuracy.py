"""The figure of `accuracy`: errors over s for each activation, and those of the matrix product."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.accuracy_tables import product_lines, tables, texts
from experiments.figures.panels import finish
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.accuracy import Settings

__all__ = ["figure", "tables", "texts"]

Array = npt.NDArray[Any]

# Colours that stay apart for colour-blind eyes (Okabe & Ito).
_QUANTITIES = {"f": ("#0072b2", "f(s)"), "slope": ("#e69f00", "f′(s)"), "step": ("#009e73", "step")}
_LINES = ("#0072b2", "#56b4e9", "#e69f00")
_PRECISIONS = ("float32", "float64")
_COLUMNS = 4
# Between −2⁻⁷ and 2⁻⁷ the axis is linear, and beyond ±2¹⁰ nothing happens any more.
_NEAR, _FAR = 2.0**-7, 2.0**10
_LINEAR = 4  # errors up to here, in units in the last place, are drawn to scale


def figure(settings: Settings, result: Result) -> Figure:
    """A panel for each activation, and one of the matrix product for each precision.

    Solid: float32. Pale: float64. The largest error in each quarter of an octave of s; what lies
    nearer to 0 than the axis shows is one value, and what lies beyond its ends is another.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    n = len(settings.activations)
    present = [p for p in _PRECISIONS if f"{p}_products" in result.arrays]
    columns = min(_COLUMNS, max(n, 2))
    rows = -(-n // columns)
    made = Figure(figsize=(3.3 * columns, 2.1 * rows + 3.6), layout="constrained")
    grid = made.add_gridspec(rows + 1, columns, height_ratios=[1.0] * rows + [1.35])
    for i, name in enumerate(settings.activations):
        ax = made.add_subplot(grid[divmod(i, columns)])
        _activation(ax, result, i)
        finish(ax, name, "s, or y for the step" if i + columns >= n else "")
        if i % columns == 0:
            ax.set_ylabel("largest error, ULP")
    below = grid[rows, :].subgridspec(1, len(present))
    for k, p in enumerate(present):
        _products(made.add_subplot(below[k]), settings, result.arrays[f"{p}_products"], p)
    handles = [
        Line2D([], [], color=colour, linewidth=2, label=label)
        for colour, label in _QUANTITIES.values()
    ]
    handles += [
        Line2D([], [], color="0.3", label="float32"),
        Line2D([], [], color="0.3", alpha=0.4, linewidth=3, label="float64"),
    ]
    made.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    made.suptitle("How far the kernels are from the exact values", fontsize=13)
    return made


def _activation(ax: Axes, result: Result, i: int) -> None:
    s = result.arrays["s"]
    for p in reversed(_PRECISIONS):
        for quantity, (colour, _) in _QUANTITIES.items():
            if f"{p}_{quantity}" not in result.arrays:
                continue
            x, y = _curve(s, result.arrays[f"{p}_{quantity}"][i])
            if not x.size:
                continue
            wide = p == "float64"
            ax.plot(x, y, color=colour, linewidth=2.6 if wide else 1.0, alpha=0.35 if wide else 1.0)
    ax.set_xscale("symlog", linthresh=_NEAR, linscale=0.5)
    ax.set_xlim(-2 * _FAR, 2 * _FAR)
    ax.set_xticks([-1000, -10, -0.1, 0.1, 10, 1000], ["−1000", "−10", "−.1", ".1", "10", "1000"])
    ax.minorticks_off()
    ax.set_yscale("symlog", linthresh=_LINEAR, linscale=2)
    if not any(np.any(line.get_ydata()) for line in ax.lines):
        ax.text(0.5, 0.5, "no error", transform=ax.transAxes, ha="center", color="0.4")
    top = max(
        _LINEAR, 1.3 * max((float(np.nanmax(line.get_ydata())) for line in ax.lines), default=0)
    )
    ax.set_ylim(0, top)
    ticks = [0, 1, 2, 3, 4, *[t for t in (10, 100, 1000, 10**6, 10**12) if t < top]]
    ax.set_yticks(ticks, [f"{t:g}" for t in ticks])


def _curve(s: Array, largest: Array) -> tuple[Array, Array]:
    """Points of a line with a step for every bin; bins off the axis are pulled in at its ends."""
    edges = np.where(np.abs(s) < _NEAR, np.copysign(_NEAR / 2, s), s)
    edges = np.clip(edges, -_FAR, _FAR)
    known = ~np.isnan(largest)
    x, inverse = np.unique(edges[known], return_inverse=True)
    y = np.zeros(x.size)
    np.maximum.at(y, inverse, np.where(np.isfinite(largest[known]), largest[known], 1e18))
    return x, y


def _products(ax: Axes, settings: Settings, errors: Array, dtype: str) -> None:
    n = np.array(settings.lengths)
    lines = product_lines(errors)
    ax.plot(n, n, color="black", linestyle=":", label="n, the bound")
    for (label, y), colour, marker in zip(lines.items(), _LINES, "osv", strict=True):
        ax.plot(n, y, color=colour, marker=marker, markersize=3.5, label=label)
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    finish(ax, f"matrix product, {dtype}", "n, the length of the sums")
    ax.set_ylabel("largest error, roundings")
    ax.legend(frameon=False, fontsize=9)
