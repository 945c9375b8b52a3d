"""Kernels: arrays in, arrays out. Nothing here knows of tensors or gradients.

`plain` has every kernel in NumPy, in a few lines each: the specification. `compiled` has the same
functions as machine code, and they are taken where Numba can be imported. One set of tests runs
over both.
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
