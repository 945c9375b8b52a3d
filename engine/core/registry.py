"""What the rules fill in and the core looks up by name, so that the core imports no rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

# Operations by name: what `+`, `t.sum()` and `t[…]` call.
OPERATIONS: dict[str, Callable[..., Any]] = {}
# The engine's answer to each of NumPy's functions, with NumPy's own arguments.
NUMPY: dict[Any, Callable[..., Any]] = {}


def named(operation: F) -> F:
    """Make an operation known by its name."""
    OPERATIONS[operation.__name__] = operation
    return operation


def operations_of(module: str) -> list[str]:
    """The names of the operations that a module defines: what it gives to `engine`."""
    return [
        name
        for name, operation in OPERATIONS.items()
        if getattr(operation, "__module__", "") == module and operation.__name__ == name
    ]


def answers(*functions: Any) -> Callable[[F], F]:
    """Let an operation answer for these functions of NumPy on a Tensor.

    Of a ufunc it takes the operands. Of another function it takes NumPy's own arguments, in which
    `out` stays None, and returns NotImplemented for those that the engine doesn't have. None stands
    for a function that this NumPy does not have.
    """

    def answer(operation: F) -> F:
        NUMPY.update({function: operation for function in functions if function is not None})
        return operation

    return answer


def truth(condition: Any) -> Any:
    """A condition as booleans; NumPy takes 0 and 1 for a condition too."""
    mask = np.asarray(condition.numpy() if hasattr(condition, "_array") else condition)
    return mask if mask.dtype == np.bool_ else mask != 0
