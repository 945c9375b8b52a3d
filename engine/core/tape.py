"""The record of what was computed, and the sweep that walks it backward.

Every operation on tensors that need gradients leaves a `Node`. A node points to the nodes of
its operands and never the other way, and it holds arrays, not tensors: there is no cycle, so
a graph that nobody needs any more is gone at once, without the garbage collector. (Only
`backward(create_graph=True)` makes one, by leaving a graph in `.grad`; `zero_grad` undoes it.)

Nodes are numbered as they are made. An operand is made before the operation that uses it, so
walking the numbers downward is already a topological order: the sweep needs no sort and no
recursion, and a node is visited once, after everything that depends on it.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np

from engine.arrays import Array, Part, sum_to_shape, whole
from engine.core.context import at_place, state
from engine.core.rule import Rule
from engine.errors import GraphError, NonFiniteError
from engine.silence import silence

Wrap: TypeAlias = Callable[[Array, "Node | Leaf | None", "Version | None"], Any]

_numbers = itertools.count()


class Version:
    """How often a value has been changed; shared by the tensors that look at the same memory."""

    __slots__ = ("name", "number")

    def __init__(self, name: str) -> None:
        self.name, self.number = name, 0


class Sink(Protocol):
    """Takes ∂L/∂(a variable) in place of the variable's own `.grad`; see `Tensor.send_grad_to`.

    If W has a sink, W's entry in `needs` is the sink instead of True. The rule may then return
    `sink.product(x, ∂L/∂s)` instead of ∂L/∂W.
    """

    untraced: str  # why a trace can't show the gradient, the end of a sentence

    def product(self, x: Array, g: Array) -> Any:
        """What stands for xᵀ·g: has its shape and dtype, and can be added to an array."""

    def add(self, gradient: Any) -> None:
        """Add what a backward pass has brought."""

    def get(self) -> Any:
        """The sum, as a tensor; None before the first."""

    def set(self, gradient: Any) -> None:
        """Put a tensor, or None, in the place of the sum."""

    @property
    def is_empty(self) -> bool: ...


class Leaf:
    """The place where the gradient of a variable is accumulated, here or in a sink."""

    __slots__ = ("__weakref__", "grad", "number", "sink", "version")

    def __init__(self, version: Version) -> None:
        self.version = version
        self.grad: Any = None
        self.sink: Sink | None = None
        self.number = next(_numbers)


class Pass:
    """One backward pass; the nodes that it frees remember it, and `failure` is what ended it early.

    Nodes are freed on the way, as memory is scarcest there, and not when all has gone well.
    """

    __slots__ = ("failure",)

    def __init__(self) -> None:
        self.failure = ""


class Node:
    """One operation that was carried out: its rule, operands, result, and the operands' nodes."""

    __slots__ = (
        "__weakref__",
        "freed_by",
        "grad",
        "inputs",
        "keeps_grad",
        "number",
        "output",
        "parameters",
        "parents",
        "place",
        "rule",
        "saved",
        "versions",
    )
    sink = None  # as a leaf may have

    def __init__(
        self,
        rule: Rule,
        inputs: tuple[Array, ...],
        output: Array,
        parents: tuple[Node | Leaf | None, ...],
        parameters: dict[str, Any],
        versions: tuple[tuple[int, Version, int], ...],
        saved: Any,
    ) -> None:
        self.rule = rule
        self.inputs: tuple[Array, ...] | None = inputs
        self.output: Array | None = output
        self.parents = parents
        self.parameters = parameters
        self.versions = versions  # (which operand, its version, the number seen)
        self.saved = saved
        self.place = state.place
        self.number = next(_numbers)
        self.keeps_grad = False
        self.grad: Any = None
        self.freed_by: Pass | None = None

    def free(self, by: Pass) -> None:
        """Let go of the arrays and of the operands' nodes."""
        self.freed_by = by
        self.inputs = self.output = self.saved = None
        self.parents, self.parameters, self.versions = (), {}, ()

    def __str__(self) -> str:
        return f"{self.rule.name}{at_place(self.place)}"


