"""What a trace keeps of a pass: statistics are those of the moment, variables are copied once."""

import gc
import weakref

import numpy as np
import pytest

from engine import (
    QUANTITIES,
    GraphError,
    NonFiniteError,
    Statistics,
    Tensor,
    dense,
    detect_nonfinite,
    tanh,
    trace,
)

RNG = np.random.default_rng(0)


def variable(*shape, dtype=np.float64):
    return Tensor(RNG.normal(size=shape).astype(dtype), requires_grad=True)


def same(found, array):
    assert found == Statistics.of(array)


def assert_alike(arrays, stats):
    """A trace of statistics has those of the arrays of another trace of the same pass."""
    assert len(arrays.layers) == len(stats.layers)
    for row, other in zip(arrays.layers, stats.layers, strict=True):
        for name in QUANTITIES:
            array = getattr(row, name)
            found = other.statistics(name)
            assert (array is None) == (found is None), (row.name, name)
            if array is not None:
                same(found, array)
        assert other.node.sources == row.node.sources
        assert other.node.input_shapes == row.node.input_shapes
        assert other.node.output_shape == row.node.output_shape
        assert other.node.sweeps == row.sweeps
        assert other.dead().count == row.dead().count


def test_a_variable_that_changes_before_the_block_ends():
    W = variable(5, 4)
    before = W.numpy().copy()
    with trace("stats") as t:
        dense(RNG.normal(size=(3, 5)), W, f="tanh")
        W.update(lambda array: array.fill(7))
    same(t[0].statistics("W"), before)


def test_an_update_after_the_backward_pass():
    W, x = variable(5, 4), RNG.normal(size=(3, 5))
    before = W.numpy().copy()
    with trace("stats") as t:
        dense(x, W, f="tanh").sum().backward()
        gradient = W.grad.numpy().copy()
        W.descend(0.1)
    same(t[0].statistics("W"), before)
    same(t[0].statistics("dL_dW"), gradient)


def test_gradients_that_are_added_up_in_place():
    W, x = variable(5, 4), RNG.normal(size=(3, 5))
    with trace("stats") as t:
        dense(x, W, f="tanh").sum().backward()
        first = W.grad.numpy().copy()
        dense(2 * x, W, f="tanh").sum().backward()
        second = W.grad.numpy() - first
    same(t[0].statistics("dL_dW"), first)
    np.testing.assert_allclose(t[1].statistics("dL_dW").rms, np.sqrt((second**2).mean()))


def test_what_is_asked_for_within_the_block():
    W, x = variable(5, 4), RNG.normal(size=(3, 5))
    with trace("stats") as t:
        y = dense(x, W, f="tanh")
        row = t[0]
        same(row.statistics("x_next"), y.numpy())
        assert row.statistics("dL_dW") is None and row.sweeps == 0
        assert len(t.layers) == len(t.nodes) == 1
        y.sum().backward()
        same(row.statistics("dL_dW"), W.grad.numpy())
        assert row is t[0] and t.nodes[0] is row.node and row.sweeps == 1
        assert len(t.layers) == 1 and len(t.nodes) == 2


@pytest.mark.parametrize("f", ["tanh", "relu", "identity"])
def test_statistics_are_those_of_the_arrays(f):
    W = [variable(6, 6, dtype=np.float32) for _ in range(12)]
    b = [variable(6, dtype=np.float32) if i % 3 else None for i in range(12)]
    x = RNG.normal(size=(4, 6)).astype(np.float32)
    traces = []
    for keep in ("arrays", "stats"):
        with trace(keep) as t:
            y = Tensor(x)
            for i in (*range(12), 3, 3):  # one layer three times
                y = dense(y, W[i], b[i], f)
                y = 2 * y if i == 5 else y
            (y * y).sum().backward()
        traces.append(t)
    assert_alike(*traces)


def test_nets_of_two_dtypes_in_one_pass():
    traces = []
    W, V = variable(5, 4), variable(5, 4, dtype=np.float32)
    x = RNG.normal(size=(3, 5))
    for keep in ("arrays", "stats"):
        with trace(keep) as t:
            y = dense(x, W, f="tanh").sum() + dense(x.astype(np.float32), V, f="tanh").sum()
            y.backward()
        traces.append(t)
    assert_alike(*traces)
    assert traces[1][1].statistics("W").mean == pytest.approx(V.numpy().mean(), rel=1e-5)


def test_passes_without_end_hold_no_arrays():
    W = variable(1500, 1500, dtype=np.float32)
    outputs = []
    with trace("stats") as t:
        for _ in range(5):
            y = dense(np.ones((2, 1500), np.float32), W, f="tanh")
            outputs.append(weakref.ref(y.numpy().base))
            del y
        gc.collect()
        assert [output() is None for output in outputs[:-2]] == [True] * 3
    gc.collect()
    assert all(output() is None for output in outputs)
    assert len(t) == 5


def test_a_trace_outlives_the_net_without_its_arrays():
    W = variable(300, 300)
    with trace("stats") as t:
        dense(np.ones((2, 300)), W, f="tanh").sum().backward()
    gradient = weakref.ref(W.grad)
    del W
    gc.collect()
    assert gradient() is None
    assert t[0].statistics("dL_dW").shape == (300, 300)


