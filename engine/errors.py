"""The engine's errors: each is also the built-in error that a Python user would expect."""


class ShapeError(ValueError):
    """Operands whose shapes or sizes do not fit the operation."""


class DtypeError(TypeError):
    """Values that are not real numbers of float32 or float64, nor integers."""


class GraphError(RuntimeError):
    """A backward pass that can't be right: a freed graph, a changed value, a wrong rule."""


class NonFiniteError(ArithmeticError):
    """The first NaN or Inf under `detect_nonfinite`."""


class GradcheckError(AssertionError):
    """A derivative that differs from differences of values, or that can't be compared with them."""


class ActivationError(ValueError):
    """A function that can't be an activation, or a derivative that isn't its own."""
