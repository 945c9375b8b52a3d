"""The drawing kernels against their obvious versions, and the geometry of the shapes drawn."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.data import shapeset
from experiments.data.shape_kernels import (
    SIDES,
    SIZE,
    fill_convex,
    fill_convex_reference,
    scene,
    smallest_overlap,
    smallest_overlap_reference,
)


def composed_scenes(n, seed=1):
    """(class, polygons, greys) of the first n images of a seed."""
    buffers = (np.empty((2, 20, 2)), np.empty(2, np.int64), np.empty(3), np.empty(1, np.uint64))
    polygons, sides, greys, _ = buffers
    for index in range(n):
        label = scene(*buffers, np.uint64(seed), np.uint64(index))
        yield label, [polygons[k, : sides[k]].copy() for k in (0, 1) if sides[k]], greys.copy()


@pytest.fixture(scope="module")
def scenes():
    return list(composed_scenes(12_000))


@pytest.fixture(scope="module")
def first_polygons(scenes):
    """The first object of every scene, by its number of sides."""
    return {n: np.array([ps[0] for _, ps, _ in scenes if len(ps[0]) == n]) for n in SIDES}


def axes_of(polygon):
    """Scales a ≥ b of the axes, and each corner on the circle that the polygon came from.

    The corners of a regular n-gon on a circle of radius ½ have the singular values √(n/2)/2,
    so those of the scaled polygon give the scales, whatever its rotation.
    """
    centred = polygon - polygon.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    n = len(polygon)
    return values / (0.5 * np.sqrt(n / 2)), left * np.sqrt(n / 2)


def regular(n, radius=9.0, centre=(16.0, 16.0), phase=0.1):
    angles = phase + 2 * np.pi * np.arange(n) / n
    return np.array(centre) + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def assert_fills_agree(polygon, shape=(SIZE, SIZE)):
    fast, slow = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    fill_convex(fast, polygon, 0.5)
    fill_convex_reference(slow, polygon, 0.5)
    assert np.array_equal(fast, slow)
    return fast


def test_whole_images_against_the_reference_fill():
    x, y = shapeset(150, seed=1)
    for image, label, (scene_label, polygons, greys) in zip(
        x, y, composed_scenes(150), strict=True
    ):
        values = (2 * greys - 1).astype(np.float32)
        expected = np.full((SIZE, SIZE), values[0])
        for polygon, value in zip(polygons, values[1:], strict=False):
            fill_convex_reference(expected, polygon, value)
        assert label == scene_label
        assert np.array_equal(image.reshape(SIZE, SIZE), expected)


def test_fill_of_a_known_rectangle():
    corners = np.array([[2.0, 3.0], [7.0, 3.0], [7.0, 5.0], [2.0, 5.0]])
    expected = np.zeros((SIZE, SIZE), np.float32)
    expected[3:5, 2:7] = 0.5
    assert np.array_equal(assert_fills_agree(corners), expected)
    assert np.array_equal(assert_fills_agree(corners[::-1].copy()), expected)


def test_a_corner_on_a_row_of_centres_leaves_no_gap():
    diamond = np.array([[16.0, 6.5], [25.2, 15.5], [16.0, 24.5], [6.8, 15.5]])
    filled = np.zeros((SIZE, SIZE), np.float32)
    fill_convex(filled, diamond, 1.0)
    assert filled[15, 7:25].all() and filled[15].sum() == 18


@settings(max_examples=60, deadline=None)
@given(
    n=st.sampled_from(SIDES),
    angle=st.floats(0, 6.28),
    stretch=st.floats(0.05, 1),
    x=st.floats(-10, 42),
    y=st.floats(-10, 42),
)
def test_fill_of_any_polygon_also_beyond_the_image(n, angle, stretch, x, y):
    polygon = regular(n, phase=0.3) - 16
    polygon[:, 1] *= stretch
    cos, sin = np.cos(angle), np.sin(angle)
    # Off the half-integers, where a centre could lie on an edge.
    polygon = polygon @ np.array([[cos, sin], [-sin, cos]]) + [x + 0.0123, y + 0.0456]
    assert_fills_agree(polygon, shape=(32, 24))


def test_overlap_of_known_squares():
    square = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
    assert smallest_overlap(square, square + np.array([3.0, 1.0])) == pytest.approx(0.25)
    assert smallest_overlap(square, square + np.array([6.0, 0.0])) == pytest.approx(-0.5)
    assert smallest_overlap(square, square / 4 + 1) == pytest.approx(1)
    # Share of the smaller: a unit square that stands out by half.
    assert smallest_overlap(square, square / 4 + np.array([3.5, 1.0])) == pytest.approx(0.5)


def test_overlap_against_the_reference_and_symmetric(scenes):
    pairs = [polygons for _, polygons, _ in scenes[:1000] if len(polygons) == 2]
    for p, q in pairs:
        assert smallest_overlap(p, q) == pytest.approx(smallest_overlap_reference(p, q))
        assert smallest_overlap(q, p) == pytest.approx(smallest_overlap(p, q))


def test_overlap_beyond_half_is_rare_and_only_where_there_is_no_room(scenes):
    over, n_pairs = [], 0
    for _, polygons, _ in scenes:
        if len(polygons) == 2:
            n_pairs += 1
            if smallest_overlap(*polygons) > 0.5:
                over.append(sum(axes_of(p)[0][0] for p in polygons))
    # .052 over 10,000 pairs; without the rule it would be .47.
    assert 0.04 < len(over) / n_pairs < 0.065
    assert min(over) > 25


def test_classes_name_the_polygons(scenes):
    pair_class = {(3, 3): 3, (3, 4): 4, (3, 20): 5, (4, 4): 6, (4, 20): 7, (20, 20): 8}
    for label, polygons, _ in scenes:
        sides = tuple(sorted(len(p) for p in polygons))
        assert label == (SIDES.index(sides[0]) if len(sides) == 1 else pair_class[sides])


def test_either_type_may_come_first(scenes):
    orders = {tuple(len(p) for p in polygons) for _, polygons, _ in scenes if len(polygons) == 2}
    assert len(orders) == 9


def test_scales_are_two_uniform_draws(first_polygons):
    for n, polygons in first_polygons.items():
        scales = np.array([axes_of(p)[0] for p in polygons])
        assert scales.min() > 6.4 - 1e-9 and scales.max() < 25.6 + 1e-9
        low, spread = 6.4, 19.2
        share = (scales - low) / spread
        m = len(polygons)
        # The larger and the smaller of two uniform numbers: means 2/3 and 1/3, variances 1/18.
        for column, mean in ((0, 2 / 3), (1, 1 / 3)):
            assert abs(share[:, column].mean() - mean) < 5 * np.sqrt(1 / 18 / m), n
        assert abs(share.prod(axis=1).mean() - 1 / 4) < 5 * np.sqrt(7 / 144 / m), n


def test_corner_angles_cover_the_symmetry_range(first_polygons):
    for n, polygons in first_polygons.items():
        corners = np.array([axes_of(p)[1][0] for p in polygons])
        assert np.allclose(np.hypot(*corners.T), 1)
        angle = np.arctan2(corners[:, 1], corners[:, 0])
        # The axes' signs are free, so the angle is known up to −angle and angle + π.
        share = np.arccos(np.cos(2 * n * angle)) / np.pi
        counts = np.histogram(share, bins=8, range=(0, 1))[0]
        p = 1 / 8
        assert (np.abs(counts / len(share) - p) < 5 * np.sqrt(p * (1 - p) / len(share))).all(), n


def test_base_takes_255_directions(first_polygons):
    seen = set()
    for polygons in first_polygons.values():
        edge = polygons[:, 1] - polygons[:, 0]
        steps = np.arctan2(edge[:, 1], edge[:, 0]) / (2 * np.pi) * 255
        assert np.abs(steps - steps.round()).max() < 1e-9
        seen |= set(steps.round().astype(int) % 255)
    assert seen == set(range(255))


def test_place_is_uniform_in_the_room_left(first_polygons):
    for n, polygons in first_polygons.items():
        low, high = polygons.min(axis=1), polygons.max(axis=1)
        assert low.min() >= 1 - 1e-9 and high.max() <= 31 + 1e-9
        where = (low - 1) / (30 - (high - low))
        bound = 5 / np.sqrt(len(polygons))
        assert (np.abs(where.mean(axis=0) - 1 / 2) < bound * np.sqrt(1 / 12)).all(), n
        assert (np.abs((where**2).mean(axis=0) - 1 / 3) < bound * np.sqrt(4 / 45)).all(), n
        assert abs(np.corrcoef(where.T)[0, 1]) < bound, n


def test_grey_levels_are_independent_within_their_range(scenes):
    levels = np.array([greys for _, _, greys in scenes])
    share = np.where(levels < 0.5, levels, levels - 0.55) / 0.45
    assert share.min() >= 0 and share.max() <= 1
    bound = 5 / np.sqrt(len(levels))
    assert (np.abs(share.mean(axis=0) - 0.5) < bound * np.sqrt(1 / 12)).all()
    assert (np.abs(np.corrcoef(share.T) - np.eye(3)) < bound).all()


def test_images_are_the_same_without_the_compiler_and_without_a_warning():
    program = (
        "import hashlib\n"
        "from experiments.data import shapeset\n"
        "x, y = shapeset(2, seed=3)\n"
        "print(y.tolist(), hashlib.sha256(x.tobytes()).hexdigest())"
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (run.returncode, run.stderr) == (0, "")
    x, y = shapeset(2, seed=3)
    assert run.stdout.strip() == f"{y.tolist()} {hashlib.sha256(x.tobytes()).hexdigest()}"
