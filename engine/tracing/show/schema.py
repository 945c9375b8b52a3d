"""`as_data`: a trace as data that JSON can hold, from which tables and pages are made.

    {"format": "gradtrace trace data", "version": 1,
     "title": …, "keep": "arrays" | "stats",
     "layers": [{"name", "step", "label", "operations", "feeds", "f", "batch", "fan_in", "fan_out",
                 "weights", "statistics": {"x": {"rms": …} | null, …}, "saturated", "dead",
                 "factor", "problem"}, …],
     "operations": [{"name", "place", "step", "shape", "sources", "sweeps", "number"}, …],
     "variables": [{"name", "number", "version"}, …],
     "estimate": {"s_std": […], "x_std": […], "dL_ds": […], "dL_dx": […], "dL_dW": […]}}

Numbers that are NaN or infinite are null. `fan_in` and `weights` have an entry for each link of a
layer. A source is {"operation": position}, {"variable": position} or null for a constant. `factor`
is rms(∂L/∂s) over that of the next row's layer, where that layer takes the output.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from engine.tracing.data import TraceData
from engine.tracing.nodes import Source, Variable
from engine.tracing.places import Place
from engine.tracing.read.estimate import estimate
from engine.tracing.read.find import fed_by
from engine.tracing.rows import LayerRecord
from engine.tracing.statistics import QUANTITIES, Statistics

FORMAT, VERSION = "gradtrace trace data", 1


def as_data(t: TraceData) -> dict[str, Any]:
    """The trace as dicts, lists, strings and numbers."""
    sources = [source for node in t.nodes for source in node.sources]
    sources += [link.weights for row in t.layers for link in row.links]
    variables = list(dict.fromkeys(s for s in sources if isinstance(s, Variable)))
    position = {variable: i for i, variable in enumerate(variables)}

    def source_of(source: Source) -> dict[str, int] | None:
        if isinstance(source, Variable):
            return {"variable": position[source]}
        return None if source is None else {"operation": source}

    operations = []
    for node in t.nodes:
        place = Place.of(node.place)
        operations.append(
            {
                "name": node.name,
                "place": place.name,
                "step": place.step,
                "shape": list(node.output_shape),
                "sources": [source_of(source) for source in node.sources],
                "sweeps": node.sweeps,
                "number": _number(node.number),
            }
        )
    layers = [
        {**layer, "weights": [source_of(link.weights) for link in row.links]}
        for layer, row in zip(layers_as_data(t), t.layers, strict=True)
    ]
    with np.errstate(all="ignore"):
        curves = vars(estimate(t))
    return {
        "format": FORMAT,
        "version": VERSION,
        "title": title(t),
        "keep": t.keep,
        "layers": layers,
        "operations": operations,
        "variables": [asdict(variable) for variable in variables],
        "estimate": {name: [_number(v) for v in curve] for name, curve in curves.items()},
    }


def layers_as_data(t: TraceData) -> list[dict[str, Any]]:
    """A dict for each layer, as in `as_data` but without its weights."""
    feeds = fed_by(t)
    sizes = [_rms(row) for row in t.layers]
    layers = []
    for i, row in enumerate(t.layers):
        factor = math.nan
        if i + 1 < len(sizes) and sizes[i + 1] and i in feeds[i + 1]:
            factor = sizes[i] / sizes[i + 1]
        layers.append(
            {
                "name": row.name,
                "step": row.step,
                "label": row.label,
                "operations": sorted(row.members),
                "feeds": sorted(feeds[i]),
                "f": row.f.name,
                "batch": row.batch,
                "fan_in": [link.fans[0] for link in row.links],
                "fan_out": row.fan_out,
                "statistics": {name: _statistics(row.statistics(name)) for name in QUANTITIES},
                "saturated": _number(row.saturated()),
                "dead": _number(row.dead().share),
                "factor": _number(factor),
                "problem": _problem(row),
            }
        )
    return layers


def title(t: TraceData) -> str:
    """A line on what the trace holds."""
    n = len(t.layers)
    if t.why_empty:
        return f"Trace: {t.why_empty}"
    if not n:
        return "Trace of no layer: nothing was multiplied by a variable W, as dense and x @ W do"
    swept = sum(1 for row in t.layers if row.sweeps)
    passes = "forward and backward" if swept == n else "forward only" if not swept else ""
    passes = passes or f"forward, and backward through {swept} of them"
    return f"Trace of {n} layer{'s' * (n > 1)}, batch {t.layers[0].batch}, {passes}"


def _rms(row: LayerRecord) -> float:
    statistics = row.statistics("dL_ds")
    return math.nan if statistics is None else statistics.rms


def _statistics(statistics: Statistics | None) -> dict[str, Any] | None:
    if statistics is None:
        return None
    names = [name for name in Statistics.__dataclass_fields__ if name not in ("shape", "histogram")]
    numbers = {name: _number(getattr(statistics, name)) for name in names}
    return {"shape": list(statistics.shape), **numbers, "histogram": statistics.histogram.tolist()}


def _problem(row: LayerRecord) -> str | None:
    """Which quantity of the layer has entries that are not finite, the first in the pass."""
    for name in QUANTITIES:
        statistics = row.statistics(name)
        if statistics is not None and statistics.nonfinite:
            broken = f"{statistics.nonfinite} of {statistics.size} entries of {name}"
            return f"{broken} are NaN or infinite"
    return None


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
