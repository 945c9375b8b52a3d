"""Predicted singular values: against the quarter circle, and against matrices that are drawn."""

import math

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

N = 600


def drawn(f, q, n_var_W, seed=0):
    """The singular values of diag(f′(s)) Wᵀ, s and W drawn apart."""
    rng = np.random.default_rng(seed)
    f = engine.find_activation(f)
    slopes = f.slope(rng.normal(0, math.sqrt(q), N))
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
        assert mean_singular_value(found) == pytest.approx(quarter_circle_mean(n_var_W), rel=1e-9)
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
        measured = drawn(f, q, 1.0)
        edges = np.linspace(0, 2, 11)
        shares = np.histogram(measured, edges)[0] / N
        sigma = (np.linspace(0, 2, 401)[1:] + np.linspace(0, 2, 401)[:-1]) / 2
        predicted = density(sigma, tau(f, q, 1.0)).reshape(10, 40).mean(axis=1) * 0.2
        np.testing.assert_allclose(predicted, shares, atol=0.01)

    @pytest.mark.parametrize(("f", "q"), [("tanh", 0.4), ("tanh", 3.0), ("softsign", 0.6)])
    def test_the_densitys_own_moments(self, f, q):
        t = tau(f, q, 1.0)
        sigma = np.linspace(0, 2.2, 1001)[1:]
        found = density(sigma, t)
        assert np.trapezoid(found, sigma) == pytest.approx(1, abs=0.01)
        mean = np.trapezoid(sigma * found, sigma)
        assert mean == pytest.approx(mean_singular_value(t), rel=0.01)
        # Σ σ² = Σ τ: what the layer does to the gradient's mean square.
        slope2 = engine.meanfield.slope_second_moment(engine.find_activation(f), q)
        assert np.trapezoid(sigma**2 * found, sigma) == pytest.approx(slope2, rel=0.01)


def test_slopes_that_are_all_zero():
    nothing = np.zeros_like(tau("tanh", 1.0, 1.0))
    assert mean_singular_value(nothing) == 0
    assert (density(np.array([0.1, 1.0]), nothing) == 0).all()
