"""All that a run has timed, as objects, as result.json's rows, and as arrays.

`rows()` and `arrays()` hold the same as the timings; `Times.of` makes the timings of them again,
so that a figure needs no more than what is on disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.speed.cases import case_from
from experiments.speed.rivals import TITLES
from experiments.speed.schedule import Timing
from experiments.speed.startup import GRADIENTS, Starts

Array = npt.NDArray[np.float64]

ENTRANTS = tuple(TITLES)


@dataclass(frozen=True)
class Times:
    """The timings of a run, its starts, and who was there.

    Attributes:
        present: the rivals that took part at all; of an absent one nothing is claimed.
        groups: those that were run.
    """

    timings: Sequence[Timing]
    starts: Starts = field(default_factory=Starts)
    present: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def of_group(self, group: str) -> Iterator[Timing]:
        return (timing for timing in self.timings if timing.case.group == group)

    def rows(self) -> list[dict[str, Any]]:
        """A row for each timing, in their order, for result.json."""
        return [
            {
                **timing.case.request(),
                "label": timing.case.label,
                "threads": timing.threads,
                "flops": timing.flops,
                "bytes": timing.case.bytes,
                "seconds": {name: timing.seconds(name) for name in timing.medians},
                "not_measured": dict(timing.failures),
            }
            for timing in self.timings
        ]

    def arrays(self) -> dict[str, Array]:
        """(row, entrant, round) medians, minima and repeats of the blocks, and the starts.

        NaN where nothing was measured; entrants are in the order of `ENTRANTS`.
        """
        rounds = max((len(m) for t in self.timings for m in t.medians.values()), default=0)
        found = {}
        for kind in ("medians", "minima", "repeats"):
            table = np.full((len(self.timings), len(ENTRANTS), rounds), np.nan)
            for row, timing in enumerate(self.timings):
                for name, values in getattr(timing, kind).items():
                    table[row, ENTRANTS.index(name), : len(values)] = values
            found[kind] = table
        cold = self.starts.cold
        none = np.full(max((len(seconds) for seconds in cold.values()), default=0), np.nan)
        found["start_cold"] = np.array([cold.get(net, none) for net in GRADIENTS])
        for name, seconds in (("warm", self.starts.warm), ("torch", self.starts.torch)):
            found[f"start_{name}"] = np.zeros(0) if seconds is None else seconds
        return found

    @classmethod
    def of(cls, measurements: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> Times:
        """The timings that `rows()` and `arrays()` were made from."""
        timings = []
        for row, said in enumerate(measurements["rows"]):
            columns: dict[str, dict[str, Array]] = {}
            for kind in ("medians", "minima", "repeats"):
                table = arrays[kind][row]
                columns[kind] = {
                    name: values[np.isfinite(values)]
                    for name, values in zip(ENTRANTS, table, strict=True)
                    if np.isfinite(values).any()
                }
            timings.append(
                Timing(case_from(said), said["threads"], failures=said["not_measured"], **columns)
            )
        cold = {
            net: seconds
            for net, seconds in zip(GRADIENTS, arrays["start_cold"], strict=True)
            if seconds.size and np.isfinite(seconds).all()
        }
        warm, torch = (
            seconds if seconds.size else None
            for seconds in (arrays["start_warm"], arrays["start_torch"])
        )
        starts = Starts(warm, cold, torch, measurements["start_failures"])
        return cls(
            timings,
            starts,
            frozenset(measurements["present"]),
            frozenset(measurements["groups"]),
        )
