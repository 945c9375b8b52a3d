"""Fixed points, depth scales, correlations and the critical line: known numbers, and iteration."""

import math

import numpy as np
import pytest

from engine import ACTIVATIONS, activation, exp, leaky_relu, where
from nn import theory
from nn.theory.roots import bracket, crossing


@pytest.fixture(autouse=True)
def _no_own_activation_stays():
    before = dict(ACTIVATIONS)
    yield
    ACTIVATIONS.clear()
    ACTIVATIONS.update(before)


# σ_w²: q*, χ₁, ξ_c, c* of tanh at σ_b² = .05
TANH = {
    1.3: (0.3153, 0.880, 7.83, 1.0),
    1.5: (0.4180, 0.939, 15.8, 1.0),
    2.0: (0.7218, 1.048, 25.2, 0.744),
    3.0: (1.4280, 1.209, 9.05, 0.299),
}


class TestTanh:
    @pytest.mark.parametrize("var_w", TANH)
    def test_the_table(self, var_w):
        q, chi, xi, c = TANH[var_w]
        found = theory.q_star("tanh", var_w, 0.05)
        assert found == pytest.approx(q, abs=6e-5)
        assert theory.chi_1("tanh", found, var_w) == pytest.approx(chi, abs=6e-4)
        assert theory.c_star("tanh", var_w, 0.05) == pytest.approx(c, abs=6e-4)
        assert theory.xi_c("tanh", var_w, 0.05) == pytest.approx(xi, rel=4e-3)
        sign = 1 if chi < 1 else -1
        assert theory.xi_gradient("tanh", var_w, 0.05) == pytest.approx(
            -1 / math.log(theory.chi_1("tanh", found, var_w))
        )
        assert theory.xi_gradient("tanh", var_w, 0.05) * sign > 0

    def test_the_critical_point(self):
        point = theory.critical_point("tanh", 0.05)
        assert (point.var_w, point.q) == pytest.approx((1.76095, 0.5700), abs=6e-5)
        assert theory.q_star("tanh", point.var_w, 0.05) == pytest.approx(point.q, rel=1e-9)
        assert theory.chi_1("tanh", point.q, point.var_w) == pytest.approx(1, rel=1e-9)
        assert theory.xi_c("tanh", point.var_w, 0.05) > 1e6

    def test_pytorchs_gain_is_chaotic(self):
        q = theory.q_star("tanh", 25 / 9)
        assert q == pytest.approx(1.178, abs=6e-4)
        assert theory.chi_1("tanh", q, 25 / 9) == pytest.approx(1.210, abs=6e-4)

    @pytest.mark.parametrize("var_w", [0.5, 1.0])
    def test_without_biases_signals_die_out_below_1(self, var_w):
        assert theory.q_star("tanh", var_w) == 0
        assert theory.chi_1("tanh", 0.0, var_w) == var_w
        with pytest.raises(ValueError, match="correlations need"):
            theory.c_star("tanh", var_w)

    def test_q_comes_nearer_as_xi_q_says(self):
        q, xi = theory.q_star("tanh", 2.0, 0.05), theory.xi_q("tanh", 2.0, 0.05)
        now = q * 1.0001
        for _ in range(5):
            now = theory.variance_map("tanh", now, 2.0, 0.05)
        assert math.log(abs(now - q) / (q * 1e-4)) == pytest.approx(-5 / xi, rel=1e-3)

    @pytest.mark.parametrize("var_w", [1.3, 2.5])
    def test_c_comes_nearer_as_xi_c_says(self, var_w):
        q, xi = theory.q_star("tanh", var_w, 0.05), theory.xi_c("tanh", var_w, 0.05)
        c = theory.c_star("tanh", var_w, 0.05)
        next_c = theory.correlation_map("tanh", c - 1e-4, var_w, 0.05, q)
        assert (c - next_c) / 1e-4 == pytest.approx(math.exp(-1 / xi), rel=1e-3)


