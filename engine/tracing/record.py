"""`trace()` records one forward and backward pass: a row of the article's quantities per layer.

With keep="arrays" a row holds the arrays that the pass itself used; nothing is computed for it
before somebody looks. With keep="stats" it holds statistics, taken during the pass, and no array.
Each call of `dense` is a row; a layer used twice has two, whose ∂L/∂W add up to W.grad.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from engine.activations import Activation, identity
from engine.errors import GraphError
from engine.scope import state
from engine.tape import Node
from engine.tensor import plain
from engine.tracing.statistics import (
    QUANTITIES,
    DeadUnits,
    Measured,
    Slopes,
    Statistics,
    measure,
    share_below,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from engine.tracing.jacobians import Jacobians

Array = npt.NDArray[Any]
Keep = Literal["arrays", "stats"]


class NodeRecord:
    """One operation of the pass, in the order in which they were carried out.

    Attributes:
        name: the operation's; `place`: where in the program, for example "layer 3".
        inputs, output: arrays, as the operation saw them; `input_shapes`, `output_shape`.
        sources: for each input, the number in `Trace.nodes` of the operation that made it, the name
            of the variable that it is, or None for a constant.
        parameters: what else the operation was given (an axis, an activation).
        sweeps: how many backward passes have come through.
        dL_dy: the gradient that arrived at its output, None before the backward pass.
        dL_dx: those that it sent on, one for each input, None where none was wanted.

    With keep="stats" there are no arrays: to ask for one raises GraphError.
    """

    inputs: list[Array]
    output: Array
    dL_dy: Array | None
    dL_dx: list[Array | None]

    def __init__(self, node: Node, sources: list[int | str | None], kept: bool) -> None:
        self.name, self.place, self.kept = node.rule.name, node.place, kept
        inputs = node.inputs or ()
        output = node.output if node.output is not None else np.empty(0)
        self.input_shapes = [x.shape for x in inputs]
        self.output_shape = output.shape
        self.sources = sources
        self.parameters = dict(node.parameters)
        self.sweeps = 0
        if not kept:
            arrays = [k for k, v in self.parameters.items() if isinstance(v, np.ndarray)]
            for key in arrays:
                del self.parameters[key]
            return
        self.inputs, self.output = list(inputs), output
        for position, _, _ in node.versions:
            # What can be changed in place, as parameters are: the trace keeps this pass's values.
            self.inputs[position] = self.inputs[position].copy()
        self.dL_dy = None
        self.dL_dx = [None] * len(self.inputs)

    def _add_backward(self, g: Array, gradients: Sequence[Array | None]) -> None:
        self.sweeps += 1
        if self.kept:
            self.dL_dy = _sum(self.dL_dy, g)
            self.dL_dx = [_sum(a, b) for a, b in zip(self.dL_dx, gradients, strict=True)]

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not there.
        if name in ("inputs", "output", "dL_dy", "dL_dx"):
            raise _not_kept(name, f"{self.name} in {self.place}" if self.place else self.name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"NodeRecord({self.name}{where}, {self.output_shape})"


class LayerRecord:
    """One layer x⁽ⁱ⁺¹⁾ = f(s), s = xW + b, in one pass.

    Attributes, all arrays: `x` (batch, fan_in), `W` (fan_in, fan_out), `b` (fan_out,) or None,
    `s`, `df_ds` (f′(s)) and `x_next` (batch, fan_out); after the backward pass `dL_dx_next`,
    `dL_ds` (batch, fan_out), `dL_dW`, `dL_db` with the shapes of W and b, and `dL_dx`. What was
    not needed in the pass (∂L/∂x of the data) is None. `node` is the operation's record, `batch`,
    `fan_in` and `fan_out` are the sizes.

    With keep="stats" there are `statistics`, `saturated` and `dead`, and to ask for an array
    raises GraphError.
    """

    def __init__(self, node: NodeRecord) -> None:
        self.node = node
        self.name = node.place or "dense"
        self.f: Activation = node.parameters["f"]
        self.batch, self.fan_in = node.input_shapes[0]
        self.fan_out: int = node.input_shapes[1][1]
        self._s: Array | None = None
        self._measured: dict[str, Measured | None] = {}
        self._statistics: dict[str, tuple[int, Statistics | None]] = {}
        self._slopes: Slopes | None = None

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
    def s(self) -> Array:
        if self._s is None:
            raise _not_kept("s", self.name)
        return self._s

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
        return _slopes_of(self.f, self.dL_dx_next, self.x_next, self.s, self.x, self.W)

    def statistics(self, name: str) -> Statistics | None:
        """The statistics of one of the arrays, by its name; None where the array is.

        Raises: KeyError for a name that is not among `engine.QUANTITIES`.
        """
        if name not in QUANTITIES:
            raise KeyError(f"{self.name} has no {name!r}; there are {', '.join(QUANTITIES)}")
        sweeps, made = self._statistics.get(name, (-1, None))
        if sweeps != self.node.sweeps:  # a backward pass has changed the sums since
            if self.node.kept:
                array = getattr(self, name)
                made = None if array is None else Statistics.of(array)
            else:
                measured = self._measured.get(name)
                made = None if measured is None else measured.finished()
            self._statistics[name] = self.node.sweeps, made
        return made

    def saturated(self, threshold: float = 0.05) -> float:
        """The share of entries with |f′(s)| < threshold · max |f′|; NaN if none is finite.

        Raises: ValueError unless 0 < threshold ≤ 1, and with keep="stats" for one that is not a
            multiple of 0.01, since those are what is counted then.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"saturated({threshold}): the threshold is a share, 0 < share ≤ 1")
        if self.node.kept:
            return share_below(self.df_ds, self.f, threshold)
        hundredths = round(threshold * 100)
        if hundredths / 100 != threshold:
            raise ValueError(
                f'saturated({threshold}) in {self.name}: with keep="stats" hundredths are '
                'counted; ask for a multiple of 0.01, or trace with keep="arrays"'
            )
        return self._slope_counts().below(hundredths)

    def dead(self) -> DeadUnits:
        """The units whose f′(s) is exactly 0 for every example: their share, count and indices."""
        return self._slope_counts().dead

    def _slope_counts(self) -> Slopes:
        if self._slopes is None:
            self._slopes = Slopes.of(self.df_ds, self.f, indices=True)
        return self._slopes

    def __repr__(self) -> str:
        state = "forward and backward" if self.node.sweeps else "forward only"
        shape = f"{self.fan_in}×{self.fan_out}"
        return f"LayerRecord({self.name}, {shape}, {self.f.name}, {state})"


