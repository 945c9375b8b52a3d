"""Which rows of a trace a layer's name or position means, and how the rows hang together."""

from __future__ import annotations

from engine.tracing.data import TraceData
from engine.tracing.layers import MOVES, PICKS
from engine.tracing.nodes import NodeRecord
from engine.tracing.rows import LayerRecord


def calls_of(
    t: TraceData, layer: str | int, link: int = 0
) -> tuple[list[LayerRecord], tuple[str, ...]]:
    """All calls of the layer of that name, or the one call at that position; and what to note.

    The rows are seen from the link of that number.

    Raises: KeyError for an unknown name, IndexError for a position or a link out of range,
        ValueError for a name that several layers share.
    """
    if isinstance(layer, str):
        rows = [row for row in t.layers if row.name == layer]
        if not rows:
            known = list(dict.fromkeys(row.name for row in t.layers))
            raise KeyError(f"no layer {layer!r} in this trace; there are {known}")
        if not all(
            same_weights(rows[0], row) and row.is_transposed == rows[0].is_transposed
            for row in rows
        ):
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
    links = min(len(row.links) for row in rows)
    if not 0 <= link < links:
        raise IndexError(f"{rows[0].name} has {links} link{'s' * (links > 1)}; there is no {link}")
    rows = [row.link(link) for row in rows]
    others = [
        row
        for row in t.layers
        if not any(row.parts is own.parts for own in rows)
        and any(same_weights(rows[0], view) for view in row.by_link)
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
    return [frozenset[int]().union(*links) for links in _walked(t)[0]]


def rows_by_main_link(t: TraceData) -> list[LayerRecord]:
    """The layers, each as seen from the link that takes the output of the latest layer before."""
    rows = []
    for row, links in zip(t.layers, _walked(t)[0], strict=True):
        latest = [max(layers, default=-1) for layers in links]
        rows.append(row.link(latest.index(max(latest))))
    return rows


def follows(t: TraceData) -> list[bool]:
    """Whether each layer takes the output of the row before it, moved at most."""
    feeds, after = _walked(t)
    result = []
    for i, (row, links) in enumerate(zip(rows_by_main_link(t), feeds, strict=True)):
        between = {t.nodes[number].built_in for number in after[i - 1]} if i else set()
        result.append(i > 0 and links[row.at] == {i - 1} and between <= MOVES)
    return result


def repeats_of(t: TraceData) -> list[float]:
    """How often each entry of the output of the layer before stands in a layer's x.

    1 in a chain, and wherever more lies between two layers than moving and picking entries.
    """
    feeds, after = _walked(t)
    rows, repeats = rows_by_main_link(t), []
    for row, links in zip(rows, feeds, strict=True):
        before = links[row.at]
        ratio = 1.0
        if len(before) == 1:
            (i,) = before
            between = {t.nodes[n].built_in for n in after[i]}
            if between & PICKS and between <= MOVES | PICKS:
                size = t.layers[i].batch * t.layers[i].fan_out
                ratio = max(1.0, row.batch * row.fan_in / max(1, size))
        repeats.append(ratio)
    return repeats


def operations_after(t: TraceData) -> list[list[NodeRecord]]:
    """For each layer, the operations that its output goes through with no layer between.

    Only those that the backward pass reached, in the order of the forward pass, up to the first
    operations that give a single number: what follows a loss lies between no layers.
    """
    return [[t.nodes[i] for i in after if t.nodes[i].sweeps] for after in _walked(t)[1]]


def operations_to_the_end(t: TraceData, position: int) -> list[NodeRecord]:
    """The same for one layer, with all that follows a single number."""
    members = {member for row in t.layers for member in row.members}
    start = max(t.layers[position].members)
    reached = {start}
    after = []
    for number in range(start + 1, len(t.nodes)):
        node = t.nodes[number]
        if number not in members and not reached.isdisjoint(node.sources):
            reached.add(number)
            if node.sweeps:
                after.append(node)
    return after


def _walked(t: TraceData) -> tuple[list[list[frozenset[int]]], list[list[int]]]:
    """What feeds each link of each layer, and the operations after each layer, by position."""
    layer_of = {member: i for i, row in enumerate(t.layers) for member in row.members}
    last = {max(row.members): i for i, row in enumerate(t.layers)}
    reached: list[frozenset[int]] = []
    after: list[list[int]] = [[] for _ in t.layers]
    for number, node in enumerate(t.nodes):
        if number in layer_of:
            position = last.get(number)
            reached.append(frozenset[int]() if position is None else frozenset({position}))
            continue
        layers = frozenset[int]().union(*(reached[s] for s in node.sources if isinstance(s, int)))
        # The sum of the losses of T steps would be reached by T layers.
        reached.append(layers if node.output_shape else frozenset[int]())
        for i in layers:
            after[i].append(number)
    feeds = [
        [
            reached[link.source] if isinstance(link.source, int) else frozenset[int]()
            for link in row.links
        ]
        for row in t.layers
    ]
    return feeds, after


def chain_to(t: TraceData, last: int) -> set[int]:
    """The layers on the way to that one: each the latest of those that feed the one after it."""
    feeds, chain = fed_by(t), {last}
    while feeds[last]:
        last = max(feeds[last])
        chain.add(last)
    return chain


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
    return len({group(max(row.members)) for row in t.layers if row.sweeps})


def same_weights(a: LayerRecord, b: LayerRecord) -> bool:
    """Whether both layers used one W: one variable in one state, or one operation's result."""
    return a is b or (a.weights is not None and a.weights == b.weights)
