"""`trace()` records one forward and backward pass: a row of the article's quantities per layer.

Each use of a layer is a row; a layer used twice has two, whose ∂L/∂W add up to W.grad.
`engine.tracing.keeping` says what is kept during the pass, `engine.tracing.layers` which operations
make a layer.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, final

from engine.core.context import Block, close_trace, open_trace, state
from engine.errors import GraphError
from engine.spelling import printable
from engine.tracing.data import Keep, TraceData
from engine.tracing.keeping import ArrayKeeper, StatisticsKeeper
from engine.tracing.nodes import NodeRecord
from engine.tracing.read.comparing import Comparison, compare
from engine.tracing.read.diagnose.finding import Diagnosis
from engine.tracing.read.diagnose.judge import diagnose
from engine.tracing.read.explain import Explanation, explain
from engine.tracing.read.jacobians import Jacobians, jacobians_of
from engine.tracing.read.walk import Walk, walk
from engine.tracing.rows import LayerRecord
from engine.tracing.show.figure import figure
from engine.tracing.show.graph import to_dot, to_mermaid
from engine.tracing.show.schema import as_data
from engine.tracing.show.table import html, text
from engine.tracing.storing import load_trace, save_trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LayerRecord", "NodeRecord", "Trace", "trace"]


@printable
class Trace(TraceData):
    """One pass: its layers and all its operations, in the order in which they were computed."""

    def plot(self, theory: Any = None) -> Figure:
        """See `engine.tracing.show.figure.figure`."""
        return figure(self._recorded(), theory)

    def jacobians(self, examples: int = 4) -> Jacobians:
        """See `engine.tracing.read.jacobians.jacobians_of`."""
        return jacobians_of(self._recorded(), examples)

    def explain(
        self,
        layer: str | int,
        *,
        weight: tuple[int, int] | None = None,
        bias: int | None = None,
        examples: int = 5,
        link: int = 0,
    ) -> Explanation:
        """∂L/∂w_jk of one weight, or ∂L/∂b_k, term by term: see `engine.tracing.read.explain`."""
        t = self._recorded()
        return explain(t, layer, weight=weight, bias=bias, examples=examples, link=link)

    def walk(self) -> Walk:
        """The backward pass as steps, from the loss on: see `engine.tracing.read.walk`."""
        return walk(self._recorded())

    def diagnose(self, *, lr: float | None = None) -> Diagnosis:
        """What keeps the net from learning: see `engine.tracing.read.diagnose.judge`."""
        return diagnose(self._recorded(), lr=lr)

    def compare(self, other: Trace) -> Comparison:
        """How another trace of this architecture differs: `engine.tracing.read.comparing`."""
        if not isinstance(other, Trace):
            raise TypeError(f"compare() needs another Trace, not {type(other).__name__}")
        return compare(self._recorded(), other._recorded())

    def as_data(self) -> dict[str, Any]:
        """The trace as data that JSON can hold: see `engine.tracing.show.schema`."""
        return as_data(self._recorded())

    def to_mermaid(self) -> str:
        """The operations as a Mermaid flowchart, grouped by layer."""
        return to_mermaid(self._recorded())

    def to_dot(self) -> str:
        """The operations in Graphviz's language, grouped by layer."""
        return to_dot(self._recorded())

    def save(self, path: str | Path) -> None:
        """Write the trace to an .npz file: see `engine.tracing.storing`."""
        save_trace(self._recorded(), path)

    @staticmethod
    def load(path: str | Path) -> Trace:
        """Read a trace that `save` wrote: see `engine.tracing.storing`."""
        return Trace(load_trace(path))

    def __repr__(self) -> str:
        names = ", ".join(row.label for row in self.layers)
        return f"Trace({self.why_empty or f'{len(self.layers)} layers: {names}'})"

    def __str__(self) -> str:
        return text(self)

    def _repr_html_(self) -> str:
        return html(self)


@final
class _Block(Block):
    """What `trace` gives: a trace opens where its `with` block begins, and closes at the end."""

    attribute = "trace"

    def __init__(self, keep: Keep) -> None:
        self._keep = keep

    def __enter__(self) -> Trace:
        if state.trace is not None:
            raise GraphError(
                "a trace is already open in this thread; close it before opening another"
            )
        keeper = ArrayKeeper() if self._keep == "arrays" else StatisticsKeeper()
        open_trace(self, keeper)
        return Trace(keeper)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        closed = close_trace(self)
        if closed is None:
            return
        closed.close()
        if kind is None and closed.why_empty:
            warnings.warn(f"trace(): {closed.why_empty}", stacklevel=2)

    def __call__(self, function: object) -> None:
        raise TypeError(
            "trace() can't decorate a function, whose caller would not get the trace; write "
            "`with trace() as t:` inside the function or around its call"
        )

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
            "stats" takes statistics during the pass and keeps no array: a few thousand numbers for
            each quantity, whatever the width. A second backward pass is refused.

    Raises: GraphError when one trace is opened inside another; ValueError for another `keep`. Warns
    at the end of a block in which operations ran, but none that could be recorded.
    """
    if keep not in ("arrays", "stats"):
        raise ValueError(f'trace(keep={keep!r}): keep is "arrays" or "stats"')
    return _Block(keep)
