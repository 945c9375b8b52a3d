"""The engine's errors: each is also the built-in error that a Python user would expect."""

from __future__ import annotations

from engine.spelling import for_output


class _Told(Exception):  # noqa: N818
    """`print(error)` works on every terminal."""

    def __str__(self) -> str:
        return for_output(super().__str__())


class ShapeError(_Told, ValueError):
    """Operands whose shapes or sizes do not fit the operation."""


class DtypeError(_Told, TypeError):
    """Values that are not real numbers of float32 or float64, nor integers."""


class GraphError(_Told, RuntimeError):
    """A backward pass that can't be right: a freed graph, a changed value, a wrong rule."""


class NonFiniteError(_Told, ArithmeticError):
    """The first NaN or Inf under `detect_nonfinite`."""


class GradcheckError(_Told, AssertionError):
    """A derivative that differs from differences of values, or that can't be compared with them."""


class ActivationError(_Told, ValueError):
    """A function that can't be an activation, or a derivative that isn't its own."""
