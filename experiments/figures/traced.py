"""The table of a trace for a terminal of 80 columns, and its figure for files and pages."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from engine import Trace
from engine.tracing.table import HEADER, LEGEND, cells, notes, shortened, title
from experiments.figures.svg import inlined
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
    """The figure as an `<svg>` within a page, without a background."""
    made = io.StringIO()
    figure.savefig(made, format="svg", transparent=True, metadata={"Date": None})
    return inlined(made.getvalue(), "distributions and profile by layer")
