"""The kernels of the built-in activations, from the scalar functions of their names."""

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
    """The kernel of the activation of that name.

    Its scalar functions are NAME, NAME_slope and, where f′ is a function of y = f(s),
    NAME_slope_of_value of `compiled.scalars`; `value` and `slope` are the same by NumPy.

    Where there are none of that name, the formulas run.
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
