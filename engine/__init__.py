"""Reverse-mode automatic differentiation over NumPy arrays, written to be read.

    from engine import Tensor

    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.grad                      # 2x

Operations carry NumPy's names where NumPy has them and PyTorch's otherwise. Of arrays and numbers
alone they give arrays: `engine.exp(np.ones(2))` is an array, and only `engine.exp(Tensor(…))` a
Tensor with `.backward()`.

To read the engine, begin with `rules/linear`, the derivation of one layer. Then read `core`:
context (places, recording), rule (an operation and its derivative), tape (nodes, and the sweep),
tensor, operation (`apply`). Then read `rules/elementwise` (a screen for each operation),
`kernels/plain` (what the compiled kernels compute), `activations/builtin` (the table) and
`tracing/record`.
"""

import sys
from typing import TYPE_CHECKING

from engine import activations, hints, meanfield
from engine.activations import *  # noqa: F403
from engine.activations.builtin import *  # noqa: F403 - again, for mypy
from engine.checking import GradcheckReport, detect_nonfinite, gradcheck
from engine.core.context import no_grad, place
from engine.core.rule import RULES, Rule
from engine.core.tensor import Tensor
from engine.errors import (
    ActivationError,
    DtypeError,
    GradcheckError,
    GraphError,
    NonFiniteError,
    ShapeError,
)
from engine.files import read_arrays, write_arrays
from engine.rules import elementwise, layout, linear, links, losses, reductions
from engine.rules.elementwise import *  # noqa: F403
from engine.rules.layout import *  # noqa: F403
from engine.rules.linear import *  # noqa: F403
from engine.rules.links import *  # noqa: F403
from engine.rules.losses import *  # noqa: F403
from engine.rules.own import Operation, custom_vjp
from engine.rules.reductions import *  # noqa: F403
from engine.spelling import printable
from engine.tracing.read.diagnose.finding import Diagnosis, Finding
from engine.tracing.read.explain import Explanation
from engine.tracing.read.jacobians import Jacobians
from engine.tracing.read.walk import Walk
from engine.tracing.record import LayerRecord, NodeRecord, Trace, trace
from engine.tracing.statistics import QUANTITIES, DeadUnits, Statistics
from engine.transforms import grad, hvp, jacobian, value_and_grad, vjp

__all__ = [
    "QUANTITIES",
    "RULES",
    "ActivationError",
    "DeadUnits",
    "Diagnosis",
    "DtypeError",
    "Explanation",
    "Finding",
    "GradcheckError",
    "GradcheckReport",
    "GraphError",
    "Jacobians",
    "LayerRecord",
    "NodeRecord",
    "NonFiniteError",
    "Operation",
    "Rule",
    "ShapeError",
    "Statistics",
    "Tensor",
    "Trace",
    "Walk",
    "custom_vjp",
    "detect_nonfinite",
    "grad",
    "gradcheck",
    "hvp",
    "jacobian",
    "meanfield",
    "no_grad",
    "place",
    "printable",
    "read_arrays",
    "trace",
    "value_and_grad",
    "vjp",
    "write_arrays",
]

# mypy takes the names of star imports, and would take it that the engine has every name.
if not TYPE_CHECKING:
    _given = (activations, elementwise, layout, linear, links, losses, reductions)
    __all__ = sorted([*__all__, *(name for module in _given for name in module.__all__)])

    def __getattr__(name):
        text = f"engine has no {name!r}{hints.of_engine(name)}"
        raise AttributeError(text, name=name, obj=sys.modules[__name__])
