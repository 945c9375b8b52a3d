"""Derivatives by differences, each with an estimate of its error.

Central differences D(h) = (f(x + h) − f(x − h)) / 2h have errors of h² f‴/6 and (noise of f)/h, so
no step h suits every f. Here h takes about twenty values, each a quarter of the previous one.
Richardson's extrapolation removes the errors in h², h⁴ and h⁶. Every entry of f gets the estimate
that agrees best with the estimates of neighbouring steps (Ridders 1982), unless smaller steps
contradict it. The difference between neighbouring estimates, and the noise of f at the smallest
steps, bound the error.

The slope jumps at x (a kink) if f(x + h) + f(x − h) − 2 f(x) shrinks like h at every step. If it
does so only at large steps, the kink is near x, and only smaller steps are used.
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
        value: the slope; NaN where no step has finite values on both sides.
        error: the estimated error of `value`.
        natural: the scale of the slope, from the size of f and from its largest differences.
        kinks: True where the slope jumps at x.
    """

    value: Array
    error: Array
    natural: Array
    kinks: npt.NDArray[np.bool_]


@np.errstate(all="ignore")
def quick_slopes(f: Callable[[float], Array], x: float, middle: Array) -> tuple[Array, Array]:
    """Slopes from two steps, without an estimate of the error, and True where x may be a kink."""
    h = 2.0**-10 * _power_of_two(max(1.0, abs(x)))
    D, bend, rounding = _differences(f, x, np.array([h, h / 2]), middle)[:3]
    bends = (np.abs(bend[1]) > 0.75 * np.abs(bend[0])) & (np.abs(bend[0]) > 8 * rounding[0])
    return (4 * D[1] - D[0]) / 3, bends


@np.errstate(all="ignore")
def slopes(f: Callable[[float], Array], x: float, middle: Array) -> Slopes:
    """The slopes at x of f, a function from a number to an array; `middle` is f(x)."""
    steps = _steps(x)
    D, bend, rounding, change = _differences(f, x, steps, middle)
    finite = np.isfinite(D)
    natural = np.where(finite, np.abs(D) + np.abs(bend), 0.0)[:8].max(axis=0)  # steps without noise
    natural = np.maximum(natural, np.abs(middle) / steps[0])
    jump, crossed = _jumps(bend, rounding)
    first, D = D[0], np.where(crossed | ~finite, np.nan, D)
    noise = (_noise(D, steps, change) / steps[:, None] + 2 * rounding) * 2
    value, error = _best(D, noise)
    kinks = (jump > 0) & ~(error < jump / 50)
    return Slopes(np.where(kinks, first, value), error, natural, kinks)


def _steps(x: float) -> Array:
    """Steps from 16 max(1, |x|) downwards; for small |x|, followed by a second series from |x|.

    A NaN separates the two series, so that no extrapolation mixes them.
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
    and the smaller of |f(x + h) − f(x)| and |f(x − h) − f(x)|."""
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
    """The jump of the slope at or near x, 0 without a jump, and the steps that cross the jump.

    A bend that is equal at four successive steps is a jump. From step to step, the bend of a smooth
    f falls to a quarter, and the bend of noise grows to four times, with either sign.
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
    """The variation of f at the smallest steps, where differences are mostly noise.

    If f is constant at the smallest steps and changes on both sides at larger steps, f is a
    staircase (it computes in float32, or cancels a large number), and its noise is one stair.
    """
    variation = np.sort(np.abs(np.diff(D[-8:], axis=0)) * steps[-7:, None], axis=0)
    typical = np.nan_to_num(variation[len(variation) // 2])
    stair = np.where(change > 0, change, np.inf).min(axis=0)
    flat = (change[-1] == 0) & np.isfinite(stair)
    return np.asarray(np.where(flat, np.maximum(typical, stair), typical))


def _best(D: Array, noise: Array) -> tuple[Array, Array]:
    """For every entry, the estimate with the smallest error of all steps and orders; its error."""
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
        # Compare with the steps before and after, because two estimates may agree by chance.
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
    """For every step, the bounds of the slope that follow from all smaller steps."""
    unsure = np.full(D.shape, np.inf)
    unsure[:-1] = 1.5 * np.abs(np.diff(D, axis=0)) + 8 * noise[:-1]
    below = np.where(np.isnan(D + unsure), -np.inf, D - unsure)
    above = np.where(np.isnan(D + unsure), np.inf, D + unsure)
    low, high = np.full(D.shape, -np.inf), np.full(D.shape, np.inf)
    low[:-1] = np.maximum.accumulate(below[:0:-1])[::-1]
    high[:-1] = np.minimum.accumulate(above[:0:-1])[::-1]
    return low, high


def _power_of_two(x: float) -> float:
    """The largest power of two ≤ x, so that x plus a step is computed with little rounding."""
    return float(2.0 ** np.floor(np.log2(x)))
