"""The first NaN or Inf of a pass: in which operation, in which of its quantities, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.spelling import printable
from engine.tracing.formulas import letters

if TYPE_CHECKING:
    from engine.tracing.record import NodeRecord, Trace

Array = npt.NDArray[Any]


@printable
@dataclass(frozen=True)
class FirstNonFinite:
    """Where it is: `quantity` is x, W, b, s, x_next, y or a gradient ∂L/∂…; `count` of `size`.

    `kind` says how it came there: "data" or "parameter", when it was so before the pass, "forward"
    or "backward", when the operation made it.
    """

    node: NodeRecord
    quantity: str
    kind: str
    count: int
    size: int
    largest: float

    @property
    def where(self) -> str:
        return self.node.place or self.node.name


def first_nonfinite(t: Trace) -> FirstNonFinite | None:
    """The first in the order of the pass: forward through the operations, then backward."""
    for node, quantity, kind, array in _quantities(t):
        count = array.size - int(np.isfinite(array).sum())
        if count:
            return FirstNonFinite(node, quantity, kind, count, array.size, _largest(node.inputs))
    return None


def _quantities(t: Trace) -> Iterator[tuple[NodeRecord, str, str, Array]]:
    rows = {id(row.node): row for row in t.layers}
    for node in t.nodes:
        row = rows.get(id(node))
        names = letters(node.name, len(node.inputs))
        for name, source, x in zip(names, node.sources, node.inputs, strict=True):
            if not isinstance(source, int):
                yield node, name, "data" if source is None else "parameter", x
        if row is not None:
            yield node, "s", "forward", row.s
        yield node, "y" if row is None else "x_next", "forward", node.output
    for node in reversed(t.nodes):
        if node.dL_dy is None:
            continue
        row = rows.get(id(node))
        yield node, "∂L/∂y" if row is None else "∂L/∂x_next", "backward", node.dL_dy
        if row is not None and row.dL_ds is not None:
            yield node, "∂L/∂s", "backward", row.dL_ds
        for name, g in zip(letters(node.name, len(node.inputs)), node.dL_dx, strict=True):
            if g is not None:
                yield node, f"∂L/∂{name}", "backward", g


def _largest(arrays: list[Array]) -> float:
    return max((float(np.max(np.abs(a[np.isfinite(a)]), initial=0.0)) for a in arrays), default=0.0)
