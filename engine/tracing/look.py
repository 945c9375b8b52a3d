"""`Look`: the statistics of several arrays of a pass, taken by one call of a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any

import numpy as np

from engine.activations import Activation
from engine.arrays import Array
from engine.kernels import AT_ONCE, empty, look
from engine.tracing.statistics import (
    DeadUnits,
    Statistics,
    dead_units,
    plan_for,
    share_below,
)

_shape, _writeable = attrgetter("shape"), attrgetter("flags.writeable")
_NONE_DEAD = DeadUnits(0.0, 0, None)


class Look:
    """The statistics of arrays of one dtype, each of them looked at once.

    Args:
        arrays: those to look at; None among them has no statistics.
        slopes: f and s, for each f′(s) to look at.
        before: the look before this one.
        again: arrays of that look which may come again in this one.
    """

    def __init__(
        self,
        arrays: list[Array | None],
        slopes: list[tuple[Activation, Array]],
        before: Look | None,
        again: list[Array | None],
    ) -> None:
        self._keys = list(map(id, arrays))
        new: dict[int, Any] = dict(zip(self._keys, arrays, strict=True))
        new.pop(id(None), None)
        self._known: dict[int, tuple[Look, int] | None] = {}
        for array in again:
            if new.pop(id(array), None) is not None and before is not None:
                self._known[id(array)] = before.find(id(array))
        # What the pass has touched last is in a near cache, so it comes first.
        self._order = tuple(reversed(new))
        self._at: dict[int, tuple[Look, int]] = {}  # made of it when somebody asks
        entries = [*reversed(new.values()), *[s for _, s in slopes]]
        functions = (*[None] * len(new), *[f for f, _ in slopes])
        self._calls = [
            _Call(entries[start : start + AT_ONCE], functions[start : start + AT_ONCE])
            for start in range(0, len(entries), AT_ONCE)
        ]
        self._dead: dict[int, DeadUnits] = {}
        for i, (f, s) in enumerate(slopes, len(new)):
            zeros = self._calls[i // AT_ONCE].sums[i % AT_ONCE, 1]
            if zeros or not s.size:
                self._dead[i] = dead_units(f.slope(s), indices=False)

    def find(self, key: int) -> tuple[Look, int] | None:
        """Where the array of that id was looked at, and its number there."""
        if not self._at:
            self._at = {key: (self, i) for i, key in enumerate(self._order)}
        return self._at.get(key) or self._known.get(key)

    def of(self, at: int, names: Sequence[str]) -> dict[str, tuple[Look, int]]:
        """The same for arrays that were added one after the other; None among them left out."""
        places = {name: self.find(self._keys[k]) for k, name in enumerate(names, at)}
        return {name: place for name, place in places.items() if place is not None}

    def of_slopes(self, k: int) -> tuple[Look, int]:
        return self, len(self._order) + k

    def statistics(self, i: int) -> Statistics:
        return self._calls[i // AT_ONCE].statistics(i % AT_ONCE)

    def sample(self, i: int) -> Array:
        return self._calls[i // AT_ONCE].sample(i % AT_ONCE)

    def saturated(self, i: int, f: Activation, threshold: float) -> float:
        """The share of |f′| of the sample below threshold · max |f′|; i is that of f′(s)."""
        return share_below(self.sample(i), f, threshold)

    def dead(self, i: int) -> DeadUnits:
        """The units where f′(s) is 0 throughout; i is that of f′(s)."""
        return self._dead.get(i, _NONE_DEAD)


class _Call:
    """What one call of the kernel takes, of arrays or, where there is an f, of f′ of them."""

    def __init__(self, arrays: list[Array], functions: tuple[Activation | None, ...]) -> None:
        dtype = arrays[0].dtype
        self._shapes = tuple(map(_shape, arrays))
        self._plan = plan_for(self._shapes)
        addresses, parameters, others = _runs(functions, dtype)
        flats = list(map(np.ndarray.ravel, arrays))
        for i, f in others:
            flats[i] = f.slope(arrays[i]).astype(dtype, copy=False).ravel()
        if not all(map(_writeable, flats)):  # a read-only one would be another type to the kernel
            flats = [flat if flat.flags.writeable else flat.copy() for flat in flats]
        self._samples = empty((self._plan.ends[-1],), dtype)
        self.sums = look(flats, self._plan, self._samples, addresses, parameters)

    def statistics(self, i: int) -> Statistics:
        return Statistics.made(self._shapes[i], self.sums[i], self.sample(i))

    def sample(self, i: int) -> Array:
        ends = self._plan.ends
        return self._samples[ends[i] : ends[i + 1]]


@lru_cache(maxsize=1024)
def _runs(
    functions: tuple[Activation | None, ...], dtype: np.dtype[Any]
) -> tuple[Array, Array, list[tuple[int, Activation]]]:
    """The addresses and parameters of compiled f′, as `look` wants them, and the f without one."""

    def run_of(f: Activation | None) -> tuple[int, tuple[float, ...]] | None:
        kernel: Any = f.kernel if f is not None and f.compiled else None
        return None if f is None or kernel is None else (kernel.run("slope", dtype), f.constants)

    runs = [run_of(f) for f in functions]
    others = [
        (i, f)
        for i, (f, run) in enumerate(zip(functions, runs, strict=True))
        if f is not None and run is None
    ]
    compiled = [(0, ()) if run is None else run for run in runs]
    parameters = np.zeros((len(runs), max(1, *(len(own) for _, own in compiled))), dtype)
    for row, (_, own) in zip(parameters, compiled, strict=True):
        row[: len(own)] = own
    return np.array([address for address, _ in compiled], np.int64), parameters, others
