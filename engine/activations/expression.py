"""`Expression`: a user's function of one number as data, for `@activation`.

The function is called once with an `Expression` in place of s. The engine's operations, and NumPy's
functions of the same names, return a larger expression if an operand is an expression, and so do
comparisons. The rules' derivatives are written in these operations, so the derivative of an
expression is an expression.

Equal expressions are the same object, so `is` finds common parts. Simplifications that hold for
every s (x·1, x + 0, arithmetic of constants) keep derivatives readable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast, final
from weakref import WeakValueDictionary

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from engine.activations.builtin import tanh
from engine.activations.operations import (
    ARITHMETIC,
    COMPARE,
    CONDITIONS,
    NAMES,
    OPERATIONS,
    call_rule,
    rule_of,
)
from engine.activations.record import BUILT_IN, Activation, Derivative
from engine.core.operation import Symbolic
from engine.core.rule import RULES, Rule
from engine.kernels import KERNELS
from engine.rules import elementwise
from engine.spelling import printable


class SymbolicError(TypeError, AttributeError):
    """A function uses s in a way that a formula for single numbers can't express.

    The error is an AttributeError too, because `hasattr` and NumPy look for attributes of s and
    expect that error.
    """


def _refusal(text: str) -> Callable[..., Any]:
    def refuse(self: Expression, *args: Any, **keywords: Any) -> Any:
        raise SymbolicError(text)

    return refuse


@printable
@final
class Expression(NDArrayOperatorsMixin, Symbolic):
    """A number, a name, or an operation on expressions.

    Attributes:
        kind: "input" (s), "name" (a parameter), "number", the operation's name, a comparison's
            sign, or a built-in activation's name, with ′ for its slope.
        operands: the expressions that the operation takes, conditions and bounds included; an
            activation's parameters follow its argument.
        value: the number of a "number", the text of a "name".
    """

    __slots__ = ("__weakref__", "kind", "operands", "value")

    kind: str
    operands: tuple[Expression, ...]
    value: Any

    # Attributes of operands that rules read. An expression stands for a number, without axes.
    shape: tuple[int, ...] = ()
    ndim = 0
    size = 1
    dtype = np.dtype(np.float64)

    def astype(self, dtype: Any) -> Expression:
        return self

    __hash__ = object.__hash__

    __bool__: Any = _refusal(
        "`if`, `and`, `or`, `min` and `max` can't decide for each entry of an array; write "
        "where(condition, a, b), maximum(a, b) or minimum(a, b) of the engine, and & for and"
    )
    __float__: Any = _refusal(
        "float(), math.… and other functions of plain numbers can't take s; use the engine's "
        "functions (exp, log, sqrt, abs, where, maximum, … and the activations)"
    )
    __array__: Any = _refusal("s stands for one number, and can't be put into an array")
    __iter__: Any = _refusal("s stands for one number, and can't be iterated over")
    __getitem__: Any = _refusal("s stands for one number, and can't be indexed")

    def __getattr__(self, name: str) -> Any:
        raise SymbolicError(f"s has no attribute {name!r}: s stands for one number")

    def __repr__(self) -> str:
        return f"Expression({self.kind}{self.operands or self.value})"

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        """NumPy's ufuncs and all operators; `s += 1` passes s as `out` and rebinds s."""
        out = keywords.pop("out", ())
        if method != "__call__" or keywords or not all(isinstance(x, Expression) for x in out):
            raise SymbolicError(f"np.{ufunc.__name__} takes only operands here, no keywords")
        return _numpy_function(ufunc)(*inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        return _numpy_function(function)(*args, **keywords)

    def record(self, rule: Rule, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        """The rule applied to expressions; called by `engine.core.operation.apply`."""
        expected = RULES.get(rule.name) if rule.name in OPERATIONS else call_rule(rule.name)
        if rule is not expected:  # a user's rule may have the same name
            raise SymbolicError(
                f"{rule.name} is not a function of single numbers with a formula; use arithmetic, "
                f"{', '.join(NAMES)}, clip, where, and activations"
            )
        if rule.name == "where":
            return operation("where", parameters["condition"], *operands)
        if rule.name == "clip":
            low, high = parameters["low"], parameters["high"]
            return operation(
                "clip",
                *operands,
                -np.inf if low is None else low,
                np.inf if high is None else high,
            )
        return operation(rule.name, *operands)

    def through(self, f: Activation, parameters: dict[str, Any]) -> Expression:
        """f applied to this expression; called by activations."""
        return substitute(formula(f), self, {**f.parameters, **f.checked(parameters)})


_instances: WeakValueDictionary[Any, Expression] = WeakValueDictionary()


def _interned(kind: str, operands: tuple[Expression, ...] = (), value: Any = None) -> Expression:
    """The unique expression with these attributes."""
    # repr distinguishes −0.0 from 0.0, which are equal. Operands are unique too, and referenced.
    key = (kind, tuple(id(x) for x in operands), repr(value))
    x = _instances.get(key)
    if x is None:
        x = object.__new__(Expression)
        x.kind, x.operands, x.value = kind, operands, value
        _instances[key] = x
    return x


S = _interned("input")


def name(text: str) -> Expression:
    """A parameter."""
    return _interned("name", value=text)


def expression(x: Any) -> Expression:
    """x itself, or the number x as an expression.

    Raises: SymbolicError for any other object.
    """
    if isinstance(x, Expression):
        return x
    number = np.asarray(x)
    if number.ndim or number.dtype.kind not in "fiub":
        raise SymbolicError(
            f"s is combined with {x!r}; a formula may contain only numbers and engine operations"
        )
    return _interned("number", value=float(number))


def operation(kind: str, *operands: Any) -> Expression:
    """An operation or comparison of expressions and numbers, simplified.

    Raises: SymbolicError for any other operand, or an exponent that is not finite.
    """
    xs = tuple(expression(x) for x in operands)
    if kind in ("and", "or"):
        xs = tuple(x if x.kind in CONDITIONS else operation("!=", x, 0.0) for x in xs)
    if kind == "power" and xs[1].kind == "number" and not np.isfinite(xs[1].value):
        raise SymbolicError(f"a power with the exponent {xs[1].value:g} has no derivative")
    simpler = _simplified(kind, xs)
    return _interned(kind, xs) if simpler is None else simpler


def formula(f: Activation) -> Expression:
    """f as an expression of s and its parameters' names.

    Raises: SymbolicError for an activation that is neither built in nor made by `@activation`.
    """
    if (user_formula := getattr(f, "formula", None)) is not None:
        return cast(Expression, user_formula)
    order, base = 0, f
    while isinstance(base, Derivative):
        order, base = order + 1, base.of
    if base.root is not BUILT_IN.get(base.name):
        raise SymbolicError(f"{f.name} is neither built in nor made with @activation")
    names = [name(key) for key in base.parameters]
    if order < 2:
        kind = next(kind for kind, kernel in KERNELS.items() if kernel is base.kernel)
        return operation(kind + "′" * order, S, *names)
    result = expression(base.second(S, *names))
    for _ in range(order - 2):
        result = derivative(result)
    return result


def _simplified(kind: str, xs: tuple[Expression, ...]) -> Expression | None:
    """An equal expression with fewer operations, or None.

    The values are equal for every s, ∞ and NaN included, except for the sign of a zero.
    """
    numbers = [x.value if x.kind == "number" else None for x in xs]
    match kind, numbers:
        case "where", [condition, *_] if condition is not None:
            return xs[1] if condition else xs[2]
        case "with slope", _ if None not in numbers:
            return xs[0]
        case "where", _ if xs[1] is xs[2]:
            return xs[1]
        case (("and" | "or"), [*_]) if numbers != [None, None]:
            constant, other = xs if numbers[0] is not None else xs[::-1]
            decides = bool(constant.value) == (kind == "or")
            return expression(bool(constant.value)) if decides else other
        case _ if None not in numbers and kind in OPERATIONS:
            compute = COMPARE.get(kind) or rule_of(kind).value
            with np.errstate(all="ignore"):
                return expression(compute(*map(np.float64, numbers)))
        case (("add" | "multiply"), [number, None]) if number == (kind == "multiply"):
            return xs[1]
        case (("add" | "subtract"), [None, 0.0]):
            return xs[0]
        case (("multiply" | "divide" | "power"), [None, 1.0]):
            return xs[0]
        case "multiply", [None, -1.0]:
            return operation("negative", xs[0])
        case "multiply", [-1.0, None]:
            return operation("negative", xs[1])
        case "negative", _ if xs[0].kind == "negative":
            return xs[0].operands[0]
    return None


def parts(root: Expression) -> list[Expression]:
    """All parts of the expression, each after its operands; the root is the last."""
    ordered: dict[int, Expression] = {}
    stack = [(root, False)]
    while stack:
        x, ready = stack.pop()
        if ready:
            ordered.setdefault(id(x), x)
        elif id(x) not in ordered:
            stack.append((x, True))
            stack.extend((y, False) for y in reversed(x.operands))
    return list(ordered.values())


def substitute(root: Expression, s: Any, parameters: Mapping[str, Any]) -> Expression:
    """The formula with s and each parameter replaced by an expression or a number."""
    replaced: dict[int, Expression] = {}
    for x in parts(root):
        if x.kind == "input":
            replaced[id(x)] = expression(s)
        elif x.kind == "name":
            replaced[id(x)] = expression(parameters[x.value])
        elif x.kind == "number":
            replaced[id(x)] = x
        else:
            replaced[id(x)] = operation(x.kind, *(replaced[id(y)] for y in x.operands))
    return replaced[id(root)]


def derivative(root: Expression) -> Expression:
    """d root / ds, computed from the operands to the root with the rules' derivatives.

    `where`, `maximum` and `minimum` select the derivative of a branch. Multiplying both derivatives
    by 1 and 0 would give NaN if the derivative of the other branch is infinite.
    """
    slopes: dict[int, Expression] = {id(S): expression(1.0)}
    zero = expression(0.0)
    for x in parts(root):
        xs = x.operands
        ds = [slopes.get(id(y), zero) for y in xs]
        if x.kind in CONDITIONS or all(d is zero for d in ds):
            continue
        if x.kind == "where":
            slope = operation("where", xs[0], *ds[1:])
        elif x.kind in ("maximum", "minimum"):
            first, second = "><" if x.kind == "maximum" else "<>"
            # If no comparison holds, an operand is NaN, and so is the sum.
            slope = operation("where", xs[0] == xs[1], 0.5 * (ds[0] + ds[1]), xs[0] + xs[1])
            slope = operation("where", operation(second, *xs), ds[1], slope)
            slope = operation("where", operation(first, *xs), ds[0], slope)
        elif x.kind == "with slope":
            slope = xs[1] * ds[2]
        else:
            slope = zero
            for i, d in enumerate(ds):
                if d is not zero:
                    needs = tuple(j == i for j in range(len(xs)))
                    slope = slope + rule_of(x.kind).vjp(d, x, *xs, needs=needs)[i]
        slopes[id(x)] = expression(slope)
    return slopes.get(id(root), zero)


def _clip(
    a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None
) -> Expression:
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    return operation("clip", a, -np.inf if low is None else low, np.inf if high is None else high)


def _compare(sign: str) -> Callable[[Any, Any], Expression]:
    return lambda a, b: operation(sign, a, b)


def _not(a: Any) -> Expression:
    return operation("==", a, 0.0)


_NUMPY: dict[Any, Callable[..., Any]] = {
    **{getattr(np, key): getattr(elementwise, key) for key in (*NAMES, *ARITHMETIC, "where")},
    **{ufunc: _compare(sign) for sign, ufunc in COMPARE.items()},
    np.bitwise_and: _compare("and"),
    np.bitwise_or: _compare("or"),
    np.logical_not: _not,
    np.invert: _not,
    np.isnan: lambda a: operation("!=", a, a),
    np.clip: _clip,
    np.fabs: elementwise.abs,
    np.float_power: elementwise.power,
    np.positive: lambda a: a,
    np.reciprocal: lambda a: 1.0 / a,
    np.square: lambda a: a * a,
    np.tanh: tanh,
    np.shape: lambda a: a.shape,
}


def _numpy_function(function: Any) -> Callable[..., Any]:
    if function in _NUMPY:
        return _NUMPY[function]
    raise SymbolicError(
        f"np.{function.__name__} can't take s, which stands for one number; use the engine's "
        f"functions ({', '.join(NAMES)}, clip, where and the activations)"
    )
