"""Predicted singular values: against the quarter circle, and against matrices that are drawn."""

import math
from statistics import NormalDist

import numpy as np
import pytest

import engine
from experiments.questions.initialization_spectrum import (
    density,
    mean_singular_value,
    quarter_circle,
    quarter_circle_mean,
    squared_slopes,
)

N = 400


def drawn(f, q, n_var_W, seed=0):
    """The singular values of diag(f′(s)) Wᵀ, s at the normal distribution's quantiles."""
    rng = np.random.default_rng(seed)
    f = engine.find_activation(f)
    places = [NormalDist().inv_cdf((i + 0.5) / N) for i in range(N)]
    slopes = f.slope(math.sqrt(q) * np.array(places))
    bound = math.sqrt(3 * n_var_W / N)
    W = rng.uniform(-bound, bound, (N, N))
    return np.linalg.svd(slopes[:, None] * W.T, compute_uv=False)


def tau(f, q, n_var_W):
    return squared_slopes(engine.find_activation(f), q, n_var_W)


class TestQuarterCircle:
    def test_the_numbers_of_both_initialisations(self):
        assert quarter_circle_mean(1.0) == pytest.approx(0.8488, abs=5e-5)
        assert quarter_circle_mean(1 / 3) == pytest.approx(0.4901, abs=5e-5)

    @pytest.mark.parametrize("n_var_W", [1 / 3, 1.0, 2.5])
    def test_is_what_theory_gives_for_the_identity(self, n_var_W):
        found = tau("identity", 1.7, n_var_W)
        assert mean_singular_value(found) == pytest.approx(quarter_circle_mean(n_var_W), rel=1e-7)
        sigma = np.linspace(0.05, 2.4, 60) * math.sqrt(n_var_W)
        away = abs(sigma - 2 * math.sqrt(n_var_W)) > 0.05  # the end of the circle is vertical
        np.testing.assert_allclose(
            density(sigma, found)[away], quarter_circle(sigma, n_var_W)[away], atol=0.01
        )

    def test_is_a_density(self):
        sigma = np.linspace(0, 2.5, 20_001)
        circle = quarter_circle(sigma, 1.2)
        assert np.trapezoid(circle, sigma) == pytest.approx(1, rel=1e-4)
        mean = np.trapezoid(sigma * circle, sigma)
        assert mean == pytest.approx(quarter_circle_mean(1.2), rel=1e-4)


class TestDrawn:
    @pytest.mark.parametrize(
        ("f", "q", "n_var_W"),
        [("tanh", 0.4, 1.0), ("tanh", 3.0, 1.0), ("tanh", 0.05, 1 / 3), ("softsign", 0.6, 1.0),
         ("sigmoid", 2.0, 1.0), ("relu", 1.0, 2.0)],
    )  # fmt: skip
    def test_the_mean(self, f, q, n_var_W):
        measured = drawn(f, q, n_var_W).mean()
        assert mean_singular_value(tau(f, q, n_var_W)) == pytest.approx(measured, rel=0.015)

    @pytest.mark.parametrize(("f", "q"), [("tanh", 0.4), ("tanh", 3.0), ("softsign", 0.6)])
    def test_the_density(self, f, q):
        """Its share below several σ, and its own moments."""
        t = tau(f, q, 1.0)
        sigma = 2.1 * np.linspace(0, 1, 161)[1:] ** 3  # near 0 it is steep
        found = density(sigma, t)

        def below(weight):
            values = weight * found
            return np.cumsum(np.diff(sigma) * (values[1:] + values[:-1]) / 2)

        measured = np.sort(drawn(f, q, 1.0))
        for at in (49, 74, 99, 119, 139):
            share = np.searchsorted(measured, sigma[at + 1]) / N
            assert below(1.0)[at] == pytest.approx(share, abs=0.015)
        assert below(1.0)[-1] == pytest.approx(1, abs=0.01)
        assert below(sigma)[-1] == pytest.approx(mean_singular_value(t), rel=0.01)
        # E[σ²] = E[τ]: what the layer does to the gradient's mean square.
        slope2 = engine.meanfield.slope_second_moment(engine.find_activation(f), q)
        assert below(sigma**2)[-1] == pytest.approx(slope2, rel=0.01)


def test_slopes_that_are_all_zero():
    nothing = np.zeros_like(tau("tanh", 1.0, 1.0))
    assert mean_singular_value(nothing) == 0
    assert (density(np.array([0.1, 1.0]), nothing) == 0).all()
