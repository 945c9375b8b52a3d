"""The figures of `theory`; its tables are in `theory_tables`.

Lines are theory, points are measured, and bars two standard errors of the mean over the draws.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.figures.style import (
    BLACK,
    COLOURS,
    LINE,
    MARKERS,
    SKY,
    drawing,
    end_labels,
    finish,
    legend,
    limits,
    log_axis,
)
from experiments.figures.theory_tables import MODES, tables
from experiments.figures.words import activation_name, quantity
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from experiments.questions.theory import Settings

__all__ = ["figures", "tables"]

Array = npt.NDArray[np.float64]

_KEPT = ("E[x²]", "Var x", "the gradient")  # by the gain of each mode


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """χ₁, gains, the maps of the variance and of the correlation, critical lines, tanh's phases."""
    return {
        "figure": _gradient_factors(settings, result),
        "gains": _gains(settings, result),
        "variance-map": _variance_map(result),
        "correlation-map": _correlation_map(settings, result),
        "critical-lines": _critical_lines(settings, result),
        "phases": _phases(settings, result),
    }


def _nets(settings: Settings) -> str:
    return f"{settings.draws} nets of width {settings.width}"


def _gradient_factors(settings: Settings, result: Result) -> Figure:
    """χ₁ of each activation under its own forward gain; the measured one is a ratio of gains."""
    names = list(result.measurements["gains"])
    measured = _array(result, "gains_measured")
    with np.errstate(all="ignore"):
        ratios = (measured[:, :, 0] / measured[:, :, 2]) ** 2
    mean, half = _interval(ratios)
    most, least = int(np.nanargmax(mean)), int(np.nanargmin(mean))
    figure, [ax] = drawing(
        f"Under the gain that keeps E[x²], a layer multiplies the gradient's mean square by "
        f"{quantity(mean[least], 3)} ({activation_name(names[least])}) to "
        f"{quantity(mean[most], 3)} ({activation_name(names[most])})",
        f"χ₁ of each activation. Bars: theory; points: {_nets(settings)}, ± two standard errors",
        height=0.27 * len(names) + 0.6,
    )
    place = np.arange(len(names))
    predicted = _array(result, "curve_gain_chi_1")
    ax.barh(place, predicted, 0.62, color=SKY)
    ax.errorbar(mean, place, xerr=half, fmt="o", color=BLACK, markersize=5, linewidth=1.5)
    ax.axvline(1, color=BLACK, linewidth=1.2, linestyle="--")
    ax.set_xlim(0, limits([predicted, mean])[1])
    ax.set_yticks(place, list(map(activation_name, names)))
    ax.set_ylim(len(names) - 0.5, -0.5)
    finish(ax, "factor on the gradient's mean square per layer, χ₁; dashed: 1, nothing changes")
    return figure


def _gains(settings: Settings, result: Result) -> Figure:
    from matplotlib.lines import Line2D

    names = list(result.measurements["gains"])
    predicted, measured = _array(result, "curve_gains"), _array(result, "gains_measured")
    mean, half = _interval(measured)
    spread = mean.max(axis=1) / mean.min(axis=1)
    farthest = int(np.nanargmax(spread))
    numbers = ", ".join(
        f"{quantity(value)} ({kept})" for value, kept in zip(mean[farthest], _KEPT, strict=True)
    )
    figure, [ax] = drawing(
        f"No one gain keeps activations and gradients: {activation_name(names[farthest])} needs "
        f"{numbers}",
        f"Gains at q = 1. Coloured: theory; black: {_nets(settings)}, ± two standard errors",
        height=0.3 * len(names) + 1.0,
    )
    place = np.arange(len(names))
    for i, (colour, marker) in enumerate(zip(COLOURS[: len(MODES)], MARKERS, strict=False)):
        at = place + (i - 1) * 0.24
        ax.plot(predicted[:, i], at, marker, color=colour, markersize=9, alpha=0.8)
        ax.errorbar(mean[:, i], at, xerr=half[:, i], fmt=".", color=BLACK, markersize=4)
    log_axis(ax.xaxis, limits([predicted, mean], log=True))
    ax.set_yticks(place, list(map(activation_name, names)))
    ax.set_ylim(len(names) - 0.5, -0.5)
    finish(ax, "gain")
    legend(
        figure,
        [
            Line2D(
                [], [], color=colour, marker=marker, linestyle="", markersize=9,
                label=f"keeps {kept}",
            )
            for kept, colour, marker in zip(_KEPT, COLOURS, MARKERS, strict=False)
        ],
    )  # fmt: skip
    return figure


def _variance_map(result: Result) -> Figure:
    from experiments.questions.theory_curves import MAPS

    q, maps = _array(result, "curve_q"), _array(result, "curve_q_maps")
    away = int(np.argmax(np.gradient(maps, q, axis=1)[:, np.argmin(np.abs(q - 1))]))
    below, above = (float(np.interp(at, q, maps[away])) for at in (0.5, 2.0))
    figure, [ax] = drawing(
        f"{activation_name(MAPS[away])}'s gain keeps the variance at q = 1 only: 0.5 becomes "
        f"{quantity(below)} in the next layer, and 2 becomes {quantity(above)}",
        "Theory: the variance q of s in the next layer, under the gain that keeps E[x²] at q = 1; "
        "dotted: q stays as it is",
        height=3.8,
    )
    _maps(ax, q, maps)
    finish(ax, "q in one layer", "q in the next")
    legend(figure, _name_handles(MAPS))
    return figure


