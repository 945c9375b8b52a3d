"""Means near a point where a function is not smooth: by shells that halve towards it, or infinite.

Near x₀ the shells x₀ + d, d in (w 2⁻ᵏ⁻¹, w 2⁻ᵏ], contribute cₖ. For a function that grows like
|s − x₀|⁻ᵖ, cₖ₊₁/cₖ → 2ᵖ⁻¹. For p < 1 the sum converges and its rest is a geometric series; for
p ≥ 1 the mean is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from engine.arrays import Array

Function = Callable[[Array], Array]


class DivergenceError(ValueError):
    """The reason why a mean is no number; the message continues "the mean"."""


NODES, WEIGHTS = np.polynomial.legendre.leggauss(14)
_SHELLS = 400  # about 0, where floats are as fine as that; elsewhere rounding ends them
_SEEN = 8  # shells by which a power is judged
_ABOVE_ROUNDING = 26  # shells, beyond which formulas with a 1 in them have no digits left


def near_points(
    function: Function, low: float, high: float, points: Sequence[float], q: float, size: float
) -> tuple[float, float, Sequence[float]]:
    """The part of E[function(s)], s ~ N(0, q), from s in [low, high]; its estimated error; points.

    `points` are the points in [low, high] where the function isn't smooth; if none is given, the
    worst point is searched for. A contribution below 1e-16 `size` doesn't count.

    Raises: DivergenceError where the mean is infinite, with the point and the power.
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
    """Raises: DivergenceError where |function| has no finite integral about one of the points."""
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
    # Where rounding grows, as in (eˢ − 1)/s, it grows irregularly.
    if power > 1 - (1e-4 if point else 1e-7) and np.ptp(powers) < 0.1:
        raise DivergenceError(
            f"is infinite: near s = {point:.10g} the function grows like "
            f"|s{_minus(point)}|^(-{power:.3g}), or its formula loses all digits there"
        )


def _one_side(
    function: Function, point: float, width: float, q: float, size: float
) -> tuple[float, float]:
    """From `point` to `point + width`."""
    finest = 2.0**10 * float(np.spacing(abs(point))) if abs(point) > 1e-280 else 1e-300
    count = max(2, min(_SHELLS, math.floor(math.log2(max(2.0, abs(width) / finest)))))
    half = np.ldexp(width, -np.arange(count) - 2)[:, None]
    s = point + half * (3 + NODES)
    values = np.asarray(function(s.reshape(-1)), np.float64).reshape(s.shape)
    values *= np.abs(half) * WEIGHTS * np.exp(-s * s / (2 * q)) / math.sqrt(2 * math.pi * q)
    shells, sizes = values.sum(axis=1), np.abs(values).sum(axis=1)
    fine = np.isfinite(sizes)
    usable = count if fine.all() else int(np.argmin(fine))
    negligible = sizes[:usable] <= 1e-16 * size
    # Shells that at least halve: the rest of the sum is as small as the last shell.
    if negligible.any() and (sizes[1:usable] <= 0.75 * sizes[: usable - 1])[-3:].all():
        return float(shells[:usable].sum()), 1e-16 * size
    shells, sizes = shells[:usable], sizes[:usable]
    _check_growth(sizes[:_ABOVE_ROUNDING], point)
    return _extrapolated(shells)


def _extrapolated(shells: Array) -> tuple[float, float]:
    """The sum to infinity: after each shell, a geometric rest with the last ratio (Aitken)."""
    with np.errstate(all="ignore"):
        ratios = shells[1:] / shells[:-1]
        rest = np.where(shells[1:] == 0, 0.0, shells[1:] * ratios / (1 - ratios))
        totals = np.cumsum(shells)[1:] + rest
        totals[~(ratios < 1) & (shells[1:] != 0)] = np.nan
    if totals.size < 4:
        return float(shells.sum()), float(np.abs(shells).sum())
    # Before the best place the ratio still changes, beyond it s is rounded.
    spread = np.array([np.ptp(totals[i : i + 4]) for i in range(totals.size - 3)])
    if np.isnan(spread).all():
        return float(shells.sum()), math.inf
    best = int(np.nanargmin(spread))
    return float(totals[best + 3]), 4 * float(spread[best])


def _worst_point(function: Function, low: float, high: float) -> float:
    """The float to which halves that disagree with their whole lead."""

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
