"""`trace()` records one forward and backward pass: a row of the article's quantities per layer.

With keep="arrays" a row holds the arrays that the pass itself used; nothing is computed for it
before somebody looks. With keep="stats" it holds statistics, taken during the pass, and no array.
Each call of `dense` is a row; a layer used twice has two, whose ∂L/∂W add up to W.grad.

Operations that leave no node on the tape can't be recorded; a trace that saw no others says why.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, final
from weakref import WeakKeyDictionary

import numpy.typing as npt

from engine.errors import GraphError
from engine.scope import state
from engine.tape import Node
from engine.tensor import plain
from engine.tracing.rows import LayerRecord, NodeRecord, slopes_of
from engine.tracing.statistics import Measured, Slopes, measure_together

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from engine.tracing.comparing import Comparison
    from engine.tracing.diagnosis import Diagnosis
    from engine.tracing.explain import Explanation
    from engine.tracing.jacobians import Jacobians
    from engine.tracing.walk import Walk

__all__ = ["LayerRecord", "NodeRecord", "Trace", "trace"]

Array = npt.NDArray[Any]
Keep = Literal["arrays", "stats"]


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
        # How many operations were not recorded, by the reason.
        self._missed = {"no_grad": 0, "constants": 0, "earlier": 0}

    def saw_unrecorded(self, on_variables: bool) -> None:
        """Called by `apply` for every operation that leaves no node."""
        self._missed["no_grad" if on_variables else "constants"] += 1

    @property
    def why_empty(self) -> str:
        """Why nothing was recorded, though something ran; "" otherwise."""
        if self.nodes or not any(self._missed.values()):
            return ""
        if self._missed["earlier"]:
            why = "the forward pass ran before the block; run it inside trace() too"
        elif n := self._missed["no_grad"]:
            why = f"{_operations(n)} on variables ran under no_grad(); run the pass outside it"
        else:
            n = self._missed["constants"]
            why = f"{_operations(n)} ran on constants alone; give weights requires_grad=True"
        return f"nothing was recorded: {why}"

    def saw_forward(self, node: Node) -> None:
        """Called by the tape for every recorded operation."""
        record = NodeRecord(node, self._sources(node), self.keep == "arrays")
        number = self._numbers[node] = len(self.nodes)
        self.nodes.append(record)
        if node.rule.name == "dense":
            row = self._rows[number] = LayerRecord(record)
            self.layers.append(row)
            if self.keep == "arrays":
                row.keep(node.saved)
            else:
                self._measure_forward(row, node)

    def _measure_forward(self, row: LayerRecord, node: Node) -> None:
        x, W, *b = node.inputs or ()
        s, x_next = node.saved, node.output
        slopes = row.f.slope(s)
        row.slopes = Slopes.of(slopes, row.f, indices=False)
        arrays = {"x": x, "W": W, "b": b[0] if b else None, "df_ds": slopes}
        self._measure(row, {**arrays, "s": s, "x_next": x_next})

    def _measure_backward(
        self, row: LayerRecord, node: Node, g: Array, gradients: Sequence[Array | None]
    ) -> None:
        dL_ds, self._dL_ds = self._dL_ds, None
        x, W, *_ = node.inputs or ()
        if dL_ds is None:  # a backward pass that is itself recorded runs no kernel for layers
            dL_ds = slopes_of(row.f, g, node.output, node.saved, x, W)
        dL_dx, dL_dW, *dL_db = gradients
        arrays = {"dL_dx_next": g, "dL_ds": dL_ds, "dL_dW": dL_dW}
        self._measure(row, {**arrays, "dL_db": dL_db[0] if dL_db else None, "dL_dx": dL_dx})

    def _measure(self, row: LayerRecord, arrays: dict[str, Array | None]) -> None:
        known = {id(array): measured for array, measured in self._last}
        new = {id(a): a for a in arrays.values() if a is not None and id(a) not in known}
        known.update(zip(new, measure_together(list(new.values())), strict=True))
        for name, array in arrays.items():
            row.measured[name] = None if array is None else known[id(array)]
            if array is not None:
                self._last = [(array, known[id(array)])]

    def saw_slopes(self, dL_ds: Array) -> None:
        """Called by the rule of `dense` within its backward step."""
        if self.keep == "stats":
            self._dL_ds = dL_ds

    def _sources(self, node: Node) -> list[int | str | None]:
        return [
            self._numbers.get(parent)
            if isinstance(parent, Node)
            else parent.version.name
            if parent is not None
            else None
            for parent in node.parents
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
            self._missed["earlier"] += 1
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
        record.add_backward(g, gradients)

    def close(self) -> None:
        """Called at the end of the block: let go of what only the pass itself needed."""
        self._last, self._dL_ds = [], None

    def _recorded(self) -> Trace:
        if self.why_empty:
            raise GraphError(f"in this trace, {self.why_empty}")
        return self

    def plot(self, theory: Any = None) -> Figure:
        """See `engine.tracing.figure.figure`."""
        from engine.tracing.figure import figure

        return figure(self._recorded(), theory)

    def jacobians(self, examples: int = 4) -> Jacobians:
        """See `engine.tracing.jacobians.jacobians_of`."""
        from engine.tracing.jacobians import jacobians_of

        return jacobians_of(self._recorded(), examples)

    def __getitem__(self, name: str | int) -> LayerRecord:
        """The layer of that name or position."""
        layers = self._recorded().layers
        if isinstance(name, int):
            return layers[name]
        for row in layers:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r}; there are {[row.name for row in layers]}")

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

        return explain(self._recorded(), layer, weight=weight, bias=bias, examples=examples)

    def walk(self) -> Walk:
        """The backward pass as steps, from the loss to the input: see `engine.tracing.walk`."""
        from engine.tracing.walk import walk

        return walk(self._recorded())

    def diagnose(self, *, lr: float | None = None) -> Diagnosis:
        """What keeps the net from learning, if anything: see `engine.tracing.diagnose`."""
        from engine.tracing.diagnose import diagnose

        return diagnose(self._recorded(), lr=lr)

    def compare(self, other: Trace) -> Comparison:
        """How another trace of the same architecture differs: see `engine.tracing.comparing`."""
        from engine.tracing.comparing import compare

        if not isinstance(other, Trace):
            raise TypeError(f"compare() needs another Trace, not {type(other).__name__}")
        return compare(self._recorded(), other._recorded())

    def to_mermaid(self) -> str:
        """The operations as a Mermaid flowchart, grouped by layer."""
        from engine.tracing.export import to_mermaid

        return to_mermaid(self._recorded())

    def to_dot(self) -> str:
        """The operations in Graphviz's language, grouped by layer."""
        from engine.tracing.export import to_dot

        return to_dot(self._recorded())

    def save(self, path: str | Path) -> None:
        """Write the trace to an .npz file: see `engine.tracing.storing`."""
        from engine.tracing.storing import save_trace

        save_trace(self._recorded(), path)

    @staticmethod
    def load(path: str | Path) -> Trace:
        """Read a trace that `save` wrote: see `engine.tracing.storing`."""
        from engine.tracing.storing import load_trace

        return load_trace(path)

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        names = ", ".join(row.name for row in self.layers)
        return f"Trace({self.why_empty or f'{len(self.layers)} layers: {names}'})"

    def __str__(self) -> str:
        from engine.tracing.table import text

        return text(self)

    def _repr_html_(self) -> str:
        from engine.tracing.table import html

        return html(self)


