"""`Statistics`, and what a layer says of its arrays with and without keeping them."""

import numpy as np
import pytest

import engine
from engine import QUANTITIES, GraphError, Statistics, Tensor, dense, trace
from engine.tracing.statistics import SAMPLE, Look, sample_of, stride_of

RNG = np.random.default_rng(0)


@pytest.mark.plain
def test_a_small_array_is_its_own_sample():
    v = np.r_[RNG.normal(size=990), np.zeros(10)].reshape(20, 50)
    s = Statistics.of(v)
    assert s.shape == (20, 50) and s.size == s.sampled == 1000
    np.testing.assert_allclose(
        [s.mean, s.std, s.rms, s.min, s.max],
        [v.mean(), v.std(), np.sqrt((v**2).mean()), v.min(), v.max()],
        rtol=1e-12,
    )
    assert (s.p2, s.p98) == tuple(np.percentile(v, [2, 98], method="inverted_cdf"))
    assert s.zeros == 0.01
    assert (s.positive, s.negative, s.nonfinite) == ((v > 0).sum(), (v < 0).sum(), 0)
    assert s.histogram.sum() == 990
    inside = (abs(v) >= Statistics.edges[59]) & (abs(v) < Statistics.edges[60])
    assert s.histogram[60] == inside.sum() > 0
    assert "histogram" not in repr(s)


def test_a_large_array_is_sampled():
    v = RNG.normal(size=(300, 700)).astype(np.float32)
    s = Statistics.of(v)
    assert s.sampled <= SAMPLE < v.size
    np.testing.assert_allclose(s.std, v.astype(np.float64).std(), rtol=1e-6)
    low, high = np.percentile(sample_of(v), [2, 98], method="inverted_cdf")
    assert (s.p2, s.p98) == (low, high)
    for value, share in ((s.p2, 0.02), (s.p98, 0.98)):
        assert abs((v <= value).mean() - share) < 4 * np.sqrt(0.02 * 0.98 / s.sampled)


@pytest.mark.parametrize(
    "shape", [(256, 256), (784, 256), (64, 1000), (100000,), (3, 5), (1000, 30)]
)
def test_the_sample_comes_from_every_column(shape):
    k = stride_of(shape)
    assert np.prod(shape) / k <= SAMPLE
    columns = np.arange(np.prod(shape)).reshape(shape)[..., :] % shape[-1]
    assert len(np.unique(columns.reshape(-1)[::k])) == min(shape[-1], len(columns.reshape(-1)[::k]))


@pytest.mark.plain
@pytest.mark.parametrize(
    "array", [[], [np.nan], [np.inf, -np.inf], np.zeros((0, 3)), np.full((3, 3), np.nan)]
)
def test_nothing_finite_is_no_error(array):
    s = Statistics.of(array)
    assert s.nonfinite == np.size(array)
    assert np.isnan([s.mean, s.std, s.rms, s.min, s.max, s.p2, s.p98]).all()
    assert s.zeros == s.sampled == s.histogram.sum() == 0


def of_any_layout():
    rng = np.random.default_rng(5)
    W = rng.normal(size=(60, 70))
    arrays = [W, W.T, W[::2], np.float64(2.0), np.empty((0, 3)), np.broadcast_to(W[0], (40, 70))]
    arrays = [np.asarray(array) for array in arrays]
    arrays[0].setflags(write=False)
    return arrays


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int32, np.bool_])
def test_arrays_of_any_dtype_and_layout(dtype):
    for array in of_any_layout():
        array = array.astype(dtype, order="K") if array.dtype != dtype else array
        found, v = Statistics.of(array), array.astype(np.float64)
        assert found.shape == array.shape
        if v.size:
            tolerance = 1e-6 * v.std() if dtype == np.float32 else 1e-12
            np.testing.assert_allclose(found.mean, v.mean(), rtol=1e-9, atol=tolerance)
            assert (found.min, found.max) == (v.min(), v.max())
            if v.size <= SAMPLE:
                low, high = np.percentile(v, (2, 98), method="inverted_cdf")
                assert (found.p2, found.p98) == (low, high)


def test_a_look_has_the_statistics_of_the_array():
    for array in of_any_layout():
        assert Look(array).statistics(array.shape) == Statistics.of(array) or not array.size


