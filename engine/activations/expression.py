"""A function of one number as data: what `@activation` sees of a user's function.

The function is called once with an `Expression` in place of s. The engine's operations, which on
arrays compute and on tensors record, build an expression of expressions; comparisons become
expressions as well. Since the derivative rules are written in those same operations, the
derivative of an expression is an expression, at no further cost.

Equal expressions are one object, so common parts are found by looking. A few certain
simplifications (x·1, x + 0, arithmetic of constants) keep derivatives readable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, final
from weakref import WeakValueDictionary

import numpy as np

from engine.operation import Symbolic, apply
from engine.rules import elementwise
from engine.rules.table import Rule
from engine.spelling import printable
from engine.tensor import plain


class SymbolicError(TypeError):
    """What a function does that a formula for single numbers can't."""


@printable
@final
class Expression(Symbolic):
    """A number, a name, or an operation on expressions.

    Attributes:
        kind: "number", "name", the operation's name, or a comparison's sign.
        operands: the expressions it is made of; for `where`, the condition comes first.
        value: of a number, the number; of a name, its text.
        rule: of an operation, its rule.
        parameters: of an operation, what its rule takes besides the operands.
    """

    __slots__ = ("__weakref__", "kind", "operands", "parameters", "rule", "value")
    __array_ufunc__ = None  # array + expression is ours to compute, and refused

    kind: str
    operands: tuple[Expression, ...]
    value: Any
    rule: Rule | None
    parameters: dict[str, Any]

    # What the rules ask of an operand; a number has no axes.
    shape: tuple[int, ...] = ()
    ndim = 0
    dtype = np.dtype(np.float64)

    def astype(self, dtype: Any) -> Expression:
        return self

    def __bool__(self) -> bool:
        raise SymbolicError(
            "`if`, `and`, `or`, `min` and `max` can't decide for each entry of an array; write "
            "where(condition, a, b), maximum(a, b) or minimum(a, b) of the engine, and & for and"
        )

    def __float__(self) -> float:
        raise SymbolicError(
            "float(), math.… and other functions of plain numbers can't take it; use the engine's "
            "(exp, log, sqrt, abs, where, maximum, … and the activations)"
        )

    def __array__(self, *args: Any, **keywords: Any) -> Any:
        raise SymbolicError(
            "NumPy's functions can't take it; use the engine's of the same name (from engine "
            "import exp, log, where, …)"
        )

    def __iter__(self) -> Iterator[Any]:
        raise SymbolicError("it is one number, an entry of s, and has no entries of its own")

    def __getitem__(self, index: Any) -> Any:
        raise SymbolicError("it is one number, an entry of s, and can't be indexed")

    def __getattr__(self, name: str) -> Any:
        raise SymbolicError(f"it has no {name!r}: it stands for one number, an entry of s")

    def __repr__(self) -> str:
        return f"Expression({self.kind}{self.operands or self.value})"

    def __add__(self, other: Any) -> Any:
        return elementwise.add(self, other)

    def __radd__(self, other: Any) -> Any:
        return elementwise.add(other, self)

    def __sub__(self, other: Any) -> Any:
        return elementwise.subtract(self, other)

    def __rsub__(self, other: Any) -> Any:
        return elementwise.subtract(other, self)

    def __mul__(self, other: Any) -> Any:
        return elementwise.multiply(self, other)

    def __rmul__(self, other: Any) -> Any:
        return elementwise.multiply(other, self)

    def __truediv__(self, other: Any) -> Any:
        return elementwise.divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return elementwise.divide(other, self)

    def __pow__(self, other: Any) -> Any:
        return elementwise.power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return elementwise.power(other, self)

    def __neg__(self) -> Any:
        return elementwise.negative(self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return elementwise.abs(self)

    def __lt__(self, other: Any) -> Any:
        return compare("<", self, other)

    def __le__(self, other: Any) -> Any:
        return compare("<=", self, other)

    def __gt__(self, other: Any) -> Any:
        return compare(">", self, other)

    def __ge__(self, other: Any) -> Any:
        return compare(">=", self, other)

    def __eq__(self, other: object) -> Any:
        return compare("==", self, other)

    def __ne__(self, other: object) -> Any:
        return compare("!=", self, other)

    __hash__ = object.__hash__

    def __and__(self, other: Any) -> Any:
        return compare("and", self, other)

    __rand__ = __and__

    def __or__(self, other: Any) -> Any:
        return compare("or", self, other)

    __ror__ = __or__

    def record(self, rule: Rule, operands: tuple[Any, ...], parameters: dict[str, Any]) -> Any:
        """The rule applied to expressions; called by `engine.operation.apply`."""
        xs = tuple(expression(x) for x in operands)
        given = {key: value for key, value in parameters.items() if value is not None}
        if "condition" in given:
            xs = (expression(given.pop("condition")), *xs)
        simpler = _simplified(rule.name, xs)
        return _made(rule.name, xs, None, rule, given) if simpler is None else simpler


_known: WeakValueDictionary[Any, Expression] = WeakValueDictionary()


def _made(
    kind: str,
    operands: tuple[Expression, ...] = (),
    value: Any = None,
    rule: Rule | None = None,
    parameters: dict[str, Any] | None = None,
) -> Expression:
    # repr tells −0.0 from 0.0, which are equal. Operands are themselves unique, and alive.
    settings = tuple(sorted((key, repr(v)) for key, v in (parameters or {}).items()))
    key = (kind, tuple(id(x) for x in operands), repr(value), settings, id(rule))
    found = _known.get(key)
    if found is None:
        found = object.__new__(Expression)
        found.kind, found.operands, found.value = kind, operands, value
        found.rule, found.parameters = rule, parameters or {}
        _known[key] = found
    return found


def name(text: str) -> Expression:
    """s, or a parameter."""
    return _made("name", value=text)


def expression(x: Any) -> Expression:
    """x itself, or the number x as an expression.

    Raises: SymbolicError for anything else.
    """
    if isinstance(x, Expression):
        return x
    number = np.asarray(x)
    if number.ndim or number.dtype.kind not in "fiub":
        raise SymbolicError(f"it is combined with {x!r}; only numbers and engine operations can be")
    return _made("number", value=float(number))


_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "and": lambda a, b: bool(a and b),
    "or": lambda a, b: bool(a or b),
}


