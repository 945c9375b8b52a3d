"""`Place`: where in a program an operation was carried out, as a path and a time step."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

_STEP = re.compile(r" \[(\d+)\]$")


@dataclass(frozen=True, slots=True)
class Place:
    """A path of names, outermost first, and the time step, if there is one.

    `engine.place("net")` around `engine.place("cell", step=3)` is Place(("net", "cell"), 3).
    """

    path: tuple[str, ...] = ()
    step: int | None = None

    @classmethod
    def of(cls, text: str) -> Place:
        """The place that an operation reports, as in "net / cell [3]"."""
        path, step = [], None
        for name in text.split(" / ") if text else ():
            number = _STEP.search(name)
            if number is not None:
                name, step = name[: number.start()], int(number[1])
            path.append(name)
        return cls(tuple(path), step)

    def __bool__(self) -> bool:
        return bool(self.path)

    @property
    def name(self) -> str:
        return " / ".join(self.path)

    def __str__(self) -> str:
        return self.name if self.step is None else f"{self.name} [{self.step}]"


def shared(places: Sequence[Place]) -> Place:
    """The place of a layer whose products are in these places.

    It is their common path; without a common path, "input + state".
    """
    known = list(dict.fromkeys(place for place in places if place.path))
    steps = {place.step for place in known}
    step = steps.pop() if len(steps) == 1 else None
    common = [
        names[0]
        for names in zip(*(place.path for place in known), strict=False)
        if len(set(names)) == 1
    ]
    if common or not known:
        return Place(tuple(common), step)
    return Place((" + ".join(place.name for place in known),), step)


def numbered(places: Sequence[Place], layers: Sequence[Hashable]) -> list[Place]:
    """The same places, with steps from 0 where one layer is used several times in one place.

    `layers` says which layer is in each place; None is a layer of its own.
    """
    uses = list(zip(places, layers, strict=True))
    count, seen = Counter(uses), Counter[Any]()
    result = []
    for place, layer in uses:
        again = layer is not None and place.step is None and count[place, layer] > 1
        result.append(Place(place.path, seen[place, layer]) if again else place)
        seen[place, layer] += 1
    return result
