"""The table of a trace for a terminal of 80 columns."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from engine import Trace
from engine.tracing.show.schema import title
from engine.tracing.show.table import HEADER, LEGEND, cells, notes
from engine.tracing.widths import shortened
from experiments.lab.tables import table

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
