"""Operations that move entries: reshape, transpose, index, join, split; and cast.

Shapes and axes are integers of Python or NumPy, or tuples, lists and arrays of integers. Other
values raise TypeError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.arrays import Part, chosen_dtype, sum_to_shape
from engine.core.context import at_place
from engine.core.operation import apply, shape_of
from engine.core.registry import OPERATIONS, answers, named, operations_of
from engine.core.rule import partials, rule
from engine.core.tensor import Operand, Tensor, plain
from engine.errors import ShapeError
from engine.rules.arguments import integers, one_axis

_reshape = rule(
    "reshape",
    lambda a, *, shape: a.reshape(shape),
    partials(lambda g, y, a, shape: g.reshape(a.shape)),
    view=True,
    linear=True,
    formula="∂L/∂a = g in the shape of a",
)
_transpose = rule(
    "transpose",
    lambda a, *, axes: a.transpose(axes),
    partials(lambda g, y, a, axes: g.transpose(tuple(int(i) for i in np.argsort(axes)))),
    view=True,
    linear=True,
    formula="∂L/∂a = g with its axes put back",
)
_broadcast_to = rule(
    "broadcast_to",
    lambda a, *, shape: np.broadcast_to(a, shape),
    partials(lambda g, y, a, shape: sum_to_shape(g, a.shape)),
    view=True,
    linear=True,
    formula="∂L/∂a = Σ g over the repeated axes",
)
_index = rule(
    "index",
    lambda a, *, key: a[key],
    partials(lambda g, y, a, key: _put_back(g, a.shape, key)),
    view=True,
    linear=True,
    formula="∂L/∂a = Σ g put back in its places, 0 elsewhere",
)
_scatter = rule(
    "scatter",
    lambda a, *, shape, key: _add_at(a, shape, key),
    partials(lambda g, y, a, shape, key: index(g, key)),
    linear=True,
    formula="∂L/∂a = g[key]",
)
_cast = rule(
    "cast",
    lambda a, *, dtype: a.astype(dtype),
    partials(lambda g, y, a, dtype: g.astype(a.dtype)),
    linear=True,
    formula="∂L/∂a = g in the precision of a",
)

_label = rule(
    "label",
    lambda a, *, name: a,
    partials(lambda g, y, a, name: g),
    view=True,
    linear=True,
    formula="∂L/∂a = g",
)


def _parts(g: Any, y: Any, *xs: Any, needs: Sequence[bool], axis: int) -> list[Any]:
    """The slice of g along `axis` for each operand of a concatenation."""
    gradients: list[Any] = []
    start = 0
    for x, need in zip(xs, needs, strict=True):
        stop = start + x.shape[axis]
        key = (slice(None),) * axis + (slice(start, stop),)
        gradients.append(g[key] if need else None)
        start = stop
    return gradients


def _layers(g: Any, y: Any, *xs: Any, needs: Sequence[bool], axis: int) -> list[Any]:
    """The slice of g along `axis` for each operand of a stack."""
    before = (slice(None),) * axis
    return [g[(*before, i)] if need else None for i, need in enumerate(needs)]


_concatenate = rule(
    "concatenate",
    lambda *xs, axis: np.concatenate(xs, axis),
    _parts,
    linear=True,
    formula="∂L/∂x_i = the slice of g that x_i became",
    letters=("x_i",),
)
_stack = rule(
    "stack",
    lambda *xs, axis: np.stack(xs, axis),
    _layers,
    linear=True,
    formula="∂L/∂x_i = the layer of g that x_i became",
    letters=("x_i",),
)


@named
def reshape(a: Operand, *shape: Any) -> Tensor:
    """The entries of a in another shape: `reshape(a, 6, 4)`, `(a, (6, 4))` or `(a, 6, -1)`."""
    numbers = integers("reshape", "shape", shape[0] if len(shape) == 1 else shape)
    return apply(_reshape, a, shape=numbers)


@named
def label(a: Operand, name: str) -> Tensor:
    """The same tensor under a name by which a trace finds it: `c = label(f * c + i * g, "c")`.

    `t.series("c", "dL_dy")` then gives the size of its gradient at every use of the name. As a
    method, `c.named("c")`. Raises: TypeError for a name that is not a string.
    """
    if not isinstance(name, str):
        raise TypeError(f"label{at_place()}: the name is {name!r}; it must be a string")
    return apply(_label, a, name=name)


@named
def transpose(a: Operand, *axes: Any) -> Tensor:
    """The axes of a reversed, or in the given order: `transpose(a, 2, 0, 1)`, `(a, (2, 0, 1))`."""
    ndim = np.ndim(plain(a))
    if not axes or (len(axes) == 1 and axes[0] is None):
        order = tuple(range(ndim))[::-1]
    else:
        order = integers("transpose", "axes", axes[0] if len(axes) == 1 else axes)
    if sorted(axis % ndim if -ndim <= axis < ndim else axis for axis in order) != list(range(ndim)):
        raise ValueError(
            f"transpose{at_place()}: "
            f"axes {order} do not name each of the {ndim} axes of a tensor of shape "
            f"{np.shape(plain(a))} once"
        )
    return apply(_transpose, a, axes=tuple(axis % ndim for axis in order))


@named
def broadcast_to(a: Operand, shape: Sequence[int] | int) -> Tensor:
    """a repeated along new axes and axes of size 1; ∂L/∂a is g summed over these axes."""
    return apply(_broadcast_to, a, shape=integers("broadcast_to", "shape", shape))


def index(a: Operand, key: Any) -> Tensor:
    """a[key] with NumPy's indexing; ∂L/∂a is 0, with g added at the positions in key."""
    parts = key if isinstance(key, tuple) else (key,)
    checked = tuple(_index_part(part) for part in parts)
    return apply(_index, a, key=checked if isinstance(key, tuple) else checked[0])


