"""Means over normal distributions, of functions with kinks and jumps: one number, and pairs.

    E[f(s)],  s ~ N(0, q)          E[f(s₁) g(s₂)],  both ~ N(0, q) with correlation c

By Gauss–Legendre over pieces that end at the kinks, and that are halved until halving changes
nothing: so a kink that nobody declared costs time, not precision.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Function = Callable[[Array], Array]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(14)
_REACH = 12.0  # standard deviations; e^(−72) of the normal distribution lies outside
_FURTHEST = 37.0  # beyond, the density is no float64
_PRECISION = 1e-13  # of the mean of |function|, by which halving a piece may still change it
_HALVINGS = 44
_PAIR_REACH = 9.0  # e^(−40) outside


def normal_mean(function: Function, q: float, kinks: tuple[float, ...] = ()) -> float:
    """E[function(s)] for s ~ N(0, q), q ≥ 0; `kinks` are points where it is not smooth.

    Within 1e-10 of E|function|, unless a feature is so narrow that it falls between the nodes (a
    tenth of a unit of s, where no kink is declared). q = 0 is the limit q → 0: at a kink in 0, the
    mean of both sides.

    Raises: ValueError for q that is negative or not finite, and where the mean is infinite or
        undefined: function(s) outgrows the density up to 37 standard deviations, or is NaN.
    """
    if not (q >= 0 and math.isfinite(q)):
        raise ValueError(f"a variance of {q}; it must be finite and not negative")
    if q == 0:
        sides = np.array([-5e-324, 5e-324]) if 0.0 in kinks else np.zeros(1)
        return float(np.mean(function(sides)))
    for reach in (_REACH, _FURTHEST):
        edges, means = _pieces(function, q, kinks, reach)
        total, size = float(means.sum()), float(np.abs(means).sum())
        ends = np.abs(means[[0, -1]])
        if math.isfinite(total) and ends.max() <= 1e-14 * size:
            return total
    raise ValueError(
        f"the mean over N(0, {q:g}) does not converge: as far out as s = "
        f"±{edges[-1] * math.sqrt(q):.3g} the function outgrows the density, or it is NaN "
        "somewhere; take a smaller variance, or an activation that grows more slowly"
    )


def pair_mean(
    f: Function, q: float, c: float, kinks: tuple[float, ...] = (), g: Function | None = None
) -> float:
    """E[f(s₁) g(s₂)] for s₁, s₂ ~ N(0, q) with correlation c; g is f unless given.

    With t, z₁ and z₂ independent, s₁ = √q (√c t + √(1−c) z₁) and s₂ likewise, so that it is
    E[F(t) G(t)], where F(t) = E[f(s₁) | t] is f made smooth. For c < 0, t enters s₂ with a minus.

    Raises: ValueError for c outside [−1, 1], and as `normal_mean` does.
    """
    if not -1 <= c <= 1:
        raise ValueError(f"a correlation of {c}; it lies between -1 and 1")
    other = f if g is None else g
    sign, shared = (-1.0 if c < 0 else 1.0), abs(c)
    if q == 0 or shared == 1:
        return normal_mean(lambda s: f(s) * other(sign * s), q, (*kinks, *(-k for k in kinks)))
    if shared == 0:
        return normal_mean(f, q, kinks) * normal_mean(other, q, kinks)
    sd = math.sqrt(q)
    bends = _bends((f, other), q, kinks)
    width = math.sqrt((1 - shared) / shared)  # in t, over which a kink is smoothed
    steps = [width * 2.0**i for i in range(60) if width * 2.0**i < 2]
    away = np.array([0.0, *steps, *(-step for step in steps)])
    at_kinks = (np.array(kinks) / (sd * math.sqrt(shared)))[:, None] + away
    marks = np.concatenate([bends / sd, at_kinks.reshape(-1)])
    edges = np.unique([*np.linspace(-_PAIR_REACH, _PAIR_REACH, 10), *marks, *(sign * marks)])
    edges = edges[np.abs(edges) <= _PAIR_REACH]
    t, weights = _nodes(edges)
    F = _smoothed(f, sd, shared, t.reshape(-1), bends)
    G = F if g is None and sign > 0 else _smoothed(other, sd, shared, sign * t.reshape(-1), bends)
    return float((weights.reshape(-1) * F * G).sum())


def _smoothed(f: Function, sd: float, shared: float, t: Array, bends: Array) -> Array:
    """E[f(√q (√c t + √(1−c) z))] for each t."""
    own = math.sqrt(1 - shared)
    # Each t has pieces of its own, which end where s is a bend or a kink.
    inner = (bends / sd - math.sqrt(shared) * t[:, None]) / own
    even = np.broadcast_to(np.linspace(-_PAIR_REACH, _PAIR_REACH, 10), (len(t), 10))
    edges = np.sort(np.clip(np.concatenate([even, inner], axis=1), -_PAIR_REACH, _PAIR_REACH))
    means = np.empty(len(t))
    block = max(1, 200_000 // (edges.shape[1] * len(_NODES)))
    for start in range(0, len(t), block):
        part = slice(start, start + block)
        z, weights = _nodes(edges[part])
        s = sd * (math.sqrt(shared) * t[part, None, None] + own * z)
        values = f(s.reshape(-1)).reshape(s.shape)
        means[part] = (weights * values).sum(axis=(1, 2))
    return means


def _bends(functions: tuple[Function, Function], q: float, kinks: tuple[float, ...]) -> Array:
    """Points of s between which the functions are polynomials to the rule's precision."""
    first, second = functions
    sd = math.sqrt(q)
    found = [_pieces(first, q, kinks, _REACH)[0]]
    if second is not first:
        found.append(_pieces(second, q, kinks, _REACH)[0])
    return np.asarray(np.unique(np.concatenate([*found, np.array(kinks) / sd])) * sd)