@pytest.mark.parametrize("f", [engine.tanh, engine.relu, engine.tanh.derivative])
def test_a_look_at_slopes(f):
    s = np.abs(RNG.normal(size=(30, 4))) * [-1, 1, 1, -1]
    look = Look(s, f)
    assert look.statistics(s.shape) == Statistics.of(f.slope(s))
    assert look.dead().count == (2 if f is engine.relu else 0)


def test_what_is_not_finite_is_kept_apart():
    v = np.r_[RNG.normal(size=500), np.nan, np.inf, -np.inf]
    s, clean = Statistics.of(v), Statistics.of(v[:500])
    assert s.nonfinite == 3
    np.testing.assert_allclose([s.mean, s.std], [clean.mean, clean.std], rtol=1e-12)
    assert (s.p2, s.p98) == (clean.p2, clean.p98)


def test_other_arrays_and_numbers():
    assert Statistics.of([1, 2, 3]).mean == 2
    assert Statistics.of(np.arange(12.0).reshape(3, 4).T[::2]).max == 10
    assert Statistics.of(np.float32(2)).shape == ()


# --- a layer's ------------------------------------------------------------------------------------


def run(keep, f="tanh", b=True, x=None, create_graph=False):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(30, 6)) if x is None else x
    W = [Tensor(rng.normal(size=s), requires_grad=True) for s in ((6, 40), (40, 5), (5, 3))]
    biases = [Tensor(rng.normal(size=w.shape[1]), requires_grad=True) if b else None for w in W]
    with trace(keep) as t:
        for w, bias, g in zip(W, biases, (f, f, "identity"), strict=True):
            x = dense(x, w, bias, g)
        (x * x).mean().backward(create_graph=create_graph)
    return t


@pytest.mark.plain
@pytest.mark.parametrize("b", [True, False])
@pytest.mark.parametrize("f", ["tanh", "relu", "sigmoid", "gelu", "identity"])
def test_statistics_alone_are_those_of_the_arrays(f, b):
    arrays, stats = run("arrays", f, b), run("stats", f, b)
    assert arrays.keep == "arrays" and stats.keep == "stats"
    for row, other in zip(arrays.layers, stats.layers, strict=True):
        for name in QUANTITIES:
            array = getattr(row, name)
            if array is None:
                assert row.statistics(name) is other.statistics(name) is None
                continue
            assert row.statistics(name) == Statistics.of(array) == other.statistics(name)
            np.testing.assert_array_equal(
                row.statistics(name).histogram, other.statistics(name).histogram
            )
        assert row.saturated() == other.saturated()
        assert row.saturated(0.5) == other.saturated(0.5)
        assert row.dead() == other.dead()
        assert repr(row) == repr(other)


def test_a_recorded_backward_pass_has_statistics_too():
    a, b = run("stats", create_graph=True), run("stats")
    for row, other in zip(a.layers, b.layers, strict=True):
        np.testing.assert_allclose(
            row.statistics("dL_ds").rms, other.statistics("dL_ds").rms, rtol=1e-12
        )


def test_printed_they_are_two_short_lines():
    values = np.array([[1.0, -2.0, 0.0], [np.nan, 4.0, np.inf]])
    lines = str(Statistics.of(values)).splitlines()
    assert lines[0] == "2×3: mean 0.75, std 2.17, rms 2.29, zeros 25 %, 2 NaN or infinite"
    assert lines[1] == "    -2 … 4, 96 % within -2 … 4"


def test_arrays_that_were_not_kept_say_so():
    t = run("stats")
    for name in QUANTITIES:
        with pytest.raises(GraphError, match=r'keep="arrays"'):
            getattr(t[0], name)
    for name in ("inputs", "output", "dL_dy", "dL_dx"):
        with pytest.raises(GraphError, match=name):
            getattr(t.nodes[0], name)
    assert t.nodes[0].input_shapes[0] == (30, 6)
    with pytest.raises(AttributeError, match="no attribute"):
        t.nodes[0].no_such_thing  # noqa: B018
    with pytest.raises(ValueError, match="arrays"), trace(keep="everything"):
        pass


