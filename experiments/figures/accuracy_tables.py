"""The tables of `accuracy`, for a terminal of 100 columns and, as Markdown, for the docs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from experiments.accuracy.cases import QUANTITIES
from experiments.accuracy.products import FORMS
from experiments.accuracy.special import KINDS
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, markdown, number, table

if TYPE_CHECKING:
    from experiments.questions.accuracy import Settings

Array = npt.NDArray[Any]

_PRECISIONS = ("float32", "float64")
_HEADINGS = (
    *("f", "at s", "mean"),
    *("f′", "at s", "mean"),
    *("step", "at y", "mean"),
)


def tables(settings: Settings, result: Result) -> list[Table]:
    """Errors of the activations in each precision, special values, products, claims."""
    return [*_measured(settings, result), claims_table(result.claims)]


def texts(settings: Settings, result: Result) -> Mapping[str, str]:
    """accuracy.md: the tables without the claims."""
    return {"accuracy.md": "\n".join(map(markdown, _measured(settings, result)))}


def _measured(settings: Settings, result: Result) -> list[Table]:
    found = [_errors(settings, result, p) for p in _PRECISIONS]
    return [*found, _special(settings, result), _products(settings, result)]


def _errors(settings: Settings, result: Result, dtype: str) -> Table:
    """A row for each activation: the largest error, where it lies, and the mean."""
    if result.measurements["judged_by"][dtype] is None:
        return table(dtype, ("not measured: long double has no more digits than float64 here",))
    if dtype == "float32":
        sample = f"1 number in {settings.stride}"
    else:
        n = f"{settings.samples:,}"
        sample = f"{n} numbers over the whole range and {n} from 2⁻⁴⁰ to 2¹¹"
    made = table(
        f"{dtype}: errors in units in the last place, {sample} of each sign", ("", *_HEADINGS)
    )
    rows = {
        (row["activation"], row["quantity"]): row
        for row in result.measurements["errors"]
        if row["dtype"] == dtype
    }
    for name in settings.activations:
        cells = []
        for quantity in QUANTITIES:
            row = rows.get((name, quantity))
            cells += _cells(row) if row else ["–", "", ""]
        made.add_row(name, *cells)
    made.caption = (
        "f, f′: largest error of f(s) and f′(s), then where it lies, then the mean over 1/1024 ≤ "
        "|s| < 32; step: the backward step, f′ as a function of y = f(s), over f's range. "
        "* crosses 0: in units of 0.1 where it is smaller than that"
    )
    made.caption_justify = "left"
    return made


def _cells(row: Mapping[str, Any]) -> list[str]:
    star = "*" if row["floor"] else ""
    return [
        f"{row['largest']:.2f}{star}" if row["largest"] < 1000 else number(row["largest"]) + star,
        "" if row["largest"] == 0 else number(row["at"]),
        f"{row['mean']:.2f}" if math.isfinite(row["mean"]) else number(row["mean"]),
    ]


def _special(settings: Settings, result: Result) -> Table:
    """right, or which of f, f′ and the step are wrong, and in which precision."""
    made = table("special values, both precisions", ("", *KINDS))
    wrong = result.measurements["wrong_at_special_values"]
    for name in settings.activations:
        cells = []
        for kind in KINDS:
            here = [w for w in wrong if w["activation"] == name and w["kind"] == kind]
            cells.append(f"{len(here)} wrong" if here else "right")
        made.add_row(name, *cells)
    lines = [
        f"{w['activation']} {w['quantity']} {w['dtype']}: {number(w['got'])} at "
        f"{number(w['s'])}, should be {number(w['expected'])}"
        for w in wrong
    ]
    made.caption = "; ".join(lines) or None
    made.caption_justify = "left"
    return made


def product_lines(errors: Array) -> dict[str, Array]:
    """By length, the largest error of (product, length, form, rows) for each of the lines shown."""
    ours, numpys = errors.max(axis=3)
    gaps = FORMS.index("gaps")
    return {
        "ours": np.delete(ours, gaps, axis=1).max(axis=1),
        "with gaps": ours[:, gaps],
        "NumPy's": numpys.max(axis=1),
    }


def _products(settings: Settings, result: Result) -> Table:
    """The largest error by the length of the sums."""
    found = {
        p: product_lines(result.arrays[f"{p}_products"])
        for p in _PRECISIONS
        if f"{p}_products" in result.arrays
    }
    headings = [heading for lines in found.values() for heading in lines]
    title = f"matrix product, largest error: {', then '.join(found)}"
    made = table(title, ("n", *headings), left=0)
    for i, n in enumerate(settings.lengths):
        cells = [number(float(y[i])) for lines in found.values() for y in lines.values()]
        made.add_row(str(n), *cells)
    made.caption = (
        "|C − AB| / (|A||B|) in units of the largest error of a rounding, 2⁻²⁴ or 2⁻⁵³; n, the "
        "length of the sums, is the bound whatever their order. ours: the three products of a "
        "layer; with gaps: one whose operands have gaps in memory"
    )
    made.caption_justify = "left"
    return made
