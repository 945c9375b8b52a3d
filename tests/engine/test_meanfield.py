"""Moments of an activation under a normal distribution, against known numbers."""

import math

import numpy as np
import pytest

from engine import ACTIVATIONS, elu, leaky_relu, relu, selu, tanh
from engine.meanfield import mean, normal_mean, second_moment, slope_second_moment

# 1/√E[f²], 1/√E[f′²] and 1/√Var f for s ~ N(0, 1), by independent numerical integration.
GAINS = {
    "identity": (1.0, 1.0, 1.0),
    "tanh": (1.592537, 1.467414, 1.592537),
    "sigmoid": (1.846229, 4.722646, 4.801313),
    "relu": (math.sqrt(2), math.sqrt(2), 1.712859),
    "leaky_relu": (1.414143, 1.414145, 1.704832),
    "elu": (1.245198, 1.223429, 1.270843),
    "selu": (1.0, 0.966025, 1.0),
    "gelu": (1.533530, 1.481114, 1.700926),
    "silu": (1.676532, 1.623320, 1.787187),
    "softplus": (1.041867, 1.846229, 1.919126),
    "softsign": (2.337533, 2.095781, 2.337533),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", GAINS)
def test_gains_at_unit_variance(name):
    f, (forward, backward, variance) = ACTIVATIONS[name], GAINS[name]
    assert 1 / math.sqrt(second_moment(f, 1.0)) == pytest.approx(forward, rel=1e-5)
    assert 1 / math.sqrt(slope_second_moment(f, 1.0)) == pytest.approx(backward, rel=1e-5)
    var = second_moment(f, 1.0) - mean(f, 1.0) ** 2
    assert 1 / math.sqrt(var) == pytest.approx(variance, rel=1e-5)


@pytest.mark.plain
@pytest.mark.parametrize("q", [1e-12, 1e-4, 0.3, 1.0, 7.0, 1e4, 1e8])
def test_rectifiers_in_closed_form(q):
    assert second_moment(relu, q) == pytest.approx(q / 2, rel=1e-12)
    assert mean(relu, q) == pytest.approx(math.sqrt(q / (2 * math.pi)), rel=1e-12)
    assert slope_second_moment(relu, q) == pytest.approx(0.5, rel=1e-12)
    f = leaky_relu(a=0.2)
    assert second_moment(f, q) == pytest.approx(q * 1.04 / 2, rel=1e-12)
    assert slope_second_moment(f, q) == pytest.approx(1.04 / 2, rel=1e-12)
    h = ACTIVATIONS["hardtanh"]
    inside = math.erf(1 / math.sqrt(2 * q))
    assert slope_second_moment(h, q) == pytest.approx(inside, rel=1e-10)
    assert second_moment(ACTIVATIONS["identity"], q) == pytest.approx(q, rel=1e-12)


def test_selu_has_its_fixed_point_at_mean_0_and_variance_1():
    assert mean(selu, 1.0) == pytest.approx(0, abs=1e-12)
    assert second_moment(selu, 1.0) == pytest.approx(1, rel=1e-12)


def test_normalisation_and_symmetry():
    for q in (1e-6, 1.0, 1e6):
        assert normal_mean(np.ones_like, q) == pytest.approx(1, rel=1e-13)
        assert normal_mean(lambda s: s**2, q) == pytest.approx(q, rel=1e-12)
        assert normal_mean(lambda s: s**4, q) == pytest.approx(3 * q * q, rel=1e-12)
        assert mean(tanh, q) == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("q", [0.5, 3.0, 1e4])
def test_jumps_at_the_points_given_cost_no_accuracy(q):
    point = 0.7
    above = 0.5 * math.erfc(point / math.sqrt(2 * q))
    got = normal_mean(lambda s: (s > point).astype(float), q, (point,))
    assert got == pytest.approx(above, rel=1e-12)


def dense_sum(function, q):
    """∫ by the trapezoid rule over a grid that is fine near 0 and logarithmic further out."""
    u = np.linspace(0, np.log1p(14 * math.sqrt(q)), 1_000_001)
    s = np.expm1(u)
    weight = np.exp(-s * s / (2 * q)) / math.sqrt(2 * math.pi * q) * (s + 1)
    return np.trapezoid((function(s) + function(-s)) * weight, u)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softsign", "elu", "gelu", "silu", "softplus"])
@pytest.mark.parametrize("q", [0.01, 1.0, 100.0, 1e4])
def test_against_a_brute_force_sum(name, q):
    f = ACTIVATIONS[name]
    for ours, function in (
        (second_moment(f, q), lambda s: f.value(s) ** 2),
        (slope_second_moment(f, q), lambda s: f.slope(s) ** 2),
        (mean(f, q), f.value),
    ):
        assert ours == pytest.approx(dense_sum(function, q), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "softsign", "gelu"])
def test_very_large_variances(name):
    f = ACTIVATIONS[name]
    q = 1e8
    expected = dense_sum(lambda s: f.slope(s) ** 2, q)
    assert slope_second_moment(f, q) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_small_variances_approach_the_values_at_zero(name):
    f = ACTIVATIONS[name]
    zero = np.zeros(1)
    assert second_moment(f, 0.0) == f.value(zero)[0] ** 2
    assert second_moment(f, 1e-14) == pytest.approx(f.value(zero)[0] ** 2, abs=1e-6)
    if not f.kinks:
        slope = f.slope(zero)[0] ** 2
        assert slope_second_moment(f, 1e-14) == pytest.approx(slope, rel=1e-6)
        assert slope_second_moment(f, 0.0) == slope


def test_variants_are_their_own_functions():
    assert second_moment(elu(alpha=2.0), 1.0) != pytest.approx(second_moment(elu, 1.0))


@pytest.mark.plain
@pytest.mark.parametrize("q", [-1.0, math.nan, math.inf, -1e-300])
def test_what_is_no_variance_is_refused(q):
    with pytest.raises(ValueError, match="variance"):
        second_moment(tanh, q)