class Trace:
    """One pass: its layers and all its operations, in the order in which they were computed."""

    def __init__(self, keep: Keep = "arrays") -> None:
        self.keep: Keep = keep
        self.layers: list[LayerRecord] = []
        self.nodes: list[NodeRecord] = []
        self._numbers: WeakKeyDictionary[Node, int] = WeakKeyDictionary()
        self._rows: dict[int, LayerRecord] = {}
        # What was measured last, since it comes again as the next layer's: x, and ∂L/∂x.
        self._last: list[tuple[Array, Measured]] = []
        self._dL_ds: Array | None = None

    def saw_forward(self, node: Node) -> None:
        """Called by the tape for every recorded operation."""
        record = NodeRecord(node, self._sources(node), self.keep == "arrays")
        number = self._numbers[node] = len(self.nodes)
        self.nodes.append(record)
        if node.rule.name == "dense":
            row = self._rows[number] = LayerRecord(record)
            self.layers.append(row)
            if self.keep == "arrays":
                row._s = node.saved
            else:
                self._measure_forward(row, node)

    def _measure_forward(self, row: LayerRecord, node: Node) -> None:
        x, W, *b = node.inputs or ()
        s, x_next = node.saved, node.output
        slopes = row.f.slope(s)
        row._slopes = Slopes.of(slopes, row.f, indices=False)
        arrays = {"x": x, "W": W, "b": b[0] if b else None, "s": s}
        self._measure(row, {**arrays, "df_ds": slopes, "x_next": x_next})

    def _measure_backward(
        self, row: LayerRecord, node: Node, g: Array, gradients: Sequence[Array | None]
    ) -> None:
        dL_ds, self._dL_ds = self._dL_ds, None
        x, W, *_ = node.inputs or ()
        if dL_ds is None:  # a backward pass that is itself recorded runs no kernel for layers
            dL_ds = _slopes_of(row.f, g, node.output, node.saved, x, W)
        dL_dx, dL_dW, *dL_db = gradients
        arrays = {"dL_dx_next": g, "dL_ds": dL_ds, "dL_dW": dL_dW}
        self._measure(row, {**arrays, "dL_db": dL_db[0] if dL_db else None, "dL_dx": dL_dx})

    def _measure(self, row: LayerRecord, arrays: dict[str, Array | None]) -> None:
        seen = self._last
        for name, array in arrays.items():
            known = next((measured for a, measured in seen if a is array), None)
            if known is None and array is not None:
                known = measure(array)
                seen = [(array, known), *seen]
            row._measured[name] = known
        self._last = seen[:1]

    def saw_slopes(self, dL_ds: Array) -> None:
        """Called by the rule of `dense` within its backward step."""
        if self.keep == "stats":
            self._dL_ds = dL_ds

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
        if number is None:
            return
        g, gradients = plain(g), [plain(gradient) for gradient in gradients]
        record, row = self.nodes[number], self._rows.get(number)
        if row is not None and self.keep == "stats":
            if record.sweeps:
                raise GraphError(
                    f"a second backward pass through {node}: statistics of a sum can't be made "
                    'of those of its terms; trace with keep="arrays", or run forward again'
                )
            self._measure_backward(row, node, g, gradients)
        record._add_backward(g, gradients)

    def close(self) -> None:
        """Called at the end of the block: let go of what only the pass itself needed."""
        self._last, self._dL_ds = [], None

    def plot(self, theory: Any = None) -> Figure:
        """See `engine.tracing.figure.figure`."""
        from engine.tracing.figure import figure

        return figure(self, theory)

    def jacobians(self, examples: int = 4) -> Jacobians:
        """See `engine.tracing.jacobians.jacobians_of`."""
        from engine.tracing.jacobians import jacobians_of

        return jacobians_of(self, examples)

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

    def __str__(self) -> str:
        from engine.tracing.table import text

        return text(self)

    def _repr_html_(self) -> str:
        from engine.tracing.table import html

        return html(self)