def _index_part(part: Any) -> Any:
    if isinstance(part, Tensor):
        raise IndexError(
            f"index{at_place()}: "
            "a tensor holds floats, which can't be indices; index with integers or "
            "booleans, for example t[labels] with a NumPy array of labels"
        )
    if part is None or part is ... or isinstance(part, int | np.integer | slice):
        return part
    array = np.array(part)  # a copy, so that later changes of the user's array have no effect
    return array.astype(np.intp) if array.size == 0 else array


def _put_back(g: Any, shape: tuple[int, ...], key: Any) -> Any:
    """Zeros with g added at `key`; a `Part` if g is an array and no position repeats."""
    if type(g) is np.ndarray and not _repeats(key):
        return Part(g, shape, key)
    return apply(_scatter, g, shape=shape, key=key)


def _repeats(key: Any) -> bool:
    """Whether a key may contain a position more than once."""
    return any(isinstance(part, np.ndarray) for part in (key if isinstance(key, tuple) else (key,)))


def _add_at(a: npt.NDArray[Any], shape: tuple[int, ...], key: Any) -> npt.NDArray[Any]:
    out = np.zeros(shape, a.dtype)
    if _repeats(key):
        np.add.at(out, key, a)
    else:
        out[key] = a
    return out


@named
def concatenate(tensors: Sequence[Operand], axis: int | None = 0, **others: Any) -> Tensor:
    """Tensors joined along an existing axis; each operand's gradient is its slice of g.

    With `axis=None`, the tensors are flattened first. Raises: ShapeError if the sizes of the other
    axes differ, or for tensors of shape (); ValueError for an empty list.
    """
    operands = _several(tensors, "concatenate")
    if axis is None and not others:
        operands, axis = [reshape(x, -1) for x in operands], 0
    ndim = len(shape_of(operands[0]))
    if not ndim:
        raise ShapeError(
            f"concatenate{at_place()}: tensors of shape () have no axis to be joined along; join "
            "numbers with stack, and pass tensors in a list: concatenate([a, b])"
        )
    axis = one_axis("concatenate", axis, others)
    return apply(_concatenate, *operands, axis=_axis("concatenate", axis, ndim, operands))


@named
def stack(tensors: Sequence[Operand], axis: int = 0, **others: Any) -> Tensor:
    """Tensors of one shape joined along a new axis; each operand's gradient is its slice of g.

    Raises: ShapeError if the shapes differ; ValueError for an empty list.
    """
    operands = _several(tensors, "stack")
    ndim = len(shape_of(operands[0])) + 1
    axis = one_axis("stack", axis, others)
    return apply(_stack, *operands, axis=_axis("stack", axis, ndim, operands))


