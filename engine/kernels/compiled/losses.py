"""Losses: cross-entropy from logits, and the sum of squares, each with its gradient.

−log softmax(o)_y = log Σ_k exp(o_k − m) − (o_y − m) with m = max_k o_k: no exponential overflows,
and no logarithm is taken of a probability that has underflowed. Sums over examples are computed in
float64.
"""

from __future__ import annotations

import math

import numpy as np

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.exponential import exp
from engine.kernels.plain import Array


def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """The mean loss over the examples, and the examples' class probabilities.

    Args:
        logits: (N, K), float32 or float64.
        labels: (N,) integers in [0, K); not checked here.

    Returns: the loss in nats, a 0-d array, and p = softmax(logits), (N, K).
    """
    p, loss = np.empty(logits.shape, logits.dtype), np.empty((), logits.dtype)
    logits = np.ascontiguousarray(logits)
    _cross_entropy(logits, np.ascontiguousarray(labels, dtype=np.int64), p, loss)
    return loss, p


def cross_entropy_slopes(p: Array, labels: Array, scale: float) -> Array:
    """(p − y)·scale with y one-hot; this is ∂L/∂logits for scale = 1/N."""
    out = np.empty(p.shape, p.dtype)
    _cross_entropy_slopes(p, np.ascontiguousarray(labels, dtype=np.int64), float(scale), out)
    return out


def squared_error(a: Array, t: Array, over: float) -> Array:
    """Σ (a − t)² / over, a 0-d array; a and t have the same shape and dtype."""
    loss = np.empty((), a.dtype)
    _squared_error(np.ascontiguousarray(a), np.ascontiguousarray(t), float(over), loss)
    return loss


def scaled_difference(a: Array, t: Array, scale: float) -> Array:
    """(a − t)·scale."""
    out = np.empty(a.shape, a.dtype)
    _scaled_difference(np.ascontiguousarray(a), np.ascontiguousarray(t), float(scale), out)
    return out


@jit()
def _cross_entropy(logits: Array, labels: Array, p: Array, loss: Array) -> None:
    n, k = logits.shape
    losses = 0.0
    for i in range(n):
        highest = logits[i, 0]
        for j in range(1, k):
            highest = max(highest, logits[i, j])
        total = np.float64(0.0)
        for j in range(k):
            e = exp(logits[i, j] - highest)
            p[i, j] = e
            total += e
        for j in range(k):
            p[i, j] /= total
        losses += np.float64(math.log(total)) - (logits[i, labels[i]] - highest)
    loss[()] = losses / n


@jit()
def _cross_entropy_slopes(p: Array, labels: Array, scale: float, out: Array) -> None:
    by = p.dtype.type(scale)  # in the kernel, a scale too large for float32 becomes ∞, unwarned
    for i in range(p.shape[0]):
        for j in range(p.shape[1]):
            out[i, j] = p[i, j] * by
        k = labels[i]
        out[i, k] = (p[i, k] - 1) * by


@jit()
def _squared_error(a: Array, t: Array, over: float, loss: Array) -> None:
    x, y = a.reshape(-1), t.reshape(-1)
    total = np.float64(0.0)
    for i in range(x.size):
        d = x[i] - y[i]
        total += d * d
    loss[()] = total / over


@jit()
def _scaled_difference(a: Array, t: Array, scale: float, out: Array) -> None:
    x, y, z = a.reshape(-1), t.reshape(-1), out.reshape(-1)
    by = a.dtype.type(scale)
    for i in range(x.size):
        z[i] = (x[i] - y[i]) * by
