"""The figures of `loss_surface`; its tables are in `loss_surface_tables`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.loss_surface_tables import tables
from experiments.figures.style import (
    BLUE,
    LABEL,
    LINE,
    ORANGE,
    SMALL,
    VERMILION,
    drawing,
    finish,
    legend,
    limits,
    whole_numbers,
)
from experiments.figures.words import activation_name, percent, quantity
from experiments.lab.claims import Measured
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.questions.loss_surface import Settings

__all__ = ["figures", "tables"]

Array = npt.NDArray[np.float64]

_COLOURS = (BLUE, VERMILION)
_NAMES = ("cross_entropy", "quadratic")
_TITLES = ("cross-entropy", "quadratic cost")


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """The plateaus of one net, of all nets, the two surfaces in space, and ∂L/∂o."""
    return {
        "figure": _contours(settings, result),
        "plateaus": _plateaus(settings, result),
        "surfaces": _surfaces(settings, result),
        "output-gradient": _outputs(result),
    }


def _marked(result: Result, c: int) -> tuple[Array, Array, Array]:
    """One net's cost, where it has a plateau, and where its gradient is small but its cost low."""
    cost = np.asarray(result.arrays[f"{_NAMES[c]}_cost"], np.float64)
    slope = np.asarray(result.arrays[f"{_NAMES[c]}_gradient"], np.float64)
    flat = slope < result.measurements["threshold"] * slope.max()
    high = cost > (cost.min() + cost.max()) / 2
    return cost, flat & high, flat & ~high


def _net(settings: Settings, result: Result) -> str:
    return (
        f"{activation_name(settings.activation)} net of {settings.inputs} inputs and "
        f"{settings.classes} classes, over one weight of each layer, w₁ and w₂"
    )


def _contours(settings: Settings, result: Result) -> Figure:
    from matplotlib.patches import Patch

    surfaces = [_marked(result, c) for c in range(2)]
    shares = [percent(float(np.mean(plateau))) for _, plateau, _ in surfaces]
    figure, axes = drawing(
        f"The quadratic cost has a plateau on {shares[1]} of this surface, "
        f"cross-entropy on {shares[0]}",
        f"One {_net(settings, result)}; dark: high cost. Plateau: the gradient is below "
        f"{percent(result.measurements['threshold'])} of the largest, and the cost high",
        height=4.2,
        columns=2,
        sharey=True,
    )
    weights = np.asarray(result.arrays["weights"], np.float64)
    for c, (ax, (cost, plateau, valley)) in enumerate(zip(axes, surfaces, strict=True)):
        low, high = limits([cost])
        ax.contourf(
            weights, weights, cost.T, levels=np.linspace(low, high, 14), cmap="Blues",
            extend="both",
        )  # fmt: skip
        for where, hatch, colour in ((plateau, "xx", ORANGE), (valley, "..", LINE)):
            drawn = ax.contourf(
                weights, weights, where.T.astype(float), levels=[0.5, 1.5], colors="none",
                hatches=[hatch],
            )  # fmt: skip
            drawn.set_edgecolor(colour)
            drawn.set_linewidth(0)
        finish(ax, "w₁", "w₂" if c == 0 else "")
        ax.set_title(_TITLES[c], fontsize=LABEL, fontweight="bold", loc="left")
        ax.grid(visible=False)
        ax.set_aspect("equal")
        whole_numbers(ax.xaxis, 5)
    legend(
        figure,
        [
            Patch(facecolor="none", edgecolor=ORANGE, hatch="xxx", label="plateau"),
            Patch(
                facecolor="none", edgecolor=LINE, hatch="...",
                label="valley: gradient small, cost low",
            ),
        ],
    )  # fmt: skip
    return figure


