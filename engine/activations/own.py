"""`@activation`: a user's function, with its derivatives and its kernels.

    @activation
    def swish(s):
        return s / (1 + exp(-s))

The function is read once, as a formula (`expression`). f′ and f″ are derived from the formula. f
and f′ are compiled at their first use, like those of built-in activations.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, final, overload
from weakref import WeakValueDictionary

from engine.activations.evaluating import Data, as_data, evaluate, from_data, values_of
from engine.activations.examine import Finding, check_slope, examine, find_kinks
from engine.activations.expression import Expression, S, derivative, operation
from engine.activations.features import Special, features, special_points
from engine.activations.generate import kernel_of
from engine.activations.ranges import find_range
from engine.activations.reading import file_of, located, parameters_of, read, title_of
from engine.activations.record import ACTIVATIONS, Activation, Derivative
from engine.arrays import Array
from engine.core.tensor import Operand, Tensor
from engine.errors import ActivationError

Function = Callable[..., Any]


class ActivationWarning(UserWarning):
    """A user's activation or its slope is not finite for some s, or its slope is 0 everywhere."""


@dataclass(frozen=True, eq=False)
class Definition:
    """The data that define a user's activation.

    Attributes: `f` and `slope`, formulas (`slope` is None unless the user gave f′); `parameters`,
    their defaults by name; `kinks`, None unless declared by the user.
    """

    title: str
    f: Expression
    slope: Expression | None
    parameters: dict[str, float]
    kinks: tuple[float, ...] | None

    def as_data(self) -> tuple[Any, ...]:
        """Tuples of strings and numbers, equal for equal definitions."""
        slope: Data = () if self.slope is None else as_data(self.slope)
        return self.title, as_data(self.f), slope, tuple(self.parameters.items()), self.kinks

    @classmethod
    def from_data(cls, data: tuple[Any, ...]) -> Definition:
        """The definition that `as_data` converted. Raises: ValueError for an unknown operation."""
        title, f, slope, parameters, kinks = data
        own_slope = from_data(slope) if slope else None
        return cls(title, from_data(f), own_slope, dict(parameters), kinks)


@final
class OwnActivation(Activation):
    """An activation made from a user's function; see `activation`.

    Attributes, besides those of `Activation`:
        expression, slope_expression: f and f′ as formulas.
        source: the scalar functions to compile, as Python text; p0, p1, … are the parameters in
            order.
        findings: where f or f′ overflows or is NaN on [−1000, 1000], and whether f′ is 0.
    """

    root: OwnActivation
    source: str

    def __init__(self, definition: Definition, describe: str) -> None:
        self._define(definition)
        super().__init__(
            definition.title,
            kernel=self.kernel,
            second=lambda s, *values: self._variant_of(values).derivative.derivative(s),
            parameters=definition.parameters,
            describe=describe,
        )

    def _define(self, definition: Definition) -> None:
        """Set the formulas and the kernel of f and f′."""
        self.definition, slope = definition, definition.slope
        self.slope_expression = derivative(definition.f) if slope is None else slope
        self.kernel, self.source = kernel_of(
            definition.title, definition.f, self.slope_expression, definition.parameters
        )

    def _variant_of(self, values: tuple[float, ...]) -> Activation:
        return self.variant(dict(zip(self.parameters, values, strict=True)))

    @property
    def expression(self) -> Expression:
        return self.definition.f

    @property
    def formula(self) -> Expression:
        """f as a part of another formula, with f′ attached if the user gave f′."""
        if self.definition.slope is None:
            return self.expression
        return operation("with slope", self.expression, self.slope_expression, S)

    @cached_property
    def kinks(self) -> tuple[float, ...]:
        if self.definition.kinks is not None:
            return self.definition.kinks
        return find_kinks(self.expression, self.slope_expression, self._values, self._special)

    @cached_property
    def range(self) -> tuple[float, float]:
        return find_range(partial(self._values, self.expression), self.breaks)

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        f, slope = (partial(self._values, e) for e in (self.expression, self.slope_expression))
        return examine(self.name, f, slope, self._special.points, lambda: self.breaks)

    @cached_property
    def breaks(self) -> tuple[float, ...]:
        points = self._special.points
        narrow = features(self.expression, self.slope_expression, points, self._values)
        return tuple(sorted({*self.kinks, *points, *narrow}))

    @cached_property
    def _special(self) -> Special:
        return special_points(self.expression, self.slope_expression, self._values)

    def __call__(self, s: Operand | None = None, /, **parameters: Any) -> Any:
        """f(s), or without s the variant of f with these parameters; tensors get gradients."""
        if any(isinstance(value, Tensor) for value in parameters.values()) and s is not None:
            return evaluate(self.formula, s, {**self.parameters, **self.checked(parameters)})
        return super().__call__(s, **parameters)

    @cached_property
    def derivative(self) -> Derivative:
        """f′ as an activation; the decorator `@swish.derivative` sets f′ to the user's function."""
        return OwnDerivative(self)

    def with_slope(self, function: Function) -> OwnActivation:
        """This activation, with f′ set to the function if it agrees with the derivative of f."""
        title = f"{self.name}′"
        parameters = parameters_of(function, title)
        with located(function, title):
            if set(parameters) - set(self.parameters):
                raise ActivationError(
                    f"{title} takes {', '.join(parameters)}, but {self.name} takes "
                    f"{', '.join(self.parameters) or 'no parameters'}; the parameters must agree"
                )
        slope = read(function, title, parameters)
        exact = derivative(self.expression)
        # A slope without the factor a is right for a = 1, so the slope is also checked at a second
        # value of each parameter.
        for other in ({}, *({key: value + 0.5} for key, value in self.parameters.items())):
            f = self.variant(other)
            value, right, given = (
                partial(values_of, e, parameters=f.parameters)
                for e in (self.expression, exact, slope)
            )
            where = "".join(f"with {key} = {number:g}, " for key, number in other.items())
            with located(function, title):
                check_slope(self.name, value, right, given, f.kinks, where)
        definition = replace(self.definition, slope=slope)
        with located(function, title):
            findings = OwnActivation(definition, self.__doc__ or "").findings
        _warn(findings)
        for changed in {self, self.root}:
            changed._define(definition)
            changed._forget()
        return self

    def _values(self, e: Expression, s: Array) -> Array:
        return values_of(e, s, self.parameters)

    def __reduce__(self) -> Any:
        values = tuple(self.parameters.values())
        return _restored, (self.definition.as_data(), self.__doc__, values)


