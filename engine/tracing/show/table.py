"""A trace as a table, one row for each layer: as text for the terminal's width, and as HTML."""

from __future__ import annotations

import textwrap
from html import escape
from typing import Any

from engine.tracing.data import TraceData
from engine.tracing.show.schema import layers_as_data, title
from engine.tracing.widths import shortened, terminal_width

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
    """The rows, as text; "–" where a quantity does not exist, "!" after a name: not all finite."""
    return [
        [
            layer["label"] + (" !" if layer["problem"] else ""),
            f"{'+'.join(map(str, layer['fan_in']))}→{layer['fan_out']}",
            layer["f"],
            _number(layer, "s", "std"),
            _number(layer, "x_next", "std"),
            "–" if layer["saturated"] is None else f"{100 * layer['saturated']:.0f} %",
            _number(layer, "dL_ds", "rms"),
            _text(layer["factor"]),
            _number(layer, "dL_dW", "rms"),
        ]
        for layer in layers_as_data(trace)
    ]


def notes(trace: TraceData) -> list[str]:
    """A line for each layer with entries that are not finite: where in it they come first."""
    layers = layers_as_data(trace)
    lines = [f"! {layer['label']}: {layer['problem']}" for layer in layers if layer["problem"]]
    if len(lines) > _MOST_NOTES + 1:
        lines[_MOST_NOTES:] = [f"! and {len(lines) - _MOST_NOTES} layers more"]
    return lines


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


def _number(layer: dict[str, Any], quantity: str, statistic: str) -> str:
    statistics = layer["statistics"][quantity]
    return "–" if statistics is None else _text(statistics[statistic])


def _text(value: float | None) -> str:
    if value is None:
        return "–"
    if value == 0 or 0.01 <= abs(value) < 1000:
        return f"{value:#.3g}" if value else "0"
    return f"{value:.1e}"