@contextmanager
def trace(keep: Keep = "arrays") -> Iterator[Trace]:
    """Record the layers of the pass in the block: `with trace() as t: …; loss.backward()`.

    Args:
        keep: "arrays" keeps those of every operation. A layer takes no more than
            (3·fan_out + fan_in)·batch + 2·fan_in·fan_out + 2·fan_out numbers beyond what the pass
            itself needs (s, x⁽ⁱ⁺¹⁾ and the gradients ∂L/∂x⁽ⁱ⁺¹⁾, ∂L/∂x, and a copy of W and b
            with their gradients); several backward passes through one forward pass add up.
            "stats" takes statistics at once and keeps no array: a few thousand numbers for each
            quantity, whatever the width; a second backward pass is refused.

    Raises: GraphError when one trace is opened inside another; ValueError for another `keep`.
    """
    if keep not in ("arrays", "stats"):
        raise ValueError(f'trace(keep={keep!r}): keep is "arrays" or "stats"')
    if state.trace is not None:
        raise GraphError("a trace is already open in this thread; close it before opening another")
    state.trace = opened = Trace(keep)
    try:
        yield opened
    finally:
        state.trace = None
        opened.close()


def _slopes_of(f: Activation, g: Array, y: Any, s: Any, x: Array, W: Array) -> Array:
    return g if f is identity else f.layer_backward(g, y, s, x, W, False, False)[0]


def _not_kept(name: str, where: str) -> GraphError:
    return GraphError(
        f'{where}: {name} was not kept, since the trace was opened with keep="stats"; open it '
        f'with trace(keep="arrays"), or ask a layer for statistics({name!r})'
    )


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a + b
