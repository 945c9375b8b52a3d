"""Reverse-mode automatic differentiation over NumPy arrays, written to be read.

    from engine import Tensor

    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.grad                      # 2x

Operations carry NumPy's names where NumPy has them and PyTorch's otherwise. Of arrays and numbers
alone they give arrays: `engine.exp(np.ones(2))` is an array, and only `engine.exp(Tensor(…))` a
Tensor with `.backward()`.
"""

import sys
from typing import TYPE_CHECKING

from engine import activations, hints, meanfield
from engine.activations import *  # noqa: F403
from engine.activations.builtin import *  # noqa: F403 - again, for mypy
from engine.checking import GradcheckReport, detect_nonfinite, gradcheck
from engine.errors import (
    ActivationError,
    DtypeError,
    GradcheckError,
    GraphError,
    NonFiniteError,
    ShapeError,
)
from engine.files import read_arrays, write_arrays
from engine.rules.elementwise import (
    abs,
    add,
    clip,
    divide,
    exp,
    log,
    maximum,
    minimum,
    multiply,
    negative,
    power,
    sign,
    sqrt,
    subtract,
    where,
)
from engine.rules.layout import (
    broadcast_to,
    concatenate,
    reshape,
    split,
    stack,
    transpose,
    unstack,
)
from engine.rules.linear import dense, matmul
from engine.rules.losses import cross_entropy, mse, quadratic
from engine.rules.own import Operation, custom_vjp
from engine.rules.reductions import log_softmax, logsumexp, max, mean, min, softmax, sum
from engine.rules.table import RULES, Rule
from engine.scope import no_grad, place
from engine.spelling import printable
from engine.tensor import Tensor
from engine.tracing.diagnosis import Diagnosis, Finding
from engine.tracing.explain import Explanation
from engine.tracing.jacobians import Jacobians
from engine.tracing.record import LayerRecord, NodeRecord, Trace, trace
from engine.tracing.statistics import QUANTITIES, DeadUnits, Statistics
from engine.tracing.walk import Walk
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
    "abs",
    "add",
    "broadcast_to",
    "clip",
    "concatenate",
    "cross_entropy",
    "custom_vjp",
    "dense",
    "detect_nonfinite",
    "divide",
    "exp",
    "grad",
    "gradcheck",
    "hvp",
    "jacobian",
    "log",
    "log_softmax",
    "logsumexp",
    "matmul",
    "max",
    "maximum",
    "mean",
    "meanfield",
    "min",
    "minimum",
    "mse",
    "multiply",
    "negative",
    "no_grad",
    "place",
    "power",
    "printable",
    "quadratic",
    "read_arrays",
    "reshape",
    "sign",
    "softmax",
    "split",
    "sqrt",
    "stack",
    "subtract",
    "sum",
    "trace",
    "transpose",
    "unstack",
    "value_and_grad",
    "vjp",
    "where",
    "write_arrays",
]

if (
    not TYPE_CHECKING
):  # mypy takes the names of a star import, and would take it that the engine has every name
    __all__ = sorted(__all__ + activations.__all__)

    def __getattr__(name):
        text = f"engine has no {name!r}{hints.of_engine(name)}"
        raise AttributeError(text, name=name, obj=sys.modules[__name__])
