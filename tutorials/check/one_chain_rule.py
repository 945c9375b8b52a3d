"""The exercises of tutorial 1."""

from __future__ import annotations

import math
from typing import Any

from .verdict import agree, call, exercise, parts


@exercise
def division_rule(answer: Any) -> str:
    """(y, ∂y/∂a, ∂y/∂b) of y = a / b."""
    for a, b in ((3.0, 2.0), (-1.5, 4.0), (0.7, -0.3)):
        at = f"at a = {a:g}, b = {b:g}"
        names = ("y", "∂y/∂a", "∂y/∂b")
        y, dy_da, dy_db = parts(call(answer, a, b), names)
        agree(f"y {at}", y, a / b, [(a * b, "that is the product")])
        agree(
            f"∂y/∂a {at}",
            dy_da,
            1 / b,
            [
                (b, "that is the product's; keep b as it is, and how steep is a / b in a?"),
                (-a / b**2, "that is ∂y/∂b; the order is y, ∂y/∂a, ∂y/∂b"),
                (1.0, "that is the sum's; moving a by 1 moves a / b by less or more than 1"),
            ],
        )
        agree(
            f"∂y/∂b {at}",
            dy_db,
            -a / b**2,
            [
                (a / b**2, "its sign: when a larger b divides the same a, does y rise or fall?"),
                (a, "that is the product's; write a / b as a · b⁻¹ first"),
                (-1 / b**2, "that is the slope of 1 / b; a still multiplies it"),
                (-a / b, "that is −y; the power of b falls by one when it is differentiated"),
                (1 / b, "that is ∂y/∂a; now a stays as it is and b moves"),
            ],
        )
    return "at three points, negative ones among them"


@exercise
def two_paths(answer: Any) -> str:
    """(∂L/∂x, ∂L/∂y) of L = a · c, a = x · y, c = tanh x."""
    for x, y in ((0.5, 1.5), (-1.2, 0.8), (0.9, -1.7)):
        at = f"at x = {x:g}, y = {y:g}"
        c = math.tanh(x)
        dL_dx, dL_dy = parts(call(answer, x, y), ("∂L/∂x", "∂L/∂y"))
        through_a, through_c = c * y, x * y * (1 - c * c)
        one_path = "x reaches L by two paths, through a and through c; this is one of them alone"
        agree(
            f"∂L/∂x {at}",
            dL_dx,
            through_a + through_c,
            [
                (through_a, one_path),
                (through_c, one_path),
                (through_a * through_c, "paths are added; along a path the slopes are multiplied"),
                (through_a + x * y, "the path through c passes tanh: its slope is missing"),
                (through_a + 1 - c * c, "the path through c: what is ∂L/∂c?"),
                (through_a + x * y * (1 - x * x), "tanh′ is 1 − c², by its value, not 1 − x²"),
                (c * x, "that is ∂L/∂y; the order is ∂L/∂x, ∂L/∂y"),
            ],
        )
        agree(
            f"∂L/∂y {at}",
            dL_dy,
            c * x,
            [
                (c, "that is ∂L/∂a; from a to y there is one step more"),
                (x, "that is ∂a/∂y; what arrives at a from L still multiplies it"),
            ],
        )
    return "at three points"


@exercise
def calls_by_paths(answer: Any) -> str:
    """How often `backward_by_paths` is called for a chain of `depth` doublings."""
    for depth in (5, 0, 1, 10, 20):  # at 5, the typical wrong answers differ
        agree(
            f"the number of calls at depth {depth}",
            call(answer, depth),
            2 ** (depth + 1) - 1,
            [
                (2**depth, "those are the calls that arrive at a; the ones on the way count too"),
                (2**depth - 1, "those are the calls on the way; the ones that arrive count too"),
                (2 ** (depth + 1), "nearly: count once more by hand for a depth of 1"),
                (2 ** (depth + 1) - 2, "nearly: the first call, that of the last y, counts too"),
                (2 * depth + 1, "it does more than grow by two: each call makes two others"),
                (depth + 1, "that would be one call for each value; there is one for each path"),
            ],
        )
    return "for depths up to 20"
