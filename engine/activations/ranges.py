"""`find_range`: the infimum and the supremum of a function of one number, from samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from engine.arrays import Array

Evaluate = Callable[[Array], Array]

_ANYWHERE = (-np.inf, np.inf)


def find_range(f: Evaluate, points: tuple[float, ...] = ()) -> tuple[float, float]:
    """The infimum and the supremum of f, from samples.

    f is sampled on a grid of step 1/100 up to ±30, at powers of 10 up to ±1e100, at ±∞, and around
    and between `points` (kinks, poles, narrow features); then the extrema of these samples are
    refined. A bound is infinite if f(±∞) is infinite, or if f(10¹⁰⁰) differs from f(10⁵⁰) as much
    as f(10⁵⁰) from f(10²⁵). The same test is applied at poles.
    """
    marks = np.array(sorted(points))
    between = marks[:-1, None] + np.diff(marks)[:, None] * np.linspace(0, 1, 33)
    powers = np.logspace(0, 100, 101)
    far = np.concatenate([-powers[::-1], powers])
    around = [np.nextafter(marks, -np.inf), marks, np.nextafter(marks, np.inf)]
    s = np.unique(np.concatenate([np.linspace(-30, 30, 6001), far, between.reshape(-1), *around]))
    values = f(s)
    defined = ~np.isnan(values)
    s, values = s[defined], values[defined]
    if not values.size:
        return _ANYWHERE
    limits = [limit for side in (-1, 1) for limit in _limits(f, side * powers)]
    for pole in marks[~np.isfinite(f(marks))]:
        nearer = 2.0 ** np.array([-8, -16, -32]) * max(1.0, abs(pole))
        limits += [limit for side in (-1, 1) for limit in _growth(*f(pole + side * nearer))]
    low = min([-_largest(lambda s: -f(s), s, -values), *limits])
    high = max([_largest(f, s, values), *limits])
    return low + 0.0, high + 0.0  # −0.0 + 0.0 is 0.0


def _largest(f: Evaluate, s: Array, values: Array) -> float:
    """The largest value of f, refined around the largest samples."""
    best = float(values.max())
    if not np.isfinite(best):
        return best
    # The peaks: samples that are no less than their neighbours. f may be larger close to a peak.
    sides = np.concatenate([[-np.inf], values, [-np.inf]])
    peaks = np.flatnonzero((values >= sides[:-2]) & (values >= sides[2:]))
    peaks = peaks[np.argsort(values[peaks])[-8:]]
    low, high = s[np.maximum(peaks - 1, 0)], s[np.minimum(peaks + 1, len(s) - 1)]
    for _ in range(12):
        inside = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 33)
        values = np.nan_to_num(f(inside), nan=-np.inf)
        at = values.argmax(axis=1)
        rows = np.arange(len(inside))
        low, high = inside[rows, np.maximum(at - 1, 0)], inside[rows, np.minimum(at + 1, 32)]
        best = max(best, float(values.max()))
    return best


def _limits(f: Evaluate, s: Array) -> list[float]:
    """f at ±∞; if f is NaN there, ±∞ if f grows without bound towards s[-1], else no limit."""
    value = float(f(np.array([np.copysign(np.inf, s[-1])]))[0])
    if not np.isnan(value):
        return [value]
    values = f(s)
    return _growth(values[25], values[50], values[100])


def _growth(first: float, middle: float, last: float) -> list[float]:
    """±∞ if the values grow without bound; each value's distance is the square of the previous."""
    with np.errstate(all="ignore"):
        steps = last - middle, middle - first
    if abs(steps[0]) >= 0.7 * abs(steps[1]) and abs(steps[0]) > 1e-9 * abs(last):
        return [float(np.copysign(np.inf, steps[0]))]
    return []
