"""Find where a formula can have a kink, a jump or a pole, and where it has a narrow feature.

The search uses `bounds` over intervals instead of samples: an interval of s is dropped only if its
bounds exclude such a point, and halved otherwise. So even the narrowest feature between ±1000 is
found, unless more intervals are needed than the budget allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from engine.activations.evaluating import bounds
from engine.activations.expression import Expression, derivative, parts
from engine.activations.record import BUILT_IN
from engine.arrays import Array
from engine.singularities import NODES, WEIGHTS

Evaluate = Callable[[Expression, Array], Array]

REACH = 1000.0
# The pieces with which quadrature starts (`engine.quadrature`).
_PIECES = np.array(
    [*range(-12, 13, 2), *(sign * 12.0 * 2**i for i in range(1, 8) for sign in (-1, 1))]
)
_BUDGET = 1500  # the most intervals at a time
_HALVINGS = 64
_NARROWEST = 1e-9  # the least width of a feature without a kink, relative to s
_UNBOUNDED = 1e9
_NEAR_POLES = 1e-2  # closer to a pole, quadrature refines its intervals itself
_HIDDEN = 1e-3  # the largest feature that a cell may hide, relative to the scale of f


@dataclass(frozen=True)
class Special:
    """Every s in [−1000, 1000] at which f or f′ may not be smooth.

    Attributes:
        branches: the zeros of a − b for maximum(a, b), minimum(a, b) and comparisons, of a for
            abs(a) and sign(a), and of a − k for an activation of a with a kink at k.
        poles: the zeros of a for log(a), √a, 1/a and aᵇ that are not in `branches`.
    """

    branches: tuple[float, ...] = ()
    poles: tuple[float, ...] = ()

    @property
    def points(self) -> tuple[float, ...]:
        return tuple(sorted((*self.branches, *self.poles)))


def special_points(f: Expression, slope: Expression, evaluate: Evaluate) -> Special:
    """The points at which f or f′ may have a kink, a jump or a pole.

    No point is missing, unless the bounds of a difference are so wide that more than 1500 intervals
    may contain a zero; then only the difference's changes of sign are returned.
    """
    seen: set[int] = set()
    kinds: dict[bool, set[float]] = {}
    points: set[float] = set()
    for poles in (False, True):
        before = set(points)
        for difference in _switches(f, poles) if poles else (*_switches(f), *_switches(slope)):
            # Equal formulas are the same object (`expression`).
            if id(difference) not in seen and difference.kind != "number":
                seen.add(id(difference))
                points |= _zeros(difference, derivative(difference), points, evaluate)
        kinds[poles] = points - before
    return Special(tuple(sorted(kinds[False])), tuple(sorted(kinds[True])))


def _switches(f: Expression, poles: bool = False) -> Iterator[Expression]:
    """The expressions at whose zeros f changes its branch or, with `poles`, may have a pole."""
    for x in parts(f):
        xs: Any = x.operands
        activation = x.kind.removesuffix("′")
        if poles:
            if x.kind in ("log", "sqrt"):
                yield xs[0]
            elif x.kind == "divide":
                yield xs[1]
            elif x.kind == "power" and not _is_count(xs[1]):
                yield xs[0]
        elif x.kind in ("<", "<=", ">", ">=", "==", "!=", "maximum", "minimum"):
            yield xs[0] - xs[1]
        elif x.kind in ("abs", "sign"):
            yield xs[0]
        elif x.kind == "clip":
            for bound in xs[1:]:
                yield xs[0] - bound
        elif activation in BUILT_IN:
            for kink in (*BUILT_IN[activation].kinks, *BUILT_IN[activation].bends):
                yield xs[0] - kink


def _is_count(x: Expression) -> bool:
    return x.kind == "number" and x.value >= 0 and x.value % 1 == 0


def _zeros(g: Expression, slope: Expression, points: set[float], evaluate: Evaluate) -> set[float]:
    """The zeros of g, which is smooth between the points; intervals where g ≡ 0 have no zeros."""
    low, high = _open_cells(np.array([-REACH, REACH]), points)
    brackets: list[tuple[Array, Array]] = []
    touched: list[float] = []
    for _ in range(_HALVINGS):
        least, most, monotone = _enclosed(g, slope, low, high, evaluate)
        may = (least <= 0) & (most >= 0) & ~((least == 0) & (most == 0))
        low, high, monotone = low[may], high[may], monotone[may]
        many = low.size > _BUDGET
        sure = monotone | many
        brackets.append((low[sure], high[sure]))
        low, high = low[~sure], high[~sure]
        narrow = high - low <= 4e-16 * np.maximum(np.abs(low), np.abs(high)) + 1e-300
        touched.extend((low[narrow] + high[narrow]) / 2)
        low, high = low[~narrow], high[~narrow]
        if not low.size:
            break
        middle = (low + high) / 2
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
    touched.extend((low + high) / 2)
    low, high = (np.concatenate(ends) for ends in zip(*brackets, strict=True))
    crossings = _crossings(g, low, high, evaluate)
    return {_shortest(s) for s in (*crossings, *_nearest(g, touched, evaluate))}


def _nearest(g: Expression, touched: list[float], evaluate: Evaluate) -> list[float]:
    """The s with the least |g| in each group of neighbouring s."""
    s = np.sort(touched)
    size = np.abs(evaluate(g, s))
    ends = np.flatnonzero(np.diff(s) > 1e-6 * np.maximum(1, np.abs(s[1:]))) + 1
    return [
        float(group[np.argmin(sizes)])
        for group, sizes in zip(np.split(s, ends), np.split(size, ends), strict=True)
        if group.size
    ]


def _open_cells(edges: Array, points: set[float]) -> tuple[Array, Array]:
    """Cells between edges and points. A cell excludes its ends, at which f may jump."""
    edges = np.unique([*edges, *(point for point in points if abs(point) < REACH)])
    low, high = np.nextafter(edges[:-1], np.inf), np.nextafter(edges[1:], -np.inf)
    return low[low < high], high[low < high]


def _enclosed(
    g: Expression, slope: Expression, low: Array, high: Array, evaluate: Evaluate
) -> tuple[Array, Array, Array]:
    """(least, most, monotone): g's bounds, tightened by the mean value theorem; whether g′ ≠ 0."""
    least, most = bounds(g, low, high, evaluate)
    flat, steep = bounds(slope, low, high, evaluate)
    with np.errstate(all="ignore"):
        middle = evaluate(g, (low + high) / 2)
        reach = np.maximum(np.abs(flat), np.abs(steep)) * (high - low) / 2
        known = np.isfinite(middle) & np.isfinite(reach)
        rounding = 1e-14 * np.abs(middle)
        least = np.where(known, np.fmax(least, middle - reach - rounding), least)
        most = np.where(known, np.fmin(most, middle + reach + rounding), most)
    return least, most, (flat > 0) | (steep < 0)


