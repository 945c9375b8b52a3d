"""The tables of `loss_surface`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from experiments.lab.claims import Measured
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from experiments.questions.loss_surface import Settings

Array = npt.NDArray[Any]


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
