"""The operations of a formula: arithmetic, comparisons and the built-in activations.

Each operation has a rule with its derivative. An activation's parameters are operands.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from engine.activations.record import BUILT_IN
from engine.kernels import KERNELS
from engine.operation import apply
from engine.rules.elementwise import where
from engine.rules.table import RULES, Rule, partials

COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "and": np.logical_and,
    "or": np.logical_or,
}
CONDITIONS = frozenset(COMPARE)
NAMES = ("exp", "log", "sqrt", "abs", "sign", "maximum", "minimum")
ARITHMETIC = ("add", "subtract", "multiply", "divide", "power", "negative")
OPERATIONS = frozenset({*NAMES, *ARITHMETIC, "clip", "where"})

# The bounds can be formulas, or learned; f′ is 1 between the bounds and at the bounds.
_CLIP = Rule(
    "clip",
    lambda a, low, high: np.minimum(np.maximum(a, low), high),
    partials(
        lambda g, y, a, low, high: where((a < low) | (a > high), 0.0, where(a == a, g, a)),
        lambda g, y, a, low, high: where((a < low) & (low <= high), g, 0.0),
        lambda g, y, a, low, high: where((a > high) | (low > high), g, 0.0),
    ),
    broadcasts=True,
)


def rule_of(kind: str) -> Rule:
    """The rule of an operation, or of a built-in activation whose parameters are operands.

    Raises: ValueError if there is none.
    """
    rule = _CLIP if kind == "clip" else RULES[kind] if kind in OPERATIONS else call_rule(kind)
    if rule is None:
        raise ValueError(f"{kind!r} is no operation of a formula")
    return rule


@cache
def call_rule(kind: str) -> Rule | None:
    name, is_slope = kind.removesuffix("′"), kind.endswith("′")
    if name not in KERNELS:
        return None
    kernel, f = KERNELS[name], BUILT_IN[name]

    def vjp(g: Any, y: Any, s: Any, *parameters: Any, needs: Any) -> Any:
        if any(needs[1:]):
            raise TypeError(f"{name}: its parameters can't be learned inside another activation")
        if is_slope:
            slope = f.second(s, *parameters)
        else:
            slope = apply(rule_of(f"{name}′"), s, *parameters)
        return [g * slope if needs[0] else None, *(None for _ in parameters)]

    return Rule(kind, kernel.slope if is_slope else kernel.value, vjp, broadcasts=True)