def _crossings(g: Expression, low: Array, high: Array, evaluate: Evaluate) -> list[float]:
    """The float at which g changes sign, for each [low, high] across which g changes sign."""
    signs = np.sign(evaluate(g, np.stack([low, high])))
    across = signs[0] * signs[1] <= 0
    low, high, sign = low[across], high[across], signs[0][across]
    shares = np.linspace(0, 1, 257)
    for _ in range(16):
        if not (np.nextafter(low, high) < high).any():
            break
        s = low[:, None] + (high - low)[:, None] * shares
        s[:, -1] = high
        # The first node at which g has not the sign of g(low); the last node is such a node.
        ahead = np.sign(evaluate(g, s)) != sign[:, None]
        first = np.where(ahead.any(axis=1), np.argmax(ahead, axis=1), 256)
        rows = np.arange(len(s))
        low, high = s[rows, np.maximum(first - 1, 0)], s[rows, first]
    ends = np.stack([low, high])
    nearer = np.argmin(np.abs(evaluate(g, ends)), axis=0)
    return [float(s) for s in ends[nearer, np.arange(len(low))]]


def _shortest(s: float) -> float:
    """The number with the fewest digits that equals s up to rounding: 0.3 for 0.1 + 0.2."""
    s = float(s)
    for digits in range(1, 17):
        short = float(f"{s:.{digits}g}")
        if abs(short - s) <= 4e-16 * abs(s):
            break
    return 0.0 if abs(s) < 1e-15 else short


