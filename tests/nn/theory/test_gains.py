"""Gains: the table, closed forms, what each one keeps in a net, and kaiming(activation=f)."""

import math
import re

import numpy as np
import pytest

import engine
import nn
from engine import (
    ACTIVATIONS,
    activation,
    exp,
    leaky_relu,
    maximum,
    sign,
    softplus,
    sqrt,
    tanh,
    where,
)
from nn.theory import gain


@pytest.fixture(autouse=True)
def _no_own_activation_stays():
    before = dict(ACTIVATIONS)
    yield
    ACTIVATIONS.clear()
    ACTIVATIONS.update(before)


TABLE = {
    "tanh": (1.592537, 1.592537, 1.467414),
    "sigmoid": (1.846229, 4.801313, 4.722646),
    "relu": (math.sqrt(2), 1.712859, math.sqrt(2)),
    "elu": (1.245198, 1.270843, 1.223429),
    "selu": (1.0, 1.0, 0.966025),
    "gelu": (1.533530, 1.700926, 1.481114),
    "silu": (1.676532, 1.787187, 1.623320),
    "softplus": (1.041867, 1.919126, 1.846229),
    "softsign": (2.337533, 2.337533, 2.095781),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_table(name):
    found = [gain(name, mode) for mode in ("forward", "variance", "backward")]
    np.testing.assert_allclose(found, TABLE[name], rtol=1e-6)
    assert gain(name) == found[0]


def test_mish_as_ones_own():
    @activation
    def mish(s):
        return s * tanh(softplus(s))

    found = [gain(mish, mode) for mode in ("forward", "variance", "backward")]
    np.testing.assert_allclose(found, (1.486848, 1.592025, 1.444755), rtol=1e-6)
    assert gain("mish") == found[0]


@pytest.mark.parametrize("a", [0.0, 0.1, 0.7, 3.0])
@pytest.mark.parametrize("q", [0.01, 1.0, 40.0])
def test_leaky_rectifiers_at_any_variance(a, q):
    f = leaky_relu(a=a)
    expected = math.sqrt(2 / (1 + a * a))
    assert gain(f, q=q) == pytest.approx(expected, rel=1e-12)
    assert gain(f, "backward", q) == pytest.approx(expected, rel=1e-12)
    var = (1 + a * a) / 2 - (1 - a) ** 2 / (2 * math.pi)
    assert gain(f, "variance", q) == pytest.approx(var**-0.5, rel=1e-12)


def test_other_variances_give_other_gains_of_what_bends():
    assert gain("tanh", q=1e-8) == pytest.approx(1, rel=1e-6)
    assert gain("tanh", q=4.0) > gain("tanh") > gain("tanh", q=0.25)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_kaiming_keeps_what_it_should_in_a_net_of_a_function_of_ones_own(mode):
    """f(0) ≠ 0, a kink at 1.2 and a bounded side."""

    @activation
    def odd_one(s):
        return where(s > 1.2, 1.7 * s - 1.44, 0.5 * s) + 0.4 * exp(-s * s)

    width, depth = 400, 3
    squares = []
    for seed in range(8):
        net = nn.MLP(
            [width] * (depth + 1) + [width], odd_one, nn.init.kaiming(odd_one, mode), rng=seed
        )
        rng = np.random.default_rng(1000 + seed)
        # An input like a hidden layer's: E[x²] = E[f(s)²] at q = 1.
        x = rng.normal(size=(20, width)) / (
            gain(odd_one) if mode == "fan_in" else gain(odd_one, "backward")
        )
        with engine.trace() as t:
            (net(x) * rng.normal(size=(20, width)).astype(np.float32)).sum().backward()
        hidden = t.layers[:-1]
        if mode == "fan_in":
            squares.append([np.mean(np.square(layer.s)) for layer in hidden])
        else:  # at the first layer alone q is 1
            first = hidden[0]
            squares.append(
                [
                    np.sum(np.square(first.dL_ds))
                    / np.sum(np.square(first.dL_dx_next))
                    * gain(odd_one, "backward") ** 2
                ]
            )
    np.testing.assert_allclose(np.mean(squares, axis=0), 1, rtol=0.06)


class TestKaiming:
    def test_variances(self):
        assert nn.init.kaiming().variance(30, 70) == pytest.approx(2 / 30)
        g = nn.init.kaiming("gelu").variance(30, 70)
        assert g * 30 == pytest.approx(1.533530**2, rel=1e-6)
        back = nn.init.kaiming("gelu", "fan_out").variance(30, 70)
        assert back * 70 == pytest.approx(1.481114**2, rel=1e-6)

    @pytest.mark.parametrize("distribution", ["normal", "uniform"])
    def test_what_is_drawn(self, distribution):
        scheme = nn.init.kaiming("selu", distribution=distribution)
        W = scheme((400, 500), 0)
        assert W.var() * 400 == pytest.approx(1, rel=0.02)
        assert (np.abs(W).max() <= math.sqrt(3 / 400) + 1e-7) == (distribution == "uniform")
        assert repr(scheme) == "Initializer(kaiming(selu))"

    @pytest.mark.parametrize(
        ("args", "word"),
        [
            (("nope",), "nope"),
            (("relu", "fan"), "fan_in"),
            (("relu", "fan_in", "cauchy"), "uniform"),
        ],
    )
    def test_what_is_refused(self, args, word):
        with pytest.raises(ValueError, match=word):
            nn.init.kaiming(*args)


class TestErrors:
    def test_modes_and_variances(self):
        with pytest.raises(ValueError, match="'forward', 'variance' or 'backward'"):
            gain("relu", "forwards")
        for q in (0.0, -1.0, math.nan, math.inf):
            with pytest.raises(ValueError, match="relu: q="):
                gain("relu", q=q)

    @pytest.mark.filterwarnings("ignore::engine.ActivationWarning")
    def test_nothing_to_keep(self):
        @activation
        def flat(s):
            return 0 * s + 0.7

        assert gain(flat) == pytest.approx(1 / 0.7)
        for mode in ("variance", "backward"):
            with pytest.raises(ValueError, match=f"flat has no {mode} gain"):
                gain(flat, mode)

    @pytest.mark.filterwarnings("ignore::engine.ActivationWarning")
    def test_moments_that_are_infinite(self):
        @activation
        def explosive(s):
            return exp(s * s / 3)

        with pytest.raises(
            ValueError, match=r"E\[f\(s\)²\] of explosive.*is infinite, or too large"
        ):
            gain(explosive)
        assert gain(explosive, q=0.1) > 0

    @pytest.mark.filterwarnings("ignore::engine.ActivationWarning")
    def test_poles_are_named_with_the_moment(self):
        @activation
        def power_norm(s):
            return sign(s) * sqrt(abs(s))

        @activation
        def pole(s):
            return 1 / (s - 1 / 3)

        assert gain(power_norm) == pytest.approx((2 / math.pi) ** -0.25, rel=1e-12)
        told = r"E\[f′\(s\)²\] of power_norm: the mean over N\(0, 1\) is infinite: near s = 0 "
        for call in (
            lambda: gain(power_norm, "backward"),
            lambda: nn.init.kaiming(power_norm, "fan_out"),
            lambda: nn.theory.chi_1(power_norm, 1.0, 1.0),
            lambda: nn.init.standard().predicted_profile([3, 4, 5], power_norm),
        ):
            with pytest.raises(ValueError, match=told.replace("N\\(0, 1\\)", ".*")):
                call()
        for mode, moment in (("forward", "f(s)²"), ("variance", "f(s)"), ("backward", "f′(s)²")):
            told = re.escape(
                f"E[{moment}] of pole: the mean over N(0, 1) is infinite: near s = 0.33"
            )
            with pytest.raises(ValueError, match=told):
                gain(pole, mode)

    @pytest.mark.filterwarnings("ignore::engine.ActivationWarning")
    def test_a_pole_is_seen_where_the_density_is_0(self):
        @activation
        def far(s):
            return s + 1 / (s - 60)

        with pytest.raises(ValueError, match="near s = 60 "):
            gain(far)

    @pytest.mark.filterwarnings("ignore::engine.ActivationWarning")
    def test_powers_whose_moments_are_finite(self):
        @activation
        def power(s, p=0.75):
            return abs(s) ** p

        half = 2**-0.25 * math.gamma(0.25) / math.sqrt(math.pi)  # E|s|^(−1/2)
        assert gain(power, "backward") == pytest.approx(half**-0.5 / 0.75, rel=1e-9)
        with pytest.raises(ValueError, match=r"\|s\|\^\(-1.5\)"):
            gain(power(p=0.25), "backward")


class TestNarrowFeatures:
    @pytest.mark.parametrize("at", [1 / 3, -7.7])
    @pytest.mark.parametrize("width", [1 / 500, 1e-4, 1e-7])
    def test_tents(self, at, width):
        @activation
        def tent(s):
            return maximum(0.0, 1 - abs(s - at) / width)

        density = math.exp(-at * at / 2) / math.sqrt(2 * math.pi)
        rel = 2 * (1 + at * at) * width**2 + 1e-6
        assert gain(tent) == pytest.approx((density * 2 * width / 3) ** -0.5, rel=rel)
        assert gain(tent, "backward") == pytest.approx((density * 2 / width) ** -0.5, rel=rel)

    def test_a_tent_of_a_five_hundredth(self):
        @activation
        def tent(s):
            return maximum(0.0, 1.0 - 500 * abs(s - 1 / 3))

        np.testing.assert_allclose(tent.kinks, [1 / 3 - 0.002, 1 / 3, 1 / 3 + 0.002], rtol=1e-14)
        assert gain(tent) == pytest.approx(44.5799, rel=1e-6)

    @pytest.mark.parametrize("a", [1e4, 1e8, 1e12])
    def test_smooth_bumps(self, a):
        @activation
        def bump(s):
            return s + exp(-a * (s - 1 / 3) ** 2)

        # E[(s + e)²] with e of width a^(−½): the density and s are constant across it, to 1/a.
        density = math.exp(-1 / 18) / math.sqrt(2 * math.pi)
        width = math.sqrt(math.pi / a)
        expected = 1 + density * (2 / 3 * width + width / math.sqrt(2))
        assert gain(bump) ** -2 == pytest.approx(expected, rel=1e-9 + 1 / a)
        slope = 1 + density * a * width / math.sqrt(2)
        assert gain(bump, "backward") ** -2 == pytest.approx(slope, rel=1e-5 + 1 / a)

    def test_a_steep_step(self):
        @activation
        def steep(s):
            return tanh(1e6 * (s - 2.2))

        density = math.exp(-2.42) / math.sqrt(2 * math.pi)
        assert gain(steep, "backward") ** -2 == pytest.approx(1e6 * 4 / 3 * density, rel=1e-6)


class TestPredictedProfile:
    @pytest.mark.parametrize("name", [n for n in nn.init.SCHEMES if n != "zeros"])
    def test_it_is_that_of_the_net(self, name):
        sizes = [20, 40, 30, 50, 7]
        scheme = nn.init.find_initializer(name)
        net = nn.MLP(sizes, "tanh", scheme, nn.init.normal(0.3), rng=0)
        of_net = nn.theory.predict_profile(net, [0.2, 0.9])
        of_scheme = scheme.predicted_profile(sizes, "tanh", [0.2, 0.9], nn.init.normal(0.3))
        for field in ("s_std", "x_std", "dL_ds", "dL_dx", "dL_dW"):
            np.testing.assert_array_equal(getattr(of_net, field), getattr(of_scheme, field))
            assert getattr(of_scheme, field).shape == (3,)

    def test_one_number_for_the_inputs(self):
        found = nn.init.kaiming("relu").predicted_profile([9] * 6, "relu", 3.0)
        np.testing.assert_allclose(found.s_std, math.sqrt(6), rtol=1e-10)

    def test_what_is_refused(self):
        scheme = nn.init.standard()
        with pytest.raises(ValueError, match="no hidden layers"):
            scheme.predicted_profile([3, 4])
        for wrong in ([], -1.0, math.nan):
            with pytest.raises(ValueError, match="x_second_moments"):
                scheme.predicted_profile([3, 4, 5], "relu", wrong)
        with pytest.raises(ValueError, match="nope"):
            scheme.predicted_profile([3, 4, 5], bias_init="nope")
