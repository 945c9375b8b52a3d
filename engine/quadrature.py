"""Means over normal distributions, of functions with kinks and jumps.

    E[f(s)],  s ~ N(0, q)          E[f(s₁) g(s₂)],  s₁, s₂ ~ N(0, q) with correlation c

The method is Gauss–Legendre quadrature over pieces that end at the kinks and are halved until the
mean converges. Near a pole or an undeclared jump, halving does not converge; there
`engine.singularities` integrates up to the point, and detects infinite means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from engine.arrays import Array
from engine.singularities import NODES, WEIGHTS, DivergenceError, check_integrable, near_points

Function = Callable[[Array], Array]

_REACH = 12.0  # standard deviations; the probability outside is about e^(−72)
_FURTHEST = 37.0  # standard deviations; further out, the density underflows
# A piece has converged if halving changes its mean by at most this share of E|function| …
_PRECISION = 1e-13
# … and its mean of |function| by at most this share: beside a pole, values near ±∞ may cancel.
_SIZE_PRECISION = 1e-4
_HALVINGS = 24
_MOST_PIECES = 100_000
_MOST_POINTS = 200  # the most pieces that `engine.singularities` integrates
_CERTAIN = 1e-6  # the largest estimated error that is accepted, relative to E|function|
_SEEN = 5.0  # standard deviations within which halving finds every pole
_PAIR_REACH = 9.0  # standard deviations; the probability outside is about e^(−40)


def normal_mean(function: Function, q: float, kinks: tuple[float, ...] = ()) -> float:
    """E[function(s)] for s ~ N(0, q), q ≥ 0; `kinks` are the points where function is not smooth.

    The error is below 1e-10 E|function| if the function is smooth between kinks, declared or not,
    and below 1e-6 E|function| otherwise. The quadrature misses undeclared features that lie between
    its nodes (narrower than a tenth of a unit of s). q = 0 is the limit q → 0; at a kink in 0, the
    mean of both sides.

    Raises: ValueError if q is negative or not finite; if the mean is infinite (near a point, which
        the message names, or because function(s) grows faster than the density decays up to 37
        standard deviations), is undefined (function(s) is NaN), or can't be computed to 1e-6.
    """
    if not (q >= 0 and math.isfinite(q)):
        raise ValueError(f"a variance of {q}; it must be finite and not negative")
    with _about(q):
        return _mean(function, q, kinks)


@contextmanager
def _about(q: float) -> Iterator[None]:
    try:
        yield
    except DivergenceError as error:
        raise ValueError(f"the mean over N(0, {q:g}) {error}") from None


def _mean(function: Function, q: float, kinks: tuple[float, ...]) -> float:
    if q == 0:
        return _at_zero(function, kinks)
    # A pole makes the mean infinite, even if the density at the pole rounds to 0.
    check_integrable(function, [kink for kink in kinks if abs(kink) > _SEEN * math.sqrt(q)])
    for reach in (_REACH, _FURTHEST):
        edges, means = _pieces(function, q, kinks, reach)
        total, size = float(means.sum()), float(np.abs(means).sum())
        ends = np.abs(means[[0, -1]])
        if ends.max() <= 1e-14 * size and (size > 0 or reach == _FURTHEST):
            return total
    side = edges[0] if ends[0] > ends[1] else edges[-1]
    raise DivergenceError(
        f"is infinite, or too large to compute: as far out as s = {side * math.sqrt(q):.3g} the "
        "function outgrows the density; take a smaller variance, or an activation that grows "
        "more slowly"
    )


def _at_zero(function: Function, kinks: tuple[float, ...]) -> float:
    sides = np.array([-1.0, 1.0]) if 0.0 in kinks else np.zeros(1)
    with np.errstate(all="ignore"):
        near, at = (np.asarray(function(sides * d), np.float64) for d in (1e-200, 5e-324))
    grows = ~(np.abs(at) <= 1.000001 * np.abs(near))
    if grows.any() or not np.isfinite(at).all():
        raise DivergenceError(
            "has no finite limit for a variance of 0: the function has no finite limit at 0"
        )
    return float(np.mean(at))


def pair_mean(
    f: Function, q: float, c: float, kinks: tuple[float, ...] = (), g: Function | None = None
) -> float:
    """E[f(s₁) g(s₂)] for s₁, s₂ ~ N(0, q) with correlation c; g is f by default.

    With t, z₁, z₂ ~ N(0, 1) independent, s₁ = √q (√c t + √(1−c) z₁) and s₂ likewise with z₂, so the
    mean is E[F(t) G(t)], where F(t) = E[f(s₁) | t] is smooth. For c < 0, s₂ contains −√|c| t.

    Raises: ValueError for c outside [−1, 1], and as `normal_mean`.
    """
    if not -1 <= c <= 1:
        raise ValueError(f"a correlation of {c}; it must be between -1 and 1")
    other = f if g is None else g
    sign, shared = (-1.0 if c < 0 else 1.0), abs(c)
    if q == 0 or shared == 1:
        return normal_mean(lambda s: f(s) * other(sign * s), q, (*kinks, *(-k for k in kinks)))
    if shared == 0:
        return normal_mean(f, q, kinks) * normal_mean(other, q, kinks)
    sd = math.sqrt(q)
    with _about(q):
        bends = _bends((f, other), q, kinks)
    width = math.sqrt((1 - shared) / shared)  # the width, in t, over which F smooths a kink
    steps = [width * 2.0**i for i in range(60) if width * 2.0**i < 2]
    away = np.array([0.0, *steps, *(-step for step in steps)])
    at_kinks = (np.array(kinks) / (sd * math.sqrt(shared)))[:, None] + away
    marks = np.concatenate([bends / sd, at_kinks.reshape(-1)])
    edges = np.unique([*np.linspace(-_PAIR_REACH, _PAIR_REACH, 10), *marks, *(sign * marks)])
    edges = edges[np.abs(edges) <= _PAIR_REACH]
    t, weights = _nodes(edges)
    inner = _graded(bends, kinks, sd)
    F = _smoothed(f, sd, shared, t.reshape(-1), inner)
    G = F if g is None and sign > 0 else _smoothed(other, sd, shared, sign * t.reshape(-1), inner)
    return float((weights.reshape(-1) * F * G).sum())


def _smoothed(f: Function, sd: float, shared: float, t: Array, bends: Array) -> Array:
    """E[f(√q (√c t + √(1−c) z))] for each t."""
    inner_sd = sd * math.sqrt(1 - shared)  # the standard deviation of s for a given t
    # Each t has separate pieces, which end at the bends. The pieces are intervals of s, not of z,
    # so that the distance from a kink is accurate.
    centre = sd * math.sqrt(shared) * t[:, None]
    even = centre + inner_sd * np.linspace(-_PAIR_REACH, _PAIR_REACH, 10)
    inner = np.clip(bends, even[:, :1], even[:, -1:])
    edges = np.sort(np.concatenate([even, inner], axis=1))
    means = np.empty(len(t))
    block = max(1, 200_000 // (edges.shape[1] * len(NODES)))
    for start in range(0, len(t), block):
        part = slice(start, start + block)
        low, high = edges[part, :-1, None], edges[part, 1:, None]
        s = (low + high) / 2 + (high - low) / 2 * NODES
        z = (s - centre[part, :, None]) / inner_sd
        weights = (high - low) / 2 * WEIGHTS * np.exp(-z * z / 2)
        weights /= math.sqrt(2 * math.pi) * inner_sd
        with np.errstate(all="ignore"):
            values = f(s.reshape(-1)).reshape(s.shape)
        # A piece of width 0 may lie on a pole, where 0·∞ would be NaN.
        means[part] = (weights * np.where(weights == 0, 0.0, values)).sum(axis=(1, 2))
    return means


def _bends(functions: tuple[Function, Function], q: float, kinks: tuple[float, ...]) -> Array:
    """The s between which the quadrature rule integrates both functions precisely."""
    first, second = functions
    sd = math.sqrt(q)
    edges = [_pieces(first, q, kinks, _REACH)[0]]
    if second is not first:
        edges.append(_pieces(second, q, kinks, _REACH)[0])
    return np.asarray(np.unique(np.concatenate([*edges, np.array(kinks) / sd])) * sd)


def _graded(bends: Array, kinks: tuple[float, ...], sd: float) -> Array:
    """The bends, with more points around each pole: a kink at which halving did not converge."""
    steps = 2.0**-_HALVINGS * sd * 0.5 ** np.arange(64)
    more = [bends]
    for kink in {0.0, *kinks}:
        apart = np.abs(bends - kink)
        if apart[apart > 0].min() < 4 * steps[0]:
            near = steps[steps > 1e3 * np.spacing(abs(kink))]
            more += [kink - near, kink + near]
    return np.asarray(np.unique(np.concatenate(more)))


def _pieces(
    function: Function, q: float, kinks: tuple[float, ...], reach: float
) -> tuple[Array, Array]:
    """The edges of the pieces in units of √q, and the pieces' contributions, from left to right."""
    sd = math.sqrt(q)
    # A saturating function bends within a few units of s, whatever q is. A function that saturates
    # like a power of s keeps bending beyond, on a scale of s, so the pieces double in width there.
    far = [12.0 * 2**i for i in range(1, 60) if 12.0 * 2**i < reach * sd]
    points = (*kinks, *range(-12, 13, 2), *far, *(-point for point in far))
    inner = [point / sd for point in points if abs(point) < reach * sd]
    edges = np.unique([*np.linspace(-reach, reach, round(reach) + 1), *inner])

    def contributions(low: Array, high: Array) -> Array:
        """∫ function and ∫ |function| over each piece, with the density."""
        z, weights = _nodes(np.stack([low, high], axis=1))
        values = np.asarray(function((z * sd).reshape(-1)), np.float64).reshape(z.shape)
        if not np.isfinite(values).all():
            _refuse(z * sd, values)
        weighted = weights * values
        return np.asarray(np.stack([weighted, np.abs(weighted)]).sum(axis=(2, 3)))

    def size() -> float:
        return float(whole[1].sum() + sum(np.abs(means).sum() for _, means in done))

    low, high = edges[:-1], edges[1:]
    done: list[tuple[Array, Array]] = []
    rough: list[float] = []
    with np.errstate(all="ignore"):
        whole = contributions(low, high)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            left, right = contributions(low, middle), contributions(middle, high)
            apart = np.abs(left + right - whole)
            limit = np.array([[_PRECISION], [_SIZE_PRECISION]]) * size()
            coarse = (apart > limit).any(axis=0)
            done.append((low[~coarse], whole[0, ~coarse]))
            apart = np.tile(apart[0, coarse] / 2, 2)
            low, middle, high = low[coarse], middle[coarse], high[coarse]
            whole = np.concatenate([left[:, coarse], right[:, coarse]], axis=1)
            low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
            if not low.size or low.size > _MOST_PIECES:
                break
        if low.size:
            means, error, rough = _followed(function, q, kinks, low, high, whole[0], apart, size())
            done.append((low, means))
            if not error <= _CERTAIN * size():
                raise DivergenceError(
                    f"can't be computed to {_CERTAIN:g} of its size: the function is too rough "
                    f"near s = {low[np.argmax(np.abs(whole[0]))] * sd:.6g}"
                )
    starts = np.concatenate([start for start, _ in done])
    means = np.concatenate([mean for _, mean in done])
    edges = np.unique([*starts, *(point / sd for point in rough), reach])
    return edges, means[np.argsort(starts)]


