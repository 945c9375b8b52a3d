"""The figure and the tables of `theory`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.theory import Settings

Array = npt.NDArray[np.float64]

# Colours that stay apart for colour-blind eyes (Okabe & Ito).
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00")
_MARKS = ("o", "s", "^")
_MODES = ("forward", "variance", "backward")


def figure(settings: Settings, result: Result) -> Figure:
    """Gains, χ₁, the maps of q and of c, the critical lines and tanh's phases.

    Lines are theory, points are measured, and bars two standard errors of the mean over the draws.
    """
    from matplotlib.figure import Figure

    made = Figure(figsize=(13.5, 8.6), layout="constrained")
    axes = made.subplots(2, 3)
    _gains(axes[0, 0], result)
    _susceptibility(axes[0, 1], result)
    _variance_maps(axes[0, 2], result)
    _correlation_maps(axes[1, 0], result)
    _critical_lines(axes[1, 1], result)
    _phases(axes[1, 2], result)
    for ax in axes.flat:
        ax.grid(alpha=0.25)
        ax.tick_params(labelsize=9)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)
    made.suptitle(
        f"Theory (lines, bars) and {settings.draws} nets of width {settings.width} (points)",
        fontsize=13,
    )
    return made


def _gains(ax: Axes, result: Result) -> None:
    predicted, measured = _array(result, "curve_gains"), _array(result, "gains_measured")
    names = list(result.measurements["gains"])
    place = np.arange(len(names))
    for i, mode in enumerate(_MODES):
        at = place + (i - 1) * 0.26
        ax.bar(at, predicted[:, i], 0.26, color=_COLOURS[i], alpha=0.45, label=mode)
        mean, half = _interval(measured[:, :, i])
        ax.errorbar(at, mean, half, fmt="o", color="black", markersize=2.5, linewidth=1)
    ax.set_yscale("log")
    ax.set_yticks([1, 1.5, 2, 3, 5], ["1", "1.5", "2", "3", "5"])
    ax.minorticks_off()
    ax.set_ylim(0.8, 8.5)
    ax.set_xticks(place, names, rotation=45, ha="right")
    ax.legend(title="gain that keeps", ncols=3, fontsize=8, loc="upper right", frameon=False)
    ax.set_title("gains at q = 1", fontsize=11)


def _susceptibility(ax: Axes, result: Result) -> None:
    """χ₁ of each activation under its own forward gain; the measured one is a ratio of gains."""
    names = list(result.measurements["gains"])
    measured = _array(result, "gains_measured")
    mean, half = _interval((measured[:, :, 0] / measured[:, :, 2]) ** 2)
    place = np.arange(len(names))
    ax.bar(place, result.arrays["curve_gain_chi_1"], 0.6, color=_COLOURS[0], alpha=0.45)
    ax.errorbar(place, mean, half, fmt="o", color="black", markersize=3, linewidth=1)
    ax.axhline(1, color="black", linewidth=1, linestyle="--")
    ax.set_xticks(place, names, rotation=45, ha="right")
    ax.set_title("χ₁ under its own forward gain", fontsize=11)
    ax.set_ylabel("factor on the gradient's mean square")


def _variance_maps(ax: Axes, result: Result) -> None:
    from experiments.questions.theory_curves import MAPS

    q = result.arrays["curve_q"]
    for i, f in enumerate(MAPS):
        ax.plot(q, result.arrays["curve_q_maps"][i], color=_COLOURS[i], label=f, linewidth=1.7)
    ax.plot(q, q, color="0.4", linestyle=":", linewidth=1.2)
    ax.set(xlabel="q in one layer", ylabel="q in the next", ylim=(0, 3))
    ax.set_title("variance of s, under each forward gain", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc="upper left")


def _correlation_maps(ax: Axes, result: Result) -> None:
    from experiments.questions.theory_curves import MAPS

    c = result.arrays["curve_c"]
    for i, f in enumerate(MAPS):
        ax.plot(c, result.arrays["curve_c_maps"][i], color=_COLOURS[i], label=f, linewidth=1.7)
    ax.plot(c, c, color="0.4", linestyle=":", linewidth=1.2)
    measured = result.arrays["relu_c"].mean(axis=0)
    at = MAPS.index("relu")
    ax.plot(
        measured[:-1], measured[1:], "o", color=_COLOURS[at], markersize=5,
        markeredgecolor="black", markeredgewidth=0.6, label="relu, layer by layer",
    )  # fmt: skip
    ax.set(xlabel="correlation in one layer", ylabel="correlation in the next")
    ax.set_title("two inputs, q = 1", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc="lower right")


def _critical_lines(ax: Axes, result: Result) -> None:
    from experiments.questions.theory_curves import LINES

    var_b = result.arrays["curve_var_b"]
    for i, f in enumerate(LINES):
        line = result.arrays["curve_critical"][i]
        ax.plot(line, var_b, color=_COLOURS[i], linewidth=1.7, label=f)
    crossing = next(claim for claim in result.claims if claim.statement.id == "S1").measured[0]
    if np.isfinite([crossing.value, crossing.low, crossing.high]).all():
        half = [[crossing.value - crossing.low], [crossing.high - crossing.value]]
        ax.errorbar(
            [crossing.value], [0.05], xerr=half, fmt="o", color="black", markersize=4, capsize=3,
            linewidth=1, zorder=4, label="tanh, measured",
        )  # fmt: skip
    ax.set(xlabel=r"$\sigma_w^2$", ylabel=r"$\sigma_b^2$", xlim=(0.2, 8.6))
    ax.set_title("critical lines: order left, chaos right", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc="lower right")


def _phases(ax: Axes, result: Result) -> None:
    """tanh, σ_b² = .05: q*, χ₁ and c* by σ_w²."""
    rows = [i for i, row in enumerate(result.measurements["tanh"]) if row["var_b"] > 0]
    var_w = [result.measurements["tanh"][i]["var_w"] for i in rows]
    for i, (key, label) in enumerate((("q", "q*"), ("chi_1", "χ₁"), ("c", "c*"))):
        ax.plot(
            result.arrays["curve_var_w"], result.arrays[f"curve_tanh_{key}"], color=_COLOURS[i],
            linewidth=1.7, label=label,
        )  # fmt: skip
        mean, half = _interval(_array(result, f"tanh_{key}")[:, rows])
        ax.errorbar(
            var_w, mean, half, fmt=_MARKS[i], color=_COLOURS[i], markersize=5, linewidth=1,
            markeredgecolor="black", markeredgewidth=0.6,
        )  # fmt: skip
    ax.set(xlabel=r"$\sigma_w^2$", ylim=(0, None))
    ax.set_title(r"tanh, $\sigma_b^2$ = .05", fontsize=11)
    ax.legend(fontsize=9, frameon=False, loc="upper left")


def _array(result: Result, name: str) -> Array:
    return np.asarray(result.arrays[name], np.float64)


def _interval(draws: Array) -> tuple[Array, Array]:
    """The mean over draws and two standard errors."""
    error = draws.std(axis=0, ddof=1) / np.sqrt(len(draws))
    return draws.mean(axis=0), np.asarray(2 * error)


def tables(settings: Settings, result: Result) -> list[Table]:
    """Gains, tanh's phases, and the claims."""
    return [_gains_table(result), _phase_table(result), claims_table(result.claims)]


def _gains_table(result: Result) -> Table:
    made = table(
        "gains at q = 1: theory, measured",
        ("f", "forward", "", "variance", "", "backward", "", "χ₁"),
    )
    for i, (f, row) in enumerate(result.measurements["gains"].items()):
        cells = []
        for mode in _MODES:
            predicted = result.measurements["gains_predicted"][f][mode]
            cells += [f"{predicted:.4f}", f"{row[mode]:.3f}"]
        made.add_row(f, *cells, number(float(result.arrays["curve_gain_chi_1"][i])))
    made.caption = Text(  # as a string, rich would take [x²] for a style
        "forward keeps E[x²], variance keeps Var x, backward keeps the gradient; χ₁: the factor on "
        "the gradient's mean square under the forward gain"
    )
    made.caption_justify = "left"
    return made


def _phase_table(result: Result) -> Table:
    made = table("tanh in deep nets, as measured", ("σ_w²", "σ_b²", "q*", "χ₁", "c*", "ξ_c"))
    for row in result.measurements["tanh"]:
        depth = number(row["xi_c"]) if row["xi_c"] > 0 else "–"
        keys = ("var_w", "var_b", "q", "chi_1", "c")
        made.add_row(*[number(float(row[key])) for key in keys], depth)
    return made
