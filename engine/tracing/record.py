"""`trace()` records one forward and backward pass: a row of the article's quantities per layer.

A row holds the arrays that the pass itself used; nothing is computed for it before somebody
looks. Each call of `dense` is a row; a layer used twice has two, whose ∂L/∂W add up to W.grad.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from engine.activations import Activation
from engine.errors import GraphError
from engine.scope import state
from engine.tape import Node
from engine.tensor import plain

if TYPE_CHECKING:
    from engine.tracing.comparing import Comparison
    from engine.tracing.diagnosis import Diagnosis
    from engine.tracing.explain import Explanation
    from engine.tracing.walk import Walk

Array = npt.NDArray[Any]


class NodeRecord:
    """One operation of the pass, in the order in which they were carried out.

    Attributes:
        name: the operation's; `place`: where in the program, for example "layer 3".
        inputs, output: arrays, as the operation saw them.
        sources: for each input, the number in `Trace.nodes` of the operation that made it, the name
            of the variable that it is, or None for a constant.
        parameters: what else the operation was given (an axis, an activation).
        dL_dy: the gradient that arrived at its output, None before the backward pass.
        dL_dx: those that it sent on, one for each input, None where none was wanted.
    """

    def __init__(self, node: Node, sources: list[int | str | None]) -> None:
        self.name, self.place = node.rule.name, node.place
        self.inputs: list[Array] = list(node.inputs or ())
        for position, _, _ in node.versions:
            # What can be changed in place, as parameters are: the trace keeps this pass's values.
            self.inputs[position] = self.inputs[position].copy()
        self.output: Array = node.output if node.output is not None else np.empty(0)
        self.sources = sources
        self.parameters = dict(node.parameters)
        self.dL_dy: Array | None = None
        self.dL_dx: list[Array | None] = [None] * len(self.inputs)

    def _add_backward(self, g: Array, gradients: Sequence[Array | None]) -> None:
        self.dL_dy = _sum(self.dL_dy, g)
        self.dL_dx = [_sum(a, b) for a, b in zip(self.dL_dx, gradients, strict=True)]

    def __repr__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"NodeRecord({self.name}{where}, {self.output.shape})"


class LayerRecord:
    """One layer x⁽ⁱ⁺¹⁾ = f(s), s = xW + b, in one pass.

    Attributes, all arrays: `x` (batch, fan_in), `W` (fan_in, fan_out), `b` (fan_out,) or None,
    `s`, `df_ds` (f′(s)) and `x_next` (batch, fan_out); after the backward pass `dL_dx_next`,
    `dL_ds` (batch, fan_out), `dL_dW`, `dL_db` with the shapes of W and b, and `dL_dx`. What was
    not needed in the pass (∂L/∂x of the data) is None. `node` is the operation's record.
    """

    def __init__(self, node: NodeRecord, s: Array) -> None:
        self.node = node
        self.name = node.place or "dense"
        self.f: Activation = node.parameters["f"]
        self.s = s

    @property
    def x(self) -> Array:
        return self.node.inputs[0]

    @property
    def W(self) -> Array:
        return self.node.inputs[1]

    @property
    def b(self) -> Array | None:
        return self.node.inputs[2] if len(self.node.inputs) > 2 else None

    @property
    def x_next(self) -> Array:
        return self.node.output

    @property
    def dL_dx_next(self) -> Array | None:
        return self.node.dL_dy

    @property
    def dL_dx(self) -> Array | None:
        return self.node.dL_dx[0]

    @property
    def dL_dW(self) -> Array | None:
        return self.node.dL_dx[1]

    @property
    def dL_db(self) -> Array | None:
        return self.node.dL_dx[2] if len(self.node.dL_dx) > 2 else None

    @property
    def df_ds(self) -> Array:
        """f′(s), with all its digits also where training takes it from x⁽ⁱ⁺¹⁾."""
        return self.f.slope(self.s)

    @property
    def dL_ds(self) -> Array | None:
        """∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′; the same kernel as in the pass, so the same bits."""
        if self.dL_dx_next is None:
            return None
        return self.f.layer_backward(
            self.dL_dx_next, self.x_next, self.s, self.x, self.W, False, False
        )[0]

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.W.shape))
        state = "forward and backward" if self.dL_dx_next is not None else "forward only"
        return f"LayerRecord({self.name}, {shape}, {self.f.name}, {state})"


class Trace:
    """One pass: its layers and all its operations, in the order in which they were computed."""

    def __init__(self) -> None:
        self.layers: list[LayerRecord] = []
        self.nodes: list[NodeRecord] = []
        self._numbers: WeakKeyDictionary[Node, int] = WeakKeyDictionary()

    def saw_forward(self, node: Node) -> None:
        """Called by the tape for every recorded operation."""
        record = NodeRecord(node, self._sources(node))
        self._numbers[node] = len(self.nodes)
        self.nodes.append(record)
        if node.rule.name == "dense":
            self.layers.append(LayerRecord(record, node.saved))

    def _sources(self, node: Node) -> list[int | str | None]:
        names = {position: version.name for position, version, _ in node.versions}
        return [
            self._numbers.get(parent)
            if isinstance(parent, Node)
            else names.get(i, "a variable")
            if parent is not None
            else None
            for i, parent in enumerate(node.parents)
        ]

    def saw_backward(self, node: Node, g: Any, gradients: Sequence[Any]) -> None:
        """Called by the sweep for every node, with ∂L/∂y and the ∂L/∂x of its operands."""
        number = self._numbers.get(node)
        if number is None and node.rule.name == "dense":
            raise GraphError(
                f"backward of {node} in a trace that did not see its forward pass; run the forward "
                "pass inside trace() too"
            )
        if number is not None:
            self.nodes[number]._add_backward(plain(g), [plain(g) for g in gradients])

    def __getitem__(self, name: str | int) -> LayerRecord:
        """The layer of that name or position."""
        if isinstance(name, int):
            return self.layers[name]
        for row in self.layers:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r}; there are {[row.name for row in self.layers]}")

    def explain(
        self,
        layer: str | int,
        *,
        weight: tuple[int, int] | None = None,
        bias: int | None = None,
        examples: int = 5,
    ) -> Explanation:
        """∂L/∂w_jk of one weight, or ∂L/∂b_k, term by term: see `engine.tracing.explain`."""
        from engine.tracing.explain import explain

        return explain(self, layer, weight=weight, bias=bias, examples=examples)

    def walk(self) -> Walk:
        """The backward pass as steps, from the loss to the input: see `engine.tracing.walk`."""
        from engine.tracing.walk import walk

        return walk(self)

    def diagnose(self, *, lr: float | None = None) -> Diagnosis:
        """What keeps the net from learning, if anything: see `engine.tracing.diagnose`."""
        from engine.tracing.diagnose import diagnose

        return diagnose(self, lr=lr)

    def compare(self, other: Trace) -> Comparison:
        """How another trace of the same architecture differs: see `engine.tracing.comparing`."""
        from engine.tracing.comparing import compare

        return compare(self, other)

    def to_mermaid(self) -> str:
        """The operations as a Mermaid flowchart, grouped by layer."""
        from engine.tracing.export import to_mermaid

        return to_mermaid(self)

    def to_dot(self) -> str:
        """The operations in Graphviz's language, grouped by layer."""
        from engine.tracing.export import to_dot

        return to_dot(self)

    def save(self, path: str | Path) -> None:
        """Write the trace to an .npz file: see `engine.tracing.storing`."""
        from engine.tracing.storing import save_trace

        save_trace(self, path)

    @staticmethod
    def load(path: str | Path) -> Trace:
        """Read a trace that `save` wrote: see `engine.tracing.storing`."""
        from engine.tracing.storing import load_trace

        return load_trace(path)

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return f"Trace({len(self.layers)} layers: {', '.join(row.name for row in self.layers)})"


@contextmanager
def trace() -> Iterator[Trace]:
    """Record the layers of the pass in the block: `with trace() as t: …; loss.backward()`.

    It keeps the arrays of every layer, about (2·fan_out + fan_in)·batch + 2·fan_in·fan_out
    numbers each. Several backward passes through one forward pass add up.

    Raises: GraphError when one trace is opened inside another.
    """
    if state.trace is not None:
        raise GraphError("a trace is already open in this thread; close it before opening another")
    state.trace = Trace()
    try:
        yield state.trace
    finally:
        state.trace = None


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a + b