class TestRelu:
    @pytest.mark.parametrize("c", [-1, -0.5, 0, 0.3, 0.99, 1])
    def test_the_map_in_closed_form(self, c):
        found = theory.correlation_map("relu", c, 2.0, q=0.7)
        assert theory.relu_correlation_map(c) == pytest.approx(found, rel=1e-9, abs=1e-13)

    def test_it_makes_inputs_alike(self):
        c = [0.0]
        for _ in range(100):
            c.append(theory.relu_correlation_map(c[-1]))
        np.testing.assert_allclose([c[1], c[2], c[100]], [0.318, 0.494, 0.9964], atol=5e-4)
        assert theory.c_star("relu", 2.0, q=1.0) == 1
        assert theory.xi_c("relu", 2.0, q=1.0) == math.inf

    def test_its_variance_has_no_fixed_point_or_all_are(self):
        with pytest.raises(ValueError, match="every variance is a fixed point"):
            theory.q_star("relu", 2.0)
        for var_w, var_b in ((2.0, 0.1), (2.5, 0.0)):
            with pytest.raises(ValueError, match="no fixed point"):
                theory.q_star("relu", var_w, var_b)
        assert theory.q_star("relu", 1.5, 0.1) == pytest.approx(0.4, rel=1e-12)
        assert theory.q_star("relu", 1.5) == 0
        assert theory.xi_q("relu", 1.5, 0.1) == pytest.approx(-1 / math.log(0.75), rel=1e-9)

    def test_its_critical_point_is_kaimings(self):
        assert theory.critical_point("relu") == theory.CriticalPoint(2.0, 0.0, 0.0)
        assert theory.critical_point(leaky_relu(a=0.5)).var_w == pytest.approx(1.6)
        with pytest.raises(ValueError, match=r"relu, σ_b² = 0.1: no σ_w²"):
            theory.critical_point("relu", 0.1)


class TestOthers:
    def test_selu_at_its_own(self):
        assert theory.q_star("selu", 1.0) == pytest.approx(1, rel=1e-9)
        assert theory.variance_slope("selu", 1.0, 1.0) == pytest.approx(0.78265, abs=6e-6)

    def test_gelu_has_only_unstable_ones_at_small_biases(self):
        with pytest.raises(ValueError, match="q is unstable"):
            theory.critical_point("gelu", 0.05)

    def test_a_function_of_ones_own_settles_where_iteration_says(self):
        """Unbounded, f(0) ≠ 0, a kink away from 0."""

        @activation
        def crooked(s):
            return where(s > 0.6, s, 0.3 * s + 0.42) + 0.5 * exp(-s * s)

        var_w, var_b = 0.9, 0.2
        q, c = 1.0, 0.3
        for _ in range(300):
            q = theory.variance_map(crooked, q, var_w, var_b)
        assert theory.q_star(crooked, var_w, var_b) == pytest.approx(q, rel=1e-9)
        for _ in range(60):
            c = theory.correlation_map(crooked, c, var_w, var_b, q)
        assert theory.c_star(crooked, var_w, var_b) == pytest.approx(c, abs=1e-4)

    @pytest.mark.filterwarnings("ignore::engine.ActivationWarning")
    def test_one_that_explodes(self):
        @activation
        def explosive(s):
            return exp(s * s / 8)

        with pytest.raises(ValueError, match=r"explosive.*can't be computed"):
            theory.q_star(explosive, 3.0)

    def test_an_unstable_fixed_point_is_no_answer(self):
        var_w = theory.gain("gelu") ** 2
        assert theory.variance_map("gelu", 1.0, var_w) == pytest.approx(1, rel=1e-12)
        with pytest.raises(ValueError, match="1 is an unstable fixed point"):
            theory.q_star("gelu", var_w)
        assert theory.q_star("gelu", var_w, start=0.9) == 0
        with pytest.raises(ValueError, match="no fixed point"):
            theory.q_star("gelu", var_w, start=1.1)

    @pytest.mark.filterwarnings("ignore::engine.ActivationWarning")
    def test_one_without_a_slope(self):
        @activation(kinks=(0.0,))
        def stairs(s):
            return where(s > 0, 1.0 + 0 * s, -1.0 + 0 * s)

        with pytest.raises(ValueError, match="gradients are 0"):
            theory.critical_point(stairs)

    @pytest.mark.parametrize(
        ("var_w", "var_b"), [(0, 0), (-1, 0), (math.nan, 0), (1, -0.1), (1, math.inf)]
    )
    def test_what_is_no_variance(self, var_w, var_b):
        with pytest.raises(ValueError, match=r"tanh: var_[wb]="):
            theory.q_star("tanh", var_w, var_b)

    def test_a_line_is_its_points(self):
        line = theory.critical_line("hardtanh", [0.0, 0.3])
        assert line == [theory.critical_point("hardtanh", b) for b in (0.0, 0.3)]


class TestRoots:
    def test_crossings(self):
        assert crossing(lambda x: x**9 - 1e-3, 0, 2) == pytest.approx(1e-3 ** (1 / 9), rel=1e-12)
        assert crossing(lambda x: math.atan(x - 1), -5, 900) == pytest.approx(1, rel=1e-12)
        assert crossing(lambda x: x, 0, 1) == 0
        with pytest.raises(ValueError, match="no sign change"):
            crossing(lambda x: x * x + 1, -1, 1)

    def test_brackets(self):
        assert bracket(lambda x: x - 5, 1, 2, 100) == (4, 8)
        assert bracket(lambda x: x - 0.3, 1, 0.5, 1e-3) == (0.25, 0.5)
        assert bracket(lambda x: x + 5, 1, 2, 100) is None
