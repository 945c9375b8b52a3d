"""`Activation`: a function f of one number, applied entry by entry, and all its derivatives.

Two operations stand for the whole family. For y = f(s):

    f          ∂L/∂s = scale(f, g, s)
    scale      y = g ⊙ f′(s)      ∂L/∂g = scale(f, h, s)      ∂L/∂s = h ⊙ scale(f′, g, s)

with h the gradient that arrives at scale. Since f′ is an Activation too, these two operations
give derivatives of any order. An Activation is f of one number: it knows nothing of layers.

`ACTIVATIONS` is the table of all activations by name, which `@activation` extends; `BUILT_IN` holds
the engine's own, as `engine.activations.builtin` defines them.
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
BUILT_IN: dict[str, Activation] = {}  # users change ACTIVATIONS, never this table


@printable
class Activation:
    """f, with its name, kinks and range; `f(s)` applies it, `f.derivative` is f′.

    Attributes:
        name: for errors, traces and the command line.
        kinks: where f is not differentiable; the function's docstring gives f′ at a kink.
        range: the infimum and supremum of f.
        parameters: the values of f's parameters by name; `f(a=0.2)` is f with another value, and
            `f(s, a=0.2)` applies that variant.
        root: f with the parameters that it was defined with.
        kernel: f and f′ as scalar functions that are compiled into loops over arrays.
        compiled: whether that kernel is machine code; derivatives have none.
        slope_formula: f′ as text, "f′ = 1 − y²" with y = f(s); "" unless f is built in.
        bends: where f is differentiable and f″ jumps. A kink or a bend stays where it is when the
            parameters change.
        extrema, slope_extrema: where f and f′ have a local minimum or maximum, apart from kinks.
            Between these points f and f′ are taken to be monotone.

    A copy is the activation itself. The pickle of a built-in activation holds its name and
    parameters, the pickle of an activation from `@activation` holds its formula.
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
        # Functions of the parameters, if they depend on the parameters.
        self._kinks, self._range = kinks, range
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
        """f(s), of s's shape and dtype; with parameters alone, f with those parameters."""
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
        """The kinks, and where else quadrature must look closely: poles, narrow features."""
        return self.kinks

    @property
    def f(self) -> Formula:
        """The function itself, of tensors or arrays."""
        return self.__call__

    @property
    def built_in(self) -> bool:
        """Whether f is in the engine's table, with any values of its parameters."""
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
        """f′, as an activation."""
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
                f"{self.name} can't be pickled: it is neither built in nor made by @activation, so "
                "another process could not make it again; write it with @activation"
            )
        return _built_in, (self.name, tuple(self.parameters.items()))

    def variant(self, parameters: Mapping[str, Any]) -> Activation:
        """f with these parameters; equal values give the same object while the object lives."""
        new = {**self.parameters, **self.checked(parameters)}
        for key, value in new.items():
            if not isinstance(value, float):
                raise TypeError(
                    f"{self.name}: {key} is not a number here; give it together with s: "
                    f"{self.name}(s, {key}=…)"
                )
        root = self.root
        return root if new == root.parameters else _variant(root, root.kernel, (*new.values(),))

    def checked(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters as floats; tensors and formulas are left as they are.

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
    """The root with these parameters; a new variant if the user has given f′ since.

    A variant that left this cache while a user still holds it comes back from `_variants`.
    """
    f = root._variants.get(values)
    if f is None or f.kernel is not kernel:
        f = root._variants[values] = root._with(dict(zip(root.parameters, values, strict=True)))
    return f


@printable
class Derivative(Activation):
    """f′, f″ …: an activation given by formulas in the engine's own operations.

    Each built-in record writes f″ down; the engine derives f‴ and later derivatives from it.
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
        """The infimum and the supremum, as `find_range` finds them."""
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