def sweep(
    root: Node | Leaf,
    g: Any,
    *,
    floor: int = 0,
    retain_graph: bool = False,
    wrap: Wrap | None = None,
) -> dict[Node | Leaf, Any]:
    """Carry g = ∂L/∂root back to everything that root was computed from.

    Args:
        root: where to begin.
        g: an array of root's shape; a tensor when `wrap` is given.
        floor: nodes with a smaller number count as constants: nothing is carried to them.
        retain_graph: keep the arrays, so that the graph can be swept again.
        wrap: makes a tensor of an array, its node and its version; given, the sweep is recorded.

    Returns: the gradient of every leaf reached, and of every node that keeps its own.

    Raises: GraphError if a part of the graph was freed, a value in it was changed since, or a
        rule returns a gradient of the wrong shape or dtype; nothing is accumulated then.
    """
    before, state.sweeping = state.sweeping, True
    watching, state.watching = state.watching, False  # reported here by the rule's name
    this = Pass()
    try:
        with silence():
            return _visit(root, g, floor, None if retain_graph else this, wrap, watching)
    except BaseException as error:
        this.failure = str(error) if isinstance(error, GraphError) else repr(error)
        raise
    finally:
        state.sweeping, state.watching = before, watching


def _visit(
    root: Node | Leaf,
    g: Any,
    floor: int,
    freed_by: Pass | None,
    wrap: Wrap | None,
    watching: bool,
) -> dict[Node | Leaf, Any]:
    pending, gradients_kept = Sums(root, g), {}
    while pending.nodes:
        node, g = pending.pop()  # every operation that uses its result has been visited
        if node.keeps_grad:
            gradients_kept[node] = g
        gradients = pull_back(node, g, floor, wrap, watching)
        for parent, gradient in zip(node.parents, gradients, strict=True):
            if gradient is not None:
                pending.add(parent, gradient, wrap is None)
                if watching:
                    _watch(node, g, [pending.of[parent]], "the sum of gradients at operand")
        if freed_by is not None:
            node.free(freed_by)
    return pending.leaves() | gradients_kept


class Sums:
    """The gradients of what a sweep has still to visit, and of the leaves that it has reached.

    Attributes: `of`, the sum of the gradients that have arrived at each node or leaf; `nodes`, a
    heap whose first entry is the node that was made last.
    """

    __slots__ = ("_owned", "nodes", "of")

    def __init__(self, root: Node | Leaf, g: Any) -> None:
        self.of: dict[Any, Any] = {root: g}
        self.nodes = [(-root.number, root)] if isinstance(root, Node) else []
        self._owned: set[Node | Leaf] = set()  # whose sum is an array that nobody else holds

    def pop(self) -> tuple[Node, Any]:
        node = heapq.heappop(self.nodes)[1]
        gradient = self.of.pop(node)
        return node, gradient.whole() if type(gradient) is Part else gradient

    def leaves(self) -> dict[Any, Any]:
        """The gradients of the leaves, once no node is left to visit."""
        for leaf, gradient in self.of.items():
            if type(gradient) is Part:
                self.of[leaf] = gradient.whole()
        return self.of

    def add(self, parent: Any, gradient: Any, in_place: bool) -> None:
        """Add a gradient; from the third on, with `in_place`, no memory is allocated for the sum.

        The first gradient is kept as it is and never written to: a rule may have given the same
        array to several operands.
        """
        before = self.of.get(parent)
        if before is None:
            self.of[parent] = gradient
            if type(parent) is Node:
                heapq.heappush(self.nodes, (-parent.number, parent))
        elif parent in self._owned and type(gradient) is Part:
            before[gradient.key] += gradient.g
        elif parent in self._owned and type(gradient) is np.ndarray:
            before += gradient
        else:
            self.of[parent] = total = whole(before) + whole(gradient)
            if in_place and type(total) is np.ndarray:
                self._owned.add(parent)


