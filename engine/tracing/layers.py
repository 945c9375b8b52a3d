"""`layers_of`: the layers among the operations of a pass.

A layer is s = Σ x·W + b and x⁽ⁱ⁺¹⁾ = f(s), however it was written: as one operation (`dense`), or
as products with variables, sums, a bias and an activation, each an operation of its own. So these
give the same row:

    dense(x, W, b, tanh)        tanh(dense(x, W, b))        tanh(x @ W + b)

and tanh(x @ W + h @ U + b) is a row with two links. An activation, a sum or a bias belongs to the
layer only where nothing else takes the result of the operation before.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from engine.activations import identity
from engine.tracing.nodes import OUTPUT, SAVED, Link, NodeRecord, Source, Variable
from engine.tracing.places import Place, numbered, shared
from engine.tracing.rows import LayerRecord, Parts

MOVES = frozenset({"reshape", "transpose", "cast", "variable", "label"})
"""Operations that move entries without changing or repeating them."""

PICKS = frozenset({"index"})
"""Operations that pick entries, and may repeat them."""


def layers_of(
    nodes: Sequence[NodeRecord], earlier: Sequence[LayerRecord] = ()
) -> list[LayerRecord]:
    """The layers of a pass, in the order of their last operations.

    `earlier` are the layers of the first operations; rows of layers that are still the same are
    taken from there.
    """
    takers: list[set[int]] = [set() for _ in nodes]
    for i, node in enumerate(nodes):
        for source in node.sources:
            if isinstance(source, int):
                takers[source].add(i)
    pending: dict[Source, Parts] = {}  # by the operation whose result is s so far
    complete: list[Parts] = []
    for i, node in enumerate(nodes):
        if node.of_sweep:
            continue
        before = [pending.get(source) for source in node.sources]
        if any(p is not None and takers[p.members[-1]] != {i} for p in before):
            before = [None] * len(before)  # another operation takes that s, too
        parts = _begun(nodes, i)
        if parts is None:
            parts = _continued(node, before)
            if parts is None:
                continue
            for source in node.sources:
                pending.pop(source, None)
        parts.last = node
        parts.members.append(i)
        if parts.f is identity and parts.slopes is None:
            pending[i] = parts
        else:
            complete.append(parts)
    complete += [part for parts in pending.values() for part in _apart(parts)]
    complete.sort(key=lambda parts: parts.members[-1])
    known = {(row.members, row.place): row for row in earlier}
    return [
        known.get((frozenset(parts.members), place)) or LayerRecord(parts, place)
        for parts, place in zip(complete, _places(complete), strict=True)
    ]


def _begun(nodes: Sequence[NodeRecord], i: int) -> Parts | None:
    """The layer that an operation begins: a layer in one, or a product with a variable."""
    node = nodes[i]
    if node.form is not None:
        links = [
            Link(node, link.x, link.W, *_weights(nodes, node.sources[link.W]))
            for link in node.form.links
        ]
        parts = Parts(links, (node, SAVED), node, node.parameters[node.form.f])
        if node.form.b is not None:
            parts.biases.append((node, node.form.b))
        return parts
    if node.built_in == "matmul" and len(node.input_shapes[1]) == 2:
        weights, is_transposed = _weights(nodes, node.sources[1])
        if isinstance(weights, Variable):
            return Parts([Link(node, 0, 1, weights, is_transposed)], (node, OUTPUT), node)
    return None


def _continued(node: NodeRecord, before: list[Parts | None]) -> Parts | None:
    """The layer that an operation goes on with: a sum, a bias, another shape, or the activation."""
    first = before[0] if before else None
    if node.built_in == "add":
        return _added(node, before)
    if first is None:
        return None
    if node.built_in in ("reshape", "label"):
        if node.output_shape[-1:] != (first.links[0].fans[1],):
            return None
        first.s = node, OUTPUT
        return first
    if node.activation is not None:
        first.f, first.slopes = node.activation, node
        return first
    return None


def _added(node: NodeRecord, before: list[Parts | None]) -> Parts | None:
    first, second = before
    if first is not None and second is not None:
        if first is second or node.input_shapes[0] != node.input_shapes[1]:
            return None
        # The links stand in the order in which their products were computed.
        first, second = sorted((first, second), key=lambda parts: parts.members[0])
        return Parts(
            first.links + second.links,
            (node, OUTPUT),
            node,
            biases=first.biases + second.biases,
            members=first.members + second.members,
            terms=(first, second),
        )
    position = 0 if first is None else 1
    parts = second if first is None else first
    if parts is None or isinstance(node.sources[position], int):
        return None
    fan_out = parts.links[0].fans[1]
    if math.prod(node.input_shapes[position]) != fan_out or node.output_shape[-1] != fan_out:
        return None
    parts.biases.append((node, position))
    parts.s = node, OUTPUT
    return parts


def _apart(parts: Parts) -> list[Parts]:
    """The layers of a sum without an activation: one for each term in a place of its own.

    Two heads whose outputs are added are two layers; tanh(x @ W + h @ U) is one layer, wherever its
    products were computed.
    """
    places = {link.node.place for link in parts.links}
    if len(places) == 1:
        return [parts]
    return [part for term in parts.terms for part in _apart(term)] or [parts]


def _weights(nodes: Sequence[NodeRecord], source: Source) -> tuple[Source, bool]:
    """What is used as W, seen through transpositions, and whether W is its transpose."""
    is_transposed = False
    while isinstance(source, int) and nodes[source].built_in == "transpose":
        source = nodes[source].sources[0]
        is_transposed = not is_transposed
    return source, is_transposed


def _places(layers: Sequence[Parts]) -> list[Place]:
    """Where the layers are; without a place they are "layer 1", "layer 2", … by their weights."""
    places = [
        shared([Place.of(link.node.place) for link in parts.links]) or Place.of(parts.last.place)
        for parts in layers
    ]
    names = (Place((f"layer {i}",)) for i in itertools.count(1))
    free = (name for name in names if name not in places)
    unnamed: dict[Any, Place] = {}
    keys = [_variable(parts) for parts in layers]
    for i, key in enumerate(keys):
        if not places[i]:
            which = i if key is None else key
            if which not in unnamed:
                unnamed[which] = next(free)
            places[i] = unnamed[which]
    return numbered(places, keys)


def _variable(parts: Parts) -> tuple[int, bool] | None:
    """Which variable is the layer's W, whatever its values, and whether it is transposed."""
    link = parts.links[0]
    if isinstance(link.weights, Variable):
        return link.weights.number, link.is_transposed
    return None
