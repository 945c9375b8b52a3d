"""What the tape reports of a pass to an open trace, and what the trace keeps of it.

`ArrayKeeper` keeps the arrays that the pass itself used; nothing is computed before somebody asks.
`engine.tracing.looking.StatisticsKeeper` takes statistics and keeps no array.

Operations that leave no node on the tape can't be recorded; a trace that saw no others says why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from engine.arrays import Array
from engine.core.tape import Leaf, Node
from engine.core.tensor import plain
from engine.errors import GraphError
from engine.rules.linear import DENSE
from engine.tracing.rows import LayerRecord, NodeRecord


class Keeper(ABC):
    """The rows of a trace, as long as it is open and after."""

    def __init__(self) -> None:
        self._nodes: list[NodeRecord] = []
        self._layers: list[LayerRecord] = []
        self._numbers: dict[int, int] = {}  # of the tape's nodes, to those of the trace
        # How many operations were not recorded, by the reason.
        self._missed = {"no_grad": 0, "constants": 0, "earlier": 0}

    @property
    def nodes(self) -> list[NodeRecord]:
        """All operations, in the order in which they were computed."""
        self._make_rows()
        return self._nodes

    @property
    def layers(self) -> list[LayerRecord]:
        """Those that are layers."""
        self._make_rows()
        return self._layers

    @abstractmethod
    def _make_rows(self) -> None:
        """Make those rows that are not there yet."""

    @abstractmethod
    def saw_forward(self, node: Node) -> None:
        """Called by the tape for every recorded operation."""

    @abstractmethod
    def saw_backward(self, node: Node, g: Any, gradients: Sequence[Any]) -> None:
        """Called by the sweep for every node, with ∂L/∂y and the ∂L/∂x of its operands."""

    @abstractmethod
    def saw_slopes(self, dL_ds: Array) -> None:
        """Called by the rule of `dense` within its backward step."""

    @abstractmethod
    def look_now(self) -> None:
        """Called where arrays of the pass may change: a variable is written to, a sweep ends."""

    def close(self) -> None:
        """Called at the end of the block: let go of what only the pass itself needed."""
        self.look_now()

    def saw_unrecorded(self, on_variables: bool) -> None:
        """Called by `apply` for every operation that leaves no node."""
        self._missed["no_grad" if on_variables else "constants"] += 1

    @property
    def unrecorded(self) -> int:
        """How many operations on variables ran under no_grad()."""
        return self._missed["no_grad"]

    @property
    def why_empty(self) -> str:
        """Why nothing was recorded, though something ran; "" otherwise."""
        if self._numbers or not any(self._missed.values()):
            return ""
        if self._missed["earlier"]:
            why = "the forward pass ran before the block; run it inside trace() too"
        elif n := self._missed["no_grad"]:
            why = f"{_operations(n)} on variables ran under no_grad(); run the pass outside it"
        else:
            n = self._missed["constants"]
            why = f"{_operations(n)} ran on constants alone; give weights requires_grad=True"
        return f"nothing was recorded: {why}"

    def _sources(self, parents: Sequence[Node | Leaf | None]) -> list[int | str | None]:
        """For each operand, the number of the operation that made it, or the variable's name."""
        numbers = self._numbers
        return [
            None
            if parent is None
            else parent.version.name
            if isinstance(parent, Leaf)
            else numbers.get(parent.number)
            for parent in parents
        ]

    def _saw_unknown(self, node: Node) -> None:
        """Called for the backward step of an operation whose forward pass was not seen."""
        if node.rule is DENSE:
            raise GraphError(
                f"backward of {node} in a trace that did not see its forward pass; run the forward "
                "pass inside trace() too"
            )
        self._missed["earlier"] += 1


@final
class ArrayKeeper(Keeper):
    """Keeps the arrays of every operation."""

    def _make_rows(self) -> None:
        """They are made as the operations come."""

    def add(self, node: NodeRecord) -> None:
        self._nodes.append(node)

    def add_layer(self, node: NodeRecord, s: Array) -> None:
        """The row of a `dense` among the nodes; s is no input or output of the operation."""
        self._layers.append(LayerRecord(node))
        self._layers[-1].keep(s)

    def saw_forward(self, node: Node) -> None:
        inputs = node.inputs or ()
        output = node.output if node.output is not None else np.empty(0)
        record = NodeRecord(
            node.rule,
            node.place,
            [x.shape for x in inputs],
            output.shape,
            self._sources(node.parents),
            dict(node.parameters),
        )
        record.keep(inputs, output, [position for position, _, _ in node.versions])
        self._numbers[node.number] = len(self._nodes)
        self.add(record)
        if node.rule is DENSE:
            self.add_layer(record, node.saved)

    def saw_backward(self, node: Node, g: Any, gradients: Sequence[Any]) -> None:
        number = self._numbers.get(node.number)
        if number is None:
            self._saw_unknown(node)
            return
        gradients = [plain(gradient) for gradient in gradients]
        self._nodes[number].add_backward(plain(g), gradients)

    def saw_slopes(self, dL_ds: Array) -> None:
        """∂L/∂s is made of the arrays that are kept when somebody asks."""

    def look_now(self) -> None:
        """What can change was copied."""


def _operations(n: int) -> str:
    return f"{n} operation{'s' * (n > 1)}"