def _operations(n: int) -> str:
    return f"{n} operation{'s' * (n > 1)}"


@final
class _Block:
    """What `trace` gives: a trace opens where its `with` block begins, and closes at the end."""

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def __enter__(self) -> Trace:
        if state.trace is not None:
            raise GraphError(
                "a trace is already open in this thread; close it before opening another"
            )
        state.trace = opened = Trace(self._keep)
        return opened

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened, state.trace = state.trace, None
        if opened is None:
            return
        opened.close()
        if kind is None and opened.why_empty:
            warnings.warn(f"trace(): {opened.why_empty}", stacklevel=2)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"trace() records the operations of a block and has no {name!r} itself; write "
            f"`with trace() as t:` before them, and t.{name} after"
        )


def trace(keep: Keep = "arrays") -> _Block:
    """Record the layers of the pass in the block: `with trace() as t: …; loss.backward()`.

    Args:
        keep: "arrays" keeps those of every operation. A layer takes no more than
            (3·fan_out + fan_in)·batch + 2·fan_in·fan_out + 2·fan_out numbers beyond what the pass
            itself needs (s, x⁽ⁱ⁺¹⁾ and the gradients ∂L/∂x⁽ⁱ⁺¹⁾, ∂L/∂x, and a copy of W and b
            with their gradients); several backward passes through one forward pass add up.
            "stats" takes statistics at once and keeps no array: a few thousand numbers for each
            quantity, whatever the width; a second backward pass is refused.

    Raises: GraphError when one trace is opened inside another; ValueError for another `keep`. Warns
    at the end of a block in which operations ran, but none that could be recorded.
    """
    if keep not in ("arrays", "stats"):
        raise ValueError(f'trace(keep={keep!r}): keep is "arrays" or "stats"')
    return _Block(keep)
