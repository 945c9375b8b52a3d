"""`Recorder`: the statistics of all layers along a training run.

    recorder = Recorder(net, probe=(x, y), every=10)
    for x, y in batches:
        recorder.step()
        …
        optimiser.step()
    updates, deviations = recorder.series("layer 3", "x_next", "std")

Each record runs the probe, always the same examples, forward and backward through a copy of the
net, so the net's parameters, gradients and random state do not change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from engine import (
    QUANTITIES,
    Statistics,
    Tensor,
    Trace,
    printable,
    read_arrays,
    trace,
    write_arrays,
)
from nn.losses import cross_entropy
from nn.module import Module
from nn.recorder_state import BINS, STATISTICS, VERSION, malformed

Array = npt.NDArray[Any]


@printable
@final
class Recorder:
    """Records the statistics of every layer's quantities, every `every` updates.

    A record has 15 numbers and a histogram for each layer and quantity: about 3 kB per layer,
    independent of the width.

    Args:
        net: a module; it is copied for each record.
        probe: a pair (examples, labels), copied.
        loss: a function of the net's output and the labels.
        every: the number of updates between records; the first record is at update 0.

    Attributes:
        updates: the update of each record; `losses`: the probe's loss at these updates.
        layers: the names of the layers; a layer that is used twice is "name [0]" and "name [1]".

    Raises: ValueError for `every` below 1; TypeError for a probe that is no pair.
    """

    def __init__(
        self,
        net: Module,
        probe: tuple[npt.ArrayLike, npt.ArrayLike],
        loss: Callable[[Tensor, Array], Tensor] = cross_entropy,
        every: int = 1,
    ) -> None:
        if every < 1:
            raise ValueError(f"Recorder(every={every}): every must be at least 1")
        if not isinstance(probe, tuple | list) or len(probe) != 2:
            raise TypeError("Recorder: probe must be a pair, (examples, labels)")
        x, y = probe
        self._net: Module | None = net
        self._probe = np.array(x), np.array(y)
        self._loss, self.every = loss, every
        self._count = 0
        self.layers: tuple[str, ...] = ()
        self.updates: list[int] = []
        self.losses: list[float] = []
        self._numbers: list[Array] = []  # (layers, quantities, STATISTICS) each
        self._histograms: list[Array] = []  # (layers, quantities, bins) each

    def step(self) -> bool:
        """Call this once per update; the first call, number 0, records the initial net."""
        return self(self._count)

    def __call__(self, update: int) -> bool:
        """Make a record if `update` is a multiple of `every`; returns whether it is.

        Raises: GraphError inside an open trace; ValueError if the net's layers have changed since
            the last record, or if `update` is not after the last record's update; RuntimeError for
            a recorder that was loaded from a file.
        """
        self._count = update + 1
        if update % self.every:
            return False
        if self._net is None:
            raise RuntimeError("this recorder was loaded from a file and has no net to record")
        if self.updates and update <= self.updates[-1]:
            raise ValueError(
                f"update {update} is not after {self.updates[-1]}, the last that was recorded"
            )
        x, labels = self._probe
        copy = deepcopy(self._net)  # with separate gradients and random generators
        with trace(keep="stats") as t:
            loss = self._loss(copy(x), labels)
            loss.backward()
        self._add(update, loss.item(), t)
        return True

    def series(self, layer: str | int, quantity: str, statistic: str) -> tuple[Array, Array]:
        """(updates, values) of one statistic, NaN where the quantity did not exist.

        Args:
            layer: the layer's name or position.
            quantity: one of `engine.QUANTITIES`, for example "dL_ds".
            statistic: a field of `engine.Statistics`, for example "std" or "p98"; for df_ds also
                "saturated" (the share of |f′| below 5 % of its maximum, in the sample) and "dead"
                (the share of units with f′ = 0 for every example).

        Raises: KeyError for an unknown name.
        """
        at = self._at(layer), _position(quantity, QUANTITIES, "quantity")
        k = _position(statistic, STATISTICS, "statistic")
        values = np.array([numbers[at][k] for numbers in self._numbers], dtype=np.float64)
        return np.array(self.updates, np.int64), values

    def histograms(self, layer: str | int, quantity: str) -> tuple[Array, Array, Array]:
        """(updates, edges, counts) of |v|: a row of counts per record; edges of `Statistics`."""
        at = self._at(layer), _position(quantity, QUANTITIES, "quantity")
        counts = [histogram[at] for histogram in self._histograms]
        rows = np.array(counts, dtype=np.int64).reshape(len(counts), BINS)
        return np.array(self.updates, np.int64), Statistics.edges, rows

    def state_dict(self) -> dict[str, Array]:
        """A copy of all records, as named arrays."""
        shape = len(self.updates), len(self.layers), len(QUANTITIES)
        return {
            "recorder_version": np.array(VERSION),
            "every": np.array(self.every),
            "layers": np.array(self.layers, dtype=np.str_),
            "quantities": np.array(QUANTITIES),
            "statistics": np.array(STATISTICS),
            "edges": Statistics.edges.copy(),
            "updates": np.array(self.updates, np.int64),
            "losses": np.array(self.losses, np.float64),
            "numbers": np.array(self._numbers).reshape(*shape, len(STATISTICS)),
            "histograms": np.array(self._histograms, np.uint16).reshape(*shape, BINS),
        }

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        """Replace the records by those of `state_dict`; later records use this net and probe.

        Raises: ValueError if the state is malformed, of another version, or of another `every`; the
            records are then unchanged.
        """
        problem = malformed(state)
        if problem:
            raise ValueError(f"not a recorder's state: {problem}")
        if self._net is not None and state["every"] != self.every:
            raise ValueError(
                f"the state has a record every {state['every']} updates, this recorder every "
                f"{self.every}"
            )
        self.every = int(state["every"])
        self.layers = tuple(map(str, state["layers"]))
        self.updates = state["updates"].tolist()
        self.losses = state["losses"].tolist()
        self._count = self.updates[-1] + 1 if self.updates else 0
        self._numbers, self._histograms = list(state["numbers"]), list(state["histograms"])

    def save(self, path: str | Path) -> None:
        """Write the records to an .npz file, which appears whole or not at all."""
        write_arrays(path, self.state_dict())

    @classmethod
    def load(cls, path: str | Path) -> Recorder:
        """A recorder with the records that `save` wrote; it has no net and can't record.

        Raises: ValueError, with a message of one line, for a file that is malformed or of another
            version; FileNotFoundError if the file does not exist.
        """
        arrays = read_arrays(path)
        problem = malformed(arrays)
        if problem:
            raise ValueError(f"{path}: not a recorder's file: {problem}")
        recorder = cls.__new__(cls)
        recorder._net, recorder._loss = None, cross_entropy
        recorder._probe = np.empty(0), np.empty(0)
        recorder.load_state_dict(arrays)
        return recorder

    def _add(self, update: int, loss: float, t: Trace) -> None:
        names = tuple(row.label for row in t.layers)
        if self.updates and names != self.layers:
            raise ValueError(
                f"update {update}: the net has the layers {', '.join(names) or 'none'}, but the "
                f"earlier records {', '.join(self.layers) or 'none'}; use one recorder per net"
            )
        shape = len(names), len(QUANTITIES)
        numbers = np.full((*shape, len(STATISTICS)), np.nan)
        histograms = np.zeros((*shape, BINS), np.uint16)  # a sample has at most 4,096 entries
        for i, row in enumerate(t.layers):
            for j, quantity in enumerate(QUANTITIES):
                statistics = row.statistics(quantity)
                if statistics is None:
                    continue
                numbers[i, j, :-2] = [getattr(statistics, name) for name in STATISTICS[:-2]]
                histograms[i, j] = statistics.histogram
                if quantity == "df_ds":
                    numbers[i, j, -2:] = row.saturated(), row.dead().share
        self.layers = names
        self.updates.append(update)
        self.losses.append(loss)
        self._numbers.append(numbers)
        self._histograms.append(histograms)

    def _at(self, layer: str | int) -> int:
        if isinstance(layer, str):
            return _position(layer, self.layers, "layer")
        if not -len(self.layers) <= layer < len(self.layers):
            raise KeyError(f"no layer {layer}; the net has {len(self.layers)}")
        return layer

    def __len__(self) -> int:
        return len(self.updates)

    def __repr__(self) -> str:
        span = f", updates {self.updates[0]} … {self.updates[-1]}" if self.updates else ""
        return f"Recorder({len(self)} records of {len(self.layers)} layers{span})"


def _position(name: str, names: tuple[str, ...], what: str) -> int:
    if name not in names:
        raise KeyError(f"no {what} {name!r}; the names are {', '.join(names) or 'not known yet'}")
    return names.index(name)
