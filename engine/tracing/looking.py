"""`StatisticsKeeper`: for a trace that takes statistics during the pass, and keeps no array.

For a small net, one kernel call for each array and one row for each layer would take longer than
the pass itself. So arrays are queued, and one kernel call (`Look`) computes the statistics of the
whole queue. The queue is emptied before any of its arrays can change. Rows are made on request.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np

from engine.activations import Activation
from engine.arrays import Array
from engine.core.context import state
from engine.core.tape import Node
from engine.core.tensor import plain
from engine.errors import GraphError
from engine.rules.linear import DENSE
from engine.tracing.keeping import Keeper
from engine.tracing.look import Look
from engine.tracing.rows import LayerRecord, NodeRecord, slopes_of

# The queue holds at most this many entries, 16 MB of float32. For large layers one call per layer
# is as fast: the arrays are still in the cache, which pays for the additional calls.
_ENOUGH = 1 << 22
_DL_DX = 2  # its place among a layer's gradients


class _Seen:
    """One operation of the pass: what its rows are made of, when somebody asks for them."""

    sweeps = 0
    number: float | None = None  # the result, where it is a single number, as a loss is
    record: NodeRecord | None = None
    row: LayerRecord | None = None
    # For a layer whose statistics have been computed: (index of the look, index in the look of the
    # layer's first array, index in the look of f′(s)).
    forward: tuple[int, int, int] | None = None
    backward: tuple[int, int] | None = None
    gradients: tuple[Array | None, ...] = ()

    def __init__(self, node: Node, sources: list[int | str | None]) -> None:
        self.sources = sources
        self.rule, self.place, self.parameters = node.rule, node.place, node.parameters
        # The arrays, until their statistics have been computed.
        self.inputs: tuple[Array, ...] = node.inputs or ()
        self.output, self.s = node.output, node.saved

    def settle(self) -> None:
        """Keep the shapes, and let go of the arrays."""
        self.shapes = [x.shape for x in self.inputs]
        self.output_shape = () if self.output is None else self.output.shape
        if self.output is not None and self.output.ndim == 0:
            self.number = float(self.output)
        self.inputs = ()
        self.output = self.s = None

    def make_rows(self, looks: list[Look]) -> NodeRecord:
        self.record = NodeRecord(
            self.rule, self.place, self.shapes, self.output_shape, self.sources, self.parameters
        )
        self.record.sweeps, self.record.number = self.sweeps, self.number
        if self.rule is DENSE:
            self.row = LayerRecord(self.record)
            self.tell(self.row, looks)
        return self.record

    def tell(self, row: LayerRecord, looks: list[Look]) -> None:
        """Tell the layer's row where its statistics are."""
        has_b = len(self.shapes) > 2
        if self.forward is not None:
            number, at, slopes_at = self.forward
            row.looked["df_ds"] = looks[number].of_slopes(slopes_at)
            row.looked |= looks[number].of(at, ("x", "W", *("b",) * has_b, "s", "x_next"))
        if self.backward is not None:
            number, at = self.backward
            names = ("dL_dx_next", "dL_ds", "dL_dx", "dL_dW", *("dL_db",) * has_b)
            row.looked |= looks[number].of(at, names)


