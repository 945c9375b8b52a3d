"""`@activation`: a function of one's own, with its derivatives and its kernels.

    @activation
    def swish(s):
        return s / (1 + exp(-s))

The function is read once, as a formula (`expression`); f′ and f″ are derived from it, and f and f′
become kernels like the built-in ones when they are first used.
"""

from __future__ import annotations

import inspect
import linecache
import traceback
import warnings
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, final, overload

import numpy as np
import numpy.typing as npt

from engine.activations.builtin import ACTIVATIONS, BUILT_IN
from engine.activations.examine import Finding, check_slope, examine, find_kinks, find_range
from engine.activations.expression import (
    Expression,
    SymbolicError,
    derivative,
    evaluate,
    expression,
    name,
)
from engine.activations.features import features, special_points
from engine.activations.generate import scalar_functions
from engine.activations.record import Activation, Derivative
from engine.errors import ActivationError
from engine.kernels import Elementwise
from engine.tensor import Operand, Tensor

Array = npt.NDArray[Any]
Function = Callable[..., Any]


class ActivationWarning(UserWarning):
    """Something in a function of one's own that works, but not everywhere."""


@final
class OwnActivation(Activation):
    """An activation made from a user's function; see `activation`.

    Attributes, besides those of `Activation`:
        expression, slope_expression: f and f′ as formulas.
        source: the scalar functions that were compiled, as Python text.
        findings: where f or f′ overflows or is NaN on [−1000, 1000], and whether f′ is 0.
    """

    def __init__(
        self,
        title: str,
        f: Expression,
        slope: Expression,
        parameters: dict[str, float],
        kinks: tuple[float, ...] | None,
        describe: str,
    ) -> None:
        self.expression, self.slope_expression = f, slope
        self._second_expression = derivative(slope, name("s"))
        self._declared = kinks
        functions, self.source = scalar_functions(title, (f, slope), tuple(parameters))
        kernel = Elementwise(
            functions[0],
            functions[1],
            reference_value=lambda s, *p: self._evaluated(f, s, p),
            reference_slope=lambda s, *p: self._evaluated(slope, s, p),
            parameters=len(parameters),
        )
        values = tuple(parameters.values())
        self._special = special_points(f, slope, lambda e, s: self._named(e, s, parameters))
        found = (
            find_kinks(f, slope, lambda e, s: self._named(e, s, parameters), self._special)
            if kinks is None
            else kinks
        )
        super().__init__(
            title,
            kernel=kernel,
            second=lambda s, *p: self._symbolic(self._second_expression, s, p),
            kinks=found,
            parameters=parameters,
            describe=describe,
        )
        self.range = find_range(lambda s: self._named(f, s, parameters), self.breaks)
        self.findings: tuple[Finding, ...] = examine(
            title,
            lambda s: self._evaluated(f, s, values),
            lambda s: self._evaluated(slope, s, values),
            self._special.points,
            lambda: self.breaks,
        )

    def __call__(self, s: Operand | None = None, /, **parameters: Any) -> Any:
        """f(s); with parameters alone, f with those. A tensor as parameter is learned."""
        if any(isinstance(value, Tensor) for value in parameters.values()):
            if s is None:
                raise TypeError(
                    f"{self.name}: a parameter that is a tensor is given together with s: "
                    f"{self.name}(s, {', '.join(parameters)}=…)"
                )
            self._variant(**{k: v for k, v in parameters.items() if not isinstance(v, Tensor)})
            return evaluate(self.expression, {"s": s, **self.parameters, **parameters})
        return super().__call__(s, **parameters)

    @cached_property
    def breaks(self) -> tuple[float, ...]:
        f, slope, points = self.expression, self.slope_expression, self._special.points
        evaluate = partial(self._named, parameters=self.parameters)
        return tuple(sorted({*self.kinks, *points, *features(f, slope, points, evaluate)}))

    @cached_property
    def derivative(self) -> Derivative:
        """f′, as an activation; `@swish.derivative` above a function makes that function f′."""
        return OwnDerivative(self)

    def _with_slope(self, function: Function) -> OwnActivation:
        """This activation with f′ as the function says, once it is seen to be f's derivative."""
        title = f"{self.name}′"
        parameters = _parameters(function, title)
        if set(parameters) - set(self.parameters):
            raise ActivationError(
                f"{title} takes {', '.join(parameters)}, and {self.name} "
                f"{', '.join(self.parameters) or 'no parameters'}; they must be the same"
            )
        slope = read(function, title, parameters)
        exact = derivative(self.expression, name("s"))
        # At the parameters' own values a slope that leaves one out, or has its number, looks right.
        others = [{key: value + 0.5} for key, value in self.parameters.items()]
        for other in ({}, *others):
            numbers = {**self.parameters, **other}
            f, right, given = (
                partial(self._named, e, parameters=numbers) for e in (self.expression, exact, slope)
            )
            check_slope(
                self.name,
                *(f, right, given),
                self._variant(**numbers).kinks,
                "".join(f"with {key} = {value:g}, " for key, value in other.items()),
            )
        for cached in ("derivative", "breaks"):  # they have the old slope
            self.__dict__.pop(cached, None)
        kinks = self.kinks if self._declared is None else self._declared
        self.__init__(self.name, self.expression, slope, self.parameters, kinks, self._describe)
        _warn(self.findings)
        return self

    def _symbolic(self, e: Expression, s: Any, values: tuple[float, ...]) -> Any:
        result = evaluate(e, {"s": s, **dict(zip(self.parameters, values, strict=True))})
        return result if isinstance(result, Tensor | np.ndarray) else s * 0.0 + result

    def _evaluated(self, e: Expression, s: Array, values: tuple[float, ...]) -> Array:
        return self._named(e, s, dict(zip(self.parameters, values, strict=True)))

    @staticmethod
    def _named(e: Expression, s: Array, parameters: dict[str, float]) -> Array:
        with np.errstate(all="ignore"):
            value = np.asarray(evaluate(e, {"s": s, **parameters}), s.dtype)
            return np.broadcast_to(value, s.shape)

    def _variant(self, **parameters: float) -> Activation:
        unknown = set(parameters) - set(self.parameters)
        if unknown or not parameters:
            return super()._variant(**parameters)
        new = {**self.parameters, **{key: self._number(key, v) for key, v in parameters.items()}}
        if new == self.parameters:
            return self
        f, slope = self.expression, self.slope_expression
        return OwnActivation(self.name, f, slope, new, self._declared, self._describe)

    def _number(self, key: str, value: Any) -> float:
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"{self.name}: {key} is a number, not {value!r}") from None


