"""Checks of the tutorials' exercises: `check.layer_gradient(my_function)` says what is wrong.

They print a verdict and return it, true if the answer is right. A tutorial finds this package by
`import check`, since Python, VS Code and Jupyter all look for imports in the tutorial's own
folder. The import also lets a terminal or file without the sign ∂ show it as d.
"""

import io
import sys

from engine.spelling import SPELLED

from .one_chain_rule import calls_by_paths, division_rule, two_paths
from .reading_a_trace import AILMENTS, patient, patient_a, patient_b, patient_c
from .relu_and_kaiming import gradient_ratio, leaky_gain, torch_bound
from .saturation import constant_loss, saturated_share, softsign_slope
from .the_layer_derived import bias_as_weight, layer_gradient, weight_slope
from .three_loops_to_tile import multiply_adds, split_exponent, stable_sigmoid
from .two_costs import quadratic_slope, safe_cross_entropy, updates_to_turn
from .vanishing_gradient import layer_factor, layers_until, needed_variance
from .verdict import NotYet, Verdict, agree, call, exercise, numbers, parts, written
from .xavier import isometry, tanh_jacobian, xavier_bound
from .your_own_activation import forward_gain, hat, safe_swish

if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors=SPELLED)

__all__ = [
    "AILMENTS",
    "NotYet",
    "Verdict",
    "agree",
    "bias_as_weight",
    "call",
    "calls_by_paths",
    "constant_loss",
    "division_rule",
    "exercise",
    "forward_gain",
    "gradient_ratio",
    "hat",
    "isometry",
    "layer_factor",
    "layer_gradient",
    "layers_until",
    "leaky_gain",
    "multiply_adds",
    "needed_variance",
    "numbers",
    "parts",
    "patient",
    "patient_a",
    "patient_b",
    "patient_c",
    "quadratic_slope",
    "safe_cross_entropy",
    "safe_swish",
    "saturated_share",
    "softsign_slope",
    "split_exponent",
    "stable_sigmoid",
    "tanh_jacobian",
    "torch_bound",
    "two_paths",
    "updates_to_turn",
    "weight_slope",
    "written",
    "xavier_bound",
]
