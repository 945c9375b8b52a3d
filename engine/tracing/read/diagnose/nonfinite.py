"""The first NaN or Inf of a pass: in which operation, in which of its quantities, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from engine.arrays import Array
from engine.spelling import printable
from engine.tracing.data import TraceData
from engine.tracing.nodes import NodeRecord
from engine.tracing.read.diagnose.finding import Finding
from engine.tracing.read.diagnose.measures import Measures, mean_square, rms
from engine.tracing.read.formulas import letters
from engine.tracing.rows import LayerRecord
from engine.tracing.statistics import Statistics

# What, of which kind, its entries that are not finite, and all its entries.
_Quantity = tuple[str, str, int, int]


@printable
@dataclass(frozen=True)
class FirstNonFinite:
    """Where it is: `quantity` is x, W, b, s, x_next, y or a gradient ∂L/∂…; `count` of `size`.

    `kind` says how it came there: "data" or "parameter", when it was so before the pass, "forward"
    or "backward", when the operation made it. `largest` is the largest finite operand, if known.
    """

    node: NodeRecord
    quantity: str
    kind: str
    count: int
    size: int
    largest: float | None

    @property
    def where(self) -> str:
        return self.node.place or self.node.name


def first_nonfinite(t: TraceData) -> FirstNonFinite | None:
    """The first in the order of the pass: forward through the operations, then backward.

    With statistics alone, that of the layers and of single numbers, such as a loss.
    """
    rows = {id(row.node): row for row in t.layers if row.is_one_operation}
    of = _of_arrays if t.keep == "arrays" else _of_statistics
    for nodes, forward in ((t.nodes, True), (t.nodes[::-1], False)):
        for node in nodes:
            row = rows.get(id(node))
            for quantity, kind, count, size in of(node, row, forward):
                if count:
                    return FirstNonFinite(node, quantity, kind, count, size, _largest(node, row))
    return None


def nonfinite_finding(first: FirstNonFinite, t: TraceData, layers: list[Measures]) -> Finding:
    """The finding of the first NaN or Inf."""
    quantity, name = first.quantity, first.node.name
    evidence = (
        f"the first NaN or Inf is in {quantity} of {first.where} ({name}), "
        f"{first.count} of {first.size} entries"
    )
    if first.kind == "data":
        cause = "the data held it before the pass."
        remedy = "look for it in the data with np.isfinite, and leave those examples out."
    elif first.kind == "parameter":
        cause = f"{quantity} of {first.where} held it before the pass, after an update or a load."
        remedy = "start again, with a smaller learning rate if it came in training."
    elif first.kind == "forward":
        largest = "" if first.largest is None else f", the largest of them {first.largest:.3g}"
        cause = f"{name} made it of finite operands{largest}{_growth(t)}."
        remedy = _forward_remedy(name)
    elif first.kind == "between":
        cause = "an operation between the layer before and this one made it."
        remedy = 'trace with keep="arrays", which names the operation.'
    else:
        cause = (
            "the forward pass is finite, so it comes from the gradient: an overflow on the way "
            f"back, or a derivative that is infinite here ({name})."
        )
        remedy = (
            "initialise with Xavier's or Kaiming's variance if n Var W is above 2 in the rows "
            f"(largest here: {max((m.n_var_W for m in layers), default=0):.3g}); keep operands of "
            "sqrt, log, power and division away from 0."
        )
    numbers = {"count": float(first.count), "size": float(first.size)}
    return Finding("non-finite", (first.where,), f"{evidence}.", cause, remedy, numbers)


def _of_arrays(node: NodeRecord, row: LayerRecord | None, forward: bool) -> Iterator[_Quantity]:
    """The quantities of an operation; those of the backward pass come in the order of the sweep."""

    def of(quantity: str, kind: str, array: Array) -> _Quantity:
        return quantity, kind, array.size - int(np.isfinite(array).sum()), array.size

    names = letters(node)
    if forward:
        for name, source, x in zip(names, node.sources, node.inputs, strict=True):
            if not isinstance(source, int):
                yield of(name, "data" if source is None else "parameter", x)
        if row is not None:
            yield of("s", "forward", row.s)
        yield of("y" if row is None else "x_next", "forward", node.output)
    elif node.dL_dy is not None:
        yield of("∂L/∂y" if row is None else "∂L/∂x_next", "backward", node.dL_dy)
        if row is not None and row.dL_ds is not None:
            yield of("∂L/∂s", "backward", row.dL_ds)
        for name, g in zip(names, node.dL_dx, strict=True):
            if g is not None:
                yield of(f"∂L/∂{name}", "backward", g)


def _of_statistics(node: NodeRecord, row: LayerRecord | None, forward: bool) -> Iterator[_Quantity]:
    """The same of a layer's statistics; of other operations, only a single number is known."""
    if row is None:
        if forward and node.number is not None:
            yield "y", "forward", int(not math.isfinite(node.number)), 1
        return

    def of(quantity: str, kind: str, statistics: Statistics | None) -> _Quantity:
        return (
            (quantity, kind, statistics.nonfinite, statistics.size)
            if statistics
            else (quantity, kind, 0, 0)
        )

    if forward:
        for name, source in zip(letters(node), node.sources, strict=True):
            kind = "data" if source is None else "parameter"
            kind = "between" if isinstance(source, int) else kind
            yield of(name, kind, row.statistics(name))
        yield of("s", "forward", row.statistics("s"))
        yield of("x_next", "forward", row.statistics("x_next"))
    else:
        for name in ("dL_dx_next", "dL_ds", "dL_dx", "dL_dW", "dL_db"):
            yield of(name.replace("dL_d", "∂L/∂"), "backward", row.statistics(name))


def _largest(node: NodeRecord, row: LayerRecord | None) -> float | None:
    if node.kept:
        sizes = [np.max(np.abs(a[np.isfinite(a)]), initial=0.0) for a in node.inputs]
        return max(map(float, sizes), default=0.0)
    if row is None:
        return None
    known = [row.statistics(name) for name in letters(node)]
    sizes = [max(abs(s.min), abs(s.max)) for s in known if s is not None and s.sampled]
    return max(sizes, default=0.0)


def _growth(t: TraceData) -> str:
    """How the forward signal grows from layer to layer, if it does."""
    sizes = [size for row in t.layers if (size := rms(row, "s"))]
    if len(sizes) < 2:
        return ""
    factor = math.exp((math.log(sizes[-1]) - math.log(sizes[0])) / (len(sizes) - 1))
    if factor < 2:
        return ""
    widest = max(row.fan_in * mean_square(row, "W") for row in t.layers)
    return f"; s grows by a factor of {factor:.3g} per layer, n Var W is up to {widest:.3g}"


def _forward_remedy(name: str) -> str:
    if name in ("log", "divide", "sqrt", "power"):
        return (
            f"keep the operand of {name} away from 0 and from below it (add a small number, or use "
            "log_softmax, cross_entropy or clip, which are safe)."
        )
    if name == "exp":
        return "use softmax, logsumexp or cross_entropy, which subtract the largest entry first."
    return "initialise with Xavier's or Kaiming's variance, or lower the learning rate."
