"""Units in the last place on numbers known by heart, and samples of floats that miss no end."""

import math

import numpy as np
import pytest

from experiments.accuracy.ulp import (
    PIECE,
    count,
    magnitudes,
    neighbours,
    pieces,
    ulp,
    ulp_errors,
    wider,
)

FLOATS = ["float32", "float64"]
needs_long_double = pytest.mark.skipif(
    wider("float64") is None, reason="long double has no more digits here"
)


def test_the_wider_type():
    assert wider("float32") == np.float64
    if wider("float64") is not None:
        assert np.finfo(wider("float64")).eps < 1.1e-19


UNITS_32 = [
    (1.0, -23),
    (1.9999999, -23),
    (0.99999999, -24),  # just below a power of two, though it rounds to one
    (-3.0, -22),
    (2.0**-126, -149),  # the smallest normal number
    (2.0**-127, -149),
    (2.0**-149, -149),
    (1e-60, -149),
    (0.0, -149),
    (2.0**127, 104),
    (3.4e38, 104),
]
UNITS_64 = [(1.0, -52), (0.75, -53), (2.0**-1022, -1074), (1e-310, -1074), (0.0, -1074)]


@pytest.mark.parametrize(("exact", "power"), UNITS_32)
def test_the_unit_in_float32(exact, power):
    assert ulp(np.array([exact]), "float32") == 2.0**power


@needs_long_double
@pytest.mark.parametrize(("exact", "power"), [*UNITS_64, (1.7e308, 971)])
def test_the_unit_in_float64(exact, power):
    assert ulp(np.array([exact], np.longdouble), "float64") == 2.0**power


@needs_long_double
def test_the_unit_below_the_smallest_float64():
    assert ulp(np.array([np.longdouble(2) ** -1100]), "float64") == 2.0**-1074


def error_32(got, exact, floor=0.0):
    return ulp_errors(np.array([got], np.float32), np.array([exact], np.float64), floor)[0]


@pytest.mark.parametrize(
    ("got", "exact", "units"),
    [
        (1.0, 1.0, 0),
        (1 + 2**-23, 1.0, 1),
        (1 - 2**-24, 1.0, 0.5),  # a neighbour of 1 below is half a unit away
        (1.0, 1 - 2**-25, 0.5),
        (-1.5, -1.5 - 3 * 2**-23, 3),
        (1.0, 1 + 0.25 * 2**-23, 0.25),
        (0.0, 0.0, 0),
        (0.0, 5 * 2.0**-149, 5),
        (2.0**-149, 0.0, 1),
        (-(2.0**-140), 2.0**-140, 1024),
        (0.0, 1e-60, 1e-60 * 2.0**149),
        (math.inf, 1e39, 0),
        (-math.inf, -1e39, 0),
        (math.inf, 3.4e38, math.inf),
        (-math.inf, 1e39, math.inf),
        (math.nan, 1.0, math.inf),
        (math.nan, 1e39, math.inf),
        (1.0, math.nan, math.inf),
    ],
)
def test_errors(got, exact, units):
    assert error_32(got, exact) == pytest.approx(units, rel=1e-12, abs=0)


def test_the_floor_is_a_unit_only_below_it():
    assert error_32(1e-9, 0.0, floor=0.1) == pytest.approx(1e-9 * 2**27, rel=1e-6)
    assert error_32(1 + 2**-23, 1.0, floor=0.1) == 1


@needs_long_double
def test_errors_far_below_a_float64_denormal():
    exact = np.array([np.longdouble(2) ** -1074 * 1.25])
    assert ulp_errors(np.array([5e-324]), exact) == 0.25


def test_an_array_with_one_wrong_number():
    got, exact = np.ones(9, np.float32), np.ones(9)
    exact[4] += 2.0**-22
    assert ulp_errors(got, exact).tolist() == [0] * 4 + [2] + [0] * 4
    assert ulp_errors(got, np.ones(9)).tolist() == [0] * 9


def gathered(*args):
    return np.concatenate(list(magnitudes(*args)))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("low", [0.0, 1.0])
@pytest.mark.parametrize("step", [1_000_003, 2**24])
def test_both_ends_of_all_floats_are_there(dtype, low, step):
    if dtype == "float64":
        step = step * 2**31 + 1
    info = np.finfo(dtype)
    x = gathered(dtype, step, low, float(info.max))
    assert x.dtype == dtype
    assert x[0] == low and x[-1] == info.max
    assert (np.diff(x) > 0).all() and np.isfinite(x).all()
    if low == 0:
        denormal = (x > 0) & (x < info.tiny)
        octaves = info.maxexp - info.minexp
        assert denormal.sum() == pytest.approx(x.size / octaves, abs=1.5)


def test_every_float_and_none_twice():
    x = gathered("float32", 1, 1.0, 1.5)
    assert x.size == count("float32", 1.0, 1.5) == 2**22 + 1
    np.testing.assert_array_equal(x, 1 + np.arange(2**22 + 1) * 2.0**-23)


@pytest.mark.parametrize("step", [3, 7, 2 * PIECE + 1])
def test_steps_go_on_from_piece_to_piece(step):
    found = list(magnitudes("float32", step, 1.0, 1.5))
    assert all(part.size <= PIECE + 1 for part in found)
    ranks = (np.concatenate(found) - 1) * 2.0**23
    np.testing.assert_array_equal(ranks[:-1], np.arange(0, 2**22, step))
    assert ranks[-1] == 2**22


@pytest.mark.parametrize("dtype", FLOATS)
def test_neighbours(dtype):
    info = np.finfo(dtype)
    x = neighbours(dtype, [0.0, 1.0, float(info.max)], 2)
    tiny = info.smallest_subnormal
    assert x.tolist() == [
        *(0, tiny, 2 * tiny),
        *(1 - info.eps, 1 - info.eps / 2, 1, 1 + info.eps, 1 + 2 * info.eps),
        *sorted(info.max * (1 - k * info.epsneg) for k in range(3)),
    ]
    assert neighbours(dtype, [1.0, 1.0 + info.eps], 1).size == 4


def test_pieces():
    x = np.arange(2 * PIECE + 5)
    found = list(pieces(x))
    assert [part.size for part in found] == [PIECE, PIECE, 5]
    np.testing.assert_array_equal(np.concatenate(found), x)
