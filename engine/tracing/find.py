"""Which rows of a trace a layer's name or position means, and how the rows hang together."""

from __future__ import annotations

import numpy as np

from engine.tracing.data import TraceData
from engine.tracing.rows import LayerRecord, NodeRecord


def calls_of(t: TraceData, layer: str | int) -> tuple[list[LayerRecord], tuple[str, ...]]:
    """All calls of the layer of that name, or the one call at that position; and what to note.

    Raises: KeyError for an unknown name, IndexError for a position out of range, ValueError for a
        name that several layers share.
    """
    if isinstance(layer, str):
        rows = [row for row in t.layers if row.name == layer]
        if not rows:
            known = list(dict.fromkeys(row.name for row in t.layers))
            raise KeyError(f"no layer {layer!r} in this trace; there are {known}")
        if not all(same_weights(rows[0], row) for row in rows):
            positions = [i for i, row in enumerate(t.layers) if row.name == layer]
            raise ValueError(
                f"several layers with different weights are named {layer!r}; give a position, one "
                f"of {positions}, or name them with engine.place"
            )
    else:
        size = len(t.layers)
        if not -size <= layer < size:
            raise IndexError(
                f"layer {layer} is out of range; this trace has {size} layers, 0 … {size - 1}"
                if size
                else f"layer {layer}: this trace has no layers"
            )
        rows = [t.layers[layer]]
    others = [
        row
        for row in t.layers
        if not any(row is own for own in rows) and same_weights(rows[0], row)
    ]
    if not others:
        return rows, ()
    names = ", ".join(dict.fromkeys(row.name for row in others))
    return rows, (
        f"W was used in {len(others)} more {'calls' if len(others) > 1 else 'call'} ({names}), "
        "whose sums W.grad adds to this one.",
    )


def fed_by(t: TraceData) -> list[frozenset[int]]:
    """For each layer, the positions of those whose output reaches its x with no layer between."""
    position = {id(row.node): i for i, row in enumerate(t.layers)}
    reached: list[frozenset[int]] = []
    found = []
    for node in t.nodes:
        before = [reached[s] if isinstance(s, int) else frozenset[int]() for s in node.sources]
        if id(node) in position:
            found.append(before[0])
            reached.append(frozenset({position[id(node)]}))
        else:
            reached.append(frozenset[int]().union(*before))
    return found


def operations_after(t: TraceData) -> list[list[NodeRecord]]:
    """For each layer, the operations that its output goes through with no layer between.

    Only those that the backward pass reached, in the order of the forward pass.
    """
    position = {id(row.node): i for i, row in enumerate(t.layers)}
    reached: list[frozenset[int]] = []
    after: list[list[NodeRecord]] = [[] for _ in t.layers]
    for node in t.nodes:
        if id(node) in position:
            reached.append(frozenset({position[id(node)]}))
            continue
        layers = frozenset[int]().union(*(reached[s] for s in node.sources if isinstance(s, int)))
        reached.append(layers)
        if node.sweeps:
            for i in layers:
                after[i].append(node)
    return after


def chain_to(t: TraceData, last: int) -> set[int]:
    """The layers on the way to that one: each the latest of those that feed the one after it."""
    feeds, found = fed_by(t), {last}
    while feeds[last]:
        last = max(feeds[last])
        found.add(last)
    return found


def count_passes(t: TraceData) -> int:
    """How many parts of the trace with layers that were swept share no operation."""
    groups = list(range(len(t.nodes)))

    def group(i: int) -> int:
        while groups[i] != i:
            groups[i] = i = groups[groups[i]]
        return i

    for i, node in enumerate(t.nodes):
        for source in node.sources:
            if isinstance(source, int):
                groups[group(i)] = group(source)
    swept = {id(row.node) for row in t.layers if row.node.sweeps}
    return len({group(i) for i, node in enumerate(t.nodes) if id(node) in swept})


def same_weights(a: LayerRecord, b: LayerRecord) -> bool:
    """Whether both calls used one W: a variable of the same name, or one operation's result.

    A trace holds names and values, or their statistics, so two variables of one name are told apart
    by their values.
    """
    if a is b:
        return True
    if a.node.sources[1] is None or a.node.sources[1] != b.node.sources[1]:
        return False
    if not a.node.kept:
        return a.statistics("W") == b.statistics("W")
    return a.W.shape == b.W.shape and np.array_equal(a.W, b.W, equal_nan=True)
