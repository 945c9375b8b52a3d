"""The table of a trace for a terminal of 80 columns, and its figure for files and pages."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from engine import Trace
from engine.tracing.table import HEADER, LEGEND, cells, notes, shortened, title
from experiments.lab.tables import table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 24  # of a layer's name


def layers_table(trace: Trace) -> Table:
    """What `print(trace)` shows; headers take two lines, so that it fits 80 columns."""
    headers = [name.replace(" ", "\n").replace("saturated", "satu-\nrated") for name in HEADER]
    made = table(title(trace), headers, left=1)
    made.columns[2].justify = "left"
    for name, size, f, *numbers in cells(trace):
        # As Text: a name with brackets is no markup.
        names = (shortened(name, _LONGEST), size, shortened(f, 14))
        made.add_row(*map(Text, (*names, *numbers)))
    made.caption = Text("\n".join([LEGEND.replace(".  ", ".\n"), *notes(trace)]))
    made.caption_justify = "left"
    return made


def inline_svg(figure: Figure) -> str:
    """The figure as an `<svg>` within a page: no declarations, no addresses, no background."""
    made = io.StringIO()
    figure.savefig(made, format="svg", transparent=True, metadata={"Date": None})
    text = made.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    head, tail = text.split(">", 1)
    head = re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", head)
    return f'{head} role="img" aria-label="distributions and profile by layer">{_short(tail)}'


def _short(text: str) -> str:
    """Without comments, and in paths without the digits that nobody can see."""
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    return re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\.\d)\d+", r"\1", d[0]), text)
