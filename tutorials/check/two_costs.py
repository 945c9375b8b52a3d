"""The exercises of tutorial 6."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import nn
from engine import cross_entropy, grad

from .verdict import Array, NotYet, agree, call, exercise, numbers


@exercise
def quadratic_slope(answer: Any) -> str:
    """∂L/∂o of the quadratic cost, from logits o (N, K) and integer labels (N,)."""
    rng = np.random.default_rng(6)
    for n, k in ((1, 3), (4, 5)):
        o, labels = rng.normal(size=(n, k)), rng.integers(0, k, n)
        right = grad(lambda z, y=labels: nn.quadratic(z, y))(o).numpy()
        p = _softmax(o)
        y = np.eye(k)[labels]
        off = (p - y) / n
        to_p = "that is ∂L/∂p; from p back to o there is one step more"
        diagonal = (
            "that is the way through p_k back to o_k alone; o_k stands in the softmax's sum, so it "
            "moves all of the p_j"
        )
        agree(
            f"∂L/∂o for a batch of {n}",
            call(answer, o, labels),
            right,
            [
                (off, "that is cross-entropy's; this cost has another ∂L/∂p"),
                (n * off, "that is cross-entropy's; this cost has another ∂L/∂p"),
                (2 * off, to_p),
                (2 * n * off, to_p),
                (2 * off * p * (1 - p), diagonal),
                (2 * n * off * p * (1 - p), diagonal),
                (-right, "its sign: which way does the cost go when the right output grows?"),
                (n * right, "the cost is a mean over the batch"),
                (right / 2, "what does a square bring down when it is differentiated?"),
            ],
        )
    return "for one example and for a batch of four"


@exercise
def safe_cross_entropy(answer: Any) -> str:
    """The cross-entropy of logits o (N, K) and labels (N,), one number, for o of any size."""
    rng = np.random.default_rng(7)
    o, labels = rng.normal(size=(4, 3)), rng.integers(0, 3, 4)
    right = cross_entropy(o, labels).item()
    negative = "its sign: p is below 1, so its logarithm is below 0"
    agree(
        "the cost of a batch of four",
        call(answer, o, labels),
        right,
        [
            (4 * right, "that is the sum over the batch; the cost is the mean"),
            (right / 3, "that is a mean over outputs too; each example has a single −ln p"),
            (-right, negative),
            (-4 * right, negative),
        ],
    )
    for size in (50.0, 1000.0):
        o = np.array([[0.0, size, -size]])
        for label in range(3):
            where = f"for o = (0, {size:g}, {-size:g}) and label {label}"
            found = numbers(f"the cost {where}", call(answer, o, np.array([label])), ())
            if not np.isfinite(found):
                raise NotYet(
                    f"{where} it is {found}: an exponential overflowed, or the logarithm met a p "
                    "that had come out as 0"
                )
            right = cross_entropy(o, [label]).item()
            if abs(found - right) > 1e-6 * max(1.0, right):
                raise NotYet(
                    f"{where} it is {found:.6g}, and it should grow with the distance of the "
                    "outputs; is something cut off?"
                )
    o, labels = np.array([[0.0, 1000.0], [-1000.0, -1001.0]]), np.array([1, 0])
    apart = "a batch in which one example's outputs lie far below the other's"
    try:
        found = numbers(f"the cost of {apart}", call(answer, o, labels), ())
    except NotYet:
        found = np.array(np.nan)
    if not np.isclose(found, cross_entropy(o, labels).item()):
        raise NotYet(
            f"each example alone comes out right, and {apart} does not; what is taken from an "
            "example's o should depend on that example"
        )
    return "for outputs up to ±1000"


@exercise
def updates_to_turn(answer: Any) -> str:
    """How many updates the quadratic cost takes from d < 0 to d ≥ 0, from (d, lr), within 15 %."""
    for d, lr in ((-6.0, 1.0), (-8.0, 1.0), (-7.0, 0.5)):
        where = f"from d = {d:g} with lr = {lr:g}"
        found = float(numbers(f"the number of updates {where}", call(answer, d, lr), ()))
        right = _updates(d, lr)
        if not right / 1.15 < found < right * 1.15:
            apart = max(found / right, right / found) if found > 0 else math.inf
            raise NotYet(
                f"{where} you predict {found:.4g} updates, too {'many' if found > right else 'few'}"
                f", by {'a factor of more than 3' if apart > 3 else 'more than 15 %'}"
            )
    return "within 15 % for three beginnings"


def _updates(d: float, lr: float) -> int:
    count = 0
    while d < 0:
        p = 1 / (1 + math.exp(-d))
        d += lr * 4 * p * (1 - p) ** 2
        count += 1
    return count


def _softmax(o: Array) -> Array:
    e = np.exp(o - o.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))
