"""Check a user's function before training: its kinks, its slope, and where it is not finite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.activations.expression import Expression
from engine.activations.features import REACH, Special, special_points
from engine.arrays import Array
from engine.errors import ActivationError
from engine.spelling import printable

Evaluate = Callable[[Array], Array]

_MOST_NAMED = 6  # single points listed in a message
_ADVICE = {
    "0": "no gradient passes through it, so the layers below learn nothing",
    "constant": "nothing passes through it, forward or backward",
}
_REWRITE = (
    "write it so that no part of it overflows there, for example with sigmoid, tanh or softplus, "
    "with exp(−abs(s)), or with where"
)


@printable
@dataclass(frozen=True)
class Finding:
    """f or f′ isn't finite on a part of [−1000, 1000], f′ is 0 on all of it, or f is constant.

    Attributes: `what` ("swish′"), `problem` ("NaN", "infinite", "0" or "constant"), and `points`,
    the dtypes with the problem for each set of s ("s < -88.723", "s = -1 and s = 1", "every s").
    """

    what: str
    problem: str
    points: dict[str, list[str]]

    def __str__(self) -> str:
        at = ", ".join(f"{where} in {' and '.join(names)}" for where, names in self.points.items())
        return f"{self.what} is {self.problem} for {at}; {_ADVICE.get(self.problem, _REWRITE)}"


def examine(
    title: str,
    f: Evaluate,
    slope: Evaluate,
    points: tuple[float, ...] = (),
    breaks: Callable[[], tuple[float, ...]] = tuple,
) -> tuple[Finding, ...]:
    """Find where f and f′ are NaN or infinite on [−1000, 1000], in float32 and float64; or f′ is 0.

    f and f′ are evaluated on a grid of step 1/20 up to ±100 and 1/2 beyond, and at and between
    `points` (kinks, poles). Bisection then finds the ends of each bad interval. Before f′ is
    reported as 0 everywhere, f′ is also evaluated at the narrow features that `breaks` returns.
    """
    side = np.concatenate([np.linspace(0, 100, 2001), np.linspace(100, REACH, 1801)[1:]])
    grid = np.concatenate([-side, side, _between(points)])
    findings = []
    for what, function in ((title, f), (f"{title}′", slope)):
        for problem, test in (("NaN", np.isnan), ("infinite", np.isinf)):
            places: dict[str, list[str]] = {}
            for dtype in (np.float32, np.float64):
                s = np.unique(grid.astype(dtype)) + dtype(0)  # −0 is 0
                for place in _places(function, test, s):
                    places.setdefault(place, []).append(np.dtype(dtype).name)
            if places:
                findings.append(Finding(what, problem, places))
    everywhere = {"every s": ["float32", "float64"]}
    if not findings and not slope(grid).any():
        grid = np.concatenate([grid, _between(breaks())])
    if not findings and not slope(grid).any():
        if np.ptp(f(grid)) == 0:
            return (Finding(title, "constant", everywhere),)
        return (Finding(f"{title}′", "0", everywhere),)
    return tuple(findings)


def _between(points: tuple[float, ...]) -> Array:
    marks = np.array(sorted(points))
    return np.concatenate([marks, (marks[1:] + marks[:-1]) / 2])


def _places(function: Evaluate, test: Evaluate, s: Array) -> list[str]:
    """The intervals and single points of s at which `test(function(s))` is true, as text."""

    def bad(s: Array) -> Array:
        return test(function(s))

    flags = np.concatenate([[False], bad(s), [False]])
    starts, ends = np.flatnonzero(flags[1:] & ~flags[:-1]), np.flatnonzero(flags[:-1] & ~flags[1:])
    intervals, single = [], []
    for i, j in zip(starts, ends, strict=True):
        low = _last_good(bad, s[i - 1], s[i]) if i else None
        high = _last_good(bad, s[j], s[j - 1]) if j < len(s) else None
        if low is None or high is None:
            right = "" if high is None else f"s < {_text(high)}"
            intervals.append(right or ("every s" if low is None else f"s > {_text(low)}"))
        elif high - low <= 1e-6 * max(abs(low), abs(high), 1.0):
            single.append(f"s = {_text(s[i])}")
        else:
            intervals.append(f"{_text(low)} < s < {_text(high)}")
    if len(single) > _MOST_NAMED:
        single = [*single[: _MOST_NAMED - 1], f"{len(single) - _MOST_NAMED + 1} more points"]
    texts = [", ".join(single[:-1]), single[-1]] if len(single) > 1 else single
    return [*intervals, *([" and ".join(texts)] if texts else [])]


def _last_good(bad: Evaluate, good: Any, worse: Any) -> float:
    """The last s that is not bad on the way from `good` to `worse`, by bisection."""
    for _ in range(60):
        middle = good + (worse - good) / 2
        if middle in (good, worse) or abs(worse - good) <= 1e-10 * max(abs(good), abs(worse)):
            break
        if bad(np.array([middle]))[0]:
            worse = middle
        else:
            good = middle
    return float(good)


def _text(s: float) -> str:
    return f"{0.0 if abs(s) < 1e-9 else float(s):.5g}"


def find_kinks(
    f: Expression,
    slope: Expression,
    evaluate: Callable[[Expression, Array], Array],
    special: Special | None = None,
) -> tuple[float, ...]:
    """The points between −1000 and 1000 at which f or f′ jumps or grows without bound.

    The candidates, `special_points`, come from the formula, so narrow features and close kinks are
    not missed. f and f′ are compared on both sides of each candidate: if the difference does not
    vanish as the distance shrinks to a sixteenth, f or f′ jumps. Rounding hides jumps of f′ below
    1e-6 of f′, and jumps below 1/40 at poles that cancel, such as that of (eˢ − 1)/s at 0.
    """
    special = special_points(f, slope, evaluate) if special is None else special
    s = np.array(special.points)
    if not s.size:
        return ()
    pole = ~np.isin(s, special.branches)
    gaps = np.diff(s, prepend=-np.inf, append=np.inf)
    step = np.minimum(np.where(pole, 1e-5, 1e-7) * np.maximum(1, np.abs(s)), gaps[1:] / 4)
    step = np.minimum(step, gaps[:-1] / 4)
    apart = np.array([-1, 1, -1 / 16, 1 / 16])[:, None] * step
    with np.errstate(all="ignore"):
        y, dy = evaluate(f, s + apart), evaluate(slope, s + apart)
        rounding = np.where(pole, 1e-14 * np.abs(y).max(axis=0) / (step / 16) ** 2, 0)
        kink = _jumps(y, 1e-9 * np.abs(y).max(axis=0) + rounding * step / 16)
        kink |= _jumps(dy, 1e-6 * np.abs(dy).max(axis=0) + rounding)
        size = np.abs(dy).reshape(2, 2, -1).max(axis=1)
        kink |= (size[1] > 1.1 * size[0]) & (size[1] > 1 + rounding)
    return tuple(float(point) for point in s[kink & np.isfinite(y + dy).all(axis=0)])


def _jumps(y: Array, least: Array) -> Array:
    far, near = np.abs(y[1] - y[0]), np.abs(y[3] - y[2])
    return np.asarray((near > 0.5 * far) & (near > least))


def check_slope(
    title: str,
    f: Evaluate,
    slope: Evaluate,
    given: Evaluate,
    kinks: tuple[float, ...],
    where: str = "",
) -> None:
    """Compare a given f′ with the derivative of f, away from kinks; `where` is for the message.

    Raises: ActivationError with the point of the largest difference, both values, and the mistake
        that would explain the difference.
    """
    s = np.linspace(-6, 6, 241) + 0.0123
    for kink in kinks:
        s = s[abs(s - kink) > 1e-3]
    right, got = slope(s), given(s)
    finite = np.isfinite(right)
    s, right, got = s[finite], right[finite], got[finite]
    wrong = ~(abs(got - right) <= 1e-6 * (1 + abs(right)))  # true for NaN
    if not wrong.any():
        return
    error = np.where(np.isnan(got), np.inf, abs(got - right)) * wrong
    i = int(np.argmax(error))
    mistake = _likely(s, f, slope, right, got, given)
    raise ActivationError(
        f"the given {title}′ is not the derivative of {title}: {where}at s = {s[i]:.4g} it is "
        f"{got[i]:.6g}, and the derivative is {right[i]:.6g}; {mistake}"
    )


def _likely(
    s: Array, f: Evaluate, slope: Evaluate, right: Array, got: Array, given: Evaluate
) -> str:
    """The common mistake that gives the values `got`, in words."""

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
            return "it is f′ as a function of y = f(s); write f′ as a function of s"
        if ratios.size and np.isfinite(ratios).all() and np.ptp(ratios) < 1e-5 * abs(ratios[0]):
            return f"a factor {1 / ratios[0]:.6g} is missing"
        step = 1e-5
        if same(got, (slope(s + step) - slope(s - step)) / (2 * step)):
            return "this is f″"
        for side, where in (("positive", s > 0), ("negative", s < 0)):
            if same(got[~where], right[~where]):
                return f"it is wrong only for {side} s: check the formula of that branch"
    return "no usual mistake explains it; derive f′ again, or let @activation derive f′"
