"""Derivatives as functions: `grad`, `value_and_grad`, `vjp`, `jacobian`, `hvp`.

The functions take arrays, numbers or tensors and return tensors. Nested calls are recorded, so
`grad(grad(f))` is the second derivative; the outermost call returns constants. The `.grad` of
tensors is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import index
from typing import Any, overload

import numpy as np

from engine.core.context import recording, state
from engine.core.operation import apply
from engine.core.rule import partials, rule
from engine.core.tape import Leaf, Node, sweep
from engine.core.tensor import Operand, Tensor
from engine.errors import DtypeError, ShapeError
from engine.rules.layout import stack

Function = Callable[..., Any]

_variable = rule("variable", lambda x: x, partials(lambda g, y, x: g), "∂L/∂a = g", view=True)


def grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function x ↦ ∂f/∂x, for an f that returns a single number.

    Args:
        f: a function of tensors.
        argnums: the position of the argument x, counted from 0, or from the end if negative; for
            several positions, the function returns a tuple of gradients.

    Raises: ShapeError if f returns more than one number (see `jacobian`); TypeError if f returns no
        tensor, or if a position is no integer or out of range; DtypeError if x is no array of
        numbers; ValueError if argnums is empty or names an argument twice.
    """
    both = value_and_grad(f, argnums)

    def gradient(*args: Any, **keywords: Any) -> Any:
        return both(*args, **keywords)[1]

    return gradient


def value_and_grad(f: Function, argnums: int | Sequence[int] = 0) -> Function:
    """The function x ↦ (f(x), ∂f/∂x), at the cost of one forward and one backward pass."""
    several = isinstance(argnums, Sequence)
    chosen = [_argnum(i) for i in (argnums if isinstance(argnums, Sequence) else [argnums])]
    if not chosen:
        raise ValueError("grad: argnums is empty; name an argument, for example argnums=0")

    def value_and_gradient(*args: Any, **keywords: Any) -> tuple[Tensor, Any]:
        for i in chosen:
            if not -len(args) <= i < len(args):
                raise TypeError(
                    f"grad: argument {i} was asked for; {len(args)} were given by position"
                )
        places = [i % len(args) for i in chosen]
        if len(set(places)) < len(places):
            raise ValueError(
                f"grad: argnums={argnums} names one of {len(args)} arguments twice; name each "
                "argument once"
            )

        def of_variables(*variables: Tensor) -> Any:
            full = list(args)
            for i, x in zip(places, variables, strict=True):
                full[i] = x
            return f(*full, **keywords)

        value, pull = vjp(of_variables, *[args[i] for i in places])
        if value.size != 1:
            raise ShapeError(
                f"grad needs a function that returns one number; this one returned shape "
                f"{value.shape}: reduce it with .sum() or .mean(), or use jacobian"
            )
        gradients = pull(np.ones(value.shape, value.dtype))
        return value, gradients if several else gradients[0]

    return value_and_gradient


def _argnum(i: Any) -> int:
    try:
        if not isinstance(i, bool | np.bool_):
            return index(i)
    except TypeError:
        pass
    raise TypeError(
        f"grad: argnums must be an argument's position, an integer, or a tuple of them, not {i!r}"
    )


def vjp(f: Function, *xs: Operand) -> tuple[Tensor, Callable[[Operand], tuple[Tensor, ...]]]:
    """f(x) and the vector-Jacobian product, the function g ↦ gᵀ·∂f/∂x (a tuple, one for each x).

    `y, pull = vjp(f, x)`; `(dL_dx,) = pull(dL_dy)`. `pull` may be called several times.
    """
    y, variables, record = _run(f, xs)

    def pull(g: Operand) -> tuple[Tensor, ...]:
        seed = g if isinstance(g, Tensor) else Tensor(g, dtype=y.dtype)
        seed = seed if seed.dtype == y.dtype else seed.astype(y.dtype)
        if seed.shape != y.shape:
            raise ShapeError(
                f"vjp: a gradient of shape {seed.shape} for a function that returned {y.shape}"
            )
        return tuple(_pull(y, seed, variables, record))

    return (y if record else y.detach()), pull


@overload
def jacobian(f: Function) -> Function: ...
@overload
def jacobian(f: Function, x: Operand) -> Tensor: ...
def jacobian(f: Function, x: Operand | None = None) -> Tensor | Function:
    """The Jacobian ∂f/∂x, of shape y.shape + x.shape, by one backward pass for each entry of y.

    `jacobian(f)` is the function x ↦ ∂f/∂x; it passes further arguments on to f.
    """
    if x is None:
        return lambda x, *args, **keywords: _jacobian(lambda z: f(z, *args, **keywords), x)
    return _jacobian(f, x)


