"""`Activation`: a function f of one number, applied entry by entry, and all its derivatives.

Two operations stand for the whole family. For y = f(s):

    f          ∂L/∂s = scale(f, g, s)
    scale      y = g ⊙ f′(s)      ∂L/∂g = scale(f, h, s)      ∂L/∂s = h ⊙ scale(f′, g, s)

with h the gradient that arrives at scale. Since f′ is an Activation too, nothing else is
needed for derivatives of any order.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Self
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from engine import kernels
from engine.dtypes import is_finite
from engine.kernels import KERNELS, Elementwise, compiled
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
        root: f with the parameters that it was defined with.

    A copy is the activation itself. A pickle of a built-in one holds its name and parameters, that
    of one made by `@activation` its formula.
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
        root: Activation | None = None,
    ) -> None:
        self.name, self.root = name, root or self
        self.parameters = dict(parameters or {})
        self._kernel, self._second, self._describe = kernel, second, describe
        self._constants = tuple(self.parameters.values())
        self._variants: WeakValueDictionary[tuple[float, ...], Activation]
        self._variants = WeakValueDictionary() if root is None else root._variants
        # Where they depend on the parameters, they are given as functions of them.
        self._kinks, self._range = kinks, range
        self._compiled: dict[np.dtype[Any], tuple[int, int, bool, Array]] = {}
        if describe:
            self.__doc__ = describe
        self._rule = Rule(
            name,
            self.value,
            partials(lambda g, y, s: self.scale(g, s)),
            silent=True,
            kind="built-in" if any(kernel is k for k in KERNELS.values()) else "activation",
        )
        self._scale_rule = Rule(
            f"scale by {name}′",
            lambda g, s: self._kernel.scaled_slope(g, s, *self._constants),
            partials(
                lambda h, y, g, s: self.scale(h, s),
                lambda h, y, g, s: h * self.derivative.scale(g, s),
            ),
            silent=True,
            kind="scale",
        )

    def __call__(self, s: Operand | None = None, /, **parameters: float) -> Any:
        """f(s), of s's shape and dtype; with parameters alone, f with those parameters."""
        if type(s) is not Tensor and isinstance(s, Symbolic):
            return s.through(self, parameters)
        f = self.variant(parameters) if parameters else self
        return f if s is None else apply(f._rule, s)

    @cached_property
    def kinks(self) -> Kinks:
        return self._kinks(*self._constants) if callable(self._kinks) else self._kinks

    @cached_property
    def range(self) -> Range:
        return self._range(*self._constants) if callable(self._range) else self._range

    @cached_property
    def breaks(self) -> Kinks:
        """The kinks, and where else quadrature must look closely: poles, narrow features."""
        return self.kinks

    @property
    def f(self) -> Formula:
        """The function itself, of tensors or arrays."""
        return self.__call__

    @property
    def built_in(self) -> bool:
        """Whether f is one of the engine's own, with whatever parameters."""
        return self._rule.kind == "built-in"

    def value(self, s: Array) -> Array:
        """f(s) of an array."""
        return self._kernel.value(s, *self._constants)

    def slope(self, s: Array) -> Array:
        """f′(s) of an array."""
        return self._kernel.slope(s, *self._constants)

    def slope_run(self, dtype: np.dtype[Any]) -> tuple[int, tuple[float, ...]] | None:
        """The address of the compiled f′, and f's parameters; None where f′ is no kernel."""
        if not kernels.COMPILED:
            return None
        return self._kernel.run("slope", dtype), self._constants

    def layer(self, x: Array, W: Array, b: Array, keep: bool) -> tuple[Array, Array | None]:
        """x⁽ⁱ⁺¹⁾ = f(s) of arrays, and s = xW + b if f′ needs it or it is to be kept."""
        if not kernels.COMPILED:
            s = kernels.matmul(x, W) + b
            return self.value(s), s
        value, _, of_value, parameters = self._runs(x.dtype)
        return compiled.layer(x, W, b, value, parameters, keep or not of_value)

    def layer_backward(
        self, g: Array, y: Array, s: Array | None, x: Array, W: Array, dW: bool, dx: bool
    ) -> tuple[Array, Array, Array | None, Array | None]:
        """∂L/∂s, ∂L/∂b, and those wanted of ∂L/∂W and ∂L/∂x, from what `layer` gave."""
        if not kernels.COMPILED:
            what, v = ("scaled by value", y) if self._slope_is_of_value() else ("scaled", s)
            linear = self._kernel is KERNELS["identity"]
            dL_ds = g if linear else self._kernel.scaled(what, g, np.asarray(v), self._constants)
            return _products(dL_ds, x, W, dW, dx)
        _, slope, of_value, parameters = self._runs(g.dtype)
        v = y if of_value or s is None else s
        return compiled.layer_backward(g, v, x, W, slope, parameters, dW, dx)

    def _runs(self, dtype: np.dtype[Any]) -> tuple[int, int, bool, Array]:
        """The compiled f and g ⊙ f′, whether the latter is of y, and the parameters."""
        runs = self._compiled.get(dtype)
        if runs is None:
            f, parameters = self._kernel, np.array(self._constants, dtype)
            of_value = self._slope_is_of_value()
            if f is KERNELS["identity"]:
                runs = 0, 0, True, parameters
            else:
                slope = f.run("scaled by value" if of_value else "scaled", dtype)
                runs = f.run("value", dtype), slope, of_value, parameters
            self._compiled[dtype] = runs
        return runs

    def _slope_is_of_value(self) -> bool:
        f = self._kernel
        return f.slope_of_value is not None and f.of_value_if(*self._constants)

    def scale(self, g: Operand, s: Operand) -> Tensor:
        """g ⊙ f′(s): the step of the backward pass from ∂L/∂x⁽ⁱ⁺¹⁾ to ∂L/∂s⁽ⁱ⁾."""
        return apply(self._scale_rule, g, s)

    @cached_property
    def derivative(self) -> Derivative:
        """f′, as an activation."""
        return Derivative(self, lambda s: self._second(s, *self._constants))

    def __repr__(self) -> str:
        inside = "".join(f", {key}={value:g}" for key, value in self.parameters.items())
        kinks = f", kinks at {', '.join(f'{k:g}' for k in self.kinks)}" if self.kinks else ""
        low, high = self.range
        return f"Activation({self.name}{inside}, range {low:g} … {high:g}{kinks})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self

    def __reduce__(self) -> Any:
        from engine.activations.builtin import BUILT_IN  # made of this class

        if BUILT_IN.get(self.name) is not self.root:
            raise pickle.PicklingError(
                f"{self.name} can't be pickled: it is neither built in nor made by @activation, so "
                "another process could not make it again; write it with @activation"
            )
        return _built_in, (self.name, tuple(self.parameters.items()))

    def variant(self, parameters: Mapping[str, Any]) -> Activation:
        """f with these parameters; the same ones give the same object for as long as it is kept."""
        new = {**self.parameters, **self.checked(parameters)}
        for key, value in new.items():
            if not isinstance(value, float):
                raise TypeError(
                    f"{self.name}: {key} is not a number here; give it together with s: "
                    f"{self.name}(s, {key}=…)"
                )
        root = self.root
        return root if new == root.parameters else _variant(root, root._kernel, (*new.values(),))

    def checked(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as floats; tensors and formulas are left as they are.

        Raises: TypeError for a name that is no parameter, ValueError for what is no finite number.
        """
        unknown = set(parameters) - set(self.parameters)
        if unknown:
            takes = ", ".join(self.parameters) or "none"
            raise TypeError(
                f"{self.name} has no parameter {', '.join(sorted(unknown))}; it takes: {takes}"
            )
        for key, value in parameters.items():
            number = isinstance(value, int | float | np.integer | np.floating)
            if not isinstance(value, Tensor | Symbolic) and not (number and is_finite(value)):
                raise ValueError(f"{self.name}: {key}={value!r} must be a finite number")
        return {
            key: value if isinstance(value, Tensor | Symbolic) else float(value)
            for key, value in parameters.items()
        }

    def _with(self, parameters: dict[str, float]) -> Activation:
        return Activation(
            self.name,
            kernel=self._kernel,
            second=self._second,
            kinks=self._kinks,
            range=self._range,
            parameters=parameters,
            describe=self._describe,
            root=self,
        )


@lru_cache(maxsize=256)
def _variant(root: Activation, kernel: Elementwise, values: tuple[float, ...]) -> Activation:
    """The root with these parameters; anew once f′ was given, and the kernel is another.

    What is no longer kept here, but is still in use somewhere, is found again.
    """
    f = root._variants.get(values)
    if f is None or f._kernel is not kernel:
        f = root._variants[values] = root._with(dict(zip(root.parameters, values, strict=True)))
    return f


@printable
class Derivative(Activation):
    """f′, f″ …: an activation given by formulas in the engine's own operations.

    The slope of f′ is written down for every built-in; from f‴ on, it is the derivative of
    that formula, taken by the engine.
    """

    def __init__(self, of: Activation, slope: Formula) -> None:
        self.name, self.of, self.root = f"{of.name}′", of, self
        self.parameters = of.parameters
        self._slope = slope
        vjp = partials(lambda g, y, s: self.scale(g, s))
        self._rule = Rule(self.name, of.slope, vjp, kind="activation")

    def __call__(self, s: Operand | None = None, /, **parameters: float) -> Any:
        if parameters:
            raise TypeError(f"{self.name} takes no parameters; give them to f: f(a=…).derivative")
        return super().__call__(s)

    @cached_property
    def kinks(self) -> Kinks:
        return self.of.kinks

    @cached_property
    def breaks(self) -> Kinks:
        return self.of.breaks

    @cached_property
    def range(self) -> Range:
        """The least and the largest value, as `examine.find_range` finds them."""
        from engine.activations.examine import find_range  # of formulas, which know activations

        return find_range(self.value, self.breaks)

    def value(self, s: Array) -> Array:
        return self.of.slope(s)

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

        return Derivative(self, slope_of(self._slope))

    def __repr__(self) -> str:
        return f"Derivative({self.name})"

    def __reduce__(self) -> Any:
        return getattr, (self.of, "derivative")


def _products(
    dL_ds: Array, x: Array, W: Array, dW: bool, dx: bool
) -> tuple[Array, Array, Array | None, Array | None]:
    dL_dW = kernels.matmul(x, dL_ds, transpose_a=True) if dW else None
    dL_dx = kernels.matmul(dL_ds, W, transpose_b=True) if dx else None
    return dL_ds, dL_ds.sum(axis=0), dL_dW, dL_dx


def _built_in(name: str, parameters: tuple[tuple[str, float], ...]) -> Activation:
    from engine.activations.builtin import BUILT_IN

    return BUILT_IN[name].variant(dict(parameters))
