"""Losses of a net: from logits and labels, or from predictions and targets."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import engine
from engine import Tensor, cross_entropy, mse

__all__ = ["cross_entropy", "mse", "quadratic"]


def quadratic(logits: Tensor, labels: npt.ArrayLike) -> Tensor:
    """The article's quadratic cost, on softmax outputs: (1/N) Σ_n Σ_k (p_nk − y_nk)².

    p = softmax(logits), y one-hot. ∂L/∂o_k = (2/N) p_k [(p_k − y_k) − Σ_j p_j (p_j − y_j)]: the
    factor p_k, which cross-entropy's p − y does not have, makes it flat where the net is surely
    wrong (Glorot & Bengio 2010, section 4.1).

    Args:
        logits: (N, K).
        labels: (N,) integers in [0, K).

    Raises: ShapeError, TypeError or ValueError as `cross_entropy` does.
    """
    logits = logits if isinstance(logits, Tensor) else Tensor(logits)
    with engine.no_grad():
        cross_entropy(logits.detach(), labels)  # checks the labels
    y = np.zeros(logits.shape, logits.dtype)
    y[np.arange(len(y)), np.asarray(labels)] = 1
    return engine.quadratic(engine.softmax(logits), y)