def features(
    f: Expression, slope: Expression, points: tuple[float, ...], evaluate: Evaluate
) -> tuple[float, ...]:
    """The points at which quadrature must split its pieces to resolve narrow features of f and f′.

    Cells are halved until the bounds of f and f′ exceed the values at a cell's 14 nodes by at most
    a thousandth of the function's scale. A split is returned if the integral of f, f² or f′² over
    the cell differs from the sum over its two halves.
    """
    second = derivative(slope)
    low, high = _open_cells(_PIECES, set(points))
    starts, ends = np.nextafter(points, np.inf), np.nextafter(points, -np.inf)
    levels: list[tuple[Array, Array, Array, Array]] = []
    scale: Array | None = None
    for _ in range(_HALVINGS):
        middle, half = (low + high) / 2, (high - low) / 2
        s = middle[:, None] + half[:, None] * NODES
        hidden, unbounded = np.zeros(low.size, bool), np.zeros(low.size, bool)
        beside = np.isin(low, starts) | np.isin(high, ends)
        integrals = []
        values = [evaluate(e, s) for e in (f, slope)]
        if scale is None:
            near = np.abs(middle) < 5
            scale = np.array([_size(v[near]) for v in values])
        for e, by, y, size in zip((f, slope), (slope, second), values, scale, strict=True):
            with np.errstate(all="ignore"):
                least, most, _ = _enclosed(e, by, low, high, evaluate)
                span = np.ptp(y, axis=1) + _HIDDEN * (size + np.abs(y).max(axis=1))
                close = (most - y.max(axis=1) <= span) & (y.min(axis=1) - least <= span)
                hidden |= ~close & np.isfinite(y).all(axis=1)
                unbounded |= ~np.isfinite(most - least)
                # A cell ends one ULP from a pole, where f is large but finite.
                unbounded |= beside & (most - least > _UNBOUNDED * (1 + np.abs(y).max(axis=1)))
        with np.errstate(all="ignore"):
            for y in (values[0], values[0] ** 2, values[1] ** 2):
                integrals.append((y * WEIGHTS).sum(axis=1) * half)
        narrowest = np.where(unbounded, _NEAR_POLES, _NARROWEST)
        split = hidden & (half > narrowest * np.maximum(np.abs(middle), 1e-3))
        if split.sum() > _BUDGET:
            split[:] = False
        levels.append((middle, half, split, np.stack(integrals, axis=1)))
        if not split.any():
            break
        low, mid, high = low[split], middle[split], high[split]
        low, high = np.concatenate([low, mid]), np.concatenate([mid, high])
    return _needed(levels)


def _size(y: Array) -> float:
    y = y[np.isfinite(y)]
    return float(np.sqrt(np.mean(y * y))) if y.size else 0.0


def _needed(levels: list[tuple[Array, Array, Array, Array]]) -> tuple[float, ...]:
    """The midpoints of the cells whose integrals differ from the sums over their halves."""
    marks: list[float] = []
    below: tuple[Array, Array] | None = None
    for middle, _, split, integrals in reversed(levels):
        need, best = np.zeros(middle.size, bool), integrals.copy()
        if below is not None and split.any():
            left, right = (np.split(part, 2) for part in below)
            parts_need, parts_best = left[0] | left[1], right[0] + right[1]
            with np.errstate(all="ignore"):
                apart = np.abs(parts_best - integrals[split])
                total = np.nansum(np.abs(parts_best), axis=0)
                differs = ~(apart <= 1e-9 * (np.abs(parts_best) + 1e-3 * total)).all(axis=1)
            need[split] = parts_need | differs
            best[split] = np.where(need[split][:, None], parts_best, integrals[split])
        marks.extend(middle[need])
        below = need, best
    return tuple(sorted(float(s) for s in marks))
