"""`Tensor`: a NumPy array, and the record of the operation that made it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast, final

import numpy as np
import numpy.typing as npt

from engine import kernels
from engine.dtypes import as_floats, float_dtype
from engine.errors import GraphError, ShapeError
from engine.factors import Factors
from engine.scope import no_grad, state
from engine.tape import Leaf, Node, Version, sweep

Array: TypeAlias = npt.NDArray[Any]
Operand: TypeAlias = "Tensor | Array | float | npt.ArrayLike"


@final
class Tensor:
    """A float32 or float64 array that remembers how it was computed, so that derivatives can be
    taken with respect to what it was computed from.

    Args:
        data: anything that NumPy takes for an array of numbers; it is copied, so a later change
            of yours does not reach the tensor. Integers and booleans are promoted to the float
            that NumPy's own functions would give, mostly float64.
        requires_grad: collect ∂L/∂(this) in `.grad` when `L.backward()` is called.
        dtype: float32 or float64, instead of the data's own.
        name: what errors and traces call it.

    Raises: DtypeError for complex numbers, text, objects, and other float types.
    """

    __slots__ = ("__weakref__", "_array", "_name", "_node", "_owned", "_version")

    def __init__(
        self,
        data: Operand,
        requires_grad: bool = False,
        *,
        dtype: npt.DTypeLike | None = None,
        name: str | None = None,
    ) -> None:
        source = data._array if isinstance(data, Tensor) else as_floats(data)
        wanted = source.dtype if dtype is None else float_dtype(np.dtype(dtype))
        self._array: Array = np.array(source, dtype=wanted, order="C", copy=True)
        self._version: Version | None = Version(name or "a tensor")
        self._node: Node | Leaf | None = Leaf(self._version) if requires_grad else None
        self._owned = True
        self._name = name

    @classmethod
    def _wrap(
        cls, array: Array, node: Node | Leaf | None = None, version: Version | None = None
    ) -> Tensor:
        tensor = object.__new__(cls)
        tensor._array, tensor._node, tensor._version = array, node, version
        tensor._owned, tensor._name = False, None
        return tensor

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

    @property
    def name(self) -> str | None:
        """What errors and traces call it."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        if self._version is not None and self._owned:
            self._version.name = name or "a tensor"

    def numpy(self) -> Array:
        """The values as a read-only view; it follows later changes of a parameter."""
        view = self._array.view()
        view.flags.writeable = False
        return view

    def item(self) -> float:
        """The value of a tensor with one entry, as a Python float."""
        if self.size != 1:
            raise ShapeError(f"item() needs a tensor with one entry; this has shape {self.shape}")
        return float(self._array.reshape(()))

    def detach(self) -> Tensor:
        """A tensor of the same memory that is a constant to every gradient."""
        return Tensor._wrap(self._array, None, self._version)

    def update(self, change: Callable[[Array], None]) -> None:
        """Change a variable or constant in place: `W.update(lambda array: …)`.

        The one way to write into a tensor, on which `assign` and `move` rest. Every graph that
        still needs the old values notices it: its backward pass then raises instead of giving a
        wrong gradient.

        Raises: GraphError for the result of an operation; compute a new tensor instead.
        """
        array = self._changing()
        try:
            change(array)
        finally:
            cast(Version, self._version).number += 1

    def _changing(self) -> Array:
        """The array to be written to, once it is sure that it may be."""
        if isinstance(self._node, Node):
            raise GraphError(
                f"the result of {self._node} can't be changed in place; compute a new tensor, or "
                "change the variable that it was computed from"
            )
        if not self._owned:  # another tensor may look at this memory
            self._array = np.array(self._array, order="C", copy=True)
            self._version, self._owned = Version(self.name or "a tensor"), True
        return self._array

    def assign(self, value: Operand) -> None:
        """Set all values, `value` broadcast to this shape. See `update`."""
        new = value._array if isinstance(value, Tensor) else as_floats(value)
        try:
            new = np.broadcast_to(new, self.shape)
        except ValueError:
            raise ShapeError(
                f"values of shape {new.shape} can't be assigned to {self.name or 'a tensor'} "
                f"of shape {self.shape}"
            ) from None
        self.update(lambda array: np.copyto(array, new, casting="same_kind"))

    def move(self, direction: Tensor | Array, by: float) -> None:
        """Change a variable to (this) + by · direction, in one pass: `W.move(W.grad, -lr)`.

        Raises: ShapeError if the direction has another shape or dtype; GraphError as `update`.
        """
        step = direction._array if isinstance(direction, Tensor) else np.asarray(direction)
        if step.shape != self.shape or step.dtype != self.dtype:
            raise ShapeError(
                f"a direction of shape {step.shape} and dtype {step.dtype} doesn't fit "
                f"{self.name or 'a tensor'} of shape {self.shape} and dtype {self.dtype}"
            )
        self.update(lambda array: kernels.add_scaled(array, step, by))

    def descend(self, lr: float) -> None:
        """Change a variable to (this) − lr · ∂L/∂(this), in one pass; see `update`."""
        gradient = None if self._node is None else self._node.grad
        if gradient is None:
            return
        array = self._changing()
        cast(Version, self._version).number += 1
        if type(gradient) is Factors:
            gradient.add_to(array, -lr)
        else:
            kernels.add_scaled(array, gradient._array, -lr)

    # --- the gradient ------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        return self._node is not None

    @property
    def is_leaf(self) -> bool:
        """True for what a user made, False for the result of a recorded operation."""
        return not isinstance(self._node, Node)

    @property
    def grad(self) -> Tensor | None:
        """∂L/∂(this), summed over the backward passes since `zero_grad`; None before the first.

        Raises: GraphError for an intermediate result that wasn't asked to keep its gradient.
        """
        node = self._node
        if isinstance(node, Node) and not node.keeps_grad:
            raise GraphError(
                f"the result of {node} doesn't keep its gradient; call retain_grad() on it before "
                "backward(), or look at all of them with engine.trace()"
            )
        if node is None:
            return None
        if type(node.grad) is Factors:
            node.grad = _multiplied(node.grad)
        return cast("Tensor | None", node.grad)

    @grad.setter
    def grad(self, value: Tensor | Array | None) -> None:
        if self._node is None:
            raise GraphError("a tensor that doesn't require a gradient has no .grad to set")
        if value is not None:
            value = value if isinstance(value, Tensor) else Tensor(value, dtype=self.dtype)
            if value.shape != self.shape or value.dtype != self.dtype:
                raise ShapeError(
                    f"a gradient of shape {value.shape} and dtype {value.dtype} doesn't fit a "
                    f"tensor of shape {self.shape} and dtype {self.dtype}"
                )
        self._node.grad = value

    @property
    def has_grad(self) -> bool:
        """Whether `.grad` is there, without looking at it."""
        return self._node is not None and self._node.grad is not None

    def leave_grad_as_factors(self, on: bool = True) -> None:
        """Let a layer leave ∂L/∂(this) as the product xᵀ·∂L/∂s, multiplied out when looked at.

        Then `descend` needs no memory for it. Other operations, and gradients that are summed or
        recorded, are as ever; a backward pass in a trace is refused, since a trace looks.

        Raises: GraphError for anything but a variable.
        """
        if not isinstance(self._node, Leaf):
            raise GraphError("only a variable's gradient can be left as factors")
        self._node.as_factors = on

    def retain_grad(self) -> None:
        """Keep the gradient of an intermediate result in its `.grad`."""
        if isinstance(self._node, Node):
            self._node.keeps_grad = True

    def zero_grad(self) -> None:
        """Forget the gradient."""
        if self._node is not None:
            self._node.grad = None

    def backward(
        self,
        gradient: Operand | None = None,
        *,
        retain_graph: bool = False,
        create_graph: bool = False,
    ) -> None:
        """Add ∂(this)/∂v to `v.grad` for every variable v that this was computed from.

        Args:
            gradient: ∂L/∂(this), of this shape; may be left out for a single number, where it is 1.
            retain_graph: keep the graph for another backward pass; otherwise it is freed.
            create_graph: record the backward pass itself, so that `.grad` can be differentiated.

        Raises: GraphError if this depends on no variable, the graph was freed, or a value in it
            was changed; ShapeError if `gradient` has another shape or is missing.
        """
        if self._node is None:
            raise GraphError(
                "nothing to differentiate: this tensor was computed from no variable "
                "(Tensor(x, requires_grad=True)), or inside no_grad()"
            )
        seed = self._seed(gradient)
        if create_graph:
            found = sweep(
                self._node,
                seed if isinstance(seed, Tensor) else Tensor._wrap(seed),
                retain_graph=True,
                wrap=Tensor._wrap,
            )
        else:
            # A copy, because the gradient may end up, as it is, in some .grad.
            array = seed._array.copy() if isinstance(seed, Tensor) else seed
            found = sweep(self._node, array, retain_graph=retain_graph)
        for node, g in found.items():
            new = g if isinstance(g, Tensor | Factors) else Tensor._wrap(np.asarray(g))
            if node.grad is None:
                node.grad = new
            else:
                before, new = _multiplied(node.grad), _multiplied(new)
                node.grad = before + new if create_graph else _sum(before, new)

    def _seed(self, gradient: Operand | None) -> Tensor | Array:
        if gradient is None:
            if self.size != 1:
                raise ShapeError(
                    f"backward() of a tensor of shape {self.shape} needs the gradient that "
                    "arrives at it: give one of that shape, or reduce the tensor to a loss "
                    "with .sum() or .mean()"
                )
            return np.full(self.shape, 1, self.dtype) if self.ndim else np.array(1, self.dtype)
        array = gradient._array if isinstance(gradient, Tensor) else as_floats(gradient)
        if array.shape != self.shape:
            raise ShapeError(
                f"backward() of a tensor of shape {self.shape} was given a gradient of shape "
                f"{array.shape}; they must be the same"
            )
        if isinstance(gradient, Tensor):
            return gradient if gradient.dtype == self.dtype else gradient.astype(self.dtype)
        return np.array(array, dtype=self.dtype)

    # --- operators: one line to the rule each -------------------------------------------------

    def __add__(self, other: Operand) -> Tensor:
        return elementwise.add(self, other)

    def __radd__(self, other: Operand) -> Tensor:
        return elementwise.add(other, self)

    def __sub__(self, other: Operand) -> Tensor:
        return elementwise.subtract(self, other)

    def __rsub__(self, other: Operand) -> Tensor:
        return elementwise.subtract(other, self)

    def __mul__(self, other: Operand) -> Tensor:
        return elementwise.multiply(self, other)

    def __rmul__(self, other: Operand) -> Tensor:
        return elementwise.multiply(other, self)

    def __truediv__(self, other: Operand) -> Tensor:
        return elementwise.divide(self, other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return elementwise.divide(other, self)

    def __pow__(self, other: Operand) -> Tensor:
        return elementwise.power(self, other)

    def __rpow__(self, other: Operand) -> Tensor:
        return elementwise.power(other, self)

    def __matmul__(self, other: Operand) -> Tensor:
        return linear.matmul(self, other)

    def __rmatmul__(self, other: Operand) -> Tensor:
        return linear.matmul(other, self)

    # Without these, `W -= lr * g` would bind the name W to a new tensor and leave the variable
    # as it was.
    def __iadd__(self, other: Operand) -> Tensor:
        self._refuse_rebinding("+=")
        return self + other

    def __isub__(self, other: Operand) -> Tensor:
        self._refuse_rebinding("-=")
        return self - other

    def __imul__(self, other: Operand) -> Tensor:
        self._refuse_rebinding("*=")
        return self * other

    def __itruediv__(self, other: Operand) -> Tensor:
        self._refuse_rebinding("/=")
        return self / other

    def _refuse_rebinding(self, operator: str) -> None:
        if self.requires_grad and self.is_leaf:
            raise GraphError(
                f"{operator} would make a new tensor and leave {self.name or 'the variable'} as it "
                "was; change it with W.move(W.grad, -lr), W.assign(…) or an optimiser of nn"
            )

    def __neg__(self) -> Tensor:
        return elementwise.negative(self)

    def __pos__(self) -> Tensor:
        return self

    def __abs__(self) -> Tensor:
        return elementwise.abs(self)

    def __getitem__(self, index: Any) -> Tensor:
        return layout.index(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise TypeError(
            "entries of a tensor can't be assigned, since a graph may still need the old ones; "
            "compute a new tensor (engine.where), or change a variable with t.update(...)"
        )

    # Comparisons have no gradient: they give arrays of booleans.
    def __lt__(self, other: Operand) -> Any:
        return self._array < plain(other)

    def __le__(self, other: Operand) -> Any:
        return self._array <= plain(other)

    def __gt__(self, other: Operand) -> Any:
        return self._array > plain(other)

    def __ge__(self, other: Operand) -> Any:
        return self._array >= plain(other)

    def __eq__(self, other: object) -> Any:
        return self._array == plain(other)

    def __ne__(self, other: object) -> Any:
        return self._array != plain(other)

    __hash__ = object.__hash__

    # --- methods with NumPy's names ------------------------------------------------------------

    def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reductions.sum(self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reductions.mean(self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reductions.max(self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reductions.min(self, axis, keepdims)

    def reshape(self, *shape: Any) -> Tensor:
        return layout.reshape(self, *shape)

    def transpose(self, *axes: Any) -> Tensor:
        return layout.transpose(self, *axes)

    @property
    def T(self) -> Tensor:
        return layout.transpose(self)

    def astype(self, dtype: npt.DTypeLike) -> Tensor:
        return layout.cast(self, dtype)

    # --- as Python and NumPy see it --------------------------------------------------------------

    def __repr__(self) -> str:
        return summary(self)

    def __format__(self, form: str) -> str:
        return format(self.item(), form) if form else repr(self)

    def __float__(self) -> float:
        return self.item()

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

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        if self._node is not None and state.recording:
            raise TypeError(
                "NumPy asked for the plain array of a tensor that is being differentiated, which "
                "would lose the gradient; use .numpy() or .detach() where that is meant"
            )
        if copy is False:
            return self.numpy()
        return np.array(self._array, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        return numpy_names.call_ufunc(ufunc, method, inputs, keywords)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return numpy_names.call_function(function, args, keywords)

    def __reduce__(self) -> Any:
        if isinstance(self._node, Node):
            raise GraphError(
                f"the result of {self._node} can't be copied or pickled together with its graph; "
                "use .detach()"
            )
        return _rebuild, (self._array.copy(), self.requires_grad, self.name)


def _rebuild(array: Array, requires_grad: bool, name: str | None) -> Tensor:
    return Tensor(array, requires_grad, name=name)


def _multiplied(gradient: Tensor | Factors) -> Tensor:
    return Tensor._wrap(gradient.multiplied()) if type(gradient) is Factors else gradient


def _sum(a: Tensor, b: Tensor) -> Tensor:
    with no_grad():
        return a + b


def plain(x: Any) -> Any:
    """The array of a tensor, and anything else as it is."""
    return x._array if isinstance(x, Tensor) else x


# The rules are written with Tensor, and Tensor's operators call the rules.
from engine import numpy_names  # noqa: E402
from engine.rules import elementwise, layout, linear, reductions  # noqa: E402
from engine.summary import summary  # noqa: E402
