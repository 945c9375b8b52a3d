"""`prelu`: leaky ReLU with a learned slope a, as an operation of two operands."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from engine.activations.builtin import leaky_relu
from engine.activations.record import BUILT_IN
from engine.core.operation import Symbolic, apply
from engine.core.rule import partials, rule
from engine.core.tensor import Operand, Tensor
from engine.rules.elementwise import where

_prelu = rule(
    "prelu",
    lambda s, a: _leaky(s, a),
    partials(
        lambda g, y, s, a: where(s > 0, g, g * a),
        lambda g, y, s, a: where(s > 0, 0.0, _product(g, s)),
    ),
    formula="∂L/∂s = g where s > 0, else a g; ∂L/∂a = Σ g min(s, 0)",
    letters=("s", "a"),
    activation=lambda a: _at_mean_slope(a),
    slope=lambda s, a: np.where(s > 0, s.dtype.type(1), a),
    broadcasts=True,
)


def _at_mean_slope(a: Any) -> Any:
    """The function as theory sees it: one slope, the mean over the units."""
    mean = float(np.mean(a))
    return BUILT_IN["prelu"].variant({"a": mean} if math.isfinite(mean) else {})


def _leaky(s: Any, a: Any) -> Any:
    return where(s > 0, s, _product(a, s))


def _product(a: Any, s: Any) -> Any:
    """a·s, with 0·(−∞) = 0, because a unit with a = 0 is 0 for every s < 0."""
    return where((a == 0) & (s == -math.inf), 0.0, a * s)


def prelu(s: Operand, a: Operand) -> Tensor:
    """f(s) = s for s > 0, else a s, with a learned slope a: ∂L/∂a = Σ g min(s, 0).

    `a` has one entry, or one entry per unit. f′(0) = a. (He et al. 2015; they initialise a = 0.25.)
    """
    if isinstance(s, Symbolic):
        return leaky_relu(s, a=a)
    return apply(_prelu, s, a)
