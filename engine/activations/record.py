"""`Activation`: a function f of one number, applied entry by entry, and all its derivatives.

Two operations stand for the whole family. For y = f(s):

    f          ∂L/∂s = scale(f, g, s)
    scale      y = g ⊙ f′(s)      ∂L/∂g = scale(f, h, s)      ∂L/∂s = h ⊙ scale(f′, g, s)

where h is the gradient with respect to the result of scale. Since f′ is an Activation too, these
two operations give derivatives of any order. An Activation knows nothing of layers.

`ACTIVATIONS` holds all activations by name; `@activation` adds to it. `BUILT_IN` holds the built-in
activations, which `engine.activations.builtin` defines.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, Self
from weakref import WeakValueDictionary

import numpy as np

from engine.activations.ranges import find_range
from engine.arrays import Array, is_finite
from engine.core.operation import Symbolic, apply
from engine.core.rule import Rule, partials
from engine.core.tensor import Operand, Tensor
from engine.kernels import Elementwise
from engine.spelling import printable
from engine.transforms import slope_of

Formula = Callable[..., Any]
Kinks = tuple[float, ...]
Range = tuple[float, float]

ACTIVATIONS: dict[str, Activation] = {}
BUILT_IN: dict[str, Activation] = {}  # unlike ACTIVATIONS, never changed by users


@printable
class Activation:
    """f, with its name, kinks and range; `f(s)` applies it, `f.derivative` is f′.

    Attributes:
        name: the name in errors, in traces and on the command line.
        kinks: the s at which f is not differentiable; the activation's docstring gives f′ there.
        range: the infimum and supremum of f.
        parameters: the values of f's parameters by name; `f(a=0.2)` is f with another value, and
            `f(s, a=0.2)` applies that variant.
        root: f with the default parameters.
        kernel: f and f′ on arrays.
        compiled: whether the kernel is machine code; False for derivatives.
        slope_formula: f′ as text, "f′ = 1 − y²" with y = f(s); "" unless f is built in.
        bends: the s at which f is differentiable and f″ jumps. Kinks and bends do not depend on the
            parameters.
        extrema, slope_extrema: the s at which f and f′ have a local minimum or maximum, apart from
            kinks. Between these points f and f′ are assumed to be monotone.

    A copy is the activation itself. The pickle of a built-in activation contains its name and
    parameters; the pickle of an activation made by `@activation` contains its formula.
    """

    kernel: Elementwise
    compiled: bool

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
        slope_formula: str = "",
        bends: Kinks = (),
        extrema: Kinks = (),
        slope_extrema: Kinks = (),
        kind: str = "activation",
    ) -> None:
        self.name, self.root, self.kind = name, self, kind
        self.kernel, self.second = kernel, second
        self.slope_formula, self.bends = slope_formula, bends
        self.extrema, self.slope_extrema = extrema, slope_extrema
        self.compiled = kernel.compiled
        self._kinks, self._range = kinks, range  # values, or functions of the parameters
        self._variants: WeakValueDictionary[tuple[float, ...], Activation] = WeakValueDictionary()
        if describe:
            self.__doc__ = describe
        self._take(dict(parameters or {}))

    def _take(self, parameters: dict[str, float]) -> None:
        """Set the parameters, and the rules of f and of scale."""
        self.parameters, self.constants = parameters, tuple(parameters.values())
        self._rule = Rule(
            self.name,
            self.value,
            partials(lambda g, y, s: self.scale(g, s)),
            activation=lambda: self,
            slope=self.slope,
            kind=self.kind,
        )
        self._scale_rule = Rule(
            f"scale by {self.name}′",
            lambda g, s: self.kernel.scaled_slope(g, s, *self.constants),
            partials(
                lambda h, y, g, s: self.scale(h, s),
                lambda h, y, g, s: h * self.derivative.scale(g, s),
            ),
            kind="scale",
        )

    def __call__(self, s: Operand | None = None, /, **parameters: float) -> Any:
        """f(s), with the shape and dtype of s; without s, f with these parameters."""
        if type(s) is not Tensor and isinstance(s, Symbolic):
            return s.through(self, parameters)
        f = self.variant(parameters) if parameters else self
        return f if s is None else apply(f._rule, s)

    @cached_property
    def kinks(self) -> Kinks:
        return self._kinks(*self.constants) if callable(self._kinks) else self._kinks

    @cached_property
    def range(self) -> Range:
        return self._range(*self.constants) if callable(self._range) else self._range

    @cached_property
    def breaks(self) -> Kinks:
        """The points at which quadrature splits its intervals: kinks, poles, narrow features."""
        return self.kinks

    @property
    def f(self) -> Formula:
        """The function s ↦ f(s), of tensors or arrays."""
        return self.__call__

    @property
    def built_in(self) -> bool:
        """Whether f is a built-in activation, with any values of its parameters."""
        return self.kind == "built-in"

    def value(self, s: Array) -> Array:
        """f(s) of an array."""
        return self.kernel.value(s, *self.constants)

    def slope(self, s: Array) -> Array:
        """f′(s) of an array."""
        return self.kernel.slope(s, *self.constants)

    def scale(self, g: Operand, s: Operand) -> Tensor:
        """g ⊙ f′(s): the step of the backward pass from ∂L/∂x⁽ⁱ⁺¹⁾ to ∂L/∂s⁽ⁱ⁾."""
        return apply(self._scale_rule, g, s)

    @cached_property
    def derivative(self) -> Derivative:
        """f′ as an activation."""
        return Derivative(self, lambda s: self.second(s, *self.constants))

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
        if BUILT_IN.get(self.name) is not self.root:
            raise pickle.PicklingError(
                f"{self.name} can't be pickled, because it is neither built in nor made with "
                "@activation; define it with @activation"
            )
        return _built_in, (self.name, tuple(self.parameters.items()))

    def variant(self, parameters: Mapping[str, Any]) -> Activation:
        """f with these parameters; equal values give the same object while it is referenced."""
        values = {**self.parameters, **self.checked(parameters)}
        for key, value in values.items():
            if not isinstance(value, float):
                raise TypeError(
                    f"{self.name}: {key} is a tensor or a formula; give it together with s: "
                    f"{self.name}(s, {key}=…)"
                )
        root = self.root
        same = values == root.parameters
        return root if same else _variant(root, root.kernel, (*values.values(),))

    def checked(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters, numbers as floats, tensors and formulas unchanged.

        Raises: TypeError for an unknown parameter, ValueError for a value that is no finite number.
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

    def _with(self, parameters: dict[str, float]) -> Self:
        variant = object.__new__(type(self))
        vars(variant).update(vars(self))
        variant._forget()
        variant._take(parameters)
        return variant

    def _forget(self) -> None:
        """Drop the cached properties, which depend on the parameters and on f′."""
        for name in list(vars(self)):
            if isinstance(getattr(type(self), name, None), cached_property):
                del vars(self)[name]


@lru_cache(maxsize=256)
def _variant(root: Activation, kernel: Elementwise, values: tuple[float, ...]) -> Activation:
    """The root with these parameters; a new variant if the user has changed f′ since.

    `_variants` returns variants that are still referenced but no longer in this cache.
    """
    f = root._variants.get(values)
    if f is None or f.kernel is not kernel:
        f = root._variants[values] = root._with(dict(zip(root.parameters, values, strict=True)))
    return f


@printable
class Derivative(Activation):
    """f′, f″ …: an activation whose slope is a formula in the engine's operations.

    The record of a built-in activation contains f″, from which the engine derives f‴ and so on.
    """

    compiled = False

    def __init__(self, of: Activation, slope: Formula) -> None:
        self.name, self.of, self.root = f"{of.name}′", of, self
        self.kind = "activation"
        self.parameters = of.parameters
        self._slope = slope
        vjp = partials(lambda g, y, s: self.scale(g, s))
        self._rule = Rule(
            self.name, of.slope, vjp, activation=lambda: self, slope=self.slope, kind=self.kind
        )

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
        """The infimum and the supremum, by `find_range`."""
        return find_range(self.value, self.breaks)

    def value(self, s: Array) -> Array:
        return self.of.slope(s)

    def slope(self, s: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(self._slope(s))

    def scale(self, g: Any, s: Any) -> Any:
        """g ⊙ f″(s), in operations that can be differentiated again."""
        return g * self._slope(s)

    @cached_property
    def derivative(self) -> Derivative:
        return Derivative(self, slope_of(self._slope))

    def __repr__(self) -> str:
        return f"Derivative({self.name})"

    def __reduce__(self) -> Any:
        return getattr, (self.of, "derivative")


def _built_in(name: str, parameters: tuple[tuple[str, float], ...]) -> Activation:
    return BUILT_IN[name].variant(dict(parameters))