def _followed(
    function: Function,
    q: float,
    kinks: tuple[float, ...],
    low: Array,
    high: Array,
    means: Array,
    apart: Array,
    size: float,
) -> tuple[Array, float, list[float]]:
    """The contributions of the pieces that did not converge, the error, and the rough points."""
    if low.size > _MOST_POINTS or float(apart.sum()) <= 1e-12 * size:
        return means, float(apart.sum()), []
    sd, points = math.sqrt(q), np.array(sorted({0.0, *kinks}))
    rough: list[float] = []
    means, error = means.copy(), 0.0
    for i in range(low.size):
        start, end = low[i] * sd, high[i] * sd
        rounding = 4e-16 * max(abs(start), abs(end))
        here = points[(points >= start - rounding) & (points <= end + rounding)]
        # Start and end exactly at the points: low·sd and high·sd are rounded.
        start = here[0] if here.size and here[0] <= start + rounding else start
        end = here[-1] if here.size and here[-1] >= end - rounding else end
        inside = [float(point) for point in here]
        means[i], uncertain, rough_points = near_points(function, start, end, inside, q, size)
        error += uncertain
        rough += rough_points
    return means, error, rough


def _refuse(s: Array, values: Array) -> None:
    bad = s[~np.isfinite(values)]
    at = float(bad[np.argmin(np.abs(bad))])
    value = float(values[s == at][0])
    if math.isnan(value):
        raise DivergenceError(f"is undefined: the function is NaN at s = {at:.6g}")
    raise DivergenceError(
        f"is infinite, or too large to compute: the function exceeds all float64 at s = {at:.6g}"
    )


def _nodes(edges: Array) -> tuple[Array, Array]:
    """Nodes (…, pieces, 14) between edges (…, pieces + 1), and weights times the density."""
    low, high = edges[..., :-1, None], edges[..., 1:, None]
    z = (low + high) / 2 + (high - low) / 2 * NODES
    return z, (high - low) / 2 * WEIGHTS * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
