"""The exercises of tutorial 5."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .verdict import NotYet, agree, call, exercise, numbers


@exercise
def softsign_slope(answer: Any) -> str:
    """f′ of the softsign, from its value y = s / (1 + |s|)."""
    s = np.array([-30.0, -3.0, -0.5, 0.0, 0.4, 2.0, 12.0])
    y = s / (1 + abs(s))
    right = 1 / (1 + abs(s)) ** 2
    agree(
        "f′ for y between −1 and 1",
        call(answer, y),
        right,
        [
            (1 - y * y, "that is tanh's"),
            (y * (1 - y), "that is the sigmoid's"),
            (1 - abs(y), "that is 1 / (1 + |s|); its power is missing"),
            ((1 - y) ** 2, "right for y ≥ 0; f′ is the same on both sides of 0"),
            (np.sign(y) * right, "right in size; f rises everywhere, so f′ has no negative values"),
            (1 / right, "upside down: f′ falls as |y| nears 1"),
            (1 / (1 + abs(y)) ** 2, "that is f′ of s; here y is given, and s has to be found"),
        ],
        each=True,
    )
    return "for seven values"


@exercise
def saturated_share(answer: Any) -> str:
    """The share of a sigmoid's values y at which f′ is below 5 % of its maximum."""
    rng = np.random.default_rng(51)
    y = 1 / (1 + np.exp(-rng.normal(-1, 4, (40, 25))))
    slope = y * (1 - y)
    agree(
        "the share for 40 examples and 25 units",
        call(answer, y),
        np.mean(slope < 0.05 * 0.25),
        [
            (np.mean(slope < 0.05), "that is f′ below 0.05; 5 % of its maximum is less"),
            (np.mean(y < 0.05), "that is y below 0.05; the upper end saturates as well"),
            (np.mean((y < 0.05) | (y > 0.95)), "that is y within 0.05 of an end; the limit is f′"),
            (np.mean(slope >= 0.0125), "that is the share of those that are not saturated"),
            (np.sum(slope < 0.0125), "that is their number; the share is asked for"),
            (100 * np.mean(slope < 0.0125), "as a share, not in per cent"),
            (
                np.mean((y < 0.5) & (slope < 0.0125)),
                "that is the lower end; the upper one saturates too",
            ),
            (np.mean(_sigmoid_slope(y) < 0.0125), "y is taken for s; it is f(s) already"),
        ],
    )
    for y_0, name in ((np.zeros((2, 2)), "0"), (np.ones((2, 2)), "1"), (np.full((2, 2), 0.5), "½")):
        found = float(numbers("the share", call(answer, y_0), ()))
        if found != float(name != "½"):
            raise NotYet(
                f"if every y is {name}, it gives a share of {found:g} (the maximum is that of f′ "
                "over all s, not over these values)"
            )
    return "for a thousand values, and at both ends"


def _sigmoid_slope(s: Any) -> Any:
    return np.exp(-s) / (1 + np.exp(-s)) ** 2


@exercise
def constant_loss(answer: Any) -> str:
    """The lowest cross-entropy, in nats, of a guess that does not look at the input."""
    for counts in ([3, 1], [5, 3, 1, 1], [1] * 9, [4, 0, 2]):
        labels = np.repeat(np.arange(len(counts)), counts)
        p = np.array([n for n in counts if n]) / len(labels)
        right = -np.sum(p * np.log(p))
        typical = [
            (-right, "its sign: p is at most 1, so ln p is not positive"),
            (right / math.log(2), "that is in bits: the loss takes the natural logarithm"),
            (right / math.log(10), "the loss takes the natural logarithm"),
            (-np.mean(np.log(p)), "the mean over classes; a frequent class counts more often"),
            (-np.log(p.max()), "that is the loss of the most frequent class's examples alone"),
            (right / len(p), "that is divided by the number of classes; the p add up to 1 already"),
            (right * len(labels), "that is the sum over the examples; the loss is their mean"),
        ]
        if not np.allclose(p, p[0]):
            typical.append(
                (math.log(len(p)), "that is the loss of an equal guess; there is a better")
            )
        try:
            found = call(answer, labels)
        except NotYet as why:
            if 0 not in counts or "log" not in str(why):
                raise
            raise NotYet(f"{why}: here class 1 never comes; what does it add?") from None
        agree(f"the loss for classes of {counts} examples", found, right, typical)
    return "for four sets of labels, in one of which a class never comes"
