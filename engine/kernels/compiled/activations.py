"""The kernels of the built-in activations, from the scalar functions with the same names."""

from __future__ import annotations

from collections.abc import Callable

from engine.kernels import plain
from engine.kernels.compiled import scalars
from engine.kernels.compiled.elementwise import Elementwise
from engine.kernels.plain import Formula


def kernel_of(
    name: str,
    value: Formula,
    slope: Formula,
    parameters: int = 0,
    of_value_if: Callable[..., bool] = lambda *parameters: True,
) -> Elementwise | plain.Elementwise:
    """The kernel of the activation `name`.

    The kernel runs the scalar functions NAME, NAME_slope and, where f′ is a function of y = f(s),
    NAME_slope_of_value of `compiled.scalars`. `value` and `slope` are NumPy's formulas of f and f′;
    the formulas run if `compiled.scalars` has no function NAME.
    """
    if not hasattr(scalars, name):
        return plain.kernel_of(name, value, slope, parameters, of_value_if)
    return Elementwise(
        getattr(scalars, name),
        getattr(scalars, f"{name}_slope"),
        value,
        slope,
        getattr(scalars, f"{name}_slope_of_value", None),
        parameters,
        of_value_if,
    )