def compare(sign: str, a: Any, b: Any) -> Expression:
    """a comparison, 1 where it holds and 0 elsewhere."""
    x, y = expression(a), expression(b)
    if x.kind == y.kind == "number":
        return expression(float(_COMPARE[sign](x.value, y.value)))
    for one, other in ((x, y), (y, x)):
        if sign in ("and", "or") and one.kind == "number":
            absorbs = bool(one.value) == (sign == "or")
            return one if absorbs else other
    return _made(sign, (x, y))


_ARITHMETIC: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b if b else math.nan,
    "negative": lambda a: -a,
    "sqrt": lambda a: math.sqrt(a) if a >= 0 else math.nan,
    "abs": abs,
}


def _simplified(kind: str, xs: tuple[Expression, ...]) -> Expression | None:
    """The same value in fewer operations, for every s, ∞ and NaN included (but a zero's sign)."""
    numbers = [x.value if x.kind == "number" else None for x in xs]
    if None not in numbers and kind in _ARITHMETIC:
        return expression(_ARITHMETIC[kind](*numbers))
    match kind, numbers:
        case "where", [condition, *_] if condition is not None:
            return xs[1] if condition else xs[2]
        case "where", _ if xs[1] is xs[2]:
            return xs[1]
        case (("add" | "multiply"), [number, None]) if number == (kind == "multiply"):
            return xs[1]
        case (("add" | "subtract"), [None, 0.0]):
            return xs[0]
        case (("multiply" | "divide" | "power"), [None, 1.0]):
            return xs[0]
        case "multiply", [None, -1.0]:
            return _negative(xs[0])
        case "multiply", [-1.0, None]:
            return _negative(xs[1])
        case "negative", _ if xs[0].kind == "negative":
            return xs[0].operands[0]
    return None


def _negative(x: Expression) -> Expression:
    negative: Expression = -x
    return negative


def parts(root: Expression) -> list[Expression]:
    """All expressions that it is made of, itself last, each after its operands."""
    found: dict[int, Expression] = {}
    stack = [(root, False)]
    while stack:
        x, ready = stack.pop()
        if ready:
            found.setdefault(id(x), x)
        elif id(x) not in found:
            stack.append((x, True))
            stack.extend((y, False) for y in reversed(x.operands))
    return list(found.values())


def derivative(root: Expression, by: Expression) -> Expression:
    """d root / d by, by the rules' own derivatives, from the result to the operands."""
    order = parts(root)
    depends: set[int] = {id(by)}
    for x in order:
        if any(id(y) in depends for y in x.operands):
            depends.add(id(x))
    sums = {id(root): expression(1.0)}
    for x in reversed(order):
        if x.rule is None or id(x) not in depends or id(x) not in sums:
            continue
        xs, parameters = x.operands, dict(x.parameters)
        if x.kind == "where":
            parameters["condition"], xs = xs[0], xs[1:]
        if x.kind == "clip":
            parameters = {"low": None, "high": None, **parameters}
        needs = tuple(id(y) in depends for y in xs)
        for y, g in zip(
            xs, x.rule.vjp(sums[id(x)], x, *xs, needs=needs, **parameters), strict=True
        ):
            if g is not None and id(y) in depends:
                g = expression(g)
                sums[id(y)] = expression(sums[id(y)] + g) if id(y) in sums else g
    return sums.get(id(by), expression(0.0))


def evaluate(root: Expression, values: dict[str, Any]) -> Any:
    """The expression with tensors, arrays or numbers for its names, by the engine's operations."""
    found: dict[int, Any] = {}
    for x in parts(root):
        xs = [found[id(y)] for y in x.operands]
        if x.kind == "number":
            found[id(x)] = x.value
        elif x.kind == "name":
            found[id(x)] = values[x.value]
        elif x.rule is None:
            found[id(x)] = _compared(x.kind, *(plain(y) for y in xs))
        elif x.kind == "where":
            found[id(x)] = apply(x.rule, *xs[1:], condition=np.asarray(xs[0], bool))
        else:
            given = {"low": None, "high": None} if x.kind == "clip" else {}
            found[id(x)] = apply(x.rule, *xs, **{**given, **x.parameters})
    return found[id(root)]


def _compared(sign: str, a: Any, b: Any) -> Any:
    if sign == "and":
        return np.logical_and(a, b)
    return np.logical_or(a, b) if sign == "or" else _COMPARE[sign](a, b)
