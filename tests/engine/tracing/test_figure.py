"""The figure: what is drawn is what was measured, beside theory; and nothing kills it."""

import warnings

import numpy as np
import pytest

from engine import (
    ACTIVATIONS,
    ActivationWarning,
    abs,
    activation,
    meanfield,
    sign,
    sqrt,
    trace,
)
from engine.tracing.distributions import ridges
from engine.tracing.estimate import estimate
from engine.tracing.remedies import best_remedy
from nn import MLP, cross_entropy
from nn.theory import predict_profile

RNG = np.random.default_rng(0)


def run(depth, f="tanh", keep="arrays", x=None, width=12, back=True):
    net = MLP([width] * (depth + 1) + [4], f, rng=0)
    x = RNG.normal(size=(30, width)) if x is None else x
    with trace(keep) as t:
        loss = cross_entropy(net(x), np.arange(len(x)) % 4)
        if back:
            loss.backward()
    return net, t, x


def drawn(figure, what):
    ax = next(ax for ax in figure.axes if what in ax.get_title())
    return ax, [np.asarray(line.get_ydata(), float) for line in ax.lines]


def test_profiles_are_the_measured_ones_with_theory_beside():
    net, t, x = run(5)
    figure = t.plot()
    ax, (measured, estimated) = drawn(figure, "rms of $\\partial L/\\partial s$")
    assert ax.get_yscale() == "log"
    want = [np.sqrt((row.dL_ds.astype(float) ** 2).mean()) for row in t.layers]
    np.testing.assert_allclose(measured, want, rtol=1e-6)
    np.testing.assert_allclose(estimated, estimate(t).dL_ds * want[-1], rtol=1e-6)
    assert "estimate" in figure.legends[0].get_texts()[1].get_text()
    theory = predict_profile(net, (x**2).mean(axis=1))
    figure = t.plot(theory=theory)
    _, (_, predicted) = drawn(figure, "rms of $\\partial L/\\partial s$")
    np.testing.assert_allclose(predicted[:-1], theory.dL_ds * want[-2], rtol=1e-6)
    assert np.isnan(predicted[-1])
    assert figure.legends[0].get_texts()[1].get_text() == "theory"
    with pytest.raises(ValueError, match="theory is of 2 layers and the trace has 6"):
        t.plot(theory=predict_profile(run(2)[0], [1.0]))


@pytest.mark.parametrize("keep", ["arrays", "stats"])
@pytest.mark.parametrize("depth", [0, 30])
def test_any_depth_is_drawn_without_a_warning(depth, keep):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = run(depth, "relu", keep)[1].plot()
        figure.draw_without_rendering()
    assert len(figure.axes) == 8


@pytest.mark.parametrize("value", [np.nan, 0.0, 1e30])
def test_odd_numbers_do_not_kill_it(value):
    x = np.full((10, 12), value)
    run(2, "relu", x=x)[1].plot().draw_without_rendering()


def test_one_nan_and_no_backward_pass_do_not_kill_it():
    x = RNG.normal(size=(10, 12))
    x[0, 0] = np.nan
    run(2, x=x, back=False)[1].plot().draw_without_rendering()


def test_a_trace_of_nothing_is_refused():
    with trace() as t:
        pass
    with pytest.raises(ValueError, match="no layer"):
        t.plot()


def test_ridges_are_the_distributions():
    _, t, _ = run(3)
    found = ridges(t.layers, "s")
    for row, ridge in zip(t.layers, found, strict=True):
        counts, _ = np.histogram(row.s, ridge.edges)
        np.testing.assert_allclose(ridge.heights, counts / counts.max())
    for row, ridge in zip(t.layers, ridges(t.layers, "dL_ds"), strict=True):
        counts, _ = np.histogram(abs(row.dL_ds), ridge.edges)
        np.testing.assert_allclose(ridge.heights, counts / counts.max())
        assert ridge.logarithmic
    _, t, _ = run(3, keep="stats")
    s = t[1].statistics("s")
    assert ridges(t.layers, "s")[1].interval == (s.p2, s.mean, s.p98)
    assert ridges(run(2, back=False)[1].layers, "dL_dW")[0].note == "not there"


def test_the_estimate_is_the_formula():
    _, t, _ = run(3)
    got = estimate(t)
    first = t[0]
    q = 12 * (first.W.astype(float) ** 2).mean() * (first.x.astype(float) ** 2).mean()
    np.testing.assert_allclose(got.s_std[0], np.sqrt(q), rtol=1e-6)
    np.testing.assert_allclose(got.x_std[0] ** 2, meanfield.second_moment(first.f, q), rtol=1e-6)
    last = t[-1]
    kept = meanfield.slope_second_moment(t[-2].f, t[-2].s.astype(float).var())
    factor = 4 * (last.W.astype(float) ** 2).mean() * kept
    np.testing.assert_allclose(got.dL_ds[-2] / got.dL_ds[-1], np.sqrt(factor), rtol=1e-5)
    assert got.dL_ds[-1] == got.dL_dW[-1] == 1


def test_the_estimate_is_nan_where_a_moment_is_infinite():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ActivationWarning)
        power_norm = activation(title="power_norm")(lambda s: sign(s) * sqrt(abs(s)))
    del ACTIVATIONS["power_norm"]
    _, t, _ = run(3, power_norm)
    got = estimate(t)
    assert np.isfinite(got.s_std).all() and np.isfinite(got.x_std).all()
    assert np.isnan(got.dL_ds[:-1]).all() and got.dL_ds[-1] == 1
    assert t.plot() is not None
    remedy = best_remedy([(12, 12)] * 3, power_norm, 1.0)
    assert remedy.good and "power_norm" not in remedy.text


def test_the_estimate_agrees_with_a_wide_net():
    net = MLP([300] * 8 + [10], "tanh", rng=0)
    x = RNG.normal(size=(200, 300))
    with trace("stats") as t:
        cross_entropy(net(x), np.arange(200) % 10).backward()
    got = estimate(t)
    measured = np.array([row.statistics("dL_ds").rms for row in t.layers])
    np.testing.assert_allclose(got.dL_ds * measured[-1], measured, rtol=0.15)
    s = np.array([row.statistics("s").std for row in t.layers])
    np.testing.assert_allclose(got.s_std, s, rtol=0.15)
