"""Kernels: functions of arrays, which know nothing of tensors or gradients.

`plain` defines every kernel in a few lines of NumPy: the specification. `compiled` has the same
functions as machine code, and they replace NumPy's if Numba can be imported. The same tests run on
both.
"""

from engine.kernels.environment import COMPILED, COMPILER
from engine.kernels.plain import (
    EDGES,
    FUSED,
    KERNELS,
    Elementwise,
    add_scaled,
    as_moments,
    cross_entropy,
    cross_entropy_slopes,
    dead_columns,
    empty,
    jit,
    kernel_of,
    look,
    magnitudes,
    matmul,
    most_threads,
    number_of_threads,
    own_kernel,
    scaled_difference,
    squared_error,
    use_threads,
)

if COMPILED:
    from engine.kernels import compiled

    globals().update({name: getattr(compiled, name) for name in compiled.__all__})

__all__ = [
    "COMPILED",
    "COMPILER",
    "EDGES",
    "FUSED",
    "KERNELS",
    "Elementwise",
    "add_scaled",
    "as_moments",
    "cross_entropy",
    "cross_entropy_slopes",
    "dead_columns",
    "empty",
    "jit",
    "kernel_of",
    "look",
    "magnitudes",
    "matmul",
    "most_threads",
    "number_of_threads",
    "own_kernel",
    "scaled_difference",
    "squared_error",
    "use_threads",
]
