"""Means of functions with poles: infinite where they are, right where they aren't."""

import math

import numpy as np
import pytest

from engine.quadrature import normal_mean


@pytest.fixture(autouse=True)
def _silent():
    with np.errstate(all="ignore"):
        yield


def power_mean(x, p, q):
    """E|s − x|⁻ᵖ: with |s − x| = uⁿ, n = 1/(1 − p), the integrand is smooth; midpoints."""
    n = 1 / (1 - p)
    end = (abs(x) + 12 * math.sqrt(q)) ** (1 / n)
    u = (np.arange(500_000) + 0.5) * end / 500_000
    density = sum(np.exp(-((x + side * u**n) ** 2) / (2 * q)) for side in (1, -1))
    return float(density.sum()) * n * end / 500_000 / math.sqrt(2 * math.pi * q)


@pytest.mark.parametrize("x", [0.0, 1 / 3, 1.0, -2.7, 10.0])
@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 4.0])
@pytest.mark.parametrize("declared", [True, False])
def test_poles_that_make_the_mean_infinite(x, p, declared):
    if x == 10 and not declared:
        pytest.skip("the density is 1e-22 there: only a declared pole is seen")
    with pytest.raises(ValueError, match=f"is infinite: near s = {x:.6g}.*\\(-{p:g}\\)"):
        normal_mean(lambda s: np.abs(s - x) ** -p, 1.0, (x,) if declared else ())


@pytest.mark.parametrize("x", [0.0, 1 / 3, -2.7])
@pytest.mark.parametrize(("p", "rel"), [(0.25, 1e-9), (0.5, 1e-9), (0.9, 1e-7)])
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("q", [0.3, 2.0])
def test_poles_that_do_not(x, p, rel, declared, q):
    got = normal_mean(lambda s: np.abs(s - x) ** -p, q, (x,) if declared else ())
    assert got == pytest.approx(power_mean(x, p, q), rel=rel)


def test_next_to_the_limit():
    expected = 2**-0.495 * math.gamma(0.005) / math.sqrt(math.pi)
    assert normal_mean(lambda s: np.abs(s) ** -0.99, 1.0) == pytest.approx(expected, rel=1e-12)


def test_logarithms():
    expected = (np.euler_gamma + math.log(2)) / 2
    assert normal_mean(lambda s: np.log(abs(s)), 1.0) == pytest.approx(-expected, rel=1e-12)
    squared = expected**2 + math.pi**2 / 8
    assert normal_mean(lambda s: np.log(abs(s)) ** 2, 1.0) == pytest.approx(squared, rel=1e-12)


@pytest.mark.parametrize("x", [0.0, 1.0, 1 / 3])
def test_the_two_sides_of_a_pole_do_not_cancel(x):
    with pytest.raises(ValueError, match="is infinite"):
        normal_mean(lambda s: 1 / (s - x), 1.0)


def test_many_poles_and_weak_ones():
    with pytest.raises(ValueError, match=r"is infinite: near s = -?(1\.57|4\.71|7\.85)"):
        normal_mean(lambda s: np.tan(s) ** 2, 1.0)
    with pytest.raises(ValueError, match=r"near s = 0.3333333333 .*\(-1\)"):
        normal_mean(lambda s: np.tanh(s) + 1e-6 / (s - 1 / 3), 1.0)


def test_the_slowest_divergence_and_convergence_are_not_told_apart():
    with pytest.raises(ValueError, match="can't be computed"):
        normal_mean(lambda s: np.where(abs(s) < 0.5, 1 / (abs(s) * np.log(abs(s)) ** 2), 0), 1.0)


def test_rounding_beside_a_hole_is_no_pole():
    fine = normal_mean(lambda s: np.where(s == 0, 1, s / np.expm1(s)), 1.0)
    assert normal_mean(lambda s: s / (np.exp(s) - 1), 1.0, (0.0,)) == pytest.approx(fine, rel=1e-9)


def test_many_kinks_and_jumps_that_nobody_declared():
    points = 0.005 * np.arange(100)
    expected = sum(normal_mean(lambda s, k=k: np.abs(s - k), 1.0, (k,)) for k in points)
    got = normal_mean(lambda s: np.abs(s[..., None] - points).sum(axis=-1), 1.0)
    assert got == pytest.approx(expected, rel=1e-10)
    stairs = sum(math.erfc((k + 0.5) / math.sqrt(2)) / 2 for k in range(30))
    got = normal_mean(lambda s: np.round(np.maximum(s, 0)), 1.0)
    assert got == pytest.approx(stairs, rel=1e-10)