def test_a_forward_pass_that_nobody_follows_holds_no_graph():
    V, u = variable(300, 4), variable(4, 1)
    outputs = []
    with trace("stats") as t:
        for _ in range(3):
            h = V * V
            outputs.append(weakref.ref(h.numpy().base))
            dense((h * h).sum(axis=0).reshape(1, 4), u)
            del h
        gc.collect()
        assert all(output() is None for output in outputs)
    assert t[0].node.sources[0] == 3


def test_a_wide_input_is_not_held():
    u = variable(3000, 1, dtype=np.float32)
    inputs = []
    with trace("stats"):
        for _ in range(3):
            x = Tensor(np.ones((1500, 3000), np.float32)) * 1
            inputs.append(weakref.ref(x.numpy().base))
            dense(x, u)
            del x
        gc.collect()
        assert inputs[0]() is None


@pytest.mark.parametrize("backward", [False, True])
def test_an_activation_whose_slope_is_made_of_operations(backward):
    x, W = RNG.normal(size=(3, 5)), [variable(5, 4), variable(4, 4), variable(4, 2)]
    f = tanh.derivative.derivative
    traces = []
    for keep in ("arrays", "stats"):
        with trace(keep) as t:
            y = dense(dense(dense(x, W[0], f="relu"), W[1], f=f), W[2])
            assert len(t.layers) == len(t.nodes) == 3
            assert len(t.nodes) == 3
            if backward:
                y.sum().backward()
        traces.append(t)
    assert_alike(*traces)


def test_a_batch_of_nothing():
    traces = []
    W = variable(5, 4)
    for keep in ("arrays", "stats"):
        with trace(keep) as t:
            dense(np.zeros((0, 5)), W, f="relu")
        traces.append(t)
    assert traces[0][0].dead().share == traces[1][0].dead().share == 1
    assert np.isnan(traces[1][0].statistics("s").mean)


def test_a_step_that_failed_leaves_nothing_behind():
    W = Tensor(np.full((1, 1), 1e200), requires_grad=True)
    V, x = variable(2, 2), RNG.normal(size=(3, 2))
    with trace("stats") as t:
        with pytest.raises(NonFiniteError), detect_nonfinite():
            y = dense(Tensor(np.ones((1, 1)), requires_grad=True), W)
            y.backward(np.full((1, 1), 1e200))
        dense(x, V, f="tanh").backward(np.ones((3, 2)), create_graph=True)
    assert t[1].statistics("dL_ds").shape == (3, 2)


def test_after_a_failed_backward_pass_the_forward_pass_is_there():
    W = variable(5, 4)
    x = RNG.normal(size=(3, 5))
    with trace("stats") as t:
        y = dense(x, W, f="tanh").sum()
        before = W.numpy().copy()
        W.update(lambda array: array.fill(1))
        with pytest.raises(GraphError, match="was changed"):
            y.backward()
    same(t[0].statistics("W"), before)
    assert t[0].statistics("dL_dW") is None
    assert "forward only" in repr(t[0])


@pytest.mark.parametrize("keep", ["arrays", "stats"])
def test_an_operation_before_the_block_is_no_source(keep):
    W, V = variable(5, 4), variable(4, 2)
    V.name = "V"
    h = dense(RNG.normal(size=(3, 5)), W, f="tanh")
    with trace(keep) as t:
        dense(h, V)
    assert list(map(str, t.nodes[0].sources)) == ["None", "V"]


@pytest.mark.parametrize("steps", [3, 40])
def test_a_variable_is_kept_once(steps):
    """A recurrence of T steps has T rows, and one copy of W and of U."""
    W, U, b = variable(5, 4), variable(4, 4), variable(4)
    h, x = Tensor(np.zeros((3, 4))), RNG.normal(size=(steps, 3, 5))
    with trace() as t:
        for step in range(steps):
            h = tanh(x[step] @ W + h @ U + b)
    assert len(t) == steps
    assert len({id(row.W) for row in t.layers}) == 1
    assert len({id(row.link(1).W) for row in t.layers}) == 1
    assert t[0].W is not W.numpy() and not np.shares_memory(t[0].W, W.numpy())
    assert t[0].weights == t[-1].weights != t[0].link(1).weights


def test_a_variable_that_changes_is_kept_again():
    W, x = variable(5, 4), RNG.normal(size=(3, 5))
    with trace() as t:
        dense(x, W, f="tanh")
        before = W.numpy().copy()
        W.update(lambda array: array.fill(1))
        dense(x, W, f="tanh")
    np.testing.assert_array_equal(t[0].W, before)
    np.testing.assert_array_equal(t[1].W, np.ones((5, 4)))
    assert t[0].weights != t[1].weights


def test_equal_variables_of_one_name_are_two():
    values = RNG.normal(size=(4, 4))
    W, V = (Tensor(values, requires_grad=True, name="W") for _ in range(2))
    with trace() as t:
        dense(dense(RNG.normal(size=(3, 4)), W), V)
    assert t[0].weights != t[1].weights
