"""`TraceData`: what a trace holds, the rows of the layers and of all operations.

Everything that reads a trace takes a `TraceData`; `engine.tracing.record.Trace` adds the methods by
which users call these readers.
"""

from __future__ import annotations

from typing import Literal, Self

from engine.errors import GraphError
from engine.tracing.keeping import ArrayKeeper, Keeper
from engine.tracing.rows import LayerRecord, NodeRecord

Keep = Literal["arrays", "stats"]


class TraceData:
    """One pass: its layers and all its operations, in the order in which they were computed."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @property
    def keep(self) -> Keep:
        return "arrays" if type(self._keeper) is ArrayKeeper else "stats"

    @property
    def layers(self) -> list[LayerRecord]:
        return self._keeper.layers

    @property
    def nodes(self) -> list[NodeRecord]:
        return self._keeper.nodes

    @property
    def why_empty(self) -> str:
        """Why nothing was recorded, though something ran; "" otherwise."""
        return self._keeper.why_empty

    @property
    def unrecorded(self) -> int:
        """How many operations on variables ran under no_grad(), and are not in the trace."""
        return self._keeper.unrecorded

    def _recorded(self) -> Self:
        if self.why_empty:
            raise GraphError(f"in this trace, {self.why_empty}")
        return self

    def __getitem__(self, name: str | int) -> LayerRecord:
        """The layer of that name or position."""
        layers = self._recorded().layers
        if isinstance(name, int):
            return layers[name]
        for row in layers:
            if row.name == name:
                return row
        raise KeyError(f"no layer {name!r}; there are {[row.name for row in layers]}")

    def __len__(self) -> int:
        return len(self.layers)