@final
class OwnDerivative(Derivative):
    """f′, f″ … of a user's activation, evaluated from formulas."""

    def __init__(self, of: OwnActivation | OwnDerivative) -> None:
        self.expression = of.slope_expression
        super().__init__(of, lambda s: self.derivative(s))

    def __call__(self, s: Any = None, /, **parameters: Any) -> Any:
        """f′(s); as a decorator of a function, sets f′ to the function."""
        if not inspect.isfunction(s) or not isinstance(self.of, OwnActivation):
            return super().__call__(s, **parameters)
        f = self.of.with_slope(s)
        return f if s.__name__ == f.name else f.derivative

    @property
    def formula(self) -> Expression:
        return self.expression

    @cached_property
    def slope_expression(self) -> Expression:
        return derivative(self.expression)

    def slope(self, s: Array) -> Array:
        return values_of(self.slope_expression, s, self.parameters)

    @cached_property
    def derivative(self) -> OwnDerivative:
        return OwnDerivative(self)


@overload
def activation(function: Function) -> OwnActivation: ...
@overload
def activation(
    function: None = None, *, kinks: tuple[float, ...] | None = None, title: str | None = None
) -> Callable[[Function], OwnActivation]: ...
def activation(
    function: Function | None = None,
    *,
    kinks: tuple[float, ...] | None = None,
    title: str | None = None,
) -> Any:
    """Make an activation from a function of one number, written with the engine's operations.

    Args:
        function: `f(s)`, or `f(s, a=0.1)` with parameters, which need defaults. The function is
            called once, with a formula in place of s, so write `where(s > 0, …)` instead of
            `if s > 0`. The function may call other activations.
        kinks: where f is not differentiable; by default, the engine searches the formula for kinks.
        title: the activation's name, any line of text, by default the function's name.
            `MLP(…, "swish")` finds the activation by its title.

    Returns: an `Activation`. f′ is derived from the formula, unless the user defines f′ with
    `@swish.derivative`; then f′ is compared with the formula's derivative at once. A copy is the
    activation itself. A pickle contains the formula and works in any process.

    Raises: ActivationError with the line of the function that can't be a formula, or if the title
    is the name of a built-in activation. Warns (ActivationWarning) if f or f′ overflows or is NaN
    on [−1000, 1000], or if f′ is 0 everywhere.
    """
    if function is None:
        return lambda f: _defined(f, kinks, title)
    return _defined(function, kinks, title)


def _defined(
    function: Function, kinks: tuple[float, ...] | None, title: str | None
) -> OwnActivation:
    title = title_of(function, title)
    parameters = parameters_of(function, title)
    f = read(function, title, parameters)
    with located(function, title):
        declared = None if kinks is None else tuple(float(kink) for kink in kinks)
        describe = inspect.getdoc(function) or f"{title}, defined in {file_of(function)}."
        result = OwnActivation(Definition(title, f, None, parameters, declared), describe)
        findings = result.findings
    _warn(findings)
    ACTIVATIONS[title] = result
    return result


# Activations that were unpickled and are not in ACTIVATIONS, by their definitions.
_foreign: WeakValueDictionary[tuple[Any, ...], OwnActivation] = WeakValueDictionary()


def _restored(data: tuple[Any, ...], describe: str, values: tuple[float, ...]) -> Activation:
    """The activation with this definition; ACTIVATIONS is not changed."""
    namesake = ACTIVATIONS.get(data[0])
    f = namesake if isinstance(namesake, OwnActivation) else None
    if f is None or f.definition.as_data() != data:
        f = _foreign.get(data)
    if f is None or f.definition.as_data() != data:  # the user may have changed f′ since
        f = _foreign[data] = OwnActivation(Definition.from_data(data), describe)
    return f._variant_of(values)


def _warn(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        warnings.warn(str(finding), ActivationWarning, stacklevel=4)
