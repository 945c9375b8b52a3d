"""Arrays of the engine: dtypes and promotion, undone broadcasts, and gradients of parts."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from engine.errors import DtypeError

Array: TypeAlias = npt.NDArray[Any]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def as_floats(data: Any) -> Array:
    """`data` as a float32 or float64 array: integers promoted, anything else refused."""
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise DtypeError(f"these values do not form an array of numbers: {error}") from None
    dtype = float_dtype(array.dtype)
    return array if array.dtype == dtype else array.astype(dtype)


def chosen_dtype(dtype: npt.DTypeLike, where: str) -> np.dtype[Any]:
    """The dtype that a user asks for.

    Raises: DtypeError, beginning with `where`, for anything but float32 and float64.
    """
    try:
        wanted = np.dtype(dtype).newbyteorder("=")
    except (TypeError, ValueError):
        raise DtypeError(f"{where}: {dtype!r} is no dtype; give float32 or float64") from None
    if wanted not in FLOATS:
        raise DtypeError(f"{where}: dtype {wanted}; a tensor holds float32 or float64")
    return wanted


def is_finite(number: Any) -> bool:
    """Whether a number is finite as a float64; NumPy's function refuses integers beyond 64 bits."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def float_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "f" and dtype.itemsize in (4, 8):
        return dtype.newbyteorder("=")
    if dtype.kind in "iub":
        return np.result_type(dtype, np.float32)
    raise DtypeError(
        f"values of dtype {dtype} can't be differentiated here; the engine computes in float32 "
        "and float64" + (" (convert with .astype(np.float32))" if dtype.kind == "f" else "")
    )


def sum_to_shape(g: Any, shape: tuple[int, ...]) -> Any:
    """Undo a broadcast: Σ over the axes that broadcasting added or stretched."""
    added = g.ndim - len(shape)
    if added < 0:
        return g
    stretched = tuple(
        axis + added for axis, size in enumerate(shape) if size == 1 and g.shape[axis + added] != 1
    )
    return g.sum(axis=tuple(range(added)) + stretched).reshape(shape)


class Part:
    """A gradient that is g at one basic index of an operand and 0 elsewhere.

    T parts of an array, as of a sequence of T steps, are added into one array of zeros. Written out
    one by one, their gradients would take T times the memory of the whole.
    """

    __slots__ = ("dtype", "g", "key", "shape")

    def __init__(self, g: Array, shape: tuple[int, ...], key: Any) -> None:
        self.g, self.shape, self.key, self.dtype = g, shape, key, g.dtype

    def whole(self) -> Array:
        out = np.zeros(self.shape, self.dtype)
        out[self.key] = self.g
        return out


def whole(gradient: Any) -> Any:
    return gradient.whole() if type(gradient) is Part else gradient
