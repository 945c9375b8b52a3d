"""Numba kernels: arrays in, arrays out. Nothing here knows of tensors or gradients.

Beside each fast kernel stands its obvious version (`…_reference`), and one set of tests runs
over both.
"""

from engine.kernels.classification import cross_entropy, cross_entropy_reference
from engine.kernels.compiling import jit
from engine.kernels.elementwise import KERNELS, Elementwise
from engine.kernels.products import matmul, matmul_reference
from engine.kernels.updates import add_scaled, add_scaled_reference

__all__ = [
    "KERNELS",
    "Elementwise",
    "add_scaled",
    "add_scaled_reference",
    "cross_entropy",
    "cross_entropy_reference",
    "jit",
    "matmul",
    "matmul_reference",
]
