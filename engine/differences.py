"""Slopes by differences of values, each with an estimate of its own error.

Central differences D(h) = (f(x + h) − f(x − h)) / 2h err by h² f‴/6 and by (noise of f)/h, so no
step fits every f. Here h takes some twenty values, each a quarter of the last. Richardson's
extrapolation removes h², h⁴ and h⁶, and every entry of f gets the estimate that agrees best with
those of the neighbouring steps (Ridders 1982), unless smaller steps refute that estimate. How far
neighbours differ, and how noisy f is at the smallest steps, bounds the error.

A slope jumps at x (a kink) where f(x + h) + f(x − h) − 2 f(x) shrinks like h, at every step;
where it does so at large steps alone, the kink is beside x, and only smaller steps count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.arrays import Array

_RATIO = 4.0
_EPS = float(np.finfo(np.float64).eps)
_LEAST = float(np.nextafter(0, 1))


@dataclass(frozen=True)
class Slopes:
    """∂f/∂x of every entry of f, by differences.

    Attributes:
        value: NaN where no step has finite values on both sides.
        error: how far `value` may be off.
        natural: the slope that would count as large: of f itself, and of its largest change.
        kinks: True where the slope jumps at x.
    """

    value: Array
    error: Array
    natural: Array
    kinks: npt.NDArray[np.bool_]


@np.errstate(all="ignore")
def quick_slopes(f: Callable[[float], Array], x: float, middle: Array) -> tuple[Array, Array]:
    """Slopes from two steps only, and where they may lie at a kink; no estimate of the error."""
    h = 2.0**-10 * _power_of_two(max(1.0, abs(x)))
    D, bend, rounding = _differences(f, x, np.array([h, h / 2]), middle)[:3]
    bends = (np.abs(bend[1]) > 0.75 * np.abs(bend[0])) & (np.abs(bend[0]) > 8 * rounding[0])
    return (4 * D[1] - D[0]) / 3, bends


@np.errstate(all="ignore")
def slopes(f: Callable[[float], Array], x: float, middle: Array) -> Slopes:
    """Slopes at x of f, which gives an array for a number; `middle` is f(x)."""
    steps = _steps(x)
    D, bend, rounding, change = _differences(f, x, steps, middle)
    finite = np.isfinite(D)
    natural = np.where(finite, np.abs(D) + np.abs(bend), 0.0)[:8].max(axis=0)  # no noise there
    natural = np.maximum(natural, np.abs(middle) / steps[0])
    jump, crossed = _jumps(bend, rounding)
    first, D = D[0], np.where(crossed | ~finite, np.nan, D)
    noise = (_noise(D, steps, change) / steps[:, None] + 2 * rounding) * 2
    value, error = _best(D, noise)
    kinks = (jump > 0) & ~(error < jump / 50)
    return Slopes(np.where(kinks, first, value), error, natural, kinks)


def _steps(x: float) -> Array:
    """Steps from 16 max(1, |x|) downwards; where |x| is small, a second series begins at |x|.

    A NaN stands between the two, so that nothing is extrapolated from one to the other.
    """
    steps = _power_of_two(max(1.0, abs(x))) * _RATIO ** np.arange(2.0, -23.0, -1.0)
    if 0 < abs(x) < 1 / 64:
        small = _power_of_two(abs(x)) * _RATIO ** np.arange(-0.5, -14.0, -1.0)
        steps = np.concatenate([steps[steps > small[0]], [np.nan], small])
    usable = np.isnan(steps) | (np.isfinite(x + steps) & (x + steps != x - steps))
    return np.asarray(steps[usable])


def _differences(
    f: Callable[[float], Array], x: float, steps: Array, middle: Array
) -> tuple[Array, Array, Array, Array]:
    """For each step: D(h), the bend (f(x + h) + f(x − h) − 2 f(x)) / h, the rounding error of D,
    and the smaller one of |f(x ± h) − f(x)|."""
    nothing = np.full(middle.shape, np.nan)
    high = np.array([nothing if np.isnan(h) else f(float(x + h)) for h in steps])
    low = np.array([nothing if np.isnan(h) else f(float(x - h)) for h in steps])
    width = ((x + steps) - (x - steps))[:, None]
    rounding = _EPS * np.maximum(np.abs(high), np.abs(low)) + 4 * _LEAST
    change = np.minimum(np.abs(high - middle), np.abs(low - middle))
    return (
        (high - low) / width,
        ((high - middle) + (low - middle)) / (width / 2),
        rounding / width,
        change,
    )


def _jumps(bend: Array, rounding: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """The jump of the slope at or beside x, 0 where there is none; the steps that cross it.

    A bend that stays the same over four steps is a jump: of a smooth f it falls to a quarter each
    time, and noise makes it four times as large, with either sign.
    """
    same = np.abs(bend[1:] - bend[:-1]) < 0.1 * np.abs(bend[1:])
    same &= np.abs(bend[1:]) > 16 * rounding[1:]
    runs = same[:-2] & same[1:-1] & same[2:]
    jump = np.zeros(bend.shape[1])
    crossed = np.zeros(bend.shape, bool)
    for k in np.flatnonzero(runs.any(axis=1)):
        jump = np.where(runs[k], np.abs(bend[k + 3]), jump)
        crossed[: k + 4] |= runs[k]
    return jump, crossed


def _noise(D: Array, steps: Array, change: Array) -> Array:
    """How much f varies at the smallest steps, where differences are mostly noise.

    An f that does not change at all there, but does so on both sides at larger steps, is a
    staircase (float32 inside, or a large number that cancels): its noise is one stair.
    """
    variation = np.sort(np.abs(np.diff(D[-8:], axis=0)) * steps[-7:, None], axis=0)
    typical = np.nan_to_num(variation[len(variation) // 2])
    stair = np.where(change > 0, change, np.inf).min(axis=0)
    flat = (change[-1] == 0) & np.isfinite(stair)
    return np.asarray(np.where(flat, np.maximum(typical, stair), typical))


def _best(D: Array, noise: Array) -> tuple[Array, Array]:
    """For every entry, the estimate of all steps and orders with the smallest error, and that."""
    low, high = _bounds_of_smaller_steps(D, noise)
    rows = np.arange(len(D))[:, None]
    last = np.where(np.isfinite(D), rows, -1).max(axis=0)
    columns = np.arange(D.shape[1])
    value, error = np.where(last < 0, np.nan, D[last, columns]), np.full(D.shape[1], np.inf)
    table, coarser = D, D
    for order in range(4):
        if order:
            factor = _RATIO ** (2 * order)
            coarser, table = table[1:], table[1:] + (table[1:] - table[:-1]) / (factor - 1)
        if len(table) < 3:
            break
        # Against the steps before and after: two estimates may agree by chance.
        estimate, inside = table[1:-1], slice(order + 1, -1)
        before = np.abs(estimate - table[:-2])
        after = np.abs(table[2:] - estimate) / _RATIO
        lower_order = np.abs(estimate - coarser[1:-1])
        off = np.maximum(np.maximum(before, after), lower_order) + noise[inside]
        refuted = (estimate + off < low[inside]) | (estimate - off > high[inside])
        off = np.where(np.isnan(off) | refuted, np.inf, off)
        k = off.argmin(axis=0)
        better = off[k, columns] < error
        value = np.where(better, estimate[k, columns], value)
        error = np.where(better, off[k, columns], error)
    return value, error


def _bounds_of_smaller_steps(D: Array, noise: Array) -> tuple[Array, Array]:
    """Between which values all smaller steps want the slope to be, for every step."""
    unsure = np.full(D.shape, np.inf)
    unsure[:-1] = 1.5 * np.abs(np.diff(D, axis=0)) + 8 * noise[:-1]
    below = np.where(np.isnan(D + unsure), -np.inf, D - unsure)
    above = np.where(np.isnan(D + unsure), np.inf, D + unsure)
    low, high = np.full(D.shape, -np.inf), np.full(D.shape, np.inf)
    low[:-1] = np.maximum.accumulate(below[:0:-1])[::-1]
    high[:-1] = np.minimum.accumulate(above[:0:-1])[::-1]
    return low, high


def _power_of_two(x: float) -> float:
    """The largest power of two that is no larger: steps made of it are added without rounding."""
    return float(2.0 ** np.floor(np.log2(x)))
