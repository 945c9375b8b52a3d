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
        "for 40 examples and 25 units",
        call(answer, y),
        np.mean(slope < 0.05 * 0.25),
        [
            (np.mean(slope < 0.05), "that is f′ below 0.05; 5 % of its maximum is less"),
            (np.mean(y < 0.05), "that is y below 0.05; the upper end saturates as well"),
            (np.mean((y < 0.05) | (y > 0.95)), "that is y within 0.05 of an end; the limit is f′"),
            (np.mean(slope >= 0.0125), "that is the share of those that are not saturated"),
            (np.sum(slope < 0.0125), "that is their number; the share is asked for"),
            (100 * np.mean(slope < 0.0125), "as a share, not in per cent"),
        ],
    )
    for y_0, name in ((np.zeros((2, 2)), "0"), (np.ones((2, 2)), "1"), (np.full((2, 2), 0.5), "½")):
        found = float(numbers("the share", call(answer, y_0), ()))
        if found != float(name != "½"):
            raise NotYet(f"if every y is {name}, it gives a share of {found:g}")
    return "for a thousand values, and at both ends"


@exercise
def constant_loss(answer: Any) -> str:
    """The lowest cross-entropy, in nats, of a guess that does not look at the input."""
    for labels in (np.array([0, 0, 0, 1]), np.repeat([0, 1, 2, 3], [5, 3, 1, 1]), np.arange(9)):
        p = np.bincount(labels) / len(labels)
        right = -np.sum(p * np.log(p))
        counts = np.bincount(labels).tolist()
        typical = [
            (-right, "its sign: p is at most 1, so ln p is not positive"),
            (right / math.log(2), "that is in bits: the loss takes the natural logarithm"),
            (right / math.log(10), "the loss takes the natural logarithm"),
            (-np.mean(np.log(p)), "the mean over classes; a frequent class counts more often"),
            (-np.log(p.max()), "that is the loss of the most frequent class's examples alone"),
            (right / len(p), "that is divided by the number of classes; the p add up to 1 already"),
        ]
        if not np.allclose(p, p[0]):
            typical.append(
                (math.log(len(p)), "that is the loss of an equal guess; there is a better")
            )
        agree(f"for classes of {counts} examples", call(answer, labels), right, typical)
    return "for three sets of labels"
