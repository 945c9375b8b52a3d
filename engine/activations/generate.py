"""Generate scalar functions from expressions, for Numba to compile like those of built-in f.

The source has a line for each distinct part of the expression, and follows the rules of
`compiled.exponential` (no literal numbers, which would be float64). The source contains no text by
the user: parameters are p0, p1, …, parts are t0, t1, ….
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from engine.activations.evaluating import values_of
from engine.activations.expression import Expression, parts
from engine.activations.operations import CONDITIONS, OPERATIONS
from engine.arrays import Array
from engine.errors import ActivationError
from engine.kernels import KERNELS, Elementwise, own_kernel, plain

_LEAVES = ("input", "name", "number")
_MOST_FACTORS = 4  # up to x⁴ is written as a product; larger powers call the C library's pow

_HEAD = '''"""Generated from an activation's definition."""

import math

from engine.kernels import KERNELS
from engine.kernels.compiled.exponential import exp, like
from engine.kernels.compiled.scalars import larger, log, scalar, sign, smaller, sqrt
'''

# The s at which kernels are compared with the definition: of both signs, and no round numbers.
_POINTS = np.array([-41.3, -7.3, -3.1, -1.7, -0.83, -0.37, -0.11, 0.13, 0.41, 0.79, 1.9, 3.3, 6.7])


def kernel_of(
    title: str, f: Expression, slope: Expression, parameters: dict[str, float]
) -> tuple[Elementwise, str]:
    """The kernel of f and f′, compiled at the first use, and its source.

    The Python functions are compared with the expressions at once, and the compiled functions after
    compiling, both at the given parameters.

    Raises: ActivationError if the values differ.
    """
    roots = {"f": f, "f_slope": slope}
    arguments = ", ".join(("s", *_places(parameters)))
    functions = "".join(
        f"\n\n@scalar\ndef {key}({arguments}):\n{_body(root, parameters)}"
        for key, root in roots.items()
    )
    used = {x.kind for root in roots.values() for x in parts(root)} - {*OPERATIONS, *_LEAVES}
    imports = "".join(f"{_local(kind)} = {_kernel_text(kind)}\n" for kind in sorted(used))
    source = _HEAD + ("\n" + imports if imports else "") + functions

    def check(what: str, dtype: np.dtype[Any], kernel: Callable[[Array, Array], Array]) -> None:
        _compare(title, what, roots[what], parameters, dtype, kernel)

    def reference(root: Expression, s: Array, *values: float) -> Array:
        return values_of(root, s, dict(zip(parameters, values, strict=True)))

    formulas = partial(reference, f), partial(reference, slope)
    if not all(KERNELS[kind.rstrip("′")].compiled for kind in used):
        return plain.own_kernel(source, *formulas, len(parameters), check), source
    return own_kernel(source, *formulas, len(parameters), check), source


def _compare(
    title: str,
    what: str,
    root: Expression,
    parameters: dict[str, float],
    dtype: np.dtype[Any],
    kernel: Callable[[Array, Array], Array],
) -> None:
    """Compare a kernel with the expression, within the rounding error of the expression."""
    s = _POINTS.astype(np.float32)
    with np.errstate(all="ignore"):
        exact = values_of(root, s.astype(np.float64), parameters)
        rounding = abs(values_of(root, s, parameters) - exact)
        fine = np.isfinite(exact) & np.isfinite(rounding)
        scale = np.max(abs(exact), initial=0, where=fine)
        values = kernel(s.astype(dtype), np.array([*parameters.values()], dtype))
        wrong = fine & ~(abs(values - exact) <= 1e-3 * abs(exact) + 10 * rounding + 1e-6 * scale)
    if wrong.any():
        i = int(wrong.argmax())
        raise ActivationError(
            f"{title}: at s = {s[i]:.4g}, {'f′' if 'slope' in what else 'f'} compiled for {dtype} "
            f"is {values[i]:.6g}, but the definition gives {exact[i]:.6g}. This is a bug of the "
            "engine; please report it with the definition"
        )


def _places(parameters: Sequence[str] | dict[str, float]) -> list[str]:
    return [f"p{i}" for i in range(len(parameters))]


def _body(root: Expression, parameters: dict[str, float]) -> str:
    names = dict(zip(parameters, _places(parameters), strict=True))
    texts: dict[int, str] = {}
    lines: list[str] = []
    for x in parts(root):
        if x.kind == "input":
            text = "s"
        elif x.kind == "name":
            text = names[x.value]
        elif x.kind == "number":
            value = repr(x.value).replace("nan", "math.nan").replace("inf", "math.inf")
            text = f"like(s, {value})"
        else:
            operands = [
                _number(y, texts) if _is_number_place(x, i) else texts[id(y)]
                for i, y in enumerate(x.operands)
            ]
            text = f"t{len(lines)}"
            lines.append(f"    {text} = {_operation(x, operands)}\n")
        texts[id(x)] = text
    return "".join([*lines, f"    return {_number(root, texts)}\n"])


def _is_number_place(x: Expression, position: int) -> bool:
    """Whether a comparison as operand number `position` of x must be converted to 1 or 0."""
    return not (x.kind in ("and", "or") or (x.kind == "where" and position == 0))


def _number(x: Expression, texts: dict[int, str]) -> str:
    text = texts[id(x)]
    return f"(like(s, 1) if {text} else like(s, 0))" if x.kind in CONDITIONS else text


def _operation(x: Expression, operands: list[str]) -> str:
    if x.kind not in OPERATIONS:  # uncompiled, an activation may return a Python float
        return f"like(s, {_local(x.kind)}({', '.join(operands)}))"
    if x.kind == "power" and x.operands[1].kind == "number":
        n = x.operands[1].value
        if n == int(n) and 0 < abs(n) <= _MOST_FACTORS:
            product = " * ".join([operands[0]] * abs(int(n)))
            return product if n > 0 else f"like(s, 1) / ({product})"
    return OPERATIONS[x.kind].source.format(*operands)


def _local(kind: str) -> str:
    """The name in the source of a built-in f or f′: tanh_slope for "tanh′"."""
    return kind.replace("′", "_slope")


def _kernel_text(kind: str) -> str:
    name = kind.rstrip("′")
    return f"KERNELS[{name!r}].{'f' if name == kind else 'f_slope'}"
