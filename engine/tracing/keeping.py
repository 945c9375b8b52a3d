"""The two observers of a pass: `ArrayKeeper` keeps arrays, `StatisticsKeeper` looks at them.

The tape reports every operation to the observer of the open trace. `ArrayKeeper` keeps the arrays
that the pass itself used, and computes nothing before somebody asks. `StatisticsKeeper` takes the
statistics of each array of a layer at once, and keeps no array.

Operations that leave no node on the tape can't be recorded; a trace that saw no others says why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from engine.activations import identity
from engine.arrays import Array
from engine.core.context import state
from engine.core.tape import Leaf, Node, Version
from engine.core.tensor import plain
from engine.errors import GraphError
from engine.kernels import empty
from engine.tracing.layers import layers_of
from engine.tracing.nodes import (
    ARRIVED,
    DL_DS,
    OUTPUT,
    SAVED,
    SLOPES,
    NodeRecord,
    Slot,
    Source,
    Variable,
)
from engine.tracing.rows import LayerRecord, slopes_of
from engine.tracing.statistics import Look


class Keeper(ABC):
    """The operations of a trace, as long as the trace is open and after."""

    def __init__(self) -> None:
        self.nodes: list[NodeRecord] = []
        self._layers: tuple[int, list[LayerRecord]] = 0, []
        self._numbers: dict[int, int] = {}  # of the tape's nodes, to those of the trace
        # How many operations were not recorded, by the reason.
        self._missed = {"no_grad": 0, "constants": 0, "earlier": 0}

    @property
    def layers(self) -> list[LayerRecord]:
        """The layers among the operations."""
        count, rows = self._layers
        if count != len(self.nodes):
            self._layers = len(self.nodes), layers_of(self.nodes, rows)
        return self._layers[1]

    def saw_forward(self, node: Node) -> None:
        """Called by the tape for every recorded operation."""
        inputs = node.inputs or ()
        output = node.output if node.output is not None else np.empty(0)
        record = NodeRecord(
            node.rule,
            node.place,
            [x.shape for x in inputs],
            output.shape,
            self._sources(node),
            node.parameters,
        )
        record.of_sweep = state.sweeping
        if node.rule.activation is not None:
            record.activation = node.rule.activation(*inputs[1:])
        self._numbers[node.number] = len(self.nodes)
        self.nodes.append(record)
        self._keep_forward(record, node, inputs, output)

    def saw_backward(self, node: Node, g: Any, gradients: Sequence[Any]) -> None:
        """Called by the sweep for every node, with ∂L/∂y and the ∂L/∂x of its operands."""
        number = self._numbers.get(node.number)
        if number is not None:
            gradients = [plain(gradient) for gradient in gradients]
            self._keep_backward(self.nodes[number], node, plain(g), gradients)
        elif node.rule.layer is not None:
            raise GraphError(
                f"backward of {node} in a trace that did not see its forward pass; run the forward "
                "pass inside trace() too"
            )
        else:
            self._missed["earlier"] += 1

    @abstractmethod
    def _keep_forward(
        self, record: NodeRecord, node: Node, inputs: Sequence[Array], output: Array
    ) -> None:
        """Keep of the forward pass what this trace keeps."""

    @abstractmethod
    def _keep_backward(
        self, record: NodeRecord, node: Node, g: Array, gradients: list[Array | None]
    ) -> None:
        """Keep of the backward pass what this trace keeps."""

    @abstractmethod
    def close(self) -> None:
        """Called at the end of the block: let go of what only the pass itself needed."""

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

    def _sources(self, node: Node) -> list[Source]:
        return [
            Variable(parent.version.name, parent.number, parent.version.number)
            if isinstance(parent, Leaf)
            else None
            if parent is None
            else self._numbers.get(parent.number)
            for parent in node.parents
        ]


@final
class ArrayKeeper(Keeper):
    """Keeps the arrays of every operation.

    Arrays that can be changed in place, as parameters are, are copied, each once for all operations
    that use the array.
    """

    def __init__(self) -> None:
        super().__init__()
        # By the array's version, the number of changes, and the place in memory. The version is
        # held, so that no other one gets its identity.
        self._copies: dict[tuple[Any, ...], tuple[Version, Array]] = {}

    def _keep_forward(
        self, record: NodeRecord, node: Node, inputs: Sequence[Array], output: Array
    ) -> None:
        arrays = list(inputs)
        for position, version, number in node.versions:
            arrays[position] = self._copy(arrays[position], version, number)
        record.parameters = dict(record.parameters)
        record.keep(arrays, output, node.saved if record.form is not None else None)

    def _copy(self, array: Array, version: Version, number: int) -> Array:
        data = array.__array_interface__
        key = id(version), number, data["data"][0], array.shape, array.strides, array.dtype
        if key not in self._copies:
            # Into memory that an earlier trace may have had: fresh pages cost more than the copy.
            copy = empty(array.shape, array.dtype)
            np.copyto(copy, array)
            self._copies[key] = version, copy
        return self._copies[key][1]

    def _keep_backward(
        self, record: NodeRecord, node: Node, g: Array, gradients: list[Array | None]
    ) -> None:
        record.add_backward(g, gradients)

    def close(self) -> None:
        self._copies = {}


@final
class StatisticsKeeper(Keeper):
    """Looks at every array of a layer when the array is seen, and keeps the looks alone.

    Which operations are layers is known only at the end, so the keeper looks at what may belong to
    a layer: products with variables, what is added to the products, and functions of the sums.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sums: set[int] = set()  # numbers of the operations whose result may be an s
        # The arrays of the last operation: x⁽ⁱ⁺¹⁾ comes again as x, ∂L/∂x as ∂L/∂x⁽ⁱ⁺¹⁾.
        self._last: dict[int, tuple[Array, Look]] = {}

    def _keep_forward(
        self, record: NodeRecord, node: Node, inputs: Sequence[Array], output: Array
    ) -> None:
        if output.ndim == 0:
            record.number = float(output)
        record.parameters = {
            name: value
            for name, value in record.parameters.items()
            if not isinstance(value, np.ndarray)
        }
        if record.of_sweep:
            return
        of_sum = [source in self._sums for source in record.sources if source is not None]
        number = len(self.nodes) - 1
        if record.form is not None:
            f = record.parameters[record.form.f]
            arrays = {Slot("inputs", i): x for i, x in enumerate(inputs)}
            self._look(record, {**arrays, SAVED: node.saved, OUTPUT: output})
            self._look_at_slopes(record, f, node.saved)
            if f is identity:
                self._sums.add(number)
        elif record.built_in == "matmul" and inputs[1].ndim == 2:
            self._look(record, {Slot("inputs", 0): inputs[0], Slot("inputs", 1): inputs[1]})
            self._look(record, {OUTPUT: output})
            self._sums.add(number)
        elif any(of_sum) and record.activation is not None:
            self._look(record, {OUTPUT: output})
            self._look_at_slopes(record, record.activation, *inputs)
        elif any(of_sum) and record.built_in in ("add", "reshape", "label"):
            biases = {
                Slot("inputs", i): x
                for i, x in enumerate(inputs)
                if not isinstance(record.sources[i], int)
            }
            self._look(record, {**biases, OUTPUT: output})
            self._sums.add(number)
        elif record.built_in == "label":
            self._look(record, {OUTPUT: output})

    def _keep_backward(
        self, record: NodeRecord, node: Node, g: Array, gradients: list[Array | None]
    ) -> None:
        if not record.looks:
            record.sweeps += 1
            return
        if record.sweeps:
            raise GraphError(
                f"a second backward pass through {node}: statistics of a sum can't be made "
                'of those of its terms; trace with keep="arrays", or run forward again'
            )
        record.sweeps += 1
        arrays: dict[Slot, Array | None] = {ARRIVED: g}
        if record.form is not None:
            x, W = (node.inputs or ())[:2]
            f = record.parameters[record.form.f]
            arrays[DL_DS] = slopes_of(f, g, node.output, node.saved, x, W)
        looked_at = [i for i in range(len(gradients)) if Slot("inputs", i) in record.looks]
        arrays |= {Slot("dL_dx", i): gradients[i] for i in looked_at}
        self._look(record, arrays)

    def _look(self, record: NodeRecord, arrays: dict[Slot, Array | None]) -> None:
        """Look at each array, unless the operation before has had the same array."""
        looks: dict[int, tuple[Array, Look]] = {}
        for slot, array in arrays.items():
            if array is None:
                continue
            known = looks.get(id(array)) or self._last.get(id(array)) or (array, Look(array))
            looks[id(array)] = known
            record.looks[slot] = known[1]
        self._last = looks

    def _look_at_slopes(self, record: NodeRecord, f: Any, s: Array, *others: Array) -> None:
        # An f′ that is made of operations must not add these operations to the pass.
        opened, state.trace = state.trace, None
        try:
            if others and record.slope is not None:
                record.looks[SLOPES] = Look(np.asarray(record.slope(s, *others)))
            else:
                record.looks[SLOPES] = Look(s, f)
        finally:
            state.trace = opened

    def close(self) -> None:
        self._last = {}


def _operations(n: int) -> str:
    return f"{n} operation{'s' * (n > 1)}"
