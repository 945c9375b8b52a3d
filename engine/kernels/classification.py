"""Cross-entropy from logits: the loss of each row and its softmax in one pass.

−log softmax(o)_y = log Σ_k exp(o_k − m) − (o_y − m) with m = max_k o_k, so nothing overflows
and no logarithm is taken of a probability that has underflowed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernels.compiling import jit

Array = npt.NDArray[Any]


def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """The loss of each example and its class probabilities.

    Args:
        logits: (N, K), float32 or float64.
        labels: (N,) integers in [0, K); not checked here.

    Returns: losses (N,) in nats, and p = softmax(logits), (N, K).
    """
    losses = np.empty(len(logits), logits.dtype)
    p = np.empty(logits.shape, logits.dtype)
    _rows(np.ascontiguousarray(logits), np.ascontiguousarray(labels, dtype=np.int64), losses, p)
    return losses, p


def cross_entropy_reference(logits: Array, labels: Array) -> tuple[Array, Array]:
    """The definition: p = exp(o) / Σ exp(o), loss = −log p_y; overflows for large logits."""
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return -np.log(p[np.arange(len(p)), labels]), p


@jit()
def _rows(logits: Array, labels: Array, losses: Array, p: Array) -> None:
    n, k = logits.shape
    for i in range(n):
        highest = logits[i, 0]
        for j in range(1, k):
            highest = max(highest, logits[i, j])
        total = 0.0
        for j in range(k):
            e = math.exp(logits[i, j] - highest)
            p[i, j] = e
            total += e
        for j in range(k):
            p[i, j] /= total
        losses[i] = math.log(total) - (logits[i, labels[i]] - highest)
