"""The arguments of an operation besides its operands: axes, shapes, and orders of axes.

They are integers as NumPy takes them: Python's, NumPy's, and sequences or arrays of them. 2.0, "2"
and True are refused, because NumPy refuses them, and int() would cut 2.5 to 2.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from engine.core.context import at_place

Axis = int | Sequence[int] | None

_SPELLINGS = {"dim": "axis", "dims": "axis", "axes": "axis", "keepdim": "keepdims"}


def integers(name: str, what: str, value: Any) -> tuple[int, ...]:
    """`value`, an integer or several, as a tuple: `integers("reshape", "shape", [2, -1])`.

    Raises: TypeError for anything else, with the operation's name, its place, and `what` it is.
    """
    numbers = list(value) if _several(value) else [value]
    try:
        if any(isinstance(n, bool) for n in numbers):
            raise TypeError
        return tuple(map(operator.index, numbers))
    except TypeError:
        raise TypeError(
            f"{name}{at_place()}: {what} {value!r:.60}; give an integer, or a tuple, list or array "
            "of integers"
        ) from None


def axes(name: str, axis: Any, others: Mapping[str, Any]) -> Any:
    """`axis` as NumPy wants it: None, an integer, or a tuple of integers.

    Raises: TypeError for anything else, and for `others`, keywords that the operation doesn't have.
    """
    if others:
        raise unexpected(name, others)
    if axis is None or type(axis) is int:
        return axis
    numbers = integers(name, "axis", axis)
    return numbers if _several(axis) else numbers[0]


def one_axis(name: str, axis: Any, others: Mapping[str, Any]) -> int:
    """`axis` as a single integer; raises as `axes`."""
    number = axes(name, axis, others)
    if type(number) is not int:
        raise TypeError(f"{name}{at_place()}: axis {axis!r:.60}; give an integer")
    return number


def unexpected(name: str, keywords: Mapping[str, Any]) -> TypeError:
    """An error that says which keywords an operation doesn't take, and how they are spelt here."""
    known = [f"{key}= is {_SPELLINGS[key]}= here" for key in keywords if key in _SPELLINGS]
    return TypeError(
        f"{name}{at_place()}: it takes no {', '.join(f'{key}=' for key in keywords)}"
        + (f"; {' and '.join(known)}, as in NumPy" if known else "")
    )


def _several(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
