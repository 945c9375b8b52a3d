"""Two traces side by side: for each layer and quantity, how their sizes compare."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.arrays import Array
from engine.spelling import printable
from engine.tracing.data import TraceData
from engine.tracing.read.diagnose.measures import norm
from engine.tracing.rows import LayerRecord
from engine.tracing.widths import terminal_width

QUANTITIES = (
    *("x", "W", "b", "s", "x_next"),
    *("dL_dx_next", "dL_ds", "dL_dW", "dL_db", "dL_dx"),
)
_TITLES = ("x", "W", "b", "s", "x_next", "∂L/∂x⁽ⁱ⁺¹⁾", "∂L/∂s", "∂L/∂W", "∂L/∂b", "∂L/∂x")
_FORWARD = 5  # of the quantities are those of the forward pass
_WIDTHS = (8, 8, 8, 8, 8, 11, 8, 8, 8, 8)


@printable
@dataclass(frozen=True, eq=False)
class Comparison:
    """Two traces of nets of the same sizes, `a` and `b`.

    Attributes:
        layers: the names of a's layers.
        rms_ratio: (layers, quantities): rms of b's over rms of a's, NaN where one has none and
            for 0 / 0.
        difference: (layers, quantities): max |b − a| / max |a|, NaN where the shapes differ (as
            when the batches do); ∞ when only a is 0.

    The quantities are those of `QUANTITIES`, in that order.
    """

    layers: tuple[str, ...]
    rms_ratio: Array
    difference: Array

    def __str__(self) -> str:
        """Two tables, 98 columns wide; in a narrower terminal, forward and backward apart."""
        every = range(len(QUANTITIES))
        parts = [every] if terminal_width() >= 98 else [every[:_FORWARD], every[_FORWARD:]]
        lines = []
        for title, values in (
            ("rms of the second / rms of the first", self.rms_ratio),
            ("largest difference / largest entry of the first", self.difference),
        ):
            lines += [title, *[line for part in parts for line in self._table(values, part)], ""]
        return "\n".join(lines[:-1])

    def _table(self, values: Array, part: range) -> list[str]:
        def row(name: str, cells: list[str]) -> str:
            name = name if len(name) <= 15 else f"{name[:14]}…"
            return f"{name:<15}" + "".join(f"{cells[i]:>{_WIDTHS[i]}}" for i in part)

        lines = [row("layer", list(_TITLES))]
        return lines + [
            row(name, [_cell(v) for v in own])
            for name, own in zip(self.layers, values, strict=True)
        ]

    def __repr__(self) -> str:
        return f"Comparison({len(self.layers)} layers)"


def compare(a: TraceData, b: TraceData) -> Comparison:
    """How b differs from a, layer by layer.

    The nets must have the same layers by number and size; their weights, activations, batches and
    precisions may differ.

    Raises: ValueError saying where the sizes differ.
    """
    if len(a.layers) != len(b.layers):
        raise ValueError(
            f"compare: the traces have {len(a.layers)} and {len(b.layers)} layers; only traces of "
            "the same architecture can be compared"
        )
    first_rows, second_rows = ([view for row in t.layers for view in row.by_link] for t in (a, b))
    if len(first_rows) != len(second_rows):
        sizes = [[row.size() for row in t.layers] for t in (a, b)]
        raise ValueError(
            f"compare: the first trace has layers of sizes {sizes[0]} and the second {sizes[1]}; "
            "only traces of the same architecture can be compared"
        )
    pairs = list(zip(first_rows, second_rows, strict=True))
    for first, second in pairs:
        if first.W.shape != second.W.shape:
            raise ValueError(
                f"compare: {first.name} has W of shape {first.W.shape} in the first trace, and "
                f"{second.name} {second.W.shape} in the second; only traces of the same "
                "architecture can be compared"
            )
    shape = (len(pairs), len(QUANTITIES))
    return Comparison(
        layers=tuple(_name(row) for row in first_rows),
        rms_ratio=np.array([_each(x, y, _ratio) for x, y in pairs]).reshape(shape),
        difference=np.array([_each(x, y, _difference) for x, y in pairs]).reshape(shape),
    )


def _name(row: LayerRecord) -> str:
    return row.label if row.at == 0 else f"{row.label}, link {row.at}"


def _each(a: LayerRecord, b: LayerRecord, measure: Any) -> list[float]:
    values = [(getattr(a, name), getattr(b, name)) for name in QUANTITIES]
    return [math.nan if x is None or y is None else measure(x, y) for x, y in values]


def _ratio(a: Array, b: Array) -> float:
    return _quotient(norm(b) / math.sqrt(max(b.size, 1)), norm(a) / math.sqrt(max(a.size, 1)))


def _difference(a: Array, b: Array) -> float:
    if a.shape != b.shape:
        return math.nan
    with np.errstate(all="ignore"):
        apart = np.abs(np.subtract(b, a, dtype=np.float64)).max(initial=0.0)
    if apart == 0:
        return 0.0
    return _quotient(float(apart), float(np.abs(a).max(initial=0.0)))


def _quotient(a: float, b: float) -> float:
    if b == 0:
        return math.nan if a == 0 or math.isnan(a) else math.inf
    return a / b


def _cell(value: float) -> str:
    if math.isnan(value):
        return "–"
    text = f"{value:.3g}"
    return text if len(text) <= 7 else f"{value:.0e}"