@final
class OwnDerivative(Derivative):
    """f′ of one's own activation; as a decorator, it takes a function to be f′ instead."""

    def __init__(self, own: OwnActivation) -> None:
        self._own = own
        super().__init__(
            f"{own.name}′",
            value=own.slope,
            slope=lambda s: own._second(s, *own._constants),
            kinks=own.kinks,
        )

    @property
    def breaks(self) -> tuple[float, ...]:
        return self._own.breaks

    def __call__(self, s: Any = None, /, **parameters: float) -> Any:
        if not inspect.isfunction(s):
            return super().__call__(s, **parameters)
        given = self._own._with_slope(s)
        return given if s.__name__ == given.name else given.derivative


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
    """Make an activation of a function of one number, written with the engine's operations.

    Args:
        function: `f(s)`, or `f(s, a=0.1)` with parameters, which have defaults. It is called once,
            with a formula in place of s, so `if` can't decide by s: write `where`.
        kinks: where f is not differentiable; left out, they are looked for.
        title: its name, by default the function's; `MLP(…, "swish")` finds it by that.

    Returns: an `Activation`. f′ is derived from the definition, or given as
    `@swish.derivative`, which is checked against it at once.

    Raises: ActivationError with the line of the function that can't be a formula, or if the name is
    a built-in activation's. Warns (ActivationWarning) where f or f′ overflows or is NaN on
    [−1000, 1000].
    """
    if function is None:
        return lambda f: activation_of(f, kinks, title)
    return activation_of(function, kinks, title)


def activation_of(
    function: Function, kinks: tuple[float, ...] | None, title: str | None
) -> OwnActivation:
    if not inspect.isfunction(function):
        raise TypeError(f"@activation takes a function of s, not {function!r}")
    title = title or function.__name__
    if title in BUILT_IN:
        raise ActivationError(f"{title} is a built-in activation; give yours another name")
    parameters = _parameters(function, title)
    f = read(function, title, parameters)
    describe = inspect.getdoc(function) or f"{title}, defined in {Path(_file(function)).name}."
    own = OwnActivation(title, f, derivative(f, name("s")), parameters, kinks, describe)
    _warn(own.findings)
    ACTIVATIONS[title] = own
    return own


def read(function: Function, title: str, parameters: dict[str, float]) -> Expression:
    """The function as a formula.

    Raises: ActivationError naming the line that can't be one.
    """
    try:
        result = function(name("s"), **{key: name(key) for key in parameters})
        if result is None:
            raise SymbolicError("it returns nothing; write `return`")
        return expression(result)
    except Exception as error:
        raise ActivationError(_explained(error, function, title)) from None


def _explained(error: Exception, function: Function, title: str) -> str:
    file = _file(function)
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    number = lines[-1].lineno if lines else function.__code__.co_firstlineno
    text = linecache.getline(file, number or 0).strip()
    where = f"{title}, line {number} of {Path(file).name}" + (f", `{text}`" if text else "")
    if isinstance(error, SymbolicError):
        return f"{where}: {error}"
    if isinstance(error, TypeError) and "ufunc" in str(error):
        return (
            f"{where}: NumPy's functions can't take s, which stands for a number; use the engine's "
            "of the same name (from engine import exp, log, where, …)"
        )
    return f"{where}: {type(error).__name__}: {error}"


def _parameters(function: Function, title: str) -> dict[str, float]:
    arguments = list(inspect.signature(function).parameters.values())
    if not arguments or "POSITIONAL" not in arguments[0].kind.name:
        raise ActivationError(f"{title} must take s as its first argument: def {title}(s): …")
    found: dict[str, float] = {}
    for parameter in arguments[1:]:
        value = parameter.default
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ActivationError(
                f"{title}: its parameter {parameter.name} needs a number as default: "
                f"def {title}(s, {parameter.name}=0.1): …"
            )
        if parameter.name == "s" or not parameter.name.isidentifier():
            raise ActivationError(f"{title}: a parameter can't be named {parameter.name}")
        found[parameter.name] = float(value)
    return found


def _file(function: Function) -> str:
    return function.__code__.co_filename


def _warn(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        warnings.warn(str(finding), ActivationWarning, stacklevel=4)
