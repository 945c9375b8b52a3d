"""`Activation`: a function f of one number, applied entry by entry, and all its derivatives.

Two operations stand for the whole family. For y = f(s):

    f          ∂L/∂s = scale(f, g, s)
    scale      y = g ⊙ f′(s)      ∂L/∂g = scale(f, h, s)      ∂L/∂s = h ⊙ scale(f′, g, s)

with h the gradient that arrives at scale. Since f′ is an Activation too, nothing else is
needed for derivatives of any order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from engine import kernels
from engine.kernels import KERNELS, Elementwise
from engine.operation import Symbolic, apply
from engine.rules.table import Rule, partials
from engine.spelling import printable
from engine.tensor import Operand, Tensor

Array = npt.NDArray[Any]
Formula = Callable[..., Any]
Kinks = tuple[float, ...]
Range = tuple[float, float]


@printable
class Activation:
    """f, with its name, kinks and range; `f(s)` applies it, `f.derivative` is f′.

    Attributes:
        name: for errors, traces and the command line.
        kinks: where f is not differentiable; the one-sided choice made there is in the
            function's docstring.
        range: the infimum and supremum of f.
        parameters: the values of its parameters by name; `f(a=0.2)` is f with another one, and
            `f(s, a=0.2)` applies that.
    """

    def __init__(
        self,
        name: str,
        *,
        kernel: Elementwise,
        second: Formula,
        kinks: Kinks | Callable[..., Kinks] = (),
        range: Range | Callable[..., Range] = (-np.inf, np.inf),
        parameters: dict[str, float] | None = None,
        describe: str = "",
    ) -> None:
        self.name = name
        self.parameters = dict(parameters or {})
        self._kernel, self._second, self._describe = kernel, second, describe
        self._constants = tuple(self.parameters.values())
        # Where they depend on the parameters, they are given as functions of them.
        self._kinks, self._range = kinks, range
        self.kinks: Kinks = kinks(*self._constants) if callable(kinks) else kinks
        self.range: Range = range(*self._constants) if callable(range) else range
        self._compiled: dict[np.dtype[Any], tuple[int, int, bool, Array]] = {}
        if describe:
            self.__doc__ = describe
        self._rule = Rule(name, self.value, partials(lambda g, y, s: self.scale(g, s)), silent=True)
        self._scale_rule = Rule(
            f"scale by {name}′",
            lambda g, s: kernel.scaled_slope(g, s, *self._constants),
            partials(
                lambda h, y, g, s: self.scale(h, s),
                lambda h, y, g, s: h * self.derivative.scale(g, s),
            ),
            silent=True,
        )

    def __call__(self, s: Operand | None = None, /, **parameters: float) -> Any:
        """f(s), of s's shape and dtype; with parameters alone, f with those parameters."""
        f = self._variant(**parameters) if parameters else self
        return f if s is None else apply(f._rule, s)

    @property
    def f(self) -> Formula:
        """The function itself, of tensors or arrays."""
        return self.__call__

    def value(self, s: Array) -> Array:
        """f(s) of an array."""
        return self._kernel.value(s, *self._constants)

    def slope(self, s: Array) -> Array:
        """f′(s) of an array."""
        return self._kernel.slope(s, *self._constants)

    def slope_run(self, dtype: np.dtype[Any]) -> tuple[int, tuple[float, ...]] | None:
        """The address of the compiled f′, and f's parameters; None where f′ is no kernel."""
        if not kernels.JIT:
            return None
        return self._kernel.run("slope", dtype), self._constants

    def layer(self, x: Array, W: Array, b: Array, keep: bool) -> tuple[Array, Array | None]:
        """x⁽ⁱ⁺¹⁾ = f(s) of arrays, and s = xW + b if f′ needs it or it is to be kept."""
        if not kernels.JIT:
            s = kernels.matmul(x, W) + b
            return self.value(s), s
        value, _, of_value, parameters = self._runs(x.dtype)
        return kernels.layer(x, W, b, value, parameters, keep or not of_value)

    def layer_backward(
        self, g: Array, y: Array, s: Array | None, x: Array, W: Array, dW: bool, dx: bool
    ) -> tuple[Array, Array, Array | None, Array | None]:
        """∂L/∂s, ∂L/∂b, and those wanted of ∂L/∂W and ∂L/∂x, from what `layer` gave."""
        if not kernels.JIT:
            dL_ds = g * self.slope(np.asarray(s))
            return _products(dL_ds, x, W, dW, dx)
        _, slope, of_value, parameters = self._runs(g.dtype)
        v = y if of_value or s is None else s
        return kernels.layer_backward(g, v, x, W, slope, parameters, dW, dx)

    def _runs(self, dtype: np.dtype[Any]) -> tuple[int, int, bool, Array]:
        """The compiled f and g ⊙ f′, whether the latter is of y, and the parameters."""
        runs = self._compiled.get(dtype)
        if runs is None:
            f, parameters = self._kernel, np.array(self._constants, dtype)
            of_value = f.slope_of_value is not None and f.of_value_if(*self._constants)
            if f is KERNELS["identity"]:
                runs = 0, 0, True, parameters
            else:
                slope = f.run("scaled by value" if of_value else "scaled", dtype)
                runs = f.run("value", dtype), slope, of_value, parameters
            self._compiled[dtype] = runs
        return runs

    def scale(self, g: Operand, s: Operand) -> Tensor:
        """g ⊙ f′(s): the step of the backward pass from ∂L/∂x⁽ⁱ⁺¹⁾ to ∂L/∂s⁽ⁱ⁾."""
        if isinstance(s, Symbolic):
            return cast(Tensor, g * self.derivative(s))
        return apply(self._scale_rule, g, s)

    @cached_property
    def derivative(self) -> Derivative:
        """f′, as an activation."""
        return Derivative(
            f"{self.name}′",
            value=self.slope,
            slope=lambda s: self._second(s, *self._constants),
            kinks=self.kinks,
        )

    def __repr__(self) -> str:
        inside = "".join(f", {key}={value:g}" for key, value in self.parameters.items())
        kinks = f", kinks at {', '.join(f'{k:g}' for k in self.kinks)}" if self.kinks else ""
        low, high = self.range
        return f"Activation({self.name}{inside}, range {low:g} … {high:g}{kinks})"

    def __reduce__(self) -> Any:
        return _by_name, (self.name, tuple(self.parameters.items()))

    def _variant(self, **parameters: float) -> Activation:
        unknown = set(parameters) - set(self.parameters)
        if unknown:
            takes = ", ".join(self.parameters) or "none"
            raise TypeError(
                f"{self.name} has no parameter {', '.join(sorted(unknown))}; it takes: {takes}"
            )
        for key, value in parameters.items():
            if not isinstance(value, int | float | np.floating) or not np.isfinite(value):
                raise ValueError(f"{self.name}: {key}={value!r} must be a finite number")
        new = {**self.parameters, **parameters}
        return self if new == self.parameters else _variant(self, tuple(new.items()))


