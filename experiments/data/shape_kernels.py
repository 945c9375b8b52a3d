"""Kernels that draw Shapeset images, and the obvious versions that tests compare them with.

All the kernels are in this file, since one calls the other and they are compiled together.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from engine.kernels import jit

SIZE = 32
MARGIN = 1.0
SIDES = (3, 4, 20)  # triangle, parallelogram, ellipse
TURNS = 255
MAX_OVERLAP = 0.5
MAX_REJECTIONS = 50

_MOST_SIDES = 20
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_ONE, _11, _27, _30, _31 = (np.uint64(k) for k in (1, 11, 27, 30, 31))

Float64 = NDArray[np.float64]


@jit()
def draw_images(
    x: NDArray[np.float32], y: NDArray[np.int64], seed: np.uint64, start: np.uint64
) -> None:
    """Fill x (n, 1024) and y (n,) with the images start … start + n − 1 of a seed.

    Fast because a polygon's edges are walked once, row by row, and the pixels between them are
    filled as runs; no pixel is tested by itself.
    """
    polygons = np.empty((2, _MOST_SIDES, 2))
    sides = np.empty(2, np.int64)
    greys = np.empty(3)
    state = np.empty(1, np.uint64)
    index = start
    for i in range(x.shape[0]):
        y[i] = scene(polygons, sides, greys, state, seed, index)
        image = x[i].reshape(SIZE, SIZE)
        image[:] = 2 * greys[0] - 1
        for k in range(2):
            if sides[k] > 0:
                fill_convex(image, polygons[k, : sides[k]], 2 * greys[1 + k] - 1)
        index += _ONE  # uint64 + int64 would become float64


@jit()
def scene(
    polygons: Float64,
    sides: NDArray[np.int64],
    greys: Float64,
    state: NDArray[np.uint64],
    seed: np.uint64,
    index: np.uint64,
) -> int:
    """Choose what is on one image; return its class.

    polygons (2, 20, 2): corners as (x, y) in pixels, the first sides[k] rows of each;
    sides (2,): 0 for an object that is not there; greys (3,): of the background and of each
    object, in [0, 1]; state (1,): the generator's.
    """
    state[0] = _mix(_mix(seed + _GAMMA) + index)
    n_objects = 1 + _below(state, 2)
    first = _below(state, 3)
    second = _below(state, 3) if n_objects == 2 else -1
    dark_background = _below(state, 2) == 0
    for k in range(3):
        dark = dark_background == (k == 0)
        greys[k] = 0.45 * _uniform(state) + (0.0 if dark else 0.55)

    sides[0], sides[1] = SIDES[first], 0
    p = polygons[0, : sides[0]]
    _polygon(p, state)
    _place(p, state)
    if second < 0:
        return first

    sides[1] = SIDES[second]
    q = polygons[1, : sides[1]]
    _polygon(q, state)
    for _ in range(MAX_REJECTIONS + 1):
        _place(q, state)
        if smallest_overlap(p, q) <= MAX_OVERLAP:
            break
    low, high = min(first, second), max(first, second)
    return 3 + low * (5 - low) // 2 + high


@jit()
def fill_convex(image: NDArray[np.float32], polygon: Float64, value: float) -> None:
    """Set the pixels whose centres lie in a convex polygon.

    Pixel [r, c] has its centre at x = c + ½, y = r + ½. Each row of centres that meets the
    polygon crosses exactly two edges, and the pixels between the crossings are filled.
    What lies outside the image is left out.
    """
    rows, columns = image.shape
    left = np.empty(rows)
    right = np.empty(rows)
    left[:] = math.inf
    right[:] = -math.inf
    n = polygon.shape[0]
    for k in range(n):
        x0, y0 = polygon[k, 0], polygon[k, 1]
        x1, y1 = polygon[(k + 1) % n, 0], polygon[(k + 1) % n, 1]
        if y0 > y1:
            x0, y0, x1, y1 = x1, y1, x0, y0
        # Half-open, y0 <= r + ½ < y1: a corner on a row of centres counts once, and a
        # horizontal edge, whose slope would be a division by 0, not at all.
        for r in range(max(0, math.ceil(y0 - 0.5)), min(rows, math.ceil(y1 - 0.5))):
            crossing = x0 + (r + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            left[r] = min(left[r], crossing)
            right[r] = max(right[r], crossing)
    for r in range(rows):
        if left[r] <= right[r]:  # infinities have no ceil
            first = max(0, math.ceil(left[r] - 0.5))
            for c in range(first, min(columns, math.ceil(right[r] - 0.5))):
                image[r, c] = value


def fill_convex_reference(image: NDArray[np.float32], polygon: Float64, value: float) -> None:
    """`fill_convex`, pixel by pixel: a centre is inside a convex polygon when it lies on the
    same side of every edge. The two may differ where a centre lies exactly on an edge."""
    to = np.roll(polygon, -1, axis=0) - polygon
    for r in range(image.shape[0]):
        for c in range(image.shape[1]):
            at = np.array([c + 0.5, r + 0.5]) - polygon
            side = to[:, 0] * at[:, 1] - to[:, 1] * at[:, 0]
            if (side > 0).all() or (side < 0).all():
                image[r, c] = value


@jit()
def smallest_overlap(p: Float64, q: Float64) -> float:
    """Smallest share of the smaller shadow that two convex polygons have in common.

    Both are projected on the normal of every edge of either; on each axis the share is the
    length that the two shadows have in common over the length of the shorter. It is 0 or less
    for polygons that don't meet, 1 for one inside the other.
    """
    return min(_overlap_along(p, p, q), _overlap_along(q, p, q))


@jit(inner=True)
def _overlap_along(edges: Float64, p: Float64, q: Float64) -> float:
    smallest = math.inf
    n = edges.shape[0]
    for k in range(n):
        # The normal's length cancels in the share.
        nx = edges[k, 1] - edges[(k + 1) % n, 1]
        ny = edges[(k + 1) % n, 0] - edges[k, 0]
        p_low, p_high = _shadow(p, nx, ny)
        q_low, q_high = _shadow(q, nx, ny)
        common = min(p_high, q_high) - max(p_low, q_low)
        smallest = min(smallest, common / min(p_high - p_low, q_high - q_low))
    return smallest


@jit(inner=True)
def _shadow(p: Float64, nx: float, ny: float) -> tuple[float, float]:
    low, high = math.inf, -math.inf
    for k in range(p.shape[0]):
        along = p[k, 0] * nx + p[k, 1] * ny
        low, high = min(low, along), max(high, along)
    return low, high


def smallest_overlap_reference(p: Float64, q: Float64) -> float:
    """`smallest_overlap` in NumPy."""
    edges = np.concatenate([np.roll(p, -1, axis=0) - p, np.roll(q, -1, axis=0) - q])
    shares = []
    for ex, ey in edges:
        normal = np.array([-ey, ex])
        in_p, in_q = (p * normal).sum(axis=1), (q * normal).sum(axis=1)
        common = min(in_p.max(), in_q.max()) - max(in_p.min(), in_q.min())
        shares.append(common / min(np.ptp(in_p), np.ptp(in_q)))
    return float(min(shares))


@jit(inner=True)
def _polygon(p: Float64, state: NDArray[np.uint64]) -> None:
    """Write the corners of a random polygon of p.shape[0] sides, not yet placed."""
    n = p.shape[0]
    phase = _uniform(state) * 2 * math.pi / n
    scale_x = SIZE * (0.2 + 0.6 * _uniform(state))
    scale_y = SIZE * (0.2 + 0.6 * _uniform(state))
    if scale_x < scale_y:
        scale_x, scale_y = scale_y, scale_x
    for k in range(n):
        angle = phase + 2 * math.pi * k / n
        p[k, 0] = 0.5 * scale_x * math.cos(angle)
        p[k, 1] = 0.5 * scale_y * math.sin(angle)
    base = math.atan2(p[1, 1] - p[0, 1], p[1, 0] - p[0, 0])
    turn = 2 * math.pi * _below(state, TURNS) / TURNS - base
    cos, sin = math.cos(turn), math.sin(turn)
    for k in range(n):
        x, y = p[k, 0], p[k, 1]
        p[k, 0] = cos * x - sin * y
        p[k, 1] = sin * x + cos * y


@jit(inner=True)
def _place(p: Float64, state: NDArray[np.uint64]) -> None:
    """Move a polygon to a uniformly drawn place that leaves the margin free."""
    for axis in range(2):
        low, high = _shadow(p, 1.0 - axis, float(axis))
        room = SIZE - 2 * MARGIN - (high - low)
        shift = MARGIN - low + room * _uniform(state)
        for k in range(p.shape[0]):
            p[k, axis] += shift


@jit(inner=True)
def _below(state: NDArray[np.uint64], n: int) -> int:
    return int(n * _uniform(state))


@jit(inner=True)
def _uniform(state: NDArray[np.uint64]) -> float:
    """The next number of splitmix64 (Steele, Lea & Flood 2014), uniform in [0, 1)."""
    state[0] += _GAMMA
    result: float = (_mix(state[0]) >> _11) * 2.0**-53
    return result


@jit(inner=True)
def _mix(z: np.uint64) -> np.uint64:
    z = (z ^ (z >> _30)) * _MIX1
    z = (z ^ (z >> _27)) * _MIX2
    return z ^ (z >> _31)
