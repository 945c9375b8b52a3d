"""Zeros of a function of one number."""

from __future__ import annotations

import math
from collections.abc import Callable

Function = Callable[[float], float]


def crossing(function: Function, low: float, high: float) -> float:
    """A zero between low and high, at which the function has different signs, to 14 digits.

    The method is regula falsi with the Illinois rule, with a bisection whenever the interval has
    not been halved in three steps.
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0 or at_high == 0:
        return low if at_low == 0 else high
    if (at_low > 0) == (at_high > 0):
        raise ValueError(f"no sign change between {low:g} ({at_low:g}) and {high:g} ({at_high:g})")
    widths, last = [high - low], 0
    for step in range(200):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        slow = step >= 3 and widths[-1] > widths[-4] / 2
        if slow or not low < middle < high:
            middle = low + (high - low) / 2
        value = function(middle)
        if value == 0 or high - low <= 1e-14 * max(abs(low), abs(high)):
            break
        # Illinois rule: halve the value at an end that was kept twice, or it would be kept forever.
        if (value > 0) == (at_high > 0):
            high, at_high = middle, value
            at_low, last = (at_low / 2 if last == 1 else at_low), 1
        else:
            low, at_low = middle, value
            at_high, last = (at_high / 2 if last == -1 else at_high), -1
        widths.append(high - low)
    return middle


def bracket(
    function: Function, start: float, factor: float, end: float
) -> tuple[float, float] | None:
    """The first start·factorⁱ and start·factorⁱ⁺¹ (smaller first) with a sign change between them.

    None if the function has the same sign as far as `end`.
    """
    before, sign = start, math.copysign(1.0, function(start))
    while before * factor < end if factor > 1 else before * factor > end:
        after = before * factor
        value = function(after)
        if value == 0 or math.copysign(1.0, value) != sign:
            return min(before, after), max(before, after)
        before = after
    return None
