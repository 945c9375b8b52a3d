"""Interval arithmetic (Moore 1966): bounds of an operation's values from bounds of its operands.

An interval is (least, most), two arrays. If a and b are in their intervals, f(a, b) is in the
interval that the function of the operation returns, up to rounding. The bounds may be too wide.
Operands for which f is not defined (log of a negative number) are ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from engine.arrays import Array

Bounds = tuple[Array, Array]


def increasing(f: Callable[..., Any]) -> Callable[..., Bounds]:
    """The bounds of a function that increases in each operand."""
    return lambda *xs: (f(*(least for least, _ in xs)), f(*(most for _, most in xs)))


def subtract(a: Bounds, b: Bounds) -> Bounds:
    return a[0] - b[1], a[1] - b[0]


def negative(a: Bounds) -> Bounds:
    return -a[1], -a[0]


def absolute(a: Bounds) -> Bounds:
    return even_power(a, 1.0)


def even_power(a: Bounds, n: float = 2.0) -> Bounds:
    """|a|ⁿ."""
    sizes = abs(a[0]), abs(a[1])
    least = np.where((a[0] <= 0) & (a[1] >= 0), 0.0, np.minimum(*sizes))
    return least**n, np.maximum(*sizes) ** n


def multiply(a: Bounds, b: Bounds) -> Bounds:
    corners = np.stack([x * y for x in a for y in b])
    corners[np.isnan(corners)] = 0.0  # 0·∞, where ∞ stands for any number
    return corners.min(axis=0), corners.max(axis=0)


def divide(a: Bounds, b: Bounds) -> Bounds:
    least, most = multiply(a, (1 / b[1], 1 / b[0]))
    across = (b[0] <= 0) & (b[1] >= 0)
    return np.where(across, -np.inf, least), np.where(across, np.inf, most)


def power(a: Bounds, b: Bounds) -> Bounds:
    n = float(b[0].flat[0]) if b[0].size else 0.0
    if not ((b[0] == n).all() and (b[1] == n).all()):
        # aᵇ for a ≥ 0 is monotone in a and in b.
        corners = np.stack([x**y for x in (np.maximum(a[0], 0), a[1]) for y in b])
        least, most = corners.min(axis=0), corners.max(axis=0)
        return np.where(a[0] < 0, -np.inf, least), np.where(a[0] < 0, np.inf, most)
    if n < 0:
        ones = np.ones_like(a[0])
        return divide((ones, ones), power(a, negative(b)))
    if n % 2 == 0:
        return even_power(a, n)
    if n % 2 == 1:
        return a[0] ** n, a[1] ** n
    return np.maximum(a[0], 0) ** n, np.maximum(a[1], 0) ** n


def where(condition: Bounds, a: Bounds, b: Bounds) -> Bounds:
    always, never = condition[0] != 0, condition[1] == 0
    least = np.where(always, a[0], np.where(never, b[0], np.minimum(a[0], b[0])))
    most = np.where(always, a[1], np.where(never, b[1], np.maximum(a[1], b[1])))
    return least, most


def comparison(sign: str) -> Callable[[Bounds, Bounds], Bounds]:
    """(1 where the comparison certainly holds, else 0; 1 where it may hold, else 0)."""

    def bounds(a: Bounds, b: Bounds) -> Bounds:
        if sign in (">", ">="):
            a, b = b, a
        equal = (a[0] == b[1]) & (a[1] == b[0])
        match sign:
            case "<" | ">":
                certain, possible = a[1] < b[0], a[0] < b[1]
            case "<=" | ">=":
                certain, possible = a[1] <= b[0], a[0] <= b[1]
            case "==":
                certain, possible = equal, (a[0] <= b[1]) & (a[1] >= b[0])
            case "!=":
                certain, possible = (a[1] < b[0]) | (a[0] > b[1]), ~equal
            case "and":
                certain, possible = (a[0] != 0) & (b[0] != 0), (a[1] != 0) & (b[1] != 0)
            case _:
                certain, possible = (a[0] != 0) | (b[0] != 0), (a[1] != 0) | (b[1] != 0)
        return certain * 1.0, possible * 1.0

    return bounds
