"""`apply`: the one way in which operations happen.

It runs a rule on arrays and, when an operand needs a gradient, leaves a node on the tape.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import update_wrapper
from typing import Any, cast, overload

import numpy as np
from numpy.exceptions import AxisError

from engine.arrays import FLOATS, Array, as_floats
from engine.core.context import at_place, state
from engine.core.registry import answers, named
from engine.core.rule import Rule, partials, rule
from engine.core.tape import Leaf, Node, Version
from engine.core.tensor import Operand, Tensor
from engine.errors import NonFiniteError, ShapeError
from engine.silence import silence

Partial = Callable[..., Any]

_ARRAYS = (Tensor, np.ndarray)
_ABOUT_SHAPES = re.compile(r"shape|broadcast|dimension|zero-size|\bax[ie]s\b")  # NumPy's words
_OPERANDS = " (operands of shape"  # what an operation within this one has added already


class Symbolic(ABC):
    """An operand that wants the operation itself rather than its value."""

    __slots__ = ()

    @abstractmethod
    def record(self, rule: Rule, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        """What stands for the result."""

    @abstractmethod
    def through(self, f: Any, parameters: dict[str, Any]) -> Any:
        """What stands for f of it, f an activation."""


def apply(rule: Rule, *operands: Any, **parameters: Any) -> Tensor:
    """Carry out a rule, and record it if an operand needs a gradient.

    With no tensor among the operands, it runs on arrays and returns an array (this is how the
    backward pass runs); the return type speaks of the usual case.

    Raises: what the rule's value raises, with the operation's name, its place and the shapes; a
        ValueError about shapes as a ShapeError.
    """
    if not _alike(operands):
        for x in operands:
            if isinstance(x, Symbolic):
                return cast(Tensor, x.record(rule, operands, parameters))
        aligned = _aligned(operands)
    else:
        aligned = operands
    arrays: list[Array] = []
    parents: list[Node | Leaf | None] = []
    versions: list[tuple[int, Version, int]] = []
    tensors = False
    for i, x in enumerate(aligned):
        if type(x) is Tensor:
            tensors = True
            arrays.append(x._array)
            parents.append(x._node)
            if x._version is not None:
                versions.append((i, x._version, x._version.number))
        else:
            arrays.append(x)
            parents.append(None)
    try:
        if state.sweeping:  # the sweep has silenced NumPy already
            y = rule.value(*arrays, **parameters)
        else:
            with silence():
                y = rule.value(*arrays, **parameters)
    except Exception as error:
        explained = _explained(error, rule, tuple(arrays))
        if explained is error:
            raise
        raise explained from error
    saved = None
    if rule.saves:
        y, saved = y
    if state.watching and not np.isfinite(y).all():
        _report_nonfinite(rule, tuple(arrays), y)
    if not tensors:
        return cast(Tensor, y)
    if type(y) is not np.ndarray:
        y = np.asarray(y)
    version = _shared_version(rule, aligned, y) if rule.view else None
    if not state.recording or not any(parents):
        if state.trace is not None:
            state.trace.saw_unrecorded(any(parents))
        return Tensor._wrap(y, None, version)
    for i, x in enumerate(aligned):
        # What the node holds must not change behind its back: a caller's array is copied, and a
        # tensor's version is noted.
        if type(x) is not Tensor and not isinstance(operands[i], int | float | list | tuple):
            arrays[i] = x.copy()
    noted = () if rule.linear else tuple(versions)
    node = Node(rule, tuple(arrays), y, tuple(parents), parameters, noted, saved)
    if state.trace is not None:
        state.trace.saw_forward(node)
    return Tensor._wrap(y, node, version)


def _shared_version(rule: Rule, aligned: tuple[Any, ...], y: Array) -> Version | None:
    """A view follows the changes of what it looks at; what had to be copied does not."""
    first = aligned[0]
    if type(first) is not Tensor or not (y is first._array or np.may_share_memory(y, first._array)):
        return None
    return first._version


def shape_of(x: Any) -> tuple[int, ...]:
    """The shape of a tensor, an array, or what NumPy would make one of."""
    return x.shape if type(x) in _ARRAYS else np.shape(x)


def _alike(operands: tuple[Any, ...]) -> bool:
    """Whether all are tensors and arrays of one dtype already."""
    dtype = None
    for x in operands:
        if type(x) is Tensor:
            dtype_of_x = x._array.dtype
        elif type(x) is np.ndarray:
            dtype_of_x = x.dtype
        else:
            return False
        if dtype_of_x is not dtype:
            if dtype is not None or dtype_of_x not in FLOATS:
                return False
            dtype = dtype_of_x
    return True


def _aligned(operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands as tensors and arrays of one dtype, as NumPy would promote them.

    Python's numbers take the others' dtype; arrays and NumPy's own scalars count with theirs.
    """
    strong = [
        x if isinstance(x, Tensor) else as_floats(x)
        for x in operands
        if not (isinstance(x, int | float) and not isinstance(x, np.generic))
    ]
    common = np.result_type(*[x.dtype for x in strong]) if strong else np.dtype(np.float64)
    rest = iter(strong)
    aligned: list[Any] = []
    for x in operands:
        if isinstance(x, int | float) and not isinstance(x, np.generic):
            aligned.append(np.asarray(x, dtype=common))
            continue
        y = next(rest)
        aligned.append(y if y.dtype == common else y.astype(common))
    return tuple(aligned)


