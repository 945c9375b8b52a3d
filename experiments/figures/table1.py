"""The figure and the tables of `table1`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from experiments.figures.style import BLUE, VERMILION, drawing, finish, legend, log_axis
from experiments.figures.words import percent
from experiments.lab.claims import Measured
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.table1 import Settings

_OURS, _PAPERS = BLUE, VERMILION
_TITLES = {"shapeset": "Shapeset-3×2", "mnist": "MNIST", "cifar10": "CIFAR-10, first batch"}


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """For each data set a row for each kind of net: our mean and interval, the paper's number."""
    from matplotlib.lines import Line2D

    data, kinds = result.measurements["data"], result.measurements["kinds"]
    errors = np.asarray(result.arrays["test_error"], np.float64)
    figure, axes = drawing(
        _message(data, kinds, errors.mean(axis=2)),
        f"{_set_up(settings)}; the paper's nets have 5 layers of 1000 units and are trained longer",
        height=3.2,
        columns=len(data),
        sharey=True,
    )
    place = np.arange(len(kinds))
    for d, (ax, name) in enumerate(zip(axes, data, strict=True)):
        each = 100 * errors[d]
        for k, values in enumerate(each):
            ax.plot(values, np.full(len(values), k + 0.2), ".", color=_OURS, markersize=6)
            m = Measured.of(values)
            ends = [[m.value - m.low], [m.high - m.value]]
            ax.errorbar(
                [m.value], [k], xerr=ends, fmt="o", color=_OURS, markersize=7, capsize=4,
                linewidth=1.8,
            )  # fmt: skip
        papers = [result.measurements["paper_percent"][name][kind] for kind in kinds]
        ax.plot(
            papers, place - 0.2, "D", color=_PAPERS, markersize=7, markerfacecolor="white",
            markeredgewidth=1.8,
        )  # fmt: skip
        label = "test error, per cent" + _scale(ax, [*each.reshape(-1), *papers])
        finish(ax, label, title=_TITLES[name])
    axes[0].set_yticks(place, kinds)
    axes[0].set_ylim(len(kinds) - 0.5, -0.5)
    legend(
        figure,
        [
            Line2D([], [], color=_OURS, marker="o", markersize=7, label="mean and 95 % interval"),
            Line2D([], [], color=_OURS, marker=".", linestyle="", markersize=6, label="each net"),
            Line2D(
                [], [], color=_PAPERS, marker="D", markerfacecolor="white", linestyle="",
                markersize=7, markeredgewidth=1.8, label="Glorot & Bengio's Table 1",
            ),
        ],
    )  # fmt: skip
    return {"figure": figure}


def _message(data: list[str], kinds: list[str], means: npt.NDArray[np.float64]) -> str:
    """The kind of net with the largest error on each data set, and the kind with the smallest."""
    parts = []
    for name, row in zip(data, means, strict=True):
        worst, best = int(np.argmax(row)), int(np.argmin(row))
        parts.append(
            f"{kinds[best]} is best ({percent(row[best])}) and {kinds[worst]} worst "
            f"({percent(row[worst])}) on {_TITLES[name].partition(',')[0]}"
        )
    return "; ".join(parts)


def _scale(ax: Axes, errors: list[float]) -> str:
    """Limits that show every error (intervals may go beyond), in logarithms if they differ widely.

    Returns: what the axis' label says of it.
    """
    low, high = max(0.01, min(errors)), max(errors)
    if high < 10 * low:
        room = 0.12 * (high - low)
        ax.set_xlim(max(0.0, low - room), high + room)
        return ""
    log_axis(ax.xaxis, (low / 1.3, high * 1.3))
    return ", log"


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
