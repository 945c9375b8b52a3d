"""`ArrayMethods`: a tensor as an array, with what Python and NumPy do with one."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from engine import hints, numpy_names
from engine.arrays import Array
from engine.core.context import state
from engine.core.registry import OPERATIONS
from engine.core.tape import Leaf, Node
from engine.errors import GraphError, ShapeError


def _augmented(sign: str, compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """`t += u` and its kind: a new tensor, except for a variable, where it is an error.

    Python would bind the name W to the new tensor, and the variable would stay as it was.
    """

    def method(self: Any, other: Any) -> Any:
        if isinstance(self._node, Leaf):
            raise GraphError(
                f"{sign} would make a new tensor and leave {self.name or 'the variable'} as it "
                "was; change it with W.move(W.grad, -lr), W.assign(…) or an optimiser of nn"
            )
        return compute(self, other)

    return method


class ArrayMethods:
    """What reads a tensor's values: its shape, operators, and methods with NumPy's names.

    An operator is one line, to its operation, which a rule's file has put into the registry.
    """

    __slots__ = ()

    _array: Array
    _node: Node | Leaf | None

    # --- the value ---------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._array.dtype

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def size(self) -> int:
        return self._array.size

    def numpy(self) -> Array:
        """The values as a read-only view; it follows later changes of a parameter."""
        view = self._array.view()
        view.flags.writeable = False
        return view

    def item(self) -> float:
        """The value of a tensor with one entry, as a Python float.

        Like `.numpy()` and `.detach()`, it leaves the graph wherever it is called; `float(t)`,
        which NumPy and `math` call unasked, is refused inside `grad`.

        Raises: ShapeError for a tensor with more entries, or none.
        """
        if self.size != 1:
            raise ShapeError(f"item() needs a tensor with one entry; this has shape {self.shape}")
        return float(self._array.reshape(()))

    # --- operators: one line to the rule each -------------------------------------------------

    def __add__(self, other: Any) -> Self:
        return OPERATIONS["add"](self, other)

    def __radd__(self, other: Any) -> Self:
        return OPERATIONS["add"](other, self)

    def __sub__(self, other: Any) -> Self:
        return OPERATIONS["subtract"](self, other)

    def __rsub__(self, other: Any) -> Self:
        return OPERATIONS["subtract"](other, self)

    def __mul__(self, other: Any) -> Self:
        return OPERATIONS["multiply"](self, other)

    def __rmul__(self, other: Any) -> Self:
        return OPERATIONS["multiply"](other, self)

    def __truediv__(self, other: Any) -> Self:
        return OPERATIONS["divide"](self, other)

    def __rtruediv__(self, other: Any) -> Self:
        return OPERATIONS["divide"](other, self)

    def __pow__(self, other: Any) -> Self:
        return OPERATIONS["power"](self, other)

    def __rpow__(self, other: Any) -> Self:
        return OPERATIONS["power"](other, self)

    def __matmul__(self, other: Any) -> Self:
        return OPERATIONS["matmul"](self, other)

    def __rmatmul__(self, other: Any) -> Self:
        return OPERATIONS["matmul"](other, self)

    def __neg__(self) -> Self:
        return OPERATIONS["negative"](self)

    def __pos__(self) -> Self:
        return self

    def __abs__(self) -> Self:
        return OPERATIONS["abs"](self)

    def __getitem__(self, index: Any) -> Self:
        return OPERATIONS["[]"](self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "entries of a tensor can't be assigned, since a graph may still need the old ones; "
            "compute a new tensor (engine.where), or change a variable with t.update(...)"
        )

    __iadd__ = _augmented("+=", operator.add)
    __isub__ = _augmented("-=", operator.sub)
    __imul__ = _augmented("*=", operator.mul)
    __itruediv__ = _augmented("/=", operator.truediv)
    __ifloordiv__ = _augmented("//=", operator.floordiv)
    __imod__ = _augmented("%=", operator.mod)
    __ipow__ = _augmented("**=", operator.pow)
    __imatmul__ = _augmented("@=", operator.matmul)
    __iand__ = _augmented("&=", operator.and_)
    __ior__ = _augmented("|=", operator.or_)
    __ixor__ = _augmented("^=", operator.xor)
    __ilshift__ = _augmented("<<=", operator.lshift)
    __irshift__ = _augmented(">>=", operator.rshift)

    # Comparisons have no gradient: they give arrays of booleans.
    def __lt__(self, other: Any) -> Any:
        return self._array < plain(other)

    def __le__(self, other: Any) -> Any:
        return self._array <= plain(other)

    def __gt__(self, other: Any) -> Any:
        return self._array > plain(other)

    def __ge__(self, other: Any) -> Any:
        return self._array >= plain(other)

    def __eq__(self, other: object) -> Any:
        return self._array == plain(other)

    def __ne__(self, other: object) -> Any:
        return self._array != plain(other)

    __hash__ = object.__hash__

    # --- methods with NumPy's names ------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False, **others: Any) -> Self:
        return OPERATIONS["sum"](self, axis, keepdims, **others)

    def mean(self, axis: Any = None, keepdims: bool = False, **others: Any) -> Self:
        return OPERATIONS["mean"](self, axis, keepdims, **others)

    def max(self, axis: Any = None, keepdims: bool = False, **others: Any) -> Self:
        return OPERATIONS["max"](self, axis, keepdims, **others)

    def min(self, axis: Any = None, keepdims: bool = False, **others: Any) -> Self:
        return OPERATIONS["min"](self, axis, keepdims, **others)

    def reshape(self, *shape: Any) -> Self:
        return OPERATIONS["reshape"](self, *shape)

    def named(self, name: str) -> Self:
        """The same tensor under a name by which a trace finds it: see `engine.label`."""
        return OPERATIONS["label"](self, name)

    def transpose(self, *axes: Any) -> Self:
        return OPERATIONS["transpose"](self, *axes)

    @property
    def T(self) -> Self:
        return OPERATIONS["transpose"](self)

    def astype(self, dtype: npt.DTypeLike) -> Self:
        return OPERATIONS["astype"](self, dtype)

    # --- as Python and NumPy see it --------------------------------------------------------------

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if form else repr(self)

    def __float__(self) -> float:
        # math.exp(t), array[0] = t and np.fromiter come here as well, unseen by the user.
        if state.nesting and self._node is not None and state.recording:
            raise TypeError(
                "float(), int(), math.… and array[i] = t of a tensor that is being differentiated "
                "would lose its gradient; use the engine's operations, engine.stack to fill an "
                "array, and .item() or .detach() where a plain number is meant"
            )
        return self.item()

    def __int__(self) -> int:
        return int(float(self))

    def __round__(self, digits: int | None = None) -> float:
        return round(float(self), digits)

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ShapeError(
                f"the truth of a tensor of shape {self.shape} is ambiguous; compare its values, "
                "or choose entry by entry with engine.where"
            )
        return bool(self._array.reshape(()))

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("a tensor of shape () has no length")
        return len(self._array)

    def __iter__(self) -> Iterator[Self]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self._node is not None and state.recording:
            raise TypeError(
                "NumPy asked for the plain array of a tensor that is being differentiated, which "
                "would lose the gradient; join tensors with engine.stack or engine.concatenate, "
                "and use .numpy() or .detach() where the plain array is meant"
            )
        if copy is False:
            return self.numpy()
        return np.array(self._array, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        return numpy_names.call_ufunc(ufunc, method, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return numpy_names.call_function(function, args, keywords)

    if not TYPE_CHECKING:  # mypy would take it that a tensor has every attribute

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(
                f"a Tensor has no {name!r}{hints.of_tensor(name)}", name=name, obj=self
            )


def plain(x: Any) -> Any:
    """The array of a tensor, and anything else as it is."""
    return x._array if isinstance(x, ArrayMethods) else x
