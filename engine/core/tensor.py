"""`Tensor`: a NumPy array, and the record of the operation that made it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, cast, final

import numpy as np
import numpy.typing as npt

from engine import kernels
from engine.arrays import Array, as_floats, chosen_dtype
from engine.core.context import no_grad
from engine.core.operators import ArrayMethods, plain
from engine.core.tape import Leaf, Node, Sink, Version, sweep
from engine.errors import GraphError, ShapeError
from engine.silence import silence
from engine.spelling import printable
from engine.summary import summary

__all__ = ["Array", "Operand", "Tensor", "plain"]

Operand: TypeAlias = "Tensor | Array | float | npt.ArrayLike"


@printable
@final
class Tensor(ArrayMethods):
    """A float32 or float64 array that remembers how it was computed, so that derivatives can be
    taken with respect to what it was computed from.

    Args:
        data: anything that NumPy takes for an array of numbers; it is copied, so a later change
            of yours does not reach the tensor. Integers and booleans are promoted to the float
            that NumPy's own functions would give, mostly float64.
        requires_grad: collect ∂L/∂(this) in `.grad` when `L.backward()` is called.
        dtype: float32 or float64, instead of the data's own.
        name: what errors and traces call it.

    Raises: DtypeError for complex numbers, text, objects, and other float types; and for any
    `dtype` but float32 and float64.
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
        wanted = source.dtype if dtype is None else chosen_dtype(dtype, "Tensor")
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

    @property
    def name(self) -> str | None:
        """What errors and traces call it."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        self._name = name
        if self._version is not None and self._owned:
            self._version.name = name or "a tensor"

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
        values = value._array if isinstance(value, Tensor) else as_floats(value)
        try:
            values = np.broadcast_to(values, self.shape)
        except ValueError:
            raise ShapeError(
                f"values of shape {values.shape} can't be assigned to {self.name or 'a tensor'} "
                f"of shape {self.shape}"
            ) from None
        self.update(lambda array: np.copyto(array, values, casting="same_kind"))

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
        node = self._node
        gradient = None if node is None else node.grad if node.sink is None else node.sink.get()
        if gradient is not None:
            array = self._changing()
            cast(Version, self._version).number += 1
            kernels.add_scaled(array, gradient._array, -lr)

    def move_by_product(self, x: Array, g: Array, by: float) -> None:
        """Change a variable to (this) + by · xᵀ·g, in one pass: x (batch, n), g (batch, p).

        Raises: ShapeError if xᵀ·g has another shape or dtype; GraphError as `update`.
        """
        fit = x.ndim == 2 == g.ndim and (x.shape[1], g.shape[1]) == self.shape
        if not (fit and len(x) == len(g) and x.dtype == g.dtype == self.dtype):
            raise ShapeError(
                f"a product of shapes {x.shape[::-1]} and {g.shape}, dtypes {x.dtype} and "
                f"{g.dtype}, doesn't fit {self.name or 'a tensor'} of shape {self.shape} and dtype "
                f"{self.dtype}"
            )
        with silence():
            scaled = g * g.dtype.type(by)

        def add_product(array: Array) -> None:
            kernels.matmul(x, scaled, transpose_a=True, out=array, accumulate=True)

        self.update(add_product)

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
        sink = node.sink
        return cast("Tensor | None", node.grad if sink is None else sink.get())

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
        self._set_grad(value)

    @property
    def has_grad(self) -> bool:
        """Whether `.grad` is there, without looking at it."""
        if self._node is None:
            return False
        sink = self._node.sink
        return self._node.grad is not None if sink is None else not sink.is_empty

    def send_grad_to(self, sink: Sink | None) -> None:
        """Let a sink take ∂L/∂(this); `.grad` is then what the sink gives. None ends it.

        An optimiser can so take from a layer what it needs of ∂L/∂W, before ∂L/∂W is written.

        Raises: GraphError for anything but a variable.
        """
        if not isinstance(self._node, Leaf):
            raise GraphError("only a variable's gradient can be sent to a sink")
        gradient = self.grad
        self._node.sink = sink
        self._set_grad(gradient)

    def retain_grad(self) -> None:
        """Keep the gradient of an intermediate result in its `.grad`."""
        if isinstance(self._node, Node):
            self._node.keeps_grad = True

    def zero_grad(self) -> None:
        """Forget the gradient."""
        node = self._node
        if node is not None:
            if node.sink is None:
                node.grad = None
            else:
                node.sink.set(None)

    def _set_grad(self, value: Tensor | None) -> None:
        if self._node is None:
            return
        sink = self._node.sink
        if sink is None:
            self._node.grad = value
        else:
            sink.set(value)

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
            gradients = sweep(
                self._node,
                seed if isinstance(seed, Tensor) else Tensor._wrap(seed),
                retain_graph=True,
                wrap=Tensor._wrap,
            )
        else:
            # A copy, because the gradient may end up, as it is, in some .grad.
            array = seed._array.copy() if isinstance(seed, Tensor) else seed
            gradients = sweep(self._node, array, retain_graph=retain_graph)
        for node, g in gradients.items():
            if node.sink is not None:
                node.sink.add(g)
                continue
            gradient = g if type(g) is Tensor else Tensor._wrap(np.asarray(g))
            if node.grad is None:
                node.grad = gradient
            else:
                node.grad = node.grad + gradient if create_graph else _sum(node.grad, gradient)

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

    def __repr__(self) -> str:
        kind = "requires_grad" if self.is_leaf else "has a graph"
        return summary(self._array, self.name, kind if self.requires_grad else "")

    def __reduce__(self) -> Any:
        if isinstance(self._node, Node):
            raise GraphError(
                f"the result of {self._node} can't be copied or pickled together with its graph; "
                "use .detach(), or .numpy() for what copies arrays, as plots do"
            )
        return _rebuild, (self._array.copy(), self.requires_grad, self.name)


def _rebuild(array: Array, requires_grad: bool, name: str | None) -> Tensor:
    return Tensor(array, requires_grad, name=name)


def _sum(a: Tensor, b: Tensor) -> Tensor:
    with no_grad():
        return a + b
