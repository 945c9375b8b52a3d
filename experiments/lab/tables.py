"""Tables for a terminal of 80 columns or more."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.lab.claims import Claim, Measured

# Of a verdict, wherever one is printed.
STYLE = {"holds": "green", "does not hold": "bold red", "not shown": "yellow"}


def table(title: str, columns: Sequence[str], left: int = 1) -> Table:
    """An empty table; the first `left` columns are aligned left, the others right."""
    made = _empty(title)
    for i, column in enumerate(columns):
        # Names may be folded, numbers may not.
        made.add_column(
            column, justify="left" if i < left else "right", no_wrap=i >= left, overflow="fold"
        )
    return made


def claims_table(claims: Sequence[Claim]) -> Table:
    """A row for each claim: its verdict, and of its numbers the one that decides the verdict.

    Sources, tolerances and all numbers are in result.json and on the page of the report.
    """
    claimed = _empty("claims")
    claimed.add_column("", width=10, overflow="fold")
    claimed.add_column("claim", min_width=20, ratio=1, overflow="fold")
    claimed.add_column("expected", justify="right", no_wrap=True)
    claimed.add_column("measured", no_wrap=True)
    claimed.add_column("verdict", max_width=13)
    for claim in claims:
        statement, expected, measured = claim.statement, "", ""
        if claim.measured:
            expected = number(claim.expected[claim.worst])
            measured = interval(claim.measured[claim.worst])
        needs = statement.needs or "the default settings"
        recalled = " (recalled)" if statement.recalled else ""
        claimed.add_row(
            Text(statement.id, "bold"),
            Text(
                statement.text + recalled + ("" if claim.measured else f"; to measure it: {needs}")
            ),
            expected,
            measured,
            Text(claim.verdict, STYLE.get(claim.verdict, "")),
        )
    return claimed


def _empty(title: str) -> Table:
    return Table(
        title=Text(title, "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )


def number(value: float) -> str:
    """Three digits, in powers of ten below a thousandth."""
    text = f"{value:.2e}" if 0 < abs(value) < 1e-3 else f"{value:.3g}"
    return _short(text)


def markdown(made: Table) -> str:
    """The same table as Markdown, with its title above and its caption below."""

    def row(cells: Iterable[object]) -> str:
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    lines = [row(column.header for column in made.columns)]
    lines.append(row(":--" if column.justify == "left" else "--:" for column in made.columns))
    lines += [row(cells) for cells in zip(*(c.cells for c in made.columns), strict=True)]
    parts = [f"**{made.title}**", "\n".join(lines), str(made.caption or "")]
    return "\n\n".join(part for part in parts if part) + "\n"


def interval(measured: Measured) -> str:
    """The number and half the width of its interval, which has one digit.

    A wide interval that is lopsided, as those of ratios are, is given by its ends. A number that
    can't be had, of layers that never saturate for example, is a dash.
    """
    if math.isnan(measured.value):
        return "–"
    if measured.low == measured.high:
        return number(measured.value)
    below, above = measured.value - measured.low, measured.high - measured.value
    if math.isfinite(below) != math.isfinite(above):
        bound = f"≥ {_end(measured.low)}" if math.isfinite(below) else f"≤ {_end(measured.high)}"
        return f"{number(measured.value)} ({bound})"
    lopsided = max(below, above) > 1.5 * min(below, above)
    if lopsided and below + above > 0.2 * abs(measured.value):
        return f"{number(measured.value)} ({_end(measured.low)} to {_end(measured.high)})"
    half = (measured.high - measured.low) / 2
    digit = f"{half:.0f}" if 9.5 <= half < 1e5 else f"{half:.1g}"
    return f"{number(measured.value)} ± {_short(digit)}"


def _end(value: float) -> str:
    return _short(f"{value:.0f}" if 9.5 <= abs(value) < 1e5 else f"{value:.2g}")


def _short(text: str) -> str:
    return text.replace("e-0", "e-").replace("e+0", "e+")
