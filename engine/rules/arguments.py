"""Checks of an operation's arguments besides its operands: axes, shapes, and orders of axes.

Integers of Python or NumPy are accepted, and sequences or arrays of integers. 2.0, "2" and True are
refused, as in NumPy; int() would truncate 2.5 to 2.
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
    """`value`, an integer or a sequence, as a tuple: `integers("reshape", "shape", [2, -1])`.

    Raises: TypeError for any other value, with the operation's name and place, and `what`, the
        argument's name.
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
    """`axis` in NumPy's form: None, an integer, or a tuple of integers.

    Raises: TypeError for any other axis, and if `others`, the unexpected keywords, is not empty.
    """
    if others:
        raise unexpected(name, others)
    if axis is None or type(axis) is int:
        return axis
    numbers = integers(name, "axis", axis)
    return numbers if _several(axis) else numbers[0]


def one_axis(name: str, axis: Any, others: Mapping[str, Any]) -> int:
    """`axis` as a single integer. Raises: TypeError, as `axes`, and for several axes."""
    number = axes(name, axis, others)
    if type(number) is not int:
        raise TypeError(f"{name}{at_place()}: axis {axis!r:.60}; give an integer")
    return number


def unexpected(name: str, keywords: Mapping[str, Any]) -> TypeError:
    """An error that names the keywords that the operation doesn't take, and NumPy's spelling."""
    advice = [f"{key}= is {_SPELLINGS[key]}= here" for key in keywords if key in _SPELLINGS]
    return TypeError(
        f"{name}{at_place()}: it takes no {', '.join(f'{key}=' for key in keywords)}"
        + (f"; {' and '.join(advice)}, as in NumPy" if advice else "")
    )


def _several(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
