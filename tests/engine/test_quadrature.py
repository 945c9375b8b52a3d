"""Means over one normal and over pairs, against closed forms and much finer sums."""

import math

import numpy as np
import pytest

from engine import (
    ACTIVATIONS,
    activation,
    clip,
    exp,
    maximum,
    meanfield,
    relu,
    selu,
    sigmoid,
    tanh,
    where,
)
from engine.quadrature import normal_mean, pair_mean

BUILT_IN = sorted(ACTIVATIONS)


def own():
    """Functions of one's own: kinks away from 0, f(0) ≠ 0, a jump, a narrow bump."""

    @activation
    def quad_swish(s):
        return s * sigmoid(4 * s) + 0.3

    @activation
    def bent(s):
        return where(s > 0.73, 2 * s, 0.5 * s + 1.095)

    @activation
    def shelf(s):
        return maximum(s - 1.31, 0) + clip(s, -0.4, 0.9)

    @activation
    def step(s):
        return where(s > 0.37, s + 1, 0.2 * s)

    @activation
    def bump(s):
        return exp(-8 * (s - 2) ** 2) - 0.1

    made = [quad_swish, bent, shelf, step, bump]
    for f in made:
        del ACTIVATIONS[f.name]
    return made


def erf(s):
    return np.vectorize(math.erf)(s)


class TestOneNormal:
    @pytest.mark.parametrize("q", [1e-6, 0.2, 1.0, 30.0, 1e6])
    def test_exponentials_of_squares(self, q):
        for a in (0.5, 3.0):
            got = normal_mean(lambda s, a=a: np.exp(-a * s * s), q)
            assert got == pytest.approx((1 + 2 * a * q) ** -0.5, rel=1e-9)

    @pytest.mark.parametrize("q", [0.1, 1.0, 50.0])
    def test_erf_squared(self, q):
        expected = 2 / math.pi * math.asin(2 * q / (1 + 2 * q))
        assert normal_mean(lambda s: erf(s) ** 2, q) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("kink", [0.7319, -2.2, 1 / 3])
    def test_kinks_and_jumps_that_nobody_declared(self, kink):
        above = 0.5 * math.erfc(kink / math.sqrt(2))
        assert normal_mean(lambda s: (s > kink) * 1.0, 1.0) == pytest.approx(above, rel=1e-10)

        def bent(s):
            return np.maximum(s - kink, 0) ** 2

        density = math.exp(-kink * kink / 2) / math.sqrt(2 * math.pi)
        expected = (1 + kink * kink) * above - kink * density
        assert normal_mean(bent, 1.0) == pytest.approx(expected, rel=1e-11)

    def test_lognormals_far_beyond_12_standard_deviations(self):
        got = normal_mean(lambda s: np.exp(2 * s), 25.0)
        assert got == pytest.approx(math.exp(50), rel=1e-9)

    @pytest.mark.parametrize(
        ("function", "q", "told"),
        [
            (lambda s: np.exp(s * s), 1.0, "is infinite, or too large to compute"),
            (lambda s: np.exp(s * s / 2), 1.0, "outgrows the density"),
            (np.sqrt, 1.0, "NaN at s = -0"),
            (np.cosh, 900.0, "exceeds all float64 at s = -?71"),
        ],
    )
    def test_means_that_are_not_there(self, function, q, told):
        with pytest.raises(ValueError, match=told), np.errstate(all="ignore"):
            normal_mean(function, q)

    def test_growth_that_a_smaller_variance_bears(self):
        assert normal_mean(lambda s: np.exp(s * s / 2), 0.9) == pytest.approx(10**0.5, rel=1e-12)

    def test_a_mean_that_is_all_beyond_12_standard_deviations(self):
        above = math.erfc(20 / math.sqrt(2)) / 2
        assert normal_mean(lambda s: (s > 20) * 1.0, 1.0, (20.0,)) == pytest.approx(above, rel=1e-9)

    def test_what_can_not_be_computed_is_refused(self):
        with pytest.raises(ValueError, match="can't be computed to 1e-06"):
            normal_mean(lambda s: np.sin(1e6 * s) ** 2, 1.0)

    @pytest.mark.parametrize(
        "f", [*[ACTIVATIONS[n] for n in BUILT_IN], *own()], ids=lambda f: f.name
    )
    @pytest.mark.parametrize("q", [0.04, 1.0, 9.0])
    def test_against_a_much_finer_rule(self, f, q):
        """Midpoints, 100,000 of them between any two kinks: good to 3e-7."""
        kinks = [kink / math.sqrt(q) for kink in f.kinks]
        edges = [-10.0, *(kink for kink in sorted(kinks) if abs(kink) < 10), 10.0]
        steps = np.diff(edges) / 100_000
        z = np.concatenate(
            [low + (np.arange(100_000) + 0.5) * h for low, h in zip(edges, steps, strict=False)]
        )
        weight = np.exp(-z * z / 2) * np.repeat(steps, 100_000) / math.sqrt(2 * math.pi)
        s = math.sqrt(q) * z
        for ours, values in (
            (meanfield.second_moment(f, q), f.value(s) ** 2),
            (meanfield.slope_second_moment(f, q), f.slope(s) ** 2),
            (meanfield.mean(f, q), f.value(s)),
        ):
            scale = float((np.abs(values) * weight).sum())
            assert abs(ours - (values * weight).sum()) < 1e-6 * scale

    def test_the_limit_of_variance_0_at_a_kink_is_the_mean_of_both_sides(self):
        assert meanfield.slope_second_moment(relu, 0.0) == 0.5
        assert meanfield.second_moment(relu, 0.0) == 0.0
        assert meanfield.slope_second_moment(tanh, 0.0) == 1.0
        assert meanfield.mean(relu, 0.0) < 1e-300

    @pytest.mark.parametrize("power", [-0.5, -2.0])
    @pytest.mark.parametrize("kinks", [(0.0,), ()])
    @pytest.mark.filterwarnings("ignore:divide by zero")
    def test_at_a_pole_variance_0_has_no_limit(self, power, kinks):
        with pytest.raises(ValueError, match="has no finite limit for a variance of 0"):
            normal_mean(lambda s: np.abs(s) ** power, 0.0, kinks)


