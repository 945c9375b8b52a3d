"""The exercises of tutorial 8."""

from __future__ import annotations

import math
from typing import Any

from .verdict import agree, call, exercise


@exercise
def leaky_gain(answer: Any) -> str:
    """The gain of the leaky ReLU, from its slope a on the negative side."""
    for a in (0.01, 0.5, 1.0, 0.0):
        right = math.sqrt(2 / (1 + a * a))
        variance = (1 + a * a) / 2 - (1 - a) ** 2 / (2 * math.pi)
        agree(
            f"the gain for a = {a:g}",
            call(answer, a),
            right,
            [
                (right**2, "that is fan_in · Var W; the gain multiplies the weights themselves"),
                (1 / right, "that is √E[f(s)²], what the layer does; the gain undoes it"),
                (1 / right**2, "that is E[f(s)²], what the layer does; the gain undoes it"),
                (math.sqrt(2), "that is ReLU's; the negative side now adds to E[f(s)²]"),
                (math.sqrt(2 / (1 + a)), "E[f(s)²] is a mean of squares: what becomes of a?"),
                (math.sqrt(2) / (1 + a), "E[f(s)²] is a mean of squares: what becomes of a?"),
                (math.sqrt(2) / (1 + a * a), "the root is of all of E[f(s)²]"),
                (math.sqrt(1 / (1 + a * a)), "each side holds half of the s only"),
                (math.sqrt(1 / variance), "that is of Var f(s); the next layer sees E[f(s)²]"),
            ],
        )
    return "for slopes from 0, ReLU, to 1, the identity"


@exercise
def torch_bound(answer: Any) -> str:
    """The bound of PyTorch's kaiming_uniform_(W, a=a), from (fan_in, a)."""
    for fan_in, a in ((300, 0.2), (64, 0.0), (784, math.sqrt(5))):
        gain = math.sqrt(2 / (1 + a * a))
        right = gain * math.sqrt(3 / fan_in)
        agree(
            f"the bound for fan_in = {fan_in}, a = {a:.3g}",
            call(answer, fan_in, a),
            right,
            [
                (gain / math.sqrt(fan_in), "that is the standard deviation"),
                (math.sqrt(6 / fan_in), "a does not enter; the gain depends on it"),
                (math.sqrt(3 / fan_in), "the gain is missing"),
                (right**2, "that is the bound's square"),
                (gain * right, "the gain stands squared: Var W is gain² / fan_in"),
                (right * fan_in, "how does the bound change with fan_in?"),
                (1 / math.sqrt(fan_in), "so it is for one a alone; the gain depends on a"),
            ],
        )
    return "for three layers, nn.Linear's own among them"


@exercise
def gradient_ratio(answer: Any) -> str:
    """rms ∂L/∂s of the first hidden layer over the last one's; from the hidden layers' widths.

    For ReLU and Var W = 2 / fan_in.
    """
    for widths in ([400, 100], [100, 300, 50, 900], [100, 100, 100]):
        right = math.sqrt(widths[-1] / widths[0])
        steps = len(widths) - 1
        other_way = "which one is divided by which? The gradient reaches the first layer last"
        agree(
            f"the ratio for the widths {widths}",
            call(answer, widths),
            right,
            [
                (right**2, "that is the ratio of the mean squares"),
                (1 / right, other_way),
                (1 / right**2, other_way),
                (1.0, "Var W is set by fan_in, and going back the sum counts fan_out"),
                (0.5**steps, "f′ takes its half, and the weights give it back"),
                (right * 0.5 ** (steps / 2), "f′ takes its half, and the weights give it back"),
                (right * 2 ** (steps / 2), "the weights give back a half; what has taken it?"),
            ],
        )
    return "for three nets"
