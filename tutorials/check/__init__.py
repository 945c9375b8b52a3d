"""Checks of the tutorials' exercises: `check.layer_gradient(my_function)` says what is wrong.

They print a verdict and return it, true if the answer is right. A tutorial finds this package by
`import check`, since Python, VS Code and Jupyter all look for imports in the tutorial's own
folder.
"""

from .one_chain_rule import calls_by_paths, division_rule, two_paths
from .saturation import constant_loss, saturated_share, softsign_slope
from .the_layer_derived import bias_as_weight, layer_gradient, weight_slope
from .three_loops_to_tile import multiply_adds, split_exponent, stable_sigmoid
from .vanishing_gradient import layer_factor, layers_until, needed_variance
from .verdict import NotYet, Verdict, agree, call, exercise, numbers, parts, written

__all__ = [
    "NotYet",
    "Verdict",
    "agree",
    "bias_as_weight",
    "call",
    "calls_by_paths",
    "constant_loss",
    "division_rule",
    "exercise",
    "layer_factor",
    "layer_gradient",
    "layers_until",
    "multiply_adds",
    "needed_variance",
    "numbers",
    "parts",
    "saturated_share",
    "softsign_slope",
    "split_exponent",
    "stable_sigmoid",
    "two_paths",
    "weight_slope",
    "written",
]