class TestPairs:
    @pytest.mark.parametrize("q", [0.01, 1.7, 1e4])
    @pytest.mark.parametrize("c", [-1, -0.999, -0.3, 0, 1e-6, 0.4, 0.99, 1 - 1e-9, 1])
    def test_relu_in_closed_form(self, q, c):
        value = q * (math.sqrt(1 - c * c) + (math.pi - math.acos(c)) * c) / (2 * math.pi)
        slope = 0.5 - math.acos(c) / (2 * math.pi)
        assert meanfield.pair_moment(relu, q, c) == pytest.approx(value, rel=1e-9, abs=1e-14 * q)
        assert meanfield.slope_pair_moment(relu, q, c) == pytest.approx(slope, rel=1e-9, abs=1e-14)

    @pytest.mark.parametrize("q", [0.1, 100.0])
    @pytest.mark.parametrize("c", [-0.8, 0.2, 0.97])
    def test_erf_in_closed_form(self, q, c):
        expected = 2 / math.pi * math.asin(2 * q * c / (1 + 2 * q))
        assert pair_mean(erf, q, c) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("c", [-0.7, 0.35, 0.95])
    def test_a_threshold_away_from_0_declared_or_not(self, c):
        """P(s₁ > k, s₂ > k), by Owen's integral over the angle."""
        k = 0.73
        angles = (np.arange(200_000) + 0.5) / 200_000 * math.asin(c)
        owen = np.mean(np.exp(-k * k / (1 + np.sin(angles)))) * math.asin(c) / (2 * math.pi)
        expected = (0.5 * math.erfc(k / math.sqrt(2))) ** 2 + owen
        for kinks in ((k,), ()):
            got = pair_mean(lambda s: (s > k) * 1.0, 1.0, c, kinks)
            assert got == pytest.approx(expected, rel=1e-8)

    @pytest.mark.parametrize("f", own()[:3], ids=lambda f: f.name)
    @pytest.mark.parametrize("c", [-0.6, 0.8])
    def test_own_functions_against_a_sum_over_the_plane(self, f, c):
        z = (np.arange(-1500, 1500) + 0.5) * (14 / 3000)
        weight = np.exp(-z * z / 2) * (14 / 3000) / math.sqrt(2 * math.pi)
        second = c * z[:, None] + math.sqrt(1 - c * c) * z
        expected = (
            weight @ (f.value(z)[:, None] * f.value(second.reshape(-1)).reshape(3000, -1)) @ weight
        )
        assert meanfield.pair_moment(f, 1.0, c) == pytest.approx(expected, rel=2e-6)

    @pytest.mark.parametrize("c", [0.1, -0.5, 0.9, 0.9999])
    @pytest.mark.parametrize(("power", "rel"), [(-0.25, 1e-11), (-0.5, 1e-11), (-0.75, 1e-6)])
    def test_powers_in_closed_form(self, power, rel, c):
        """E|s₁ s₂|ᵖ = 2ᵖ Γ((1 + p)/2)² F(−p/2, −p/2; ½; c²) / π, F the hypergeometric series."""
        term, series = 1.0, 1.0
        for n in range(200_000):
            term *= (n - power / 2) ** 2 / ((0.5 + n) * (n + 1)) * c * c
            series += term
        expected = 2**power * math.gamma((1 + power) / 2) ** 2 / math.pi * series
        got = pair_mean(lambda s: np.abs(s) ** power, 1.0, c, (0.0,))
        assert got == pytest.approx(expected, rel=rel)

    def test_a_pair_of_poles(self):
        with pytest.raises(ValueError, match="is infinite: near s = 0 "), np.errstate(all="ignore"):
            pair_mean(lambda s: 1 / s, 1.0, 0.3, (0.0,))

    def test_two_functions(self):
        got = pair_mean(lambda s: s, 2.0, 0.3, g=lambda s: s**3)
        assert got == pytest.approx(3 * 2.0 * 0.6, rel=1e-12)
        assert pair_mean(lambda s: s, 2.0, -1, g=lambda s: s**3) == pytest.approx(-12, rel=1e-12)

    @pytest.mark.parametrize("c", [1.01, -1.01, math.nan])
    def test_what_is_no_correlation(self, c):
        with pytest.raises(ValueError, match="correlation"):
            pair_mean(np.tanh, 1.0, c)


class TestGrowth:
    @pytest.mark.parametrize(
        "f", [*[ACTIVATIONS[n] for n in BUILT_IN], *own()], ids=lambda f: f.name
    )
    def test_it_is_the_derivative_of_the_second_moment(self, f):
        q, h = 1.3, 1e-4
        up, down = (meanfield.second_moment(f, q + d) for d in (h, -h))
        expected = (up - down) / (2 * h)
        assert meanfield.second_moment_growth(f, q) == pytest.approx(expected, rel=1e-6)

    def test_selus_contraction(self):
        # Klambauer et al. 2017: ∂ν′/∂ν at mean 0 and variance 1.
        assert meanfield.second_moment_growth(selu, 1.0) == pytest.approx(0.78265, abs=5e-6)
