"""The page of a trace: what is wrong, a chart by layer, the table, the backward pass to walk.

One file that loads nothing; without its script the walk is a plain list of all steps.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from engine import Diagnosis, LayerRecord, Trace
from engine.tracing.read.diagnose.finding import named
from engine.tracing.read.walk import Sent, Step
from engine.tracing.show.schema import title
from engine.tracing.show.table import HEADER, LEGEND, cells, notes
from experiments.pages.chart import chart
from experiments.pages.drawings import BASE, HEIGHT, WIDTH, histogram, power_of_ten, strip
from experiments.pages.pictures import Picture
from experiments.pages.rendering import rendered
from experiments.pages.spreads import spreads

_INDEX = re.compile(r"\b([aegxyΣ])_([a-z])\b")


def page(
    trace: Trace, diagnosis: Diagnosis, about: str, picture: Picture, theory: Any = None
) -> str:
    """The page as text.

    Args:
        trace: of one forward and backward pass, with arrays.
        diagnosis: of it.
        about: which net on which data, a line.
        picture: the figure of the trace.
        theory: what to draw beside the measured gradient, as `Trace.plot` takes it.

    Raises: GraphError if the trace saw no backward pass or keeps no arrays.
    """
    walk = trace.walk()
    numbers = {id(step.node): step.number for step in walk}
    steps = {
        i: numbers[id(row.node)] for i, row in enumerate(trace.layers) if id(row.node) in numbers
    }
    layers = {id(row.node): (i, row) for i, row in enumerate(trace.layers) if row.is_one_operation}
    return rendered(
        "trace.html",
        script="walk.js",
        about=about,
        diagnosis=diagnosis,
        chart=chart(trace, steps, theory),
        title=title(trace),
        header=HEADER,
        layers=[(steps.get(i), row) for i, row in enumerate(cells(trace))],
        notes=[LEGEND, *notes(trace)],
        strip=strip(walk),
        steps=[
            {
                "step": step,
                "formulas": [_parts(part) for part in re.split(r"; |, (?=∂L)", step.formula)],
                "norms": _norms(step),
                "histograms": [histogram(spread) for spread in found],
                "largest": _largest(trace, *layers.get(id(step.node), (0, None))),
            }
            for step, found in zip(walk, spreads(trace, walk), strict=True)
        ],
        picture=picture,
        named=named,
        width=WIDTH,
        height=HEIGHT,
        base=BASE,
        power_of_ten=power_of_ten,
    )


def _parts(formula: str) -> list[str]:
    """The formula cut at its indices: text, letter, index, text, letter, index, …, text."""
    return _INDEX.split(formula)


# What came in or was sent: which side, its name, shape, norm, factor, and to whom.
_Line = tuple[str, str, str, str, str, str]


def _norms(step: Step) -> list[_Line]:
    rows = [_line("in", "g = ∂L/∂y", step.shape, step.norm, None, "")]
    if step.dL_ds_norm is not None:
        factor = step.dL_ds_norm / step.norm if step.norm else None
        rows.append(_line("", "∂L/∂s", step.shape, step.dL_ds_norm, factor, ""))
    return rows + [_sent(sent, "" if i else "out") for i, sent in enumerate(step.out)]


def _sent(sent: Sent, side: str) -> _Line:
    return _line(side, f"∂L/∂{sent.letter}", sent.shape, sent.norm, sent.factor, sent.to)


def _line(
    side: str,
    name: str,
    shape: tuple[int, ...],
    norm: float | None,
    factor: float | None,
    to: str,
) -> _Line:
    return (
        *(side, name, "×".join(map(str, shape)) or "scalar"),
        "not wanted" if norm is None else f"{norm:.4g}",
        "" if factor is None or math.isnan(factor) else f"× {factor:.4g}",
        to,
    )


def _largest(trace: Trace, i: int, row: LayerRecord | None) -> dict[str, Any] | None:
    """The article's equation for the weight with the largest |∂L/∂w| of a layer."""
    if row is None or row.dL_dW is None:
        return None
    size = np.abs(np.asarray(row.dL_dW))
    at = np.unravel_index(int(np.argmax(np.where(np.isnan(size), np.inf, size))), size.shape)
    j, k = int(at[0]), int(at[1])
    # A table that the engine has made, with every name in it escaped.
    return {"j": j, "k": k, "html": trace.explain(i, weight=(j, k))._repr_html_()}