def _pieces(
    function: Function, q: float, kinks: tuple[float, ...], reach: float
) -> tuple[Array, Array]:
    """Edges in units of √q, and what each piece between them contributes to the mean."""
    sd = math.sqrt(q)
    # Saturating functions bend within a few units of s, however large q is, and those that
    # saturate like a power of s go on bending: so the pieces double from there.
    far = [12.0 * 2**i for i in range(1, 60) if 12.0 * 2**i < reach * sd]
    points = (*kinks, *range(-12, 13, 2), *far, *(-point for point in far))
    inner = [point / sd for point in points if abs(point) < reach * sd]
    edges = np.unique([*np.linspace(-reach, reach, round(reach) + 1), *inner])

    def contributions(low: Array, high: Array) -> Array:
        z, weights = _nodes(np.stack([low, high], axis=1))
        values = np.asarray(function((z * sd).reshape(-1)), np.float64).reshape(z.shape)
        return np.asarray((weights * values).sum(axis=(1, 2)))

    low, high = edges[:-1], edges[1:]
    with np.errstate(all="ignore"):
        whole = contributions(low, high)
        done: list[tuple[Array, Array]] = []
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            left, right = contributions(low, middle), contributions(middle, high)
            size = np.abs(whole).sum() + sum(np.abs(means).sum() for _, means in done)
            coarse = np.abs(left + right - whole) > _PRECISION * size
            done.append((low[~coarse], whole[~coarse]))
            if not coarse.any():
                break
            low, middle, high = low[coarse], middle[coarse], high[coarse]
            whole = np.concatenate([left[coarse], right[coarse]])
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        else:
            done.append((low, whole))
    starts = np.concatenate([start for start, _ in done])
    means = np.concatenate([mean for _, mean in done])
    order = np.argsort(starts)
    return np.append(starts[order], reach), means[order]


def _nodes(edges: Array) -> tuple[Array, Array]:
    """Nodes (…, pieces, 14) between edges (…, pieces + 1), and weights with the density in them."""
    low, high = edges[..., :-1, None], edges[..., 1:, None]
    z = (low + high) / 2 + (high - low) / 2 * _NODES
    return z, (high - low) / 2 * _WEIGHTS * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
