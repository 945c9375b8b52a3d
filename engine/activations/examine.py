"""What to know of a function before training with it: kinks, range, where it breaks down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.activations.expression import Expression, parts
from engine.errors import ActivationError
from engine.kernels import KERNELS
from engine.spelling import printable

Array = npt.NDArray[Any]
Evaluate = Callable[[Array], Array]

_REACH = 1000.0
_ANYWHERE = (-np.inf, np.inf)
_KINKS_OF = {"relu": (0.0,), "hardtanh": (-1.0, 1.0), "selu": (0.0,)}


@printable
@dataclass(frozen=True)
class Finding:
    """f or f′ isn't finite on a part of [−1000, 1000].

    Attributes: `what` ("swish′"), `problem` ("NaN" or "infinite"), and `points`: where it happens,
    from the point nearest to 0 on ("s ≤ -88.8", or "s = 0" if 0 is alone), and in which dtypes.
    """

    what: str
    problem: str
    points: dict[str, list[str]]

    def __str__(self) -> str:
        at = ", ".join(f"{where} in {' and '.join(names)}" for where, names in self.points.items())
        return (
            f"{self.what} is {self.problem} for {at}; write it so that no part of it overflows "
            "there, for example with sigmoid, tanh or softplus, with exp(−abs(s)), or with where"
        )


def examine(title: str, f: Evaluate, slope: Evaluate) -> tuple[Finding, ...]:
    """Where f and f′ are NaN or infinite on [−1000, 1000], in float32 and float64."""
    grid = np.concatenate([np.linspace(0, 100, 2001), np.linspace(100, _REACH, 1801)[1:]])
    found = []
    for what, function in ((title, f), (f"{title}′", slope)):
        for problem, test in (("NaN", np.isnan), ("infinite", np.isinf)):
            points: dict[str, list[str]] = {}
            for dtype in (np.float32, np.float64):
                for side, relation in ((-1, "≤"), (1, "≥")):
                    s = (side * grid).astype(dtype)
                    bad = test(function(s))
                    if not bad.any():
                        continue
                    first = int(np.argmax(bad))
                    alone = first == 0 and not bad[1]
                    where = f"s {'=' if alone else relation} {s[first] + 0.0:.4g}"
                    names = points.setdefault(where, [])
                    if np.dtype(dtype).name not in names:  # 0 is on both sides
                        names.append(np.dtype(dtype).name)
            if points:
                found.append(Finding(what, problem, points))
    return tuple(found)


def find_range(f: Evaluate) -> tuple[float, float]:
    """The least and the largest value on a grid of 1/100 to ±30, and at ±∞ where it has one."""
    values = f(np.concatenate([np.linspace(-30, 30, 6001), [-np.inf, np.inf]]))
    values = values[~np.isnan(values)]
    # Added to, −0 is 0.
    return (float(values.min()) + 0.0, float(values.max()) + 0.0) if values.size else _ANYWHERE


def find_kinks(
    f: Expression, slope: Expression, evaluate: Callable[[Expression, Array], Array]
) -> tuple[float, ...]:
    """Where f′ jumps, between −50 and 50: at the zeros of what f's conditions compare."""
    grid = np.linspace(-50, 50, 10_007)  # of a step that meets no round number but 0
    found: set[float] = set()
    for difference in _switches(f):

        def value(s: Array, difference: Expression = difference) -> Array:
            return evaluate(difference, np.asarray(s, np.float64))

        signs = np.sign(value(grid))
        for i in np.flatnonzero(signs[:-1] * signs[1:] <= 0):
            found.add(_zero(value, grid[i], grid[i + 1]))

    def jumps(s: float) -> bool:
        step = 1e-7 * max(1.0, abs(s))
        left, right = evaluate(slope, np.array([s - step, s + step]))
        return bool(abs(right - left) > 1e-5 * max(abs(left), abs(right), 1.0))

    return tuple(sorted(s for s in found if jumps(s)))


def _switches(f: Expression) -> Iterator[Expression]:
    """What changes sign where one of f's branches takes over from another."""
    for x in parts(f):
        xs: Any = x.operands
        if x.kind in ("<", "<=", ">", ">=", "==", "!=", "maximum", "minimum"):
            yield xs[0] - xs[1]
        elif x.kind in ("abs", "sign"):
            yield xs[0]
        elif x.kind == "clip":
            for bound in x.parameters.values():
                yield xs[0] - bound
        elif x.kind in KERNELS:
            for kink in _KINKS_OF.get(x.kind, ()):
                yield xs[0] - kink


def _zero(value: Evaluate, low: float, high: float) -> float:
    sign = np.sign(value(np.array([low]))[0])
    if sign == 0:
        return float(np.round(low, 10)) + 0.0
    for _ in range(60):
        middle = (low + high) / 2
        if np.sign(value(np.array([middle]))[0]) == sign:
            low = middle
        else:
            high = middle
    return float(np.round(high, 10)) + 0.0


def check_slope(
    title: str,
    f: Evaluate,
    slope: Evaluate,
    given: Evaluate,
    kinks: tuple[float, ...],
    where: str = "",
) -> None:
    """Compare a given f′ with the derivative of f, away from kinks; `where` is for the message.

    Raises: ActivationError with the point where they differ most, both values, and the mistake
        that would give just that.
    """
    s = np.linspace(-6, 6, 241) + 0.0123
    for kink in kinks:
        s = s[abs(s - kink) > 1e-3]
    right, got = slope(s), given(s)
    fine = np.isfinite(right)
    s, right, got = s[fine], right[fine], got[fine]
    wrong = ~(abs(got - right) <= 1e-6 * (1 + abs(right)))  # NaN is wrong too
    if not wrong.any():
        return
    off = np.where(np.isnan(got), np.inf, abs(got - right)) * wrong
    i = int(np.argmax(off))
    mistake = _likely(s, f, slope, right, got, given)
    raise ActivationError(
        f"{title}′ as given is not the derivative of {title}: {where}at s = {s[i]:.4g} it is "
        f"{got[i]:.6g}, and the derivative is {right[i]:.6g}; {mistake}"
    )


def _likely(
    s: Array, f: Evaluate, slope: Evaluate, right: Array, got: Array, given: Evaluate
) -> str:
    """The mistake that gives these values, if it is one of the usual ones."""

    def same(a: Array, b: Array) -> bool:
        return bool(np.allclose(a, b, rtol=1e-5, atol=1e-7))

    with np.errstate(all="ignore"):
        ratios = (got / right)[abs(right) > 1e-6]
        y = f(s)
        if same(got, -right):
            return "its sign is wrong"
        if same(got, y):
            return "this is f itself"
        if same(given(y), right):
            return "it is f′ as a function of y = f(s); write it as one of s"
        if ratios.size and np.isfinite(ratios).all() and np.ptp(ratios) < 1e-5 * abs(ratios[0]):
            return f"a factor {1 / ratios[0]:.6g} is missing"
        step = 1e-5
        if same(got, (slope(s + step) - slope(s - step)) / (2 * step)):
            return "this is f″"
        for side, where in (("positive", s > 0), ("negative", s < 0)):
            if same(got[~where], right[~where]):
                return f"it is right but for {side} s: look at that branch"
    return "no usual mistake gives these values: derive it again, or leave it to @activation"
