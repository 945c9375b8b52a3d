"""The figure and the tables of `table1`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from experiments.figures.panels import finish
from experiments.lab.claims import Measured
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.table1 import Settings

_OURS, _PAPERS = "#0072b2", "#d55e00"
_TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
_TITLES = {"shapeset": "Shapeset-3×2", "mnist": "MNIST", "cifar10": "CIFAR-10, first batch"}


def figure(settings: Settings, result: Result) -> Figure:
    """For each data set a row for each kind of net: our mean and interval, the paper's number."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    data, kinds = result.measurements["data"], result.measurements["kinds"]
    made = Figure(figsize=(max(7.4, 3.7 * len(data) + 1.6), 4.0), layout="constrained")
    axes = made.subplots(1, len(data), squeeze=False, sharey=True)[0]
    place = np.arange(len(kinds))
    for d, (ax, name) in enumerate(zip(axes, data, strict=True)):
        each = 100 * np.asarray(result.arrays["test_error"][d])
        for k, values in enumerate(each):
            ax.plot(values, np.full(len(values), k + 0.16), ".", color=_OURS, markersize=4)
            m = Measured.of(values)
            ends = [[m.value - m.low], [m.high - m.value]]
            ax.errorbar(
                [m.value], [k], xerr=ends, fmt="o", color=_OURS, markersize=6, capsize=3,
                linewidth=1.3,
            )  # fmt: skip
        papers = [result.measurements["paper_percent"][name][kind] for kind in kinds]
        ax.plot(papers, place - 0.16, "D", color=_PAPERS, markersize=5, markerfacecolor="white")
        label = "test error, per cent" + _scale(ax, [*each.reshape(-1), *papers])
        finish(ax, _TITLES[name], label)
    axes[0].set_yticks(place, kinds)
    axes[0].set_ylim(len(kinds) - 0.5, -0.5)
    handles = [
        Line2D([], [], color=_OURS, marker="o", label="mean and 95 % interval"),
        Line2D([], [], color=_OURS, marker=".", linestyle="", label="each net"),
        Line2D(
            [], [], color=_PAPERS, marker="D", markerfacecolor="white", linestyle="",
            label="Table 1: 5 × 1000 units",
        ),
    ]  # fmt: skip
    made.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    made.suptitle(_set_up(settings), fontsize=13)
    return made


def _scale(ax: Axes, errors: list[float]) -> str:
    """Limits that show every error (intervals may go beyond), in logarithms if they differ widely.

    Returns: what the axis' label says of it.
    """
    low, high = max(0.01, min(errors)), max(errors)
    if high < 10 * low:
        room = 0.12 * (high - low)
        ax.set_xlim(max(0.0, low - room), high + room)
        return ""
    ax.set_xscale("log")
    ax.set_xlim(low / 1.3, high * 1.3)
    ticks = [t for t in _TICKS if low / 1.3 <= t <= high * 1.3]
    ax.set_xticks(ticks, [f"{t:g}" for t in ticks])
    ax.minorticks_off()
    return ", log scale"


def _set_up(settings: Settings) -> str:
    plan = settings.plan
    return (
        f"{settings.depth} layers of {plan.width}, {plan.updates:,} updates, "
        f"{plan.seeds} nets of each kind"
    )


def tables(settings: Settings, result: Result) -> list[Table]:
    """Errors beside the paper's, by data set, and the claims."""
    return [_errors(settings, result), claims_table(result.claims)]


def _errors(settings: Settings, result: Result) -> Table:
    made = table(
        "errors in per cent, and Glorot & Bengio's",
        ("data", "net", "lr", "validation", "test", "95 % interval", "Table 1"),
        left=2,
    )
    m = result.measurements
    at_edge = False
    for d, name in enumerate(m["data"]):
        for k, kind in enumerate(m["kinds"]):
            rate = float(result.arrays["lr"][d, k])
            edge = _is_edge(settings.plan.lrs, rate)
            at_edge |= edge
            test = Measured.of(100 * np.asarray(result.arrays["test_error"][d, k], np.float64))
            valid = 100 * float(np.mean(_floats(result.arrays["valid_error"][d, k])))
            made.add_row(
                name if k == 0 else "",
                kind,
                f"{rate:g}{'*' if edge else ''}",
                f"{valid:.2f}",
                f"{test.value:.2f}",
                f"{number(max(0.0, test.low))} … {number(min(100.0, test.high))}",
                f"{m['paper_percent'][name][kind]:.2f}",
                end_section=k == len(m["kinds"]) - 1,
            )
    notes = [f"{_set_up(settings)}; Table 1: 5 layers of 1000, longer"]
    notes += ["*: at the end of the learning rates tried"] if at_edge else []
    notes += [f"{name} is left out: {why}" for name, why in m["missing"].items()]
    made.caption = Text("\n".join(notes))  # as a string, rich would read its [ ]
    made.caption_justify = "left"
    return made


def _floats(values: Any) -> npt.NDArray[np.float64]:
    return np.asarray(values, np.float64)


def _is_edge(lrs: tuple[float, ...], rate: float) -> bool:
    """A better one may lie outside of what was tried."""
    return len(lrs) > 1 and rate in (min(lrs), max(lrs))
