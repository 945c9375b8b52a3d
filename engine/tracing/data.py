"""`TraceData`: what a trace holds, the rows of the layers and of all operations.

Everything that reads a trace takes a `TraceData`; `engine.tracing.record.Trace` adds the methods by
which users call these readers.
"""

from __future__ import annotations

import math
from typing import Any, Literal, Self, overload

import numpy as np

from engine.arrays import Array
from engine.errors import GraphError
from engine.tracing.keeping import ArrayKeeper, Keeper
from engine.tracing.nodes import NodeRecord
from engine.tracing.rows import LayerRecord
from engine.tracing.statistics import Statistics

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

    @overload
    def __getitem__(self, at: int | tuple[str, int]) -> LayerRecord: ...
    @overload
    def __getitem__(self, at: str) -> Any: ...
    def __getitem__(self, at: int | str | tuple[str, int]) -> Any:
        """The layer of that name or position, or of that name and time step.

        A name alone gives a list if the layer was used several times: one row for each step.

        Raises: KeyError for an unknown name or step, IndexError for a position out of range.
        """
        layers = self._recorded().layers
        if isinstance(at, int):
            return layers[at]
        name, step = (at, None) if isinstance(at, str) else at
        rows = [row for row in layers if row.name == name]
        if not rows:
            known = list(dict.fromkeys(row.name for row in layers))
            raise KeyError(f"no layer {name!r}; there are {known}")
        if step is None:
            return rows[0] if len(rows) == 1 else rows
        for row in rows:
            if row.step == step:
                return row
        raise KeyError(f"{name} has no step {step}; there are {[row.step for row in rows]}")

    def series(self, name: str, quantity: str, statistic: str = "rms") -> Array:
        """One number for each step of a layer or of a labelled tensor, in the order of the pass.

        Args:
            name: a layer's, or the label of a tensor (`c.named("c")`).
            quantity: for a layer one of `engine.QUANTITIES`, as "dL_ds"; for a label "y", the
                tensor's values, or "dL_dy", its gradient.
            statistic: an attribute of `engine.Statistics`: "rms", "mean", "std", "max", …

        NaN where the quantity does not exist, as a gradient before the backward pass.

        Raises: KeyError for a name, quantity or statistic that isn't there.
        """
        if statistic not in Statistics.__dataclass_fields__ or statistic in ("shape", "histogram"):
            raise KeyError(f"series: no statistic {statistic!r}; for example rms, mean, std, max")
        nodes = [n for n in self.nodes if n.built_in == "label" and n.parameters["name"] == name]
        if nodes:
            if quantity not in ("y", "dL_dy"):
                raise KeyError(f"series: the label {name!r} has y and dL_dy, no {quantity!r}")
            statistics = [node.statistics(quantity) for node in nodes]
        else:
            rows = self[name]
            rows = rows if isinstance(rows, list) else [rows]
            statistics = [row.statistics(quantity) for row in rows]
        return np.array([math.nan if s is None else getattr(s, statistic) for s in statistics])

    def __len__(self) -> int:
        return len(self.layers)
