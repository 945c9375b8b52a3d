"""The kernels of `engine.kernels.plain`, compiled to machine code by Numba."""

from engine.kernels.compiled.activations import kernel_of
from engine.kernels.compiled.buffers import empty
from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.counts import dead_columns, magnitudes
from engine.kernels.compiled.elementwise import Elementwise
from engine.kernels.compiled.layers import FUSED
from engine.kernels.compiled.looks import look
from engine.kernels.compiled.losses import (
    cross_entropy,
    cross_entropy_slopes,
    scaled_difference,
    squared_error,
)
from engine.kernels.compiled.own import own_kernel
from engine.kernels.compiled.products import matmul
from engine.kernels.compiled.threads import most_threads, number_of_threads, use_threads
from engine.kernels.compiled.updates import add_scaled

__all__ = [
    "FUSED",
    "Elementwise",
    "add_scaled",
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
