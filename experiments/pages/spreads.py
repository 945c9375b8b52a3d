"""How the arrays of each backward step are distributed, on axes that all steps share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import LayerRecord, Statistics, Trace, Walk
from engine.tracing.show.distributions import ridges

Array = npt.NDArray[Any]

_FORWARD = (("s", "s"), ("df_ds", "f′(s)"))


@dataclass(frozen=True, eq=False)
class Spread:
    """One array's distribution.

    Attributes:
        name: of the array, in the article's letters.
        backward: a gradient; its bins are of |v| on a logarithmic axis.
        edges, heights: of the bins, the highest is 1; heights is None without any entry.
        rms, zeros, nonfinite: as in `engine.Statistics`.
    """

    name: str
    backward: bool
    edges: Array
    heights: Array | None
    rms: float
    zeros: float
    nonfinite: int


def spreads(trace: Trace, walk: Walk) -> list[list[Spread]]:
    """For each step: in a layer s and f′(s), then what came in, ∂L/∂s, and what was sent on.

    Gradients of one number have no distribution and are left out.
    """
    rows = {id(row.node): row for row in trace.layers if row.is_one_operation}
    gradients = [_gradients(step, rows.get(id(step.node))) for step in walk]
    edges, first = _edges([s for step in gradients for _, s in step])
    forward = _forward([rows[id(step.node)] for step in walk if id(step.node) in rows])
    return [
        [
            *forward.get(id(step.node), []),
            *(_logarithmic(name, s, edges, first) for name, s in found),
        ]
        for step, found in zip(walk, gradients, strict=True)
    ]


def _gradients(step: Any, row: LayerRecord | None) -> list[tuple[str, Statistics]]:
    if row is not None:
        names = ("dL_dx_next", "dL_ds", "dL_dx", "dL_dW", "dL_db")
        shown = ("∂L/∂x⁽ⁱ⁺¹⁾ = g", "∂L/∂s", "∂L/∂x", "∂L/∂W", "∂L/∂b")
        found = [(text, row.statistics(name)) for text, name in zip(shown, names, strict=True)]
    else:
        arrays = [("g", step.node.dL_dy)]
        arrays += [(f"∂L/∂{s.letter}", g) for s, g in zip(step.out, step.node.dL_dx, strict=True)]
        found = [(text, None if g is None else Statistics.of(g)) for text, g in arrays]
    return [(text, s) for text, s in found if s is not None and s.size > 1]


def _forward(rows: list[LayerRecord]) -> dict[int, list[Spread]]:
    made: dict[int, list[Spread]] = {id(row.node): [] for row in rows}
    for name, text in _FORWARD:
        for row, ridge in zip(rows, ridges(rows, name), strict=True):
            s = row.statistics(name)
            if s is not None:
                made[id(row.node)].append(
                    Spread(text, False, ridge.edges, ridge.heights, s.rms, s.zeros, s.nonfinite)
                )
    return made


def _edges(found: list[Statistics]) -> tuple[Array, int]:
    """The edges of the bins that any step uses, and the number of the first of these bins."""
    used = np.flatnonzero(np.sum([s.histogram for s in found], axis=0)) if found else np.array([])
    first, last = (int(used[0]), int(used[-1])) if used.size else (60, 60)
    inner = Statistics.edges
    step = inner[1] / inner[0]
    edges = np.concatenate([[inner[0] / step], inner, [inner[-1] * step]])
    return edges[first : last + 2], first


def _logarithmic(name: str, s: Statistics, edges: Array, first: int) -> Spread:
    counts = s.histogram[first : first + len(edges) - 1]
    highest = counts.max(initial=0)
    heights = counts / highest if highest else None
    return Spread(name, True, edges, heights, s.rms, s.zeros, s.nonfinite)