def _plateaus(settings: Settings, result: Result) -> Figure:
    """The share of the surface that is plateau: each net, the mean and its interval, by size."""
    draws = np.asarray(result.arrays["plateau"], np.float64)
    means = draws.mean(axis=(1, 2))
    figure, [ax] = drawing(
        f"Plateaus cover {percent(means[1])} of the quadratic cost's surfaces, "
        f"{percent(means[0])} of cross-entropy's",
        f"{activation_name(settings.activation)} nets with one hidden layer, {settings.draws} of "
        "each size; pale: one net; full: mean and 95 % interval",
        height=3.4,
    )
    place = np.arange(len(settings.hidden))
    handles = []
    for c, (title, colour) in enumerate(zip(_TITLES, _COLOURS, strict=True)):
        at = place + (c - 0.5) * 0.3
        for i, row in enumerate(draws[c]):
            ax.plot(
                np.full(len(row), at[i]), 100 * row, "o", color=colour, alpha=0.25, markersize=4.5
            )
        found = [Measured.of(100 * row) for row in draws[c]]
        mean = np.array([m.value for m in found])
        half = np.array([m.high - m.value for m in found])
        handles.append(
            ax.errorbar(
                at,
                mean,
                half,
                fmt="D",
                color=colour,
                markersize=7,
                linewidth=2,
                capsize=5,
                label=title,
            )
        )
    ax.set_xticks(place, [str(size) for size in settings.hidden])
    ax.set_ylim(limits([100 * draws, [0.0]]))
    finish(ax, "hidden units", "plateau, per cent of the surface")
    legend(figure, handles)
    return figure


def _surfaces(settings: Settings, result: Result) -> Figure:
    """Both surfaces in one picture, as the paper's figure 5 has them."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    costs = [np.asarray(result.arrays[f"{name}_cost"], np.float64) for name in _NAMES]
    spans = [float(np.ptp(cost)) for cost in costs]
    figure, _ = drawing(
        f"From its lowest to its highest point cross-entropy rises by {quantity(spans[0])}, "
        f"the quadratic cost by {quantity(spans[1])}",
        f"One {_net(settings, result)}",
        height=4.6,
        rows=0,
    )
    ax: Any = figure.add_subplot(projection="3d")
    w1, w2 = np.meshgrid(result.arrays["weights"], result.arrays["weights"], indexing="ij")
    for cost, colour in zip(costs, _COLOURS, strict=True):
        ax.plot_wireframe(w1, w2, cost, rcount=16, ccount=16, color=colour, linewidth=1)
    ax.set_xlabel("w₁", fontsize=LABEL)
    ax.set_ylabel("w₂", fontsize=LABEL)
    ax.set_zlabel("cost", fontsize=LABEL)
    ax.tick_params(labelsize=SMALL)
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        axis.set_major_locator(MaxNLocator(nbins=4))
    ax.view_init(elev=22, azim=-55)
    ax.set_box_aspect((1.6, 1.6, 1), zoom=1.05)
    legend(
        figure,
        [
            Line2D([], [], color=colour, linewidth=2.5, label=title)
            for title, colour in zip(_TITLES, _COLOURS, strict=True)
        ],
    )
    return figure


def _outputs(result: Result) -> Figure:
    """∂L/∂o of the right class, two classes: lines are the formulas, points the engine's."""
    p = np.asarray(result.arrays["p"], np.float64)
    slopes = np.asarray(result.arrays["dL_do"], np.float64)
    at = int(np.argmin(p))
    figure, [ax] = drawing(
        f"Sure of the wrong class (p = {quantity(p[at])}), a net gets |∂L/∂o| = "
        f"{quantity(abs(slopes[0, at]))} from cross-entropy, {quantity(abs(slopes[1, at]))} from "
        "the quadratic cost",
        "∂L/∂o of the right class of two, by the probability p that the net gives that class; "
        "lines: the formulas, points: the engine's gradients",
        height=3.4,
    )
    lines = (p - 1, 4 * p * (1 - p) * (p - 1))
    labels = ("cross-entropy: p − 1", "quadratic cost: 4p(1 − p)(p − 1)")
    handles = []
    for c, colour in enumerate(_COLOURS):
        handles += ax.plot(p, lines[c], color=colour, linewidth=2, label=labels[c])
        ax.plot(p[::7], slopes[c][::7], "o", color=colour, markersize=6)
    ax.set_ylim(limits([slopes, [0.0]]))
    finish(ax, "p of the right class", "∂L/∂o of the right class")
    legend(figure, handles)
    return figure
