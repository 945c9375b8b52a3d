"""`trace()` records one forward and backward pass: a row of the article's quantities per layer.

A row holds the arrays that the pass itself used; nothing is computed for it before somebody
looks. Each call of `dense` is a row; a layer used twice has two, whose ∂L/∂W add up to W.grad.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from engine.activations import Activation
from engine.errors import GraphError
from engine.scope import state
from engine.tape import Node
from engine.tensor import plain

Array = npt.NDArray[Any]


class LayerRecord:
    """One layer x⁽ⁱ⁺¹⁾ = f(s), s = xW + b, in one pass.

    Attributes, all arrays: `x` (batch, fan_in), `W` (fan_in, fan_out), `b` (fan_out,) or None,
    `s`, `df_ds` (f′(s)) and `x_next` (batch, fan_out); after the backward pass `dL_dx_next`,
    `dL_ds` (batch, fan_out), `dL_dW`, `dL_db` with the shapes of W and b, and `dL_dx`. What was
    not needed in the pass (∂L/∂x of the data) is None.
    """

    def __init__(self, node: Node) -> None:
        self.name = node.place or "dense"
        self.f: Activation = node.parameters["f"]
        operands = list(node.inputs or ())
        for position, _, _ in node.versions:
            # What can be changed in place, as parameters are: the trace keeps this pass's values.
            operands[position] = operands[position].copy()
        self.x: Array = operands[0]
        self.W: Array = operands[1]
        self.b: Array | None = operands[2] if len(operands) > 2 else None
        self.s: Array = node.saved
        self.x_next: Array = node.output if node.output is not None else np.empty(0)
        self.dL_dx_next: Array | None = None
        self.dL_dx: Array | None = None
        self.dL_dW: Array | None = None
        self.dL_db: Array | None = None

    @property
    def df_ds(self) -> Array:
        """f′(s)."""
        return self.f.slope(self.s)

    @property
    def dL_ds(self) -> Array | None:
        """∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′(s); the same kernel as in the pass, so the same bits."""
        if self.dL_dx_next is None:
            return None
        return np.asarray(self.f.scale(self.dL_dx_next, self.s))

    def _add_backward(self, g: Array, gradients: Sequence[Array | None]) -> None:
        self.dL_dx_next = _sum(self.dL_dx_next, g)
        self.dL_dx = _sum(self.dL_dx, gradients[0])
        self.dL_dW = _sum(self.dL_dW, gradients[1])
        if len(gradients) > 2:
            self.dL_db = _sum(self.dL_db, gradients[2])

    def __repr__(self) -> str:
        shape = "×".join(map(str, self.W.shape))
        state = "forward and backward" if self.dL_dx_next is not None else "forward only"
        return f"LayerRecord({self.name}, {shape}, {self.f.name}, {state})"


class Trace:
    """The layers of one pass, in the order in which they were computed."""

    def __init__(self) -> None:
        self.layers: list[LayerRecord] = []
        self._rows: WeakKeyDictionary[Node, LayerRecord] = WeakKeyDictionary()

    def saw_forward(self, node: Node) -> None:
        """Called by the tape for every recorded operation."""
        if node.rule.name == "dense":
            row = self._rows[node] = LayerRecord(node)
            self.layers.append(row)

    def saw_backward(self, node: Node, g: Any, gradients: Sequence[Any]) -> None:
        """Called by the sweep for every node, with ∂L/∂y and the ∂L/∂x of its operands."""
        row = self._rows.get(node)
        if row is None and node.rule.name == "dense":
            raise GraphError(
                f"backward of {node} in a trace that did not see its forward pass; run the forward "
                "pass inside trace() too"
            )
        if row is not None:
            row._add_backward(plain(g), [plain(gradient) for gradient in gradients])

    def __getitem__(self, name: str | int) -> LayerRecord:
        """The layer of that name or position."""
        if isinstance(name, int):
            return self.layers[name]
        for row in self.layers:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r}; there are {[row.name for row in self.layers]}")

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
