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
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from engine import scope
from engine.errors import GraphError, NonFiniteError
from engine.factors import Factors
from engine.rules.table import Rule
from engine.scope import at_place, state

if TYPE_CHECKING:
    from engine.tracing.keeping import Keeper

Array: TypeAlias = npt.NDArray[Any]
Wrap: TypeAlias = Callable[[Array, "Node | Leaf | None", "Version | None"], Any]

FACTORS: Any = "factors"  # the need of a gradient that may be left as a product

_numbers = itertools.count()


class Version:
    """How often a value has been changed; shared by the tensors that look at the same memory."""

    __slots__ = ("name", "number")

    def __init__(self, name: str) -> None:
        self.name, self.number = name, 0


class Leaf:
    """The place where the gradient of a variable is accumulated.

    With `as_factors`, rules that can may leave it as a product (`engine.factors`).
    """

    __slots__ = ("__weakref__", "as_factors", "grad", "number", "version")

    def __init__(self, version: Version) -> None:
        self.version = version
        self.grad: Any = None
        self.as_factors = False
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
    found: dict[Node | Leaf, Any] = {}
    pending: dict[Node | Leaf, Any] = {root: g}
    queue = [(-root.number, root)]
    trace = state.trace if scope.open_traces else None
    watching = state.watching  # reported here by the rule's name, not by the parts it is made of
    before, silence, this = state.sweeping, None, Pass()
    state.sweeping, state.watching = True, False
    try:
        while queue:
            node = heapq.heappop(queue)[1]
            g = pending.pop(node)
            if isinstance(node, Leaf):  # the root itself
                found[node] = g
                continue
            if node.keeps_grad:
                found[node] = g
            if silence is None and (wrap is not None or not node.rule.silent_vjp):
                silence = _silence()
            gradients = pull_back(node, g, floor, wrap, watching, trace)
            for parent, gradient in zip(node.parents, gradients, strict=True):
                if gradient is None or parent is None:
                    continue
                sums = found if type(parent) is Leaf else pending
                if parent in sums:
                    silence = silence or _silence()
                    sums[parent] = sums[parent] + gradient
                    if watching:
                        _watch(node, g, [sums[parent]], "the sum of gradients at operand")
                else:
                    sums[parent] = gradient
                    if sums is pending:
                        heapq.heappush(queue, (-parent.number, parent))
            if not retain_graph:
                node.free(this)
    except BaseException as error:
        this.failure = str(error) if isinstance(error, GraphError) else repr(error)
        raise
    finally:
        if silence is not None:
            silence.__exit__(None, None, None)
        state.sweeping, state.watching = before, watching
        if trace is not None:
            trace.look_now()
    return found


def _silence() -> np.errstate:
    """Entering and leaving costs as much as a small kernel, so it is done when it is needed."""
    silence = np.errstate(all="ignore")
    silence.__enter__()
    return silence


def pull_back(
    node: Node, g: Any, floor: int, wrap: Wrap | None, watching: bool, trace: Keeper | None
) -> list[Any]:
    """One step of the sweep: from ∂L/∂y of a node to the ∂L/∂x of its operands."""
    inputs, output, rule = node.inputs, node.output, node.rule
    if inputs is None or output is None:
        raise GraphError(_gone(node))
    for _, version, number in node.versions:
        if version.number != number:
            raise GraphError(
                f"{version.name} was changed after {node} had used it and before the backward "
                "pass that needs its old value; change it after backward(), or compute again"
            )
    needs: list[Any] = [p is not None and p.number >= floor for p in node.parents]
    for i, parent in enumerate(node.parents):
        if type(parent) is Leaf and parent.as_factors and needs[i]:
            needs[i] = _need_of_factors(node, wrap is not None or watching)
    saved = node.parameters
    if rule.saves:
        saved = {"saved": node.saved if wrap is None else None, **saved}
    xs: Sequence[Any] = inputs
    y: Any = output
    if wrap is not None:
        versions = {position: version for position, version, _ in node.versions}
        xs = [wrap(x, node.parents[i], versions.get(i)) for i, x in enumerate(inputs)]
        y = wrap(output, node, None)
    gradients = list(rule.vjp(g, y, *xs, needs=tuple(needs), **saved))
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
    if watching:
        _watch(node, g, gradients)
    if trace is not None:
        trace.saw_backward(node, g, gradients)
    return gradients


def _gone(node: Node) -> str:
    freed = f"the graph behind {node} has been freed by an earlier backward pass"
    if node.freed_by is not None and node.freed_by.failure:
        return f"{freed}, which failed further on ({node.freed_by.failure}); compute the loss again"
    return f"{freed}; call the first one with retain_graph=True, or compute the loss again"


def _need_of_factors(node: Node, whole: bool) -> Any:
    """Where a product would not do, the whole gradient is needed."""
    if state.trace is not None:
        raise GraphError(
            f"backward of {node} in a trace: the trace shows ∂L/∂W, which SGD(…, fused=True) "
            "leaves out; train with fused=False while you trace"
        )
    return True if whole else FACTORS


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
    if type(gradient) is Factors and any(place == 0 for place, _, _ in node.versions):
        gradient.x = gradient.x.copy()  # it may be changed before anybody looks
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


def sum_to_shape(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo a broadcast: Σ over the axes that broadcasting added or stretched."""
    added = g.ndim - len(shape)
    if added < 0:
        return g
    stretched = tuple(
        axis + added for axis, size in enumerate(shape) if size == 1 and g.shape[axis + added] != 1
    )
    return g.sum(axis=tuple(range(added)) + stretched).reshape(shape)


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
