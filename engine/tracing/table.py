"""A trace as a table, one row for each layer: as text for the terminal's width, and as HTML."""

from __future__ import annotations

import math
import shutil
import textwrap
from html import escape

from engine.tracing.data import TraceData
from engine.tracing.find import fed_by
from engine.tracing.rows import LayerRecord
from engine.tracing.statistics import QUANTITIES

_MOST_NOTES = 6

HEADER = (
    *("layer", "size", "f", "std s", "std x_next", "saturated"),
    *("rms ∂L/∂s", "factor", "rms ∂L/∂W"),
)
LEGEND = (
    "saturated: share of |f′(s)| below 5 % of its maximum.  "
    "factor: rms ∂L/∂s over the next layer's."
)


def cells(trace: TraceData) -> list[list[str]]:
    """The rows, as text; "–" where a quantity does not exist, "!" after a name: not all finite.

    The factor is that of a layer whose output the next row's layer takes, and no other's.
    """
    sizes = [_value(row, "dL_ds", "rms") for row in trace.layers]
    feeds = fed_by(trace)
    made = []
    for i, row in enumerate(trace.layers):
        factor = math.nan
        if i + 1 < len(sizes) and sizes[i + 1] and i in feeds[i + 1]:
            factor = sizes[i] / sizes[i + 1]
        saturated = row.saturated()
        made.append(
            [
                row.label + (" !" if _not_finite(row) else ""),
                row.size(),
                row.f.name,
                _number(_value(row, "s", "std")),
                _number(_value(row, "x_next", "std")),
                "–" if math.isnan(saturated) else f"{100 * saturated:.0f} %",
                _number(sizes[i]),
                _number(factor),
                _number(_value(row, "dL_dW", "rms")),
            ]
        )
    return made


def notes(trace: TraceData) -> list[str]:
    """A line for each layer with entries that are not finite: where in it they come first."""
    found = [f"! {row.label}: {where}" for row in trace.layers if (where := _not_finite(row))]
    if len(found) > _MOST_NOTES + 1:
        found[_MOST_NOTES:] = [f"! and {len(found) - _MOST_NOTES} layers more"]
    return found


def title(trace: TraceData) -> str:
    n = len(trace.layers)
    if trace.why_empty:
        return f"Trace: {trace.why_empty}"
    if not n:
        return "Trace of no layer: nothing was multiplied by a variable W, as dense and x @ W do"
    swept = sum(1 for row in trace.layers if row.sweeps)
    passes = "forward and backward" if swept == n else "forward only" if not swept else ""
    passes = passes or f"forward, and backward through {swept} of them"
    return f"Trace of {n} layer{'s' * (n > 1)}, batch {trace.layers[0].batch}, {passes}"


def terminal_width() -> int:
    """COLUMNS, or the width of the terminal; 80 where there is none, as in a pipe or a file."""
    return shutil.get_terminal_size((80, 24)).columns


def text(trace: TraceData) -> str:
    """The table in the terminal's width, and not below 80 columns; long names lose their middle."""
    width = max(80, terminal_width())
    if not trace.layers:
        return title(trace)
    lines = _lines([list(HEADER), *cells(trace)], None, 1)
    if len(lines[0]) > width:
        heads = [name.replace("saturated", "satu- rated").split(" ", 1) for name in HEADER]
        above = [head[0] if len(head) > 1 else "" for head in heads]
        lines = _lines([above, [head[-1] for head in heads], *cells(trace)], width, 2)
    below = [line for note in (LEGEND, *notes(trace)) for line in textwrap.wrap(note, width)]
    return "\n".join([title(trace), "", *lines, "", *below])


def _lines(rows: list[list[str]], width: int | None, heads: int) -> list[str]:
    """The rows with a rule below the heads.

    Given a width, names are shortened to fit it, but not below 8 characters.
    """
    for column in (2, 0):  # names of activations first, then those of layers
        rest = sum(max(len(row[c]) for row in rows) for c in range(len(HEADER)) if c != column)
        most = 10**6 if width is None else max(8, width - rest - 2 * (len(HEADER) - 1))
        for row in rows:
            row[column] = shortened(row[column], min(most, 14) if column == 2 else most)
    widths = [max(len(row[c]) for row in rows) for c in range(len(HEADER))]
    lines = [
        "  ".join(
            cell.ljust(width) if c in (0, 2) else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    lines.insert(heads, "─" * len(lines[0]))
    return lines


def html(trace: TraceData) -> str:
    """The same for a notebook: nothing is loaded, and colours are those of the page."""
    if not trace.layers:
        return f"<p>{escape(title(trace))}</p>"
    cell = "padding:0.15em 0.7em;background:none;color:inherit;text-align:"
    line = "border-bottom:1px solid currentColor"

    def row(tag: str, values: list[str], style: str = "") -> str:
        inside = "".join(
            f'<{tag} style="{cell}{"left" if c in (0, 2) else "right"};{style}">{escape(v)}</{tag}>'
            for c, v in enumerate(values)
        )
        return f"<tr>{inside}</tr>"

    body = "".join(row("td", values) for values in cells(trace))
    below = "<br>".join(escape(note) for note in (LEGEND, *notes(trace)))
    return (
        f'<div style="overflow-x:auto"><p>{escape(title(trace))}</p>'
        '<table style="border-collapse:collapse;font-variant-numeric:tabular-nums">'
        f"<thead>{row('th', list(HEADER), line)}</thead><tbody>{body}</tbody></table>"
        f"<p><small>{below}</small></p></div>"
    )


def shortened(name: str, most: int) -> str:
    """A name of at most that many characters, without its middle if it is longer."""
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"


def _value(row: LayerRecord, name: str, statistic: str) -> float:
    made = row.statistics(name)
    return math.nan if made is None else float(getattr(made, statistic))


def _number(value: float) -> str:
    if math.isnan(value):
        return "–"
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:#.3g}" if value else "0"
    return f"{value:.1e}"


def _not_finite(row: LayerRecord) -> str:
    for name in QUANTITIES:
        made = row.statistics(name)
        if made is not None and made.nonfinite:
            return f"{made.nonfinite} of {made.size} entries of {name} are NaN or infinite"
    return ""
