"""Numba kernels: arrays in, arrays out. Nothing here knows of tensors or gradients.

Beside each fast kernel stands its obvious version (`…_reference`), and one set of tests runs
over both.
"""

from engine.kernels import environment  # noqa: F401  before Numba is imported  # isort: split
from engine.kernels.activations import KERNELS
from engine.kernels.compiling import JIT, jit
from engine.kernels.elementwise import Elementwise
from engine.kernels.layers import FUSED, Fused
from engine.kernels.losses import (
    cross_entropy,
    cross_entropy_reference,
    cross_entropy_slopes,
    scaled_difference,
    squared_error,
)
from engine.kernels.products import matmul, matmul_reference
from engine.kernels.updates import add_scaled, add_scaled_reference

__all__ = [
    "FUSED",
    "JIT",
    "KERNELS",
    "Elementwise",
    "Fused",
    "add_scaled",
    "add_scaled_reference",
    "cross_entropy",
    "cross_entropy_reference",
    "cross_entropy_slopes",
    "jit",
    "matmul",
    "matmul_reference",
    "scaled_difference",
    "squared_error",
]