def held(thing, seen):
    """The bytes of all arrays that can be reached from a thing."""
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return thing.nbytes + held(thing.base, seen)
    if isinstance(thing, dict):
        return sum(held(v, seen) for v in thing.values())
    if isinstance(thing, list | tuple):
        return sum(held(v, seen) for v in thing)
    if type(thing).__module__.startswith("engine.tracing"):
        return held(vars(thing), seen) if hasattr(thing, "__dict__") else 0
    return 0


def test_memory_does_not_grow_with_the_width():
    def size(keep, width):
        W = Tensor(np.ones((width, width), np.float32), requires_grad=True)
        with trace(keep) as t:
            dense(np.ones((100, width), np.float32), W, f="tanh").sum().backward()
        return held(t, set())

    assert size("stats", 400) <= size("stats", 100) + 8 * SAMPLE  # samples of small arrays
    assert size("stats", 400) < 8 * SAMPLE * len(QUANTITIES)
    assert size("arrays", 400) > 2 * 4 * 400 * 400


def test_a_second_backward_pass_through_statistics_is_refused():
    W = Tensor(np.ones((3, 3)), requires_grad=True)
    with pytest.raises(GraphError, match=r'second backward.*keep="arrays"'), trace("stats"):
        y = dense(np.ones((2, 3)), W).sum()
        y.backward(retain_graph=True)
        y.backward()


def test_statistics_follow_a_second_backward_pass_where_arrays_are_kept():
    W = Tensor(np.ones((3, 3)), requires_grad=True)
    with trace() as t:
        y = dense(np.ones((2, 3)), W).sum()
        assert t[0].statistics("dL_dW") is None
        y.backward(retain_graph=True)
        assert t[0].statistics("dL_dW").mean == 2
        assert t[0].statistics("dL_dW") is t[0].statistics("dL_dW")
        y.backward()
    assert t[0].statistics("dL_dW").mean == 4
    with pytest.raises(KeyError, match="dL_ds"):
        t[0].statistics("dL_dy")


@pytest.mark.parametrize("keep", ["arrays", "stats"])
def test_saturated_and_dead(keep):
    W = Tensor(np.array([[1.0, -1.0, 1.0, 1.0]]), requires_grad=True)
    b = Tensor(np.array([0.0, 0.0, 100.0, -100.0]), requires_grad=True)
    with trace(keep) as t:
        dense(np.array([[1.0], [2.0]]), W, b, "relu")
        dense(np.array([[1.0], [2.0]]), W, b, "sigmoid")
        dense(np.array([[1.0], [np.nan]]), W, b, "sigmoid")
    relu, sigmoid, broken = t.layers
    assert relu.dead().share == 0.5 and relu.dead().count == 2
    if keep == "arrays":
        np.testing.assert_array_equal(relu.dead().indices, [1, 3])
    assert relu.saturated() == 0.5
    assert sigmoid.saturated() == 0.5 and sigmoid.dead().count == 0
    slope = 1 / (1 + np.exp(-2.0)) * (1 - 1 / (1 + np.exp(-2.0))) * 4  # at s = ±2, about 0.42
    assert sigmoid.saturated(0.41) == 0.5 and slope > 0.41
    assert sigmoid.saturated(0.43) == 0.75 and slope < 0.43
    assert broken.saturated() == 0.5
    for threshold in (0, -1, 2):
        with pytest.raises(ValueError, match="threshold"):
            relu.saturated(threshold)
    assert relu.saturated(0.055) == 0.5


def test_tracing_statistics_changes_no_gradient():
    grads = []
    for keep in (None, "stats"):
        W = Tensor(np.random.default_rng(0).normal(size=(6, 6)), requires_grad=True)
        x = np.random.default_rng(1).normal(size=(9, 6))
        if keep:
            with trace(keep):
                dense(dense(x, W, f="tanh"), W, f="gelu").sum().backward()
        else:
            dense(dense(x, W, f="tanh"), W, f="gelu").sum().backward()
        grads.append(W.grad.numpy())
    np.testing.assert_array_equal(*grads)


def test_public_names():
    assert engine.Statistics is Statistics
    assert isinstance(run("stats")[0].dead(), engine.DeadUnits)
