"""`KERNELS`: every built-in activation, its scalar functions beside the NumPy formulas."""

from __future__ import annotations

from engine.kernels.compiled import scalars
from engine.kernels.compiled.elementwise import Elementwise
from engine.kernels.plain import FORMULAS

KERNELS = {
    "identity": Elementwise(
        scalars.identity, scalars.identity_slope, *FORMULAS["identity"], scalars.identity_slope
    ),
    "sigmoid": Elementwise(
        scalars.sigmoid,
        scalars.sigmoid_slope,
        *FORMULAS["sigmoid"],
        scalars.sigmoid_slope_of_value,
    ),
    "tanh": Elementwise(
        scalars.tanh, scalars.tanh_slope, *FORMULAS["tanh"], scalars.tanh_slope_of_value
    ),
    "softsign": Elementwise(
        scalars.softsign,
        scalars.softsign_slope,
        *FORMULAS["softsign"],
        scalars.softsign_slope_of_value,
    ),
    "hardtanh": Elementwise(
        scalars.hardtanh, scalars.hardtanh_slope, *FORMULAS["hardtanh"], scalars.hardtanh_slope
    ),
    "relu": Elementwise(scalars.relu, scalars.relu_slope, *FORMULAS["relu"], scalars.relu_slope),
    "leaky_relu": Elementwise(
        scalars.leaky_relu, scalars.leaky_relu_slope, *FORMULAS["leaky_relu"], parameters=1
    ),
    "elu": Elementwise(
        scalars.elu,
        scalars.elu_slope,
        *FORMULAS["elu"],
        scalars.elu_slope_of_value,
        parameters=1,
        of_value_if=lambda alpha: alpha >= 0,  # or y is above 0 on both sides
    ),
    "selu": Elementwise(
        scalars.selu, scalars.selu_slope, *FORMULAS["selu"], scalars.selu_slope_of_value
    ),
    "softplus": Elementwise(
        scalars.softplus, scalars.sigmoid, *FORMULAS["softplus"], scalars.softplus_slope_of_value
    ),
    "gelu": Elementwise(scalars.gelu, scalars.gelu_slope, *FORMULAS["gelu"]),
    "silu": Elementwise(scalars.silu, scalars.silu_slope, *FORMULAS["silu"]),
}