@final
class StatisticsKeeper(Keeper):
    """Takes statistics of every layer; of other operations, it keeps the name and the shapes."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: list[_Seen] = []
        # Layers whose arrays wait, those of the forward pass and those of the backward pass; of one
        # dtype, and in all of so many entries.
        self._forward: list[_Seen] = []
        self._backward: list[_Seen] = []
        self._looks: list[Look] = []
        self._dtype: np.dtype[Any] | None = None
        self._size = 0
        # What comes again as the next layer's: x⁽ⁱ⁺¹⁾ as x, ∂L/∂x as ∂L/∂x⁽ⁱ⁺¹⁾.
        self._last: list[Array | None] = []
        self._dL_ds: Array | None = None

    def saw_forward(self, node: Node) -> None:
        seen = _Seen(node, self._sources(node.parents))
        self._numbers[node.number] = len(self._seen)
        self._seen.append(seen)
        if seen.rule is DENSE:
            x, W = seen.inputs[:2]
            if W.dtype is not self._dtype:
                self._begin(W.dtype)
            self._forward.append(seen)
            self._size += x.size + W.size + 2 * seen.s.size
            if self._size > _ENOUGH:
                self._take_within()
            return
        seen.settle()
        seen.parameters = {k: v for k, v in node.parameters.items() if type(v) is not np.ndarray}

    def saw_slopes(self, dL_ds: Array) -> None:
        self._dL_ds = dL_ds

    def saw_backward(self, node: Node, g: Any, gradients: Sequence[Any]) -> None:
        dL_ds, self._dL_ds = self._dL_ds, None
        number = self._numbers.get(node.number)
        if number is None:
            self._saw_unknown(node)
            return
        seen = self._seen[number]
        if seen.rule is DENSE:
            if seen.sweeps:
                raise GraphError(
                    f"a second backward pass through {node}: statistics of a sum can't be made "
                    'of those of its terms; trace with keep="arrays", or run forward again'
                )
            x, W = (node.inputs or ())[:2]
            if dL_ds is None:  # a backward pass that is itself recorded runs no kernel for layers
                g, gradients = plain(g), [plain(gradient) for gradient in gradients]
                dL_ds = slopes_of(seen.parameters["f"], g, node.output, node.saved, x, W)
            seen.gradients = (g, dL_ds, *gradients)
            if W.dtype is not self._dtype:
                self._begin(W.dtype)
            self._backward.append(seen)
            self._size += W.size + x.size + 2 * g.size
            if self._size > _ENOUGH:
                self._take_within()
        seen.sweeps += 1
        if seen.record is not None:
            seen.record.sweeps = seen.sweeps

    def _begin(self, dtype: np.dtype[Any]) -> None:
        """A look is at arrays of one dtype."""
        self.look_now()
        self._dtype = dtype

    def _take_within(self) -> None:
        """Take a look after which the next layer's arrays come."""
        last = [seen.output for seen in self._forward[-1:]]
        self._take(last + [seen.gradients[_DL_DX] for seen in self._backward[-1:]])

    def look_now(self) -> None:
        self._dL_ds = None  # of a step that failed
        self._take([])

    def _take(self, last: list[Array | None]) -> None:
        forward, backward = self._forward, self._backward
        if not forward and not backward:
            return
        self._forward, self._backward, self._size = [], [], 0
        arrays: list[Array | None] = []
        slopes: list[tuple[Activation, Array]] = []
        number = len(self._looks)
        for seen in forward:
            seen.forward = number, len(arrays), len(slopes)
            arrays += seen.inputs
            arrays += seen.s, seen.output
            slopes.append((seen.parameters["f"], seen.s))
            seen.settle()
        for seen in backward:
            seen.backward = number, len(arrays)
            arrays += seen.gradients
            seen.gradients = ()
        before = self._looks[-1] if self._looks else None
        # A derivative of your own is computed by operations, which are no part of this pass.
        opened, state.trace = state.trace, None
        try:
            self._looks.append(Look(arrays, slopes, before, self._last))
        except BaseException:
            for seen in forward:
                seen.forward = None
            for seen in backward:
                seen.backward = None
            raise
        finally:
            state.trace = opened
        self._last = last
        for seen in backward:
            if seen.row is not None:
                seen.tell(seen.row, self._looks)

    def close(self) -> None:
        self._take([])
        self._dL_ds, self._last = None, []

    def _make_rows(self) -> None:
        self.look_now()
        for seen in self._seen[len(self._nodes) :]:
            self._nodes.append(seen.make_rows(self._looks))
            if seen.row is not None:
                self._layers.append(seen.row)
