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
        logits: (N, K), or (K,) for one example.
        labels: (N,) integers in [0, K), or one integer.

    Raises: ShapeError, TypeError or ValueError as `cross_entropy` does.
    """
    logits = logits if isinstance(logits, Tensor) else Tensor(logits)
    try:
        with engine.no_grad():
            cross_entropy(logits.detach(), labels)
    except (TypeError, ValueError) as error:
        raise type(error)(str(error).replace("cross_entropy", "quadratic", 1)) from None
    logits = logits.reshape(-1, logits.shape[-1])  # one example is a batch of one
    y = np.zeros(logits.shape, logits.dtype)
    y[np.arange(len(y)), np.asarray(labels)] = 1
    return engine.quadratic(engine.softmax(logits), y)