def pull_back(node: Node, g: Any, floor: int, wrap: Wrap | None, watching: bool) -> list[Any]:
    """One step of the sweep: from ∂L/∂y of a node to the ∂L/∂x of its operands."""
    inputs, output, rule = node.inputs, node.output, node.rule
    if inputs is None or output is None:
        raise GraphError(_gone(node))
    _check_versions(node)
    needs: list[Any] = [p is not None and p.number >= floor for p in node.parents]
    for i, parent in enumerate(node.parents):
        if type(parent) is Leaf and parent.sink is not None and needs[i]:
            needs[i] = _need_of_sink(node, parent.sink, wrap is not None or watching)
    keywords = node.parameters
    if rule.saves:
        keywords = {"saved": node.saved if wrap is None else None, **keywords}
    xs: Sequence[Any] = inputs
    y: Any = output
    if wrap is not None:
        versions = {position: version for position, version, _ in node.versions}
        xs = [wrap(x, node.parents[i], versions.get(i)) for i, x in enumerate(inputs)]
        y = wrap(output, node, None)
    gradients = list(rule.vjp(g, y, *xs, needs=tuple(needs), **keywords))
    if len(gradients) != len(inputs):
        raise GraphError(
            f"the rule of {node} gave {len(gradients)} gradients for {len(inputs)} operands"
        )
    for i, x in enumerate(inputs):
        gradient = gradients[i]
        if not needs[i]:
            gradients[i] = None
        elif (
            type(gradient) is not np.ndarray
            or gradient.shape != x.shape
            or gradient.dtype is not x.dtype
        ):
            gradients[i] = _checked(node, i, gradient, x)
        if wrap is not None and type(gradients[i]) is np.ndarray:
            gradients[i] = wrap(gradients[i], None, None)  # a constant, such as sign's
    trace = state.trace
    if watching or trace is not None:
        gradients = [whole(gradient) for gradient in gradients]
    if watching:
        _watch(node, g, gradients)
    if trace is not None:
        trace.saw_backward(node, g, gradients)
    return gradients


def _check_versions(node: Node) -> None:
    for _, version, number in node.versions:
        if version.number != number:
            raise GraphError(
                f"{version.name} was changed after {node} had used it and before the backward "
                "pass that needs its old value; change it after backward(), or compute again"
            )


def _gone(node: Node) -> str:
    freed = f"the graph behind {node} has been freed by an earlier backward pass"
    if node.freed_by is not None and node.freed_by.failure:
        return f"{freed}, which failed further on ({node.freed_by.failure}); compute the loss again"
    return f"{freed}; call the first one with retain_graph=True, or compute the loss again"


def _need_of_sink(node: Node, sink: Sink, whole: bool) -> Any:
    """The sink, or True where the gradient itself is needed."""
    if state.trace is not None:
        raise GraphError(f"backward of {node} in a trace: the trace shows ∂L/∂W, {sink.untraced}")
    return True if whole else sink


def _checked(node: Node, position: int, gradient: Any, x: Array) -> Any:
    """The gradient, summed over the axes along which x was broadcast; its shape must be x's."""
    if gradient is None:
        return None
    if isinstance(gradient, np.generic) or not hasattr(gradient, "shape"):  # numbers, and lists
        try:
            gradient = np.asarray(gradient, getattr(gradient, "dtype", x.dtype))
        except (TypeError, ValueError):
            raise GraphError(
                f"the rule of {node} gave operand {position} a gradient that is no array of "
                f"numbers: {gradient!r:.60}"
            ) from None
    shape = () if node.output is None else node.output.shape
    # What broadcasting gave: all of y's axes, or for a product of matrices those of the batch.
    if node.rule.broadcasts and gradient.shape in (shape, shape[:-2] + x.shape[-2:]):
        gradient = sum_to_shape(gradient, x.shape)
    if gradient.shape != x.shape or gradient.dtype != x.dtype:
        raise GraphError(
            f"the rule of {node} gave operand {position} a gradient of shape {gradient.shape} "
            f"and dtype {gradient.dtype}; the operand has {x.shape} and {x.dtype}"
        )
    return gradient


def _watch(node: Node, g: Any, gradients: list[Any], what: str = "the gradient of operand") -> None:
    for position, gradient in enumerate(gradients):
        values = None if gradient is None else np.asarray(getattr(gradient, "_array", gradient))
        if values is not None and not np.isfinite(values).all():
            bad = int(np.size(values) - np.isfinite(values).sum())
            source = np.asarray(getattr(g, "_array", g))
            came = "finite" if np.isfinite(source).all() else "not finite either"
            raise NonFiniteError(
                f"backward of {node}: {bad} of {values.size} entries of {what} "
                f"{position}, shape {values.shape}, are NaN or Inf; the incoming gradient, shape "
                f"{source.shape}, is {came}"
            )
