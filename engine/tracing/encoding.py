"""Values of a trace as JSON, with its arrays beside them under names of their own.

Arrays become {"array": "a12"}, each stored once however often it occurs, so that what was one array
in the trace is one again. Activations are stored by name and parameters, with their values at a
few points, since a user's own may be defined otherwise when the file is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.activations import ACTIVATIONS, Activation
from engine.arrays import Array
from engine.tracing.nodes import Variable

_POINTS = np.array([-3.0, -1.25, -0.5, 0.3, 0.75, 2.0])


class Encoder:
    """`encode` turns a value into what JSON can hold; `arrays` collects its arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}
        # The array itself is kept, or a new one could get the address of one that is gone.
        self._known: dict[int, tuple[str, Array]] = {}

    def encode(self, value: Any) -> Any:
        """Raises: TypeError for a value of a kind that can't be stored."""
        if isinstance(value, np.ndarray):
            return {"array": self._name_of(value)}
        if isinstance(value, Activation):
            return {"activation": _described(value)}
        if isinstance(value, tuple | list):
            kind = "tuple" if isinstance(value, tuple) else "list"
            return {kind: [self.encode(part) for part in value]}
        if isinstance(value, Variable):
            return {"variable": [value.name, value.number, value.version]}
        if isinstance(value, slice):
            return {"slice": [self.encode(p) for p in (value.start, value.stop, value.step)]}
        if value is ...:
            return {"ellipsis": True}
        if isinstance(value, np.dtype) and not value.hasobject:
            return {"dtype": value.str}
        if isinstance(value, np.bool_ | np.integer | np.floating):
            return value.item()
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise TypeError(f"a trace can't store a {type(value).__name__}")

    def _name_of(self, array: Array) -> str:
        known = self._known.get(id(array))
        if known is None:
            known = f"a{len(self._known)}", array
            self._known[id(array)] = known
            self.arrays[known[0]] = array
        return known[0]


def decode(value: Any, arrays: Mapping[str, Array]) -> Any:
    """What `Encoder.encode` was given.

    Raises: ValueError for an activation that isn't known here or is another one by now; KeyError,
        TypeError or ValueError for what no encoder wrote.
    """
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise TypeError("a bare list")
        return value
    ((kind, inside),) = value.items()
    if kind == "array":
        return arrays[inside]
    if kind == "activation":
        return _activation(inside)
    if kind == "tuple":
        return tuple(decode(part, arrays) for part in inside)
    if kind == "list":
        return [decode(part, arrays) for part in inside]
    if kind == "slice":
        return slice(*(decode(part, arrays) for part in inside))
    if kind == "variable":
        name, number, version = inside
        return Variable(str(name), int(number), int(version))
    if kind == "ellipsis":
        return ...
    if kind == "dtype":
        return np.dtype(inside)
    raise ValueError(f"unknown kind {kind!r}")


def _described(f: Activation) -> dict[str, Any]:
    parameters = {key: float(value) for key, value in f.parameters.items()}
    return {"name": f.name, "parameters": parameters, "values": _values(f)}


def _values(f: Activation) -> list[float]:
    return [float(v) for v in (*f.value(_POINTS), *f.slope(_POINTS))]


class UnknownActivationError(ValueError):
    """An activation of a file that isn't known here, or is another one by now."""


def _activation(stored: dict[str, Any]) -> Activation:
    name = str(stored["name"])
    known = ACTIVATIONS.get(name.rstrip("′"))
    if known is None:
        raise UnknownActivationError(
            f"its activation {name!r} is not known here; define it first (run or import the file "
            f"with its @activation), then load. Known are {', '.join(ACTIVATIONS)}"
        )
    f = known(**stored["parameters"]) if stored["parameters"] else known
    for _ in range(len(name) - len(name.rstrip("′"))):
        f = f.derivative
    if not np.allclose(_values(f), stored["values"], rtol=1e-6, atol=1e-9, equal_nan=True):
        raise UnknownActivationError(
            f"its activation {name!r} is not the one of that name here: their values differ; "
            "define it as it was when the trace was saved, then load"
        )
    return f