def _explained(error: Exception, rule: Rule, arrays: tuple[Array, ...]) -> Exception:
    """The error with the operation, its place and the shapes.

    A ValueError in which NumPy speaks of shapes becomes a ShapeError. Of other kinds nobody knows
    how to make another, so they get a note.
    """
    shapes = ", ".join(str(x.shape) for x in arrays)
    where = f"{rule.name}{at_place()}"
    text = str(error).removeprefix(f"{where}: ")
    kind = type(error)
    if rule.broadcasts and kind is ValueError and "broadcast" in text:
        return ShapeError(
            f"{where}: shapes {shapes} do not broadcast: aligned at the last axis, sizes must be "
            "equal or 1; reshape an operand so that they are"
        )
    if kind is AxisError:
        kind = IndexError  # as indexing beyond an axis is
    elif kind is ValueError and _ABOUT_SHAPES.search(text.partition(_OPERANDS)[0]):
        kind = ShapeError
    if kind in (IndexError, ShapeError, ValueError):
        return kind(f"{where}: {text}{_OPERANDS} {shapes})")
    error.add_note(f"in {where}{_OPERANDS} {shapes})")
    return error


def _report_nonfinite(rule: Rule, arrays: tuple[Array, ...], y: Any) -> None:
    y = np.asarray(y)
    bad = int(y.size - np.isfinite(y).sum())
    finite = all(np.isfinite(x).all() for x in arrays)
    source = "all its operands are finite" if finite else "an operand already holds NaN or Inf"
    raise NonFiniteError(
        f"{rule.name}{at_place()}: {bad} of {y.size} entries of the result, shape "
        f"{y.shape}, are NaN or Inf; {source}"
    )


@overload
def operation(
    da: Partial, /, *, formula: str, numpy: tuple[Any, ...] = (), **flags: bool
) -> Callable[[Callable[[Any], Any]], Callable[[Operand], Tensor]]: ...
@overload
def operation(
    da: Partial, db: Partial, /, *, formula: str, numpy: tuple[Any, ...] = (), **flags: bool
) -> Callable[[Callable[[Any, Any], Any]], Callable[[Operand, Operand], Tensor]]: ...
def operation(
    *gradients: Partial, formula: str, numpy: tuple[Any, ...] = (), **flags: bool
) -> Callable[[Any], Any]:
    """Make an operation of the function that computes its value on arrays.

    Args:
        gradients: ∂L/∂a, for two operands ∂L/∂a and ∂L/∂b, as functions of (g, y, a, …), written in
            the engine's operations; g = ∂L/∂y.
        formula: the same as text, which `walk` shows.
        numpy: NumPy's ufuncs for which the operation answers on a Tensor.
        flags: of `Rule`.

    Returns: a decorator. The decorated function is the public operation; its name is the rule's.
    """

    def define(value: Callable[..., Any]) -> Any:
        new_rule = rule(value.__name__, value, partials(*gradients), formula, (), **flags)

        if len(gradients) == 1:

            def applied(a: Operand) -> Tensor:
                return apply(new_rule, a)
        else:

            def applied(a: Operand, b: Operand) -> Tensor:  # type: ignore[misc]
                return apply(new_rule, a, b)

        update_wrapper(applied, value, ("__module__", "__name__", "__qualname__", "__doc__"), ())
        del applied.__wrapped__  # type: ignore[attr-defined]  # its annotations are of arrays
        return answers(*numpy)(named(applied))

    return define
