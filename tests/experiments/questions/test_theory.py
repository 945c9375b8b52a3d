"""`theory`: what a run yields, that it repeats itself, and that its measurements are right."""

import math

import numpy as np
import pytest

import engine
import nn
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.questions import QUESTIONS
from experiments.questions.theory import TANH, Settings, run
from experiments.questions.theory_nets import deep, measure, norm_ratios, rescale, signals

IDS = ["GF", "GV", "GB", "S1", "S2", "S2 ξ", "S4", "S5", "S6", "S7", "S7 far", "S8"]
IDS += ["H1", "H2", "H3", "H4", "H5"]
TINY = Settings(width=20, depth=8, relu_depth=5, draws=2, tail_draws=4, pairs=2)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


def test_every_claim_is_there_and_what_was_not_run_says_so(tiny):
    found = {claim.statement.id: claim for claim in tiny.claims}
    assert list(found) == IDS
    unmeasured = [name for name, claim in found.items() if claim.verdict == "not yet measured"]
    assert unmeasured == ["S4", "S7 far"]  # 8 and 5 layers are too few
    for claim in tiny.claims:
        assert len(claim.expected) == len(claim.measured)
        assert len(claim.labels) in (0, len(claim.measured))


def test_what_differs_most_from_draw_to_draw_is_drawn_more_often(tiny):
    drawn = {name: len(tiny.arrays[name]) for name in ("tanh_q", "xavier_q", "near_xi_c")}
    assert drawn == {"tanh_q": 2, "xavier_q": 8, "near_xi_c": 6}
    assert tiny.arrays["near_xi_c"].shape == (6, 1)


class Count(Silent):
    expected = done = 0

    def expect(self, steps):
        self.expected = steps

    def step(self, what, steps=1):
        self.done += steps


def test_the_same_seed_gives_the_same_bits_and_the_progress_adds_up(tiny):
    count = Count()
    again = run(TINY, count)
    assert all(np.array_equal(tiny.arrays[k], again.arrays[k]) for k in tiny.arrays)
    assert count.done == count.expected > 0


def test_another_seed_gives_other_numbers(tiny):
    other = run(Settings(**{**vars(TINY), "seed": 1}), Silent())
    drawn = [k for k in tiny.arrays if not k.startswith(("curve", "predicted"))]
    assert drawn and not any(np.array_equal(tiny.arrays[k], other.arrays[k]) for k in drawn)


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"width": 9}, "--width must be at least 10"),
        ({"relu_depth": 2000}, "--relu-depth must be at most 1000"),
        ({"draws": 1}, "--draws must be at least 2"),
        ({"pairs": 3}, "--pairs must be even"),
    ],
)
def test_settings_that_cannot_be_run(changed, word):
    with pytest.raises(SettingsError, match=word):
        Settings(**changed)


def test_presets_and_its_place_in_the_list():
    question = QUESTIONS["theory"]
    assert question.preset("quick").width < question.preset("default").width
    assert question.preset("paper").depth > 100  # S4 at 100 layers


