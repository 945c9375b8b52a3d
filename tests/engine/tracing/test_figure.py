"""The figure: what is drawn is what was measured, beside theory; and nothing kills it."""

import subprocess
import sys
import textwrap
import threading
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
from engine.tracing.read.diagnose.remedies import best_remedy
from engine.tracing.read.estimate import estimate
from engine.tracing.show.distributions import ridges
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


@pytest.mark.parametrize("keep", ["arrays", "stats"])
def test_a_figure_says_if_it_shows_some_of_the_layers_only(keep):
    figure = run(30, keep=keep)[1].plot()
    assert figure.get_suptitle() == "31 layers (above, 24 of them), tanh, batch 30"
    assert len(figure.axes[0].get_yticks()) == 24
    assert all(len(line.get_xdata()) == 31 for ax in figure.axes[4:] for line in ax.lines)
    figure = run(23)[1].plot()
    assert figure.get_suptitle() == "24 layers, tanh, batch 30"
    assert len(figure.axes[0].get_yticks()) == 24


@pytest.fixture
def plt():
    import matplotlib

    before = matplotlib.get_backend()
    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    yield plt
    plt.close("all")
    matplotlib.use(before)


def known(plt):
    current = plt.gcf() if plt.get_fignums() else None
    figures = [plt.figure(number) for number in plt.get_fignums()]
    if current is not None:
        plt.figure(current.number)
    return figures


def test_pyplot_knows_the_figure_of_a_program_that_uses_it(plt):
    t = run(2)[1]
    first = t.plot()
    assert known(plt) == [first]
    other = plt.figure()
    figures = [first, other, t.plot()]
    assert known(plt) == figures
    assert plt.gcf() is other  # what is drawn next goes where it went before
    figures[-1].draw_without_rendering()


def test_a_program_without_pyplot_gets_a_figure_alone():
    code = """
        import sys
        import numpy as np
        import nn
        from engine import trace
        with trace() as t:
            nn.cross_entropy(nn.MLP([3, 4, 2], rng=0)(np.eye(3)), [0, 1, 0]).backward()
        figure = t.plot()
        figure.savefig(sys.stdout.buffer, format="svg")
        assert "matplotlib.pyplot" not in sys.modules
        assert figure.canvas.manager is None
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"</svg>" in done.stdout


def test_many_figures_are_neither_kept_nor_warned_of(plt):
    t = run(1)[1]
    with plt.rc_context({"figure.max_open_warning": 3}), warnings.catch_warnings():
        warnings.simplefilter("error")
        plt.figure()
        figures = [t.plot() for _ in range(5)]
        assert known(plt)[1:] == figures[3:]  # the latest, beside the program's own
        figures[0].draw_without_rendering()
        for _ in range(3):
            plt.close(t.plot())
        plt.close("all")
        mine = [plt.figure() for _ in range(3)]
        assert t.plot() not in known(plt)
        assert known(plt) == mine


def test_no_window_in_a_thread_or_a_notebook_or_where_none_can_be_opened(plt, monkeypatch):
    t, made = run(1)[1], []
    thread = threading.Thread(target=lambda: made.append(t.plot()))
    thread.start()
    thread.join()
    with monkeypatch.context() as patch:
        patch.setattr(plt, "get_backend", lambda: "module://matplotlib_inline.backend_inline")
        made.append(t.plot())
    with monkeypatch.context() as patch:
        patch.setattr(plt, "figure", lambda **options: 1 / 0)
        made.append(t.plot())
    assert [figure.canvas.manager for figure in made] == [None] * 3
    assert known(plt) == []


def test_numbers_whose_squares_overflow_do_not_kill_it():
    net = MLP([12, 12, 4], "tanh", rng=0, dtype=np.float64)
    net.layers[0].W.assign(net.layers[0].W.numpy() * 1e200)
    with trace() as t:
        cross_entropy(net(RNG.normal(size=(10, 12))), np.arange(10) % 4).backward()
    t.plot().draw_without_rendering()
