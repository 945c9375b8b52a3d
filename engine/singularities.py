"""Means near a point x₀ at which a function is not smooth, as sums over shells around x₀.

The shell x₀ + d, d in (w 2⁻ᵏ⁻¹, w 2⁻ᵏ], contributes cₖ. If the function grows like |s − x₀|⁻ᵖ, then
cₖ₊₁/cₖ → 2ᵖ⁻¹. For p < 1 the sum converges, and its remainder is a geometric series. For p ≥ 1 the
mean is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from engine.arrays import Array

Function = Callable[[Array], Array]


class DivergenceError(ValueError):
    """A mean is infinite or undefined; the message continues a sentence that begins "the mean"."""


NODES, WEIGHTS = np.polynomial.legendre.leggauss(14)
_SHELLS = 400  # the most shells, around 0; elsewhere rounding allows fewer
_SEEN = 8  # the number of shells from which the power p is estimated
_ABOVE_ROUNDING = 26  # after this many shells, formulas such as 1 − d lose all digits of d


def near_points(
    function: Function, low: float, high: float, points: Sequence[float], q: float, size: float
) -> tuple[float, float, Sequence[float]]:
    """(contribution of s in [low, high] to E[function(s)], s ~ N(0, q), estimated error, points).

    `points` are the points in [low, high] at which the function isn't smooth; if `points` is empty,
    the worst point is searched for. Contributions below 1e-16 `size` are neglected.

    Raises: DivergenceError with the point and the power p, if the mean is infinite.
    """
    points = points or [_worst_point(function, low, high)]
    ends = [low, *((a + b) / 2 for a, b in pairwise(points)), high]
    total, error = 0.0, 0.0
    for point, (start, end) in zip(points, pairwise(ends), strict=True):
        for side, width in ((-1, point - start), (1, end - point)):
            if width > 0:
                part, uncertain = _one_side(function, point, side * width, q, size)
                total, error = total + part, error + uncertain
    return total, error, points


def check_integrable(function: Function, points: Sequence[float]) -> None:
    """Raise DivergenceError if |function| has an infinite integral around one of the points."""
    distances = np.ldexp(1.5 + 0.5 * NODES, -np.arange(10, 22)[:, None])
    for point in points:
        for side in (-1, 1):
            with np.errstate(all="ignore"):
                values = np.abs(np.asarray(function((point + side * distances).reshape(-1))))
            sizes = (values.reshape(distances.shape) * WEIGHTS).sum(axis=1)
            _check_growth(sizes * np.ldexp(1.0, -np.arange(12)), point)


def _check_growth(sizes: Array, point: float) -> None:
    if sizes.size <= _SEEN or not sizes[-1] > 0 or not np.isfinite(sizes).all():
        return
    with np.errstate(divide="ignore"):
        powers = 1 + np.log2(sizes[-_SEEN:] / sizes[-1 - _SEEN : -1])
    power = float(powers.mean())
    # Rounding errors, as in (eˢ − 1)/s, grow irregularly, so their powers vary.
    if power > 1 - (1e-4 if point else 1e-7) and np.ptp(powers) < 0.1:
        raise DivergenceError(
            f"is infinite: near s = {point:.10g} the function grows like "
            f"|s{_minus(point)}|^(-{power:.3g}), or its formula loses all digits there"
        )


def _one_side(
    function: Function, point: float, width: float, q: float, size: float
) -> tuple[float, float]:
    """The contribution of s from `point` to `point + width`, and its estimated error."""
    finest = 2.0**10 * float(np.spacing(abs(point))) if abs(point) > 1e-280 else 1e-300
    count = max(2, min(_SHELLS, math.floor(math.log2(max(2.0, abs(width) / finest)))))
    half = np.ldexp(width, -np.arange(count) - 2)[:, None]
    s = point + half * (3 + NODES)
    values = np.asarray(function(s.reshape(-1)), np.float64).reshape(s.shape)
    values *= np.abs(half) * WEIGHTS * np.exp(-s * s / (2 * q)) / math.sqrt(2 * math.pi * q)
    shells, sizes = values.sum(axis=1), np.abs(values).sum(axis=1)
    finite = np.isfinite(sizes)
    usable = count if finite.all() else int(np.argmin(finite))
    negligible = sizes[:usable] <= 1e-16 * size
    # If the shells shrink by a quarter or more, the remainder is about as small as the last shell.
    if negligible.any() and (sizes[1:usable] <= 0.75 * sizes[: usable - 1])[-3:].all():
        return float(shells[:usable].sum()), 1e-16 * size
    shells, sizes = shells[:usable], sizes[:usable]
    _check_growth(sizes[:_ABOVE_ROUNDING], point)
    return _extrapolated(shells)


def _extrapolated(shells: Array) -> tuple[float, float]:
    """The infinite sum: after each shell, the remainder is geometric with the last ratio (Aitken).

    Returns the most stable total, and its estimated error.
    """
    with np.errstate(all="ignore"):
        ratios = shells[1:] / shells[:-1]
        rest = np.where(shells[1:] == 0, 0.0, shells[1:] * ratios / (1 - ratios))
        totals = np.cumsum(shells)[1:] + rest
        totals[~(ratios < 1) & (shells[1:] != 0)] = np.nan
    if totals.size < 4:
        return float(shells.sum()), float(np.abs(shells).sum())
    # Take the four neighbouring totals that agree best: before them the ratio has not converged,
    # after them s is rounded.
    spread = np.array([np.ptp(totals[i : i + 4]) for i in range(totals.size - 3)])
    if np.isnan(spread).all():
        return float(shells.sum()), math.inf
    best = int(np.nanargmin(spread))
    return float(totals[best + 3]), 4 * float(spread[best])


def _worst_point(function: Function, low: float, high: float) -> float:
    """The point found by bisection, taking the half whose mean converges worse."""

    def mean_sizes(edges: Array) -> Array:
        half = np.diff(edges) / 2
        s = (edges[:-1] + half)[:, None] + half[:, None] * NODES
        values = np.abs(np.asarray(function(s.reshape(-1)), np.float64)).reshape(s.shape)
        return np.asarray(np.nan_to_num((values * WEIGHTS).sum(axis=1) / 2, nan=np.inf))

    for _ in range(1100):
        middle = low + (high - low) / 2
        if not low < middle < high:
            break
        halves = mean_sizes(np.array([low, middle, high]))
        quarters = mean_sizes(np.linspace(low, high, 5)).reshape(2, 2).mean(axis=1)
        with np.errstate(all="ignore"):
            apart = np.nan_to_num(np.abs(quarters - halves), nan=np.inf)
        if apart[0] == apart[1]:
            apart = halves
        low, high = (low, middle) if apart[0] > apart[1] else (middle, high)
    ends = np.array([low, high])
    values = np.nan_to_num(np.abs(np.asarray(function(ends), np.float64)), nan=np.inf)
    return float(ends[np.argmax(values)])


def _minus(s: float) -> str:
    return "" if s == 0 else f" - {s:.10g}" if s > 0 else f" + {-s:.10g}"
