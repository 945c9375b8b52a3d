"""The size of a step: lr · rms(∂L/∂W) / rms(W) of plain gradient descent."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.tracing.read.diagnose.finding import Finding, named
from engine.tracing.read.diagnose.measures import Measures, norm, rms
from engine.tracing.rows import LayerRecord

# See `engine.tracing.read.diagnose.judge` for the reasons.
UPDATE = (1e-6, 0.1)


def update_finding(layers: list[Measures], lr: float | None, others: bool) -> Finding | None:
    """A finding if a step is out of range; `others`: whether there are other findings."""
    if lr is None:
        return None
    ratios = []
    for views in _by_weights(layers):
        size = rms(views[0], "W")
        step = lr * _whole_gradient(views)
        if size and step:  # zeros are judged by the other findings
            ratios.append((views[0].name, step / size))
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


def _by_weights(layers: list[Measures]) -> list[list[LayerRecord]]:
    """The layers, grouped by the W that they use; a layer with two links is in two groups."""
    groups: dict[Any, list[LayerRecord]] = {}
    for m in layers:
        for view in m.row.by_link:
            key = (m.position, view.at) if view.weights is None else view.weights
            groups.setdefault(key, []).append(view)
    return list(groups.values())


def _whole_gradient(views: list[LayerRecord]) -> float:
    """rms(∂L/∂W) over all uses of W, as an update uses it; 0 where it can't be known.

    The statistics of several gradients do not tell those of their sum.
    """
    views = [view for view in views if view.statistics("dL_dW") is not None]
    if len(views) == 1:
        return rms(views[0], "dL_dW")
    if not views or not views[0].kept:
        return 0.0
    total = sum(
        np.asarray(view.dL_dW).T if view.is_transposed else np.asarray(view.dL_dW) for view in views
    )
    return norm(np.asarray(total)) / math.sqrt(views[0].fan_in * views[0].fan_out)
