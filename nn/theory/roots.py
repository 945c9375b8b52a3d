"""Where a function of one number crosses zero."""

from __future__ import annotations

import math
from collections.abc import Callable

Function = Callable[[float], float]


def crossing(function: Function, low: float, high: float) -> float:
    """A zero between low and high, where the signs differ, to 14 digits.

    Regula falsi with the Illinois rule, and a bisection whenever it has not halved the interval in
    three steps.
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
        # An end that stays twice counts half, or it would stay for ever.
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
    """Neighbours start·factorⁱ, start·factorⁱ⁺¹ (smaller first) between which the sign changes.

    None if it keeps its sign as far as `end`.
    """
    before, sign = start, math.copysign(1.0, function(start))
    while before * factor < end if factor > 1 else before * factor > end:
        after = before * factor
        value = function(after)
        if value == 0 or math.copysign(1.0, value) != sign:
            return min(before, after), max(before, after)
        before = after
    return None
