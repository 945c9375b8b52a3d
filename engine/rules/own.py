"""`@custom_vjp`: an operation defined by the user, with any number of inputs, and its derivative.

@custom_vjp
def hypotenuse(a, b):
    return np.hypot(a, b)

@hypotenuse.vjp
def hypotenuse(g, y, a, b):
    return g * a / y, g * b / y

hypotenuse.check(np.array([3.0]), np.array([4.0]))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, final

import numpy as np

from engine.core.context import at_place
from engine.core.operation import apply
from engine.core.rule import Rule
from engine.core.tensor import Operand, Tensor
from engine.errors import GraphError
from engine.spelling import printable

Function = Callable[..., Any]


@printable
@final
class Operation:
    """An operation made by `custom_vjp`; call it with tensors or arrays."""

    def __init__(self, value: Function) -> None:
        self.name = value.__name__
        self.__doc__ = inspect.getdoc(value)
        self._value = value
        self._vjp: Function | None = None
        self._rule = Rule(self.name, self._checked_value, self._gradients)

    def vjp(self, function: Function) -> Operation:
        """Decorator: `function(g, y, *inputs)` returns a tuple, ∂L/∂input for each input.

        g is ∂L/∂y, and y is the value. Use operators and the engine's operations: they run on
        arrays, and are recorded on tensors, which gives second derivatives. None stands for a
        gradient of 0. Sum the gradient of an input that was broadcast to the input's shape.
        """
        self._vjp = function
        return self

    def __call__(self, *inputs: Operand, **parameters: Any) -> Tensor:
        """The value. Parameters are passed to both functions and have no gradient."""
        if not inputs:
            raise TypeError(f"{self.name}{at_place()}: it needs an input, in front of parameters")
        return apply(self._rule, *inputs, **parameters)

    def check(self, *inputs: Operand, **settings: Any) -> Any:
        """Compare the derivative with central differences at these inputs; see `gradcheck`.

        Raises: GradcheckError with the input and both values if they differ, or if they can't be
            compared.
        """
        from engine.checking import gradcheck  # here, because checking imports the rules

        return gradcheck(self, *inputs, **settings)

    def __repr__(self) -> str:
        return f"Operation({self.name}{'' if self._vjp else ', without a vjp'})"

    def _checked_value(self, *inputs: Any, **parameters: Any) -> Any:
        try:
            y = np.asarray(self._value(*map(_locked, inputs), **parameters))
        except ValueError as error:
            if "read-only" not in str(error):
                raise
            raise ValueError(
                f"{self.name}{at_place()}: it changes an input in place, but other operations use "
                "the same array; begin with x = x.copy(), or write x = x + 1 instead of x += 1"
            ) from error
        if y.dtype != inputs[0].dtype:
            if y.dtype.kind not in "fiub":
                raise TypeError(f"{self.name}{at_place()}: its value has dtype {y.dtype}")
            y = y.astype(inputs[0].dtype)
        # If the value is an input or a view of one, a change of the input would change the value.
        return y.copy() if any(np.may_share_memory(y, x) for x in inputs) else y

    def _gradients(self, g: Any, y: Any, *xs: Any, needs: Any, **parameters: Any) -> Any:
        if self._vjp is None:
            raise GraphError(
                f"{self.name} has no derivative yet; define it with @{self.name}.vjp, a function "
                f"of g = ∂L/∂y, y and its {len(xs)} inputs"
            )
        gradients = self._vjp(g, y, *xs, **parameters)
        return gradients if isinstance(gradients, tuple | list) else (gradients,)


def _locked(x: Any) -> Any:
    """A view that can't be written to."""
    view = x.view()
    view.flags.writeable = False
    return view


def custom_vjp(value: Function) -> Operation:
    """Make an operation from a function of arrays; define its derivative with `@name.vjp`.

    The function gets read-only NumPy arrays and may use NumPy. See the module for an example.
    """
    if not callable(value):
        raise TypeError(f"@custom_vjp takes a function of arrays, not {value!r}")
    return Operation(value)
