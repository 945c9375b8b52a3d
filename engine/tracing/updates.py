"""The size of a step: lr · rms(∂L/∂W) / rms(W) of plain gradient descent."""

from __future__ import annotations

import math

import numpy as np

from engine.tracing.data import TraceData
from engine.tracing.diagnosis import Finding, named
from engine.tracing.find import calls_of
from engine.tracing.measures import Measures, norm, rms

# See `engine.tracing.diagnose` for the reasons.
UPDATE = (1e-6, 0.1)


def update_finding(
    t: TraceData, layers: list[Measures], lr: float | None, others: bool
) -> Finding | None:
    """A finding if a step is out of range; `others`: whether there are other findings."""
    if lr is None:
        return None
    ratios = []
    for m in layers:
        size = rms(m.row, "W")
        step = lr * _whole_gradient(t, m)
        if size and step:  # zeros are judged by the other findings
            ratios.append((m.row.name, step / size))
    high = [(name, r) for name, r in ratios if r > UPDATE[1]]
    low = [(name, r) for name, r in ratios if r < UPDATE[0]]
    if not high and not low:
        return None
    off = high or low
    name, ratio = max(high, key=lambda p: p[1]) if high else min(low, key=lambda p: p[1])
    good = lr * 1e-3 / ratio
    names = tuple(dict.fromkeys(n for n, _ in off))
    word = "large" if high else "small"
    return Finding(
        "update ratio",
        names,
        f"with lr = {lr:g}, lr · rms(∂L/∂W) / rms(W) is {ratio:.3g} in {name}, too {word}; it "
        f"should be within {UPDATE[0]:g} … {UPDATE[1]:g} ({named(names)}).",
        "a step of plain gradient descent "
        + ("replaces the weights" if high else "leaves the weights as they are")
        + f" in about {max(1, 1 / ratio):.3g} {'step' if ratio >= 1 else 'steps'}.",
        f"lr = {good:.2g} gives 1e-3 in {name}"
        + ("; mend what is found above first, for it changes this." if others else "."),
        {"ratio": ratio, "lr": lr},
    )


def _whole_gradient(t: TraceData, m: Measures) -> float:
    """rms(∂L/∂W) over all calls of the layer, as an update uses it; 0 where it can't be known.

    The statistics of several calls do not tell those of their sum.
    """
    try:
        rows, _ = calls_of(t, m.row.name)
    except ValueError:  # several layers share the name
        rows = [m.row]
    rows = [row for row in rows if row.statistics("dL_dW") is not None]
    if len(rows) == 1:
        return rms(rows[0], "dL_dW")
    if not m.row.node.kept:
        return 0.0
    parts = [row.dL_dW for row in rows if row.dL_dW is not None]
    return norm(np.sum(parts, axis=0)) / math.sqrt(m.row.fan_in * m.row.fan_out)