@lru_cache(maxsize=256)
def _variant(f: Activation, parameters: tuple[tuple[str, float], ...]) -> Activation:
    return Activation(
        f.name,
        kernel=f._kernel,
        second=f._second,
        kinks=f._kinks,
        range=f._range,
        parameters=dict(parameters),
        describe=f._describe,
    )


@printable
class Derivative(Activation):
    """f′, f″ …: an activation given by formulas in the engine's own operations.

    The slope of f′ is written down for every built-in; from f‴ on, it is the derivative of
    that formula, taken by the engine.
    """

    def __init__(self, name: str, *, value: Formula, slope: Formula, kinks: Kinks) -> None:
        self.name, self.kinks, self.parameters = name, kinks, {}
        self._slope = slope
        self._value = value
        self._rule = Rule(name, value, partials(lambda g, y, s: self.scale(g, s)))

    def __call__(self, s: Operand | None = None, /, **parameters: float) -> Any:
        if parameters:
            raise TypeError(f"{self.name} takes no parameters; give them to f: f(a=…).derivative")
        return self if s is None else apply(self._rule, s)

    @cached_property
    def range(self) -> Range:  # type: ignore[override]
        """The least and the largest value on a grid of 1/100 to ±30, and at ±∞."""
        values = self.value(np.concatenate([np.linspace(-30, 30, 6001), [-np.inf, np.inf]]))
        return float(values.min()), float(values.max())

    def value(self, s: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._value(s))

    def slope(self, s: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._slope(s))

    def slope_run(self, dtype: np.dtype[Any]) -> tuple[int, tuple[float, ...]] | None:
        return None

    def layer(self, x: Array, W: Array, b: Array, keep: bool) -> tuple[Array, Array | None]:
        s = kernels.matmul(x, W) + b
        return self.value(s), s

    def layer_backward(
        self, g: Array, y: Array, s: Array | None, x: Array, W: Array, dW: bool, dx: bool
    ) -> tuple[Array, Array, Array | None, Array | None]:
        return _products(g * self.slope(np.asarray(s)), x, W, dW, dx)

    def scale(self, g: Any, s: Any) -> Any:
        """g ⊙ f″(s), in operations that can be differentiated again."""
        return g * self._slope(s)

    @cached_property
    def derivative(self) -> Derivative:
        from engine.transforms import slope_of  # transforms need tensors, which come after rules

        return Derivative(
            f"{self.name}′", value=self._slope, slope=slope_of(self._slope), kinks=self.kinks
        )

    def __repr__(self) -> str:
        return f"Derivative({self.name})"

    def __reduce__(self) -> Any:
        raise TypeError(f"{self.name} can't be pickled; pickle f and take its derivative again")


def _products(
    dL_ds: Array, x: Array, W: Array, dW: bool, dx: bool
) -> tuple[Array, Array, Array | None, Array | None]:
    dL_dW = kernels.matmul(x, dL_ds, transpose_a=True) if dW else None
    dL_dx = kernels.matmul(dL_ds, W, transpose_b=True) if dx else None
    return dL_ds, dL_ds.sum(axis=0), dL_dW, dL_dx


def _by_name(name: str, parameters: tuple[tuple[str, float], ...]) -> Activation:
    from engine.activations import ACTIVATIONS

    f = ACTIVATIONS[name]
    return f._variant(**dict(parameters)) if parameters else f
