"""The cost of a two-layer net as a function of two of its weights, with its gradient.

    u = f(xW⁽¹⁾ + b⁽¹⁾)      o = uW⁽²⁾ + b⁽²⁾      p = softmax(o)

The two weights lie on one path: w₁ = w⁽¹⁾₁₁ leads from the first input to the first hidden unit,
w₂ = w⁽²⁾₁₁ from that unit to the first output. (Inputs, units and classes are drawn alike, so the
first are as good as any.) All else stays as it was drawn.

    cross-entropy   L = −(1/N) Σ_n Σ_k y_nk ln p_nk
                    ∂L_n/∂o_k = p_k − y_k
    quadratic       L = (1/N) Σ_n Σ_k (p_nk − y_nk)²
                    ∂L_n/∂o_k = 2p_k [(p_k − y_k) − Σ_j p_j (p_j − y_j)]

With two classes the last is 4p_k(1 − p_k)(p_k − y_k). (Glorot & Bengio 2010, section 4.1 and
figure 5.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import engine
import nn
from engine import Tensor

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

COSTS = ("cross-entropy", "quadratic")
THRESHOLD = 0.05  # of the largest gradient: what counts as a small one


@dataclass(frozen=True)
class Surface:
    """The cost and its gradient at every point: w₁ along the first axis, w₂ along the second."""

    cost: Array
    dL_dw1: Array
    dL_dw2: Array

    def flat(self, threshold: float = THRESHOLD) -> npt.NDArray[np.bool_]:
        """Where ‖∇L‖ is below `threshold` times its maximum on this surface.

        Valleys are flat as well: a net that has learnt its examples has no gradient either.
        """
        size = np.hypot(self.dL_dw1, self.dL_dw2)
        return np.asarray(size < threshold * size.max())

    def plateau(self, threshold: float = THRESHOLD) -> npt.NDArray[np.bool_]:
        """Where it is flat and the cost lies in the upper half of its range on this surface."""
        middle = (self.cost.min() + self.cost.max()) / 2
        return np.asarray(self.flat(threshold) & (self.cost > middle))

    def inner(self, part: int) -> Surface:
        """The middle of the surface, as far out as every 1/part of its reach."""
        margin = (len(self.cost) - 1) // 2 * (part - 1) // part
        keep = slice(margin, len(self.cost) - margin)
        return Surface(*(a[keep, keep] for a in (self.cost, self.dL_dw1, self.dL_dw2)))


def surface(net: nn.MLP, x: Array, labels: Labels, cost: str, weights: Array) -> Surface:
    """The cost of a net with one hidden layer where w₁ and w₂ take each of these values.

    One pass forward and one back yield all of it: every point of the grid has a w₁ and a w₂ of
    its own, on which no other point's cost depends.

    Args:
        net: of sizes (n, hidden, classes), in float64; it stays as it is.
        x, labels: (N, n) and (N,).
        cost: one of COSTS.
        weights: (G,), the values of both.

    Returns: arrays of shape (G, G).
    """
    first, second = net.layers
    V, b = second.W.numpy(), second.b.numpy()
    with engine.no_grad():
        u = first(x).numpy()
        s_without_w1 = (x @ first.W.numpy()[:, :1])[:, 0] - x[:, 0] * first.W.numpy()[0, 0]
        s_without_w1 = s_without_w1 + first.b.numpy()[0]
    o_without_unit = u[:, 1:] @ V[1:] + b
    to_others, to_first = V[0].copy(), np.zeros_like(V[0])
    to_others[0], to_first[0] = 0.0, 1.0

    G = len(weights)
    w1 = Tensor(np.broadcast_to(weights[:, None, None], (G, G, 1)), requires_grad=True)
    w2 = Tensor(np.broadcast_to(weights[None, :, None, None], (G, G, 1, 1)), requires_grad=True)
    unit = first.f(s_without_w1 + w1 * x[:, 0]).reshape(G, G, len(x), 1)
    o = o_without_unit + unit * (to_others + w2 * to_first)
    y = np.eye(len(b))[labels]
    if cost == "cross-entropy":
        by_example = -(engine.log_softmax(o, axis=-1) * y).sum(axis=-1)
    elif cost == "quadratic":
        by_example = ((engine.softmax(o, axis=-1) - y) ** 2).sum(axis=-1)
    else:
        raise ValueError(f"surface: no cost is named {cost!r}; there are {', '.join(COSTS)}")
    L = by_example.mean(axis=-1)
    L.sum().backward()
    assert w1.grad is not None and w2.grad is not None
    return Surface(L.numpy(), w1.grad.numpy().reshape(G, G), w2.grad.numpy().reshape(G, G))


def dL_do(o: Array, labels: Labels, cost: str) -> Array:
    """∂L_n/∂o of single examples, by the engine; (N, K)."""
    logits = Tensor(o, requires_grad=True)
    loss = nn.cross_entropy if cost == "cross-entropy" else nn.quadratic
    (loss(logits, labels) * float(len(o))).backward()
    assert logits.grad is not None
    return logits.grad.numpy()


def dL_do_formula(o: Array, labels: Labels, cost: str) -> Array:
    """The same by the formulas above."""
    p = np.exp(o - o.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    wrong = p - np.eye(o.shape[1])[labels]
    if cost == "cross-entropy":
        return np.asarray(wrong)
    if o.shape[1] == 2:
        return np.asarray(4 * p * (1 - p) * wrong)
    return np.asarray(2 * p * (wrong - (p * wrong).sum(axis=1, keepdims=True)))
