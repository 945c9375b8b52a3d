"""From an expression to a scalar function that Numba compiles into the same kernels as the
built-in ones.

The source is written from the expression alone, a line for each distinct part, in the arithmetic
of `engine.kernels.exponential` (no literal numbers, which would be float64). It is kept as a
module under a name made of a digest of the source and of the kernels, by which Numba's cache knows
it again in the next process.
"""

from __future__ import annotations

import hashlib
import linecache
import sys
from collections.abc import Callable, Sequence
from types import ModuleType

from engine.activations.expression import Expression, SymbolicError, parts
from engine.kernels import KERNELS

_OPERATIONS = {
    "add": "{0} + {1}",
    "subtract": "{0} - {1}",
    "multiply": "{0} * {1}",
    "divide": "{0} / {1}",
    "negative": "-{0}",
    "exp": "exp({0})",
    "log": "math.log({0})",
    "sqrt": "math.sqrt({0})",
    "abs": "abs({0})",
    "sign": "sign({0})",
    "maximum": "larger({0}, {1})",
    "minimum": "smaller({0}, {1})",
    "where": "{1} if {0} else {2}",
    "and": "{0} and {1}",
    "or": "{0} or {1}",
    **{sign: f"{{0}} {sign} {{1}}" for sign in ("<", "<=", ">", ">=", "==", "!=")},
}
_CONDITIONS = {"<", "<=", ">", ">=", "==", "!=", "and", "or"}
_MOST_FACTORS = 4  # x⁴ as a product of products; beyond, the C library's pow

_HEAD = '''"""{title}, generated from its definition."""

import math

from engine.kernels.activations import KERNELS
from engine.kernels.exponential import exp, like
from engine.kernels.scalars import larger, scalar, sign, smaller
'''


def scalar_functions(
    name: str, roots: Sequence[Expression], parameters: Sequence[str]
) -> tuple[list[Callable[..., float]], str]:
    """A scalar function of s and the parameters for each expression, and their source.

    Raises: SymbolicError for an operation that no single number has.
    """
    body, used = [], set()
    for i, root in enumerate(roots):
        lines, functions = _lines(root)
        used |= functions
        arguments = ", ".join(("s", *parameters))
        body.append(f"\n\n@scalar\ndef f{i}({arguments}):\n" + "\n".join(lines) + "\n")
    imports = "".join(
        f"{local} = KERNELS[{key!r}].{'f_slope' if slope else 'f'}\n"
        for local, key, slope in sorted(used)
    )
    source = _HEAD.format(title=name) + ("\n" + imports if imports else "") + "".join(body)
    module = _module(source)
    return [getattr(module, f"f{i}") for i in range(len(roots))], source


def _module(source: str) -> ModuleType:
    digest = hashlib.sha256(source.encode()).hexdigest()[:24]
    title = f"gradtrace_activation_{digest}"
    if title not in sys.modules:
        file = f"<{title}>"
        module = ModuleType(title)
        module.__file__ = file
        # Tracebacks and Numba show lines from here.
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        sys.modules[title] = module  # pickled by this name, which makes the cache's key
        exec(compile(source, file, "exec"), module.__dict__)
    return sys.modules[title]


def _lines(root: Expression) -> tuple[list[str], set[tuple[str, str, bool]]]:
    names: dict[int, str] = {}
    functions: set[tuple[str, str, bool]] = set()
    lines: list[str] = []
    for x in parts(root):
        if x.kind == "name":
            names[id(x)] = x.value
            continue
        if x.kind == "number":
            names[id(x)] = f"like(s, {x.value!r})".replace("nan", "math.nan").replace(
                "inf", "math.inf"
            )
            continue
        xs = [
            _number(y, names) if _is_number_place(x, i) else names[id(y)]
            for i, y in enumerate(x.operands)
        ]
        text = _operation(x, xs, functions)
        names[id(x)] = f"t{len(lines)}"
        lines.append(f"    t{len(lines)} = {text}")
    lines.append(f"    return {_number(root, names)}")
    return lines, functions


def _is_number_place(x: Expression, position: int) -> bool:
    """Whether a comparison standing there counts as 1 or 0."""
    return not (x.kind in ("and", "or") or (x.kind == "where" and position == 0))


def _number(x: Expression, names: dict[int, str]) -> str:
    text = names[id(x)]
    return f"(like(s, 1) if {text} else like(s, 0))" if x.kind in _CONDITIONS else text


def _operation(x: Expression, xs: list[str], functions: set[tuple[str, str, bool]]) -> str:
    if x.kind in _OPERATIONS:
        return _OPERATIONS[x.kind].format(*xs)
    if x.kind == "power":
        return _power(x, xs)
    if x.kind == "clip":
        text = xs[0]
        if "low" in x.parameters:
            text = f"larger({text}, like(s, {float(x.parameters['low'])!r}))"
        if "high" in x.parameters:
            text = f"smaller({text}, like(s, {float(x.parameters['high'])!r}))"
        return text
    of, slope = x.kind.removesuffix("′"), x.kind.endswith("′")
    if of in KERNELS and not KERNELS[of].parameters:
        local = f"{of}_slope" if slope else of
        functions.add((local, of, slope))
        return f"{local}({xs[0]})"
    raise SymbolicError(
        f"{x.kind} can't be compiled for single numbers; use arithmetic, exp, log, sqrt, abs, "
        "sign, where, maximum, minimum, clip, and activations without parameters"
    )


def _power(x: Expression, xs: list[str]) -> str:
    exponent = x.operands[1]
    if exponent.kind == "number" and exponent.value == int(exponent.value):
        n = int(exponent.value)
        if 0 < abs(n) <= _MOST_FACTORS:
            product = " * ".join([xs[0]] * abs(n))
            return product if n > 0 else f"like(s, 1) / ({product})"
    return f"{xs[0]} ** {xs[1]}"