def _jacobian(f: Function, x: Operand) -> Tensor:
    y, variables, record = _run(f, (x,))
    rows = []
    for i in range(y.size):
        unit = np.zeros(y.size, y.dtype)
        unit[i] = 1
        rows += _pull(y, Tensor(unit.reshape(y.shape)), variables, record)
    shape = y.shape + variables[0].shape
    return stack(rows).reshape(shape) if rows else Tensor(np.zeros(shape, y.dtype))


@overload
def hvp(f: Function) -> Function: ...
@overload
def hvp(f: Function, x: Operand, v: Operand) -> Tensor: ...
def hvp(f: Function, x: Operand | None = None, v: Operand | None = None) -> Tensor | Function:
    """The Hessian of f at x times v, H·v = ∂(∇f·v)/∂x, without forming H.

    f returns a single number, and v has the shape of x. The cost is that of two backward passes.
    `hvp(f)` is the function (x, v) ↦ H·v.
    """
    if x is None:
        return lambda x, v: _hvp(f, x, v)
    if v is None:
        raise TypeError("hvp: v is missing; write hvp(f, x, v) or hvp(f)(x, v)")
    return _hvp(f, x, v)


def _hvp(f: Function, x: Operand, v: Operand) -> Tensor:
    refuse_collections(x)
    direction = v if isinstance(v, Tensor) else Tensor(v)
    if direction.shape != np.shape(x):
        raise ShapeError(f"hvp: v has shape {direction.shape}, x has {np.shape(x)}")
    gradient = grad(f)
    result: Tensor = grad(lambda z: (gradient(z) * direction).sum())(x)
    return result


def slope_of(formula: Function) -> Function:
    """The derivative of a function of arrays that is applied entry by entry."""

    def slope(s: Any) -> Any:
        y, pull = vjp(formula, s)
        (gradient,) = pull(np.ones(y.shape, y.dtype))
        return gradient if isinstance(s, Tensor) else gradient.numpy()

    return slope


def _run(f: Function, xs: Sequence[Operand]) -> tuple[Tensor, list[Tensor], bool]:
    """(f(variables), the variables, whether the gradient must be recorded), with new variables."""
    outer = state.recording and any(isinstance(x, Tensor) and x.requires_grad for x in xs)
    record = outer or (state.recording and state.nesting > 0)
    variables = [_fresh(x) for x in xs]
    state.nesting += 1
    try:
        with recording(True):
            y = f(*variables)
    finally:
        state.nesting -= 1
    if not isinstance(y, Tensor):
        raise TypeError(
            f"the function returned {type(y).__name__}; to be differentiated it must return a "
            "Tensor, computed from its arguments with the engine's operations"
        )
    return y, variables, record


def _fresh(x: Operand) -> Tensor:
    """A variable with x's value, connected to x if x is being differentiated."""
    if isinstance(x, Tensor) and x.requires_grad and state.recording:
        variable = apply(_variable, x)
        variable.retain_grad()
        return variable
    refuse_collections(x)
    return Tensor(x, requires_grad=True)


def refuse_collections(x: Any) -> None:
    """Raise DtypeError for arrays in a dictionary, in a list, or in an array of objects.

    NumPy would stack the arrays of a list, and f would get another argument than the caller's.
    """
    if isinstance(x, list | tuple):
        wrong = any(map(_holds_arrays, x))
    else:
        wrong = not isinstance(x, Tensor) and np.asarray(x).dtype == object
    if wrong:
        kind = f"a {type(x).__name__} of {len(x)}" if hasattr(x, "__len__") else repr(x)
        raise DtypeError(
            f"derivatives are taken with respect to arrays of numbers, and not to {kind}; make "
            "each array a separate argument, f(W, b), and name several: grad(f, argnums=(0, 1))"
        )


def _holds_arrays(x: Any) -> bool:
    if isinstance(x, list | tuple):
        return any(map(_holds_arrays, x))
    if isinstance(x, np.ndarray):
        return x.ndim > 0 or x.dtype == object
    return isinstance(x, Tensor | Mapping)


def _pull(y: Tensor, g: Tensor, variables: list[Tensor], record: bool) -> list[Tensor]:
    nodes: list[Leaf | Node] = [x._node for x in variables if x._node is not None]
    gradient_of: dict[Leaf | Node, Any] = {}
    if y._node is not None:
        floor = min(node.number for node in nodes)
        if record:
            with recording(True):
                gradient_of = sweep(y._node, g, floor=floor, retain_graph=True, wrap=Tensor._wrap)
        else:
            # A copy, because sweep may return the array g itself as a gradient.
            gradient_of = sweep(y._node, g._array.copy(), floor=floor, retain_graph=True)
    gradients = []
    for x, node in zip(variables, nodes, strict=True):
        gradient = gradient_of.get(node)
        if gradient is None:  # f does not depend on x
            gradient = np.zeros(x.shape, x.dtype)
        if not isinstance(gradient, Tensor):
            gradient = Tensor._wrap(np.asarray(gradient))
        gradients.append(gradient)
    return gradients
