"""The operations of a formula: arithmetic, comparisons and the built-in activations.

`OPERATIONS` has, for each operation, the rule with the derivative, the source to compile, and the
bounds over intervals. An activation's parameters are operands.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from engine.activations import intervals
from engine.activations.intervals import Bounds, increasing
from engine.activations.record import BUILT_IN
from engine.core.operation import apply
from engine.core.rule import RULES, Rule, partials
from engine.kernels import KERNELS
from engine.rules.elementwise import where

COMPARE: dict[str, np.ufunc] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": np.logical_and,
    "or": np.logical_or,
}
CONDITIONS = frozenset(COMPARE)

# clip as a rule of three operands, because bounds may be formulas or parameters that are learned.
# f′ is 1 between the bounds and at the bounds.
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


class Operation(NamedTuple):
    """One operation of formulas.

    Attributes:
        rule: the value and derivative; None for comparisons, which have no derivative.
        source: the scalar operation as Python source, with {0}, {1}, … for the operands.
        bounds: the function that computes the operation's bounds from its operands' bounds
            (`engine.activations.intervals`).
    """

    rule: Rule | None
    source: str
    bounds: Callable[..., Bounds]


def _named(name: str, source: str, bounds: Callable[..., Bounds]) -> dict[str, Operation]:
    return {name: Operation(_CLIP if name == "clip" else RULES[name], source, bounds)}


OPERATIONS: dict[str, Operation] = {
    **_named("add", "{0} + {1}", increasing(np.add)),
    **_named("subtract", "{0} - {1}", intervals.subtract),
    **_named("multiply", "{0} * {1}", intervals.multiply),
    **_named("divide", "{0} / {1}", intervals.divide),
    **_named("power", "{0} ** {1}", intervals.power),
    **_named("negative", "-{0}", intervals.negative),
    **_named("exp", "exp({0})", increasing(np.exp)),
    **_named("log", "log({0})", increasing(lambda a: np.log(np.maximum(a, 0)))),
    **_named("sqrt", "sqrt({0})", increasing(lambda a: np.sqrt(np.maximum(a, 0)))),
    **_named("abs", "abs({0})", intervals.absolute),
    **_named("sign", "sign({0})", increasing(np.sign)),
    **_named("maximum", "larger({0}, {1})", increasing(np.maximum)),
    **_named("minimum", "smaller({0}, {1})", increasing(np.minimum)),
    **_named("clip", "smaller(larger({0}, {1}), {2})", increasing(_CLIP.value)),
    **_named("where", "{1} if {0} else {2}", intervals.where),
    "with slope": Operation(None, "{0}", lambda a, *others: a),
    **{
        sign: Operation(None, f"{{0}} {sign} {{1}}", intervals.comparison(sign)) for sign in COMPARE
    },
}
ARITHMETIC = ("add", "subtract", "multiply", "divide", "power", "negative")
# The functions that users may write, besides clip, where and activations.
NAMES = tuple(
    kind
    for kind, operation in OPERATIONS.items()
    if operation.rule and kind not in (*ARITHMETIC, "clip", "where")
)


def rule_of(kind: str) -> Rule:
    """The rule of an operation, or of a built-in activation whose parameters are operands.

    Raises: ValueError if `kind` has no rule.
    """
    rule = OPERATIONS[kind].rule if kind in OPERATIONS else call_rule(kind)
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