def _correlation_map(settings: Settings, result: Result) -> Figure:
    from experiments.questions.theory_curves import MAPS

    c, maps = _array(result, "curve_c"), _array(result, "curve_c_maps")
    relu = _array(result, "relu_c").mean(axis=0)
    figure, [ax] = drawing(
        f"ReLU layers make two inputs alike: their correlation goes from {quantity(relu[0])} to "
        f"{quantity(relu[1])} in one layer and to {quantity(relu[-1])} in {len(relu) - 1}",
        f"Lines: theory at q = 1; points: ReLU layer by layer, {_nets(settings)}; "
        "dotted: the correlation stays as it is",
        height=3.8,
    )
    _maps(ax, c, maps)
    ax.plot(
        relu[:-1], relu[1:], "o", color=COLOURS[MAPS.index("relu")], markersize=7,
        markeredgecolor=BLACK, markeredgewidth=0.8,
    )  # fmt: skip
    finish(ax, "correlation in one layer", "correlation in the next")
    legend(figure, _name_handles(MAPS))
    return figure


def _maps(ax: Axes, x: Array, maps: Array) -> None:
    ax.plot(x, x, color=LINE, linestyle=":", linewidth=1.6)
    for line, colour in zip(maps, COLOURS, strict=False):
        ax.plot(x, line, color=colour, linewidth=2)
    ax.set_ylim(limits([maps]))
    ax.set_xlim(limits([x]))


def _name_handles(names: Sequence[str]) -> list[Line2D]:
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], color=colour, linewidth=2.5, label=activation_name(f))
        for f, colour in zip(names, COLOURS, strict=False)
    ]


def _critical_lines(settings: Settings, result: Result) -> Figure:
    from matplotlib.lines import Line2D

    from experiments.questions.theory_curves import LINES

    var_b, lines = _array(result, "curve_var_b"), _array(result, "curve_critical")
    claim = next(claim for claim in result.claims if claim.statement.id == "S1")
    crossing = claim.measured[0]
    at = float(np.interp(0.05, var_b, lines[LINES.index("tanh")]))
    figure, [ax] = drawing(
        f"tanh with σ_b² = 0.05 turns from order to chaos at σ_w² = {quantity(crossing.value, 3)}; "
        f"theory says {quantity(at, 3)}",
        f"Lines: theory's critical σ_w², order to the left, chaos to the right; point: tanh, "
        f"{_nets(settings)}",
        height=3.8,
    )
    for line, colour in zip(lines, COLOURS, strict=False):
        ax.plot(line, var_b, color=colour, linewidth=2)
    if np.isfinite([crossing.value, crossing.low, crossing.high]).all():
        half = [[crossing.value - crossing.low], [crossing.high - crossing.value]]
        ax.errorbar(
            [crossing.value], [0.05], xerr=half, fmt="o", color=BLACK, markersize=7, capsize=4,
            linewidth=1.5, zorder=4,
        )  # fmt: skip
    ax.set_xlim(limits([lines]))
    finish(ax, "σ_w²", "σ_b²")
    dot = Line2D([], [], color=BLACK, marker="o", linestyle="", label="tanh, measured")
    legend(figure, [*_name_handles(LINES), dot])
    return figure


def _phases(settings: Settings, result: Result) -> Figure:
    """tanh, σ_b² = .05: q*, χ₁ and c* by σ_w²."""
    rows = [i for i, row in enumerate(result.measurements["tanh"]) if row["var_b"] > 0]
    var_w = np.array([result.measurements["tanh"][i]["var_w"] for i in rows])
    c, chi = (_array(result, f"tanh_{key}")[:, rows].mean(axis=0) for key in ("c", "chi_1"))
    first, last = int(np.argmin(var_w)), int(np.argmax(var_w))
    figure, [ax] = drawing(
        f"tanh: from σ_w² = {quantity(var_w[first])} to {quantity(var_w[last])} the correlation "
        f"that two inputs end with falls from {quantity(c[first])} to {quantity(c[last])}, and χ₁ "
        f"rises from {quantity(chi[first])} to {quantity(chi[last])}",
        f"σ_b² = 0.05. Lines: theory; points: {_nets(settings)}, ± two standard errors",
        height=3.8,
    )
    labels = []
    shown: list[Array] = []
    for i, (key, label) in enumerate(
        (("q", "q*, variance"), ("chi_1", "χ₁, gradient"), ("c", "c*, correlation"))
    ):
        line = _array(result, f"curve_tanh_{key}")
        ax.plot(result.arrays["curve_var_w"], line, color=COLOURS[i], linewidth=2)
        mean, half = _interval(_array(result, f"tanh_{key}")[:, rows])
        ax.errorbar(
            var_w, mean, half, fmt=MARKERS[i], color=COLOURS[i], markersize=7, linewidth=1.5,
            markeredgecolor=BLACK, markeredgewidth=0.8,
        )  # fmt: skip
        labels.append((float(line[-1]), label, COLOURS[i]))
        shown += [line, mean]
    ax.axhline(1, color=LINE, linewidth=1, linestyle="--")
    ax.set_ylim(min(0.0, limits(shown)[0]), limits(shown)[1])
    finish(ax, "σ_w²", "at the fixed point")
    end_labels(ax, labels)
    return figure


def _array(result: Result, name: str) -> Array:
    return np.asarray(result.arrays[name], np.float64)


def _interval(draws: Array) -> tuple[Array, Array]:
    """The mean over draws and two standard errors."""
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    return draws.mean(axis=0), np.asarray(2 * error)