@named
def unstack(a: Operand, axis: int = 0) -> tuple[Tensor, ...]:
    """The slices of a along an axis, without that axis: the inverse of `stack`.

    For a sequence x of shape (T, batch, n), `unstack(x)` gives the T steps. The gradients of all
    slices are written to one array of a's shape, so the backward pass copies each entry once.

    Raises: ShapeError if a has no such axis.
    """
    before, n = _before_axis("unstack", a, axis)
    return tuple(index(a, (*before, i)) for i in range(n))


@named
def split(a: Operand, indices_or_sections: int | Sequence[int], axis: int = 0) -> list[Tensor]:
    """Parts of a along an axis: `split(a, 3)` gives three equal parts, `split(a, [2, 5])` cuts at 2
    and 5.

    Raises: ShapeError if a has no such axis, or if its size is no multiple of the number of parts.
    """
    before, n = _before_axis("split", a, axis)
    if isinstance(indices_or_sections, int | np.integer):
        sections = int(indices_or_sections)
        if sections < 1 or n % sections:
            raise ShapeError(
                f"split{at_place()}: an axis of {n} entries can't be cut into {sections} equal "
                "parts; give the indices to cut at, for example [2, 5]"
            )
        size = n // sections
        cuts = [size * i for i in range(1, sections)]
    else:
        cuts = list(integers("split", "indices", indices_or_sections))
    ends = zip([0, *cuts], [*cuts, n], strict=True)
    return [index(a, (*before, slice(start, stop))) for start, stop in ends]


def _before_axis(name: str, a: Operand, axis: int) -> tuple[tuple[slice, ...], int]:
    """The slices that precede the entry of `axis` in a key, and the length of `axis`."""
    shape = shape_of(a)
    number = one_axis(name, axis, {})
    if not -len(shape) <= number < len(shape):
        raise ShapeError(
            f"{name}{at_place()}: axis {axis} is not one of the {len(shape)} axes of a tensor of "
            f"shape {shape}"
        )
    number %= len(shape)
    return (slice(None),) * number, shape[number]


def _several(tensors: Sequence[Operand], name: str) -> list[Operand]:
    if isinstance(tensors, Tensor | np.ndarray) and not tensors.ndim:
        raise ShapeError(
            f"{name}{at_place()}: a single tensor of shape (); give a list of tensors, "
            f"{name}([a, b])"
        )
    operands = list(tensors)
    if not operands:
        raise ValueError(f"{name}{at_place()}: an empty list; give at least one tensor")
    return operands


def _axis(name: str, axis: int, ndim: int, operands: list[Operand]) -> int:
    if not -ndim <= axis < ndim:
        shapes = ", ".join(str(shape_of(x)) for x in operands)
        raise ShapeError(
            f"{name}{at_place()}: axis {axis} is not one of the {ndim} axes of the result "
            f"(operands of shape {shapes})"
        )
    return axis % ndim


def cast(a: Operand, dtype: npt.DTypeLike) -> Tensor:
    """a converted to float32 or float64; ∂L/∂a has a's dtype.

    Raises: DtypeError for any other dtype.
    """
    return apply(_cast, a, dtype=chosen_dtype(dtype, f"astype{at_place()}"))


OPERATIONS.update({"[]": index, "astype": cast})


@answers(np.reshape)
def _np_reshape(a: Any, shape: Any = None, order: str = "C", *, newshape: Any = None) -> Any:
    if order != "C":
        return NotImplemented
    return reshape(a, newshape if shape is None else shape)


@answers(np.transpose)
def _np_transpose(a: Any, axes: Any = None) -> Any:
    return transpose(a, axes)


@answers(np.broadcast_to)
def _np_broadcast_to(array: Any, shape: Any) -> Any:
    return broadcast_to(array, shape)


@answers(np.concatenate)
def _np_concatenate(arrays: Any, axis: Any = 0, out: Any = None) -> Any:
    return concatenate(arrays, axis)


@answers(np.stack)
def _np_stack(arrays: Any, axis: Any = 0, out: Any = None) -> Any:
    return stack(arrays, axis)


@answers(np.split)
def _np_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> Any:
    return split(ary, indices_or_sections, axis)


@answers(getattr(np, "unstack", None))  # since NumPy 2.1
def _np_unstack(x: Any, *, axis: Any = 0) -> Any:
    return unstack(x, axis)


if not TYPE_CHECKING:  # mypy reads the public names without `__all__`
    __all__ = operations_of(__name__)