class TestNets:
    def test_signals_have_the_size_and_the_correlation_asked_for(self):
        x = signals(np.random.default_rng(0), 3, 50, 0.7, -0.4)
        assert x.shape == (6, 50)
        np.testing.assert_allclose(np.mean(x**2, axis=1), 0.7)
        np.testing.assert_allclose(np.mean(x[::2] * x[1::2], axis=1), -0.28)

    def test_statistics_by_hand(self):
        net = deep("tanh", 1.7, 0.3, 12, 3, np.random.default_rng(1))
        x = signals(np.random.default_rng(2), 2, 12, 1.0, 0.5)
        found = measure(net, x, np.random.default_rng(3))
        with engine.trace() as t:
            seed = np.random.default_rng(3).normal(size=(4, 12)).astype(np.float32)
            (net(x) * seed).sum().backward()
        for i, layer in enumerate(t.layers[:-1]):
            s, x_next = layer.s.astype(float), layer.x_next.astype(float)
            assert found.q[i] == pytest.approx(np.mean(s**2))
            assert found.x2[i] == pytest.approx(np.mean(x_next**2))
            assert found.var_x[i] == pytest.approx(np.mean([row.var() for row in x_next]))
            assert found.ds[i] == pytest.approx(np.sqrt(np.mean(layer.dL_ds.astype(float) ** 2)))
            assert found.dx[i] == pytest.approx(
                np.sqrt(np.mean(layer.dL_dx_next.astype(float) ** 2))
            )
            c = [a @ b / math.sqrt((a @ a) * (b @ b)) for a, b in ((s[0], s[1]), (s[2], s[3]))]
            assert found.c[i] == pytest.approx(np.mean(c))
            assert found.apart[i] == pytest.approx(1 - np.mean(c))
            slopes = 1 / np.cosh(s) ** 2
            products = [slopes[0] * slopes[1], slopes[2] * slopes[3]]
            assert found.slopes[i] == pytest.approx(np.mean(products), rel=1e-5)

    def test_deep_nets_have_the_variances_asked_for(self):
        net = deep("relu", 1.7, 0.3, 300, 3, np.random.default_rng(0))
        assert [layer.W.numpy().var() * 300 for layer in net.layers] == pytest.approx(
            [1.7] * 4, rel=0.03
        )
        assert net.layers[1].b.numpy().var() == pytest.approx(0.3, rel=0.3)
        before = net.layers[2].W.numpy().copy()
        rescale(net, 0.5)
        np.testing.assert_array_equal(net.layers[2].W.numpy(), before * np.float32(0.5))
        assert not deep("relu", 1.7, 0.0, 30, 3, np.random.default_rng(0)).layers[1].b.numpy().any()

    def test_norm_ratios(self):
        rng = np.random.default_rng(0)
        ratios = np.array([norm_ratios(100, 4, rng) for _ in range(200)])
        assert ratios.shape == (200, 4)
        assert ratios.mean() == pytest.approx(1, abs=0.03)
        assert ratios.var() == pytest.approx(5 / 100, rel=0.3)


def test_measured_and_predicted_agree_where_little_is_needed():
    """A small run whose numbers are right within its noise: nothing is swapped or inverted."""
    settings = Settings(width=150, depth=12, relu_depth=5, draws=6, tail_draws=100, pairs=8)
    arrays = run(settings, Silent()).arrays
    np.testing.assert_allclose(
        arrays["gains_measured"].mean(axis=0), arrays["curve_gains"], rtol=0.06
    )
    table = {w: i for i, (w, b) in enumerate(TANH) if b}
    for var_w, q, chi in ((1.3, 0.3153, 0.880), (3.0, 1.428, 1.209)):
        assert arrays["tanh_q"][:, table[var_w]].mean() == pytest.approx(q, rel=0.12)
        assert arrays["tanh_chi_1"][:, table[var_w]].mean() == pytest.approx(chi, rel=0.08)
        assert arrays["tanh_xi_c"][:, table[var_w]].mean() == pytest.approx(8.4, rel=0.35)
    np.testing.assert_allclose(arrays["sigmoid_factor"].mean(axis=0), [0.1414, 0.2361], rtol=0.04)
    np.testing.assert_allclose(arrays["relu_c"].mean(axis=0)[:3], [0, 0.318, 0.494], atol=0.08)
    np.testing.assert_allclose(arrays["relu_growth"].mean(axis=0), [1, 1, 0.7071], rtol=0.05)
    np.testing.assert_allclose(arrays["uneven_ratios"].mean(axis=0), [[1, 2], [0.5, 1]], rtol=0.3)
    np.testing.assert_allclose(arrays["predicted_uneven"], [[1, 2], [0.5, 1]], rtol=1e-9)
    np.testing.assert_allclose(arrays["prelu_growth"].mean(axis=0), 1, rtol=0.05)
    assert arrays["relu_E_x2"].mean() == pytest.approx(0.5, rel=0.05)
    assert arrays["relu_var_x"].mean() == pytest.approx(0.341, rel=0.05)
    assert nn.theory.gain("mish") == pytest.approx(1.486848, rel=1e-6)
