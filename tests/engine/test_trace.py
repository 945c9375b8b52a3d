"""`trace`: the rows hold what the pass used, and agree with the gradients of the variables."""

import re
import threading

import numpy as np
import pytest

import engine
from engine import GraphError, LayerRecord, Tensor, Trace, dense, no_grad, place, trace
from engine.core.context import state

RNG = np.random.default_rng(0)


class Net:
    def __init__(self, dtype=np.float64):
        self.W = [
            Tensor(RNG.normal(size=s), requires_grad=True, dtype=dtype) for s in ((3, 4), (4, 2))
        ]
        self.b = [Tensor(RNG.normal(size=n), requires_grad=True, dtype=dtype) for n in (4, 2)]

    def __call__(self, x):
        for i, (W, b, f) in enumerate(zip(self.W, self.b, ("tanh", "relu"), strict=True)):
            with place(f"layer {i + 1}"):
                x = dense(x, W, b, f)
        return x


X, G = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 2))


@pytest.mark.plain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_hold_the_pass(dtype):
    net = Net(dtype)
    with trace() as t:
        y = net(X.astype(dtype))
        y.backward(G)
    assert isinstance(t, Trace)
    assert len(t) == len(t.layers) == 2
    assert [row.name for row in t.layers] == ["layer 1", "layer 2"]
    first, second = t.layers
    assert t["layer 2"] is second is t[1] is t[-1]
    assert isinstance(first, LayerRecord)
    for row, W, b in zip(t.layers, net.W, net.b, strict=True):
        np.testing.assert_array_equal(row.dL_dW, W.grad.numpy())
        np.testing.assert_array_equal(row.dL_db, b.grad.numpy())
        np.testing.assert_array_equal(row.W, W.numpy())
        np.testing.assert_array_equal(row.b, b.numpy())
        np.testing.assert_allclose(row.s, row.x @ row.W + row.b, rtol=1e-4)
        np.testing.assert_array_equal(row.df_ds, row.f.slope(row.s))
        np.testing.assert_array_equal(row.x_next, row.f.value(row.s))
        # The pass took f′ = 1 − y² from y, which is exact to the rounding of 1.
        atol = 5 * np.finfo(dtype).eps * np.abs(row.dL_dx_next).max()
        np.testing.assert_allclose(row.dL_ds, row.dL_dx_next * row.df_ds, rtol=1e-6, atol=atol)
        np.testing.assert_allclose(row.dL_dW, row.x.T @ row.dL_ds, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(row.dL_db, row.dL_ds.sum(axis=0), rtol=1e-4, atol=1e-6)
        for array in (row.x, row.s, row.x_next, row.dL_dW, row.dL_ds, row.df_ds):
            assert type(array) is np.ndarray
            assert array.dtype == dtype
    np.testing.assert_array_equal(first.x, X.astype(dtype))
    np.testing.assert_array_equal(first.x_next, second.x)
    np.testing.assert_array_equal(first.dL_dx_next, second.dL_dx)
    np.testing.assert_array_equal(second.x_next, y.numpy())
    np.testing.assert_array_equal(second.dL_dx_next, G.astype(dtype))
    assert first.dL_dx is None  # nobody wanted the gradient of the data


@pytest.mark.plain
def test_tracing_changes_no_number():
    net = Net()
    net(X).backward(G)
    without = [p.grad.numpy() for p in (*net.W, *net.b)]
    for p in (*net.W, *net.b):
        p.zero_grad()
    with trace():
        net(X).backward(G)
    for p, g in zip((*net.W, *net.b), without, strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), g)


@pytest.mark.plain
def test_a_layer_used_twice_has_two_rows_that_add_up():
    W = Tensor(RNG.normal(size=(3, 3)), requires_grad=True)
    b = Tensor(RNG.normal(size=3), requires_grad=True)
    with trace() as t:
        dense(dense(X, W, b, "tanh"), W, b, "tanh").sum().backward()
    assert len(t) == 2
    np.testing.assert_allclose(t[0].dL_dW + t[1].dL_dW, W.grad.numpy(), rtol=1e-13)
    np.testing.assert_allclose(t[0].dL_db + t[1].dL_db, b.grad.numpy(), rtol=1e-13)


def test_several_backward_passes_add_up():
    net = Net()
    with trace() as t:
        y = net(X)
        y.backward(G, retain_graph=True)
        once = t[0].dL_dW.copy()
        y.backward(G)
    np.testing.assert_array_equal(t[0].dL_dW, 2 * once)
    np.testing.assert_array_equal(t[0].dL_dW, net.W[0].grad.numpy())


def test_a_layer_without_bias_and_a_forward_pass_alone():
    with trace() as t:
        dense(X, Tensor(np.ones((3, 2)), requires_grad=True))
    row = t[0]
    assert row.b is None
    assert row.dL_db is row.dL_dW is row.dL_ds is row.dL_dx_next is None
    assert "forward only" in repr(row)
    np.testing.assert_array_equal(row.x_next, row.s)


@pytest.mark.plain
def test_rows_survive_a_later_update_of_the_parameters():
    net = Net()
    with trace() as t:
        net(X).backward(G)
    W, b, dL_dW = t[0].W.copy(), t[0].b.copy(), t[0].dL_dW.copy()
    for p in (*net.W, *net.b):
        p.assign(0.0)
        p.grad.assign(0.0)
    np.testing.assert_array_equal(t[0].W, W)
    np.testing.assert_array_equal(t[0].b, b)
    np.testing.assert_array_equal(t[0].dL_dW, dL_dW)


def test_rows_survive_a_later_update_of_the_data():
    x = Tensor(X)
    with trace() as t:
        Net()(x).backward(G)
    x.assign(0.0)
    np.testing.assert_array_equal(t[0].x, X)


def test_nothing_is_recorded_outside_or_without_a_gradient():
    net = Net()
    net(X)
    with pytest.warns(UserWarning, match="nothing was recorded"), trace() as t:
        with no_grad():
            net(X)
        dense(X, Tensor(np.ones((3, 2))))
    net(X).backward(G)
    assert len(t) == 0
    with trace() as t:
        y = net(X)
    y.backward(G)
    assert t[0].dL_dW is None
    with pytest.raises(GraphError), trace(), trace():
        pass
    with trace() as t:  # the failure above has closed both
        net(X)
    assert len(t) == 2


def test_a_backward_pass_whose_forward_pass_was_not_seen_is_refused():
    y = Net()(X)
    with pytest.raises(GraphError, match="forward pass inside trace"), trace():
        y.backward(G)


def test_a_trace_ends_with_an_error_in_its_block():
    with pytest.raises(KeyError), trace():
        raise KeyError
    with trace():
        pass


def test_recorded_backward_passes_leave_arrays_in_the_trace():
    net = Net()
    with trace() as t:
        net(X).backward(G, create_graph=True)
    assert len(t) == 2
    assert type(t[0].dL_dW) is np.ndarray
    np.testing.assert_array_equal(t[0].dL_dW, net.W[0].grad.numpy())


def test_names_and_reprs():
    with trace() as t:
        dense(X, Tensor(np.ones((3, 2)), requires_grad=True), f="tanh")
        Net()(X)
    assert [row.name for row in t.layers] == ["layer 3", "layer 1", "layer 2"]
    assert "3 layers" in repr(t)
    assert "layer 3, 3×2, tanh" in repr(t[0])
    with pytest.raises(KeyError, match=r"layer 9.*layer 1"):
        t["layer 9"]
    with pytest.raises(IndexError):
        t[3]


def test_one_nan_does_not_stop_a_trace():
    x = X.copy()
    x[0, 0] = np.nan
    with trace() as t:
        Net()(x).backward(G)
    assert np.isnan(t[0].s).any()
    assert np.isnan(t[0].dL_dW).any()
    repr(t[0])


def test_a_single_example_is_a_batch_of_one():
    with trace() as t:
        dense(X[0], Tensor(np.ones((3, 2)), requires_grad=True), f="tanh").sum().backward()
    assert t[0].x.shape == (1, 3)
    assert t[0].dL_ds.shape == (1, 2)


def test_the_net_stays_usable_with_engine_trace_as_a_function():
    assert callable(engine.trace)
    assert not hasattr(engine.trace, "__path__")


def test_sources_have_the_variables_names_in_linear_rules_too():
    w = Tensor([1.0, 2.0], requires_grad=True, name="offset")
    with trace() as t:
        ((w + 1.0) * w).sum().backward()
    number, _ = t.nodes[0].sources
    assert (number.name, number.version) == ("offset", 0)
    assert [node.sources for node in t.nodes] == [[number, None], [0, number], [1]]


# --- traces of nothing --------------------------------------------------------------------------


def under_no_grad():
    with no_grad(), trace() as t:
        Net()(X)
    return t


def no_grad_inside():
    net = Net()
    with trace() as t, no_grad():
        net(X)
    return t


def of_constants():
    net = Net()
    net.W = [W.detach() for W in net.W]
    net.b = [b.detach() for b in net.b]
    with trace() as t:
        net(X)
    return t


def of_a_graph_from_before():
    x = Tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()
    with trace() as t:
        loss.backward()
    return t


EMPTY = {
    under_no_grad: r"2 operations on variables ran under no_grad\(\)",
    no_grad_inside: r"2 operations on variables ran under no_grad\(\)",
    of_constants: r"2 operations ran on constants alone; .*requires_grad=True",
    of_a_graph_from_before: r"the forward pass ran before the block",
}


@pytest.mark.plain
@pytest.mark.parametrize("make", EMPTY)
def test_a_trace_of_nothing_says_why(make, tmp_path):
    why = f"nothing was recorded: {EMPTY[make]}"
    with pytest.warns(UserWarning, match=rf"^trace\(\): {why}") as caught:
        t = make()
    assert [w.filename for w in caught] == [__file__]  # the line of the block
    assert len(t) == len(t.layers) == len(t.nodes) == 0
    for text in (str(t), repr(t), t._repr_html_()):
        assert re.search(why, text)
    assert max(map(len, str(t).splitlines())) <= 100
    for look in (
        lambda: t[0],
        lambda: t["layer 1"],
        lambda: t.explain(0, weight=(0, 0)),
        t.jacobians,
        t.plot,
        t.walk,
        t.diagnose,
        t.to_dot,
        t.to_mermaid,
        lambda: t.save(tmp_path / "t.npz"),
        lambda: t.compare(t),
    ):
        with pytest.raises(GraphError, match=why):
            look()


@pytest.mark.plain
def test_a_trace_of_something_or_of_an_empty_block_does_not_warn(recwarn):
    net = Net()
    with trace() as t:
        with no_grad():
            net(X)
        (Tensor(1.0) * 2).item()
        net(X).backward(G)
    assert len(t) == 2
    with trace() as t:
        pass
    assert "no layer" in str(t)
    with pytest.raises(ZeroDivisionError), trace(), no_grad():
        net(X)
        raise ZeroDivisionError  # one message is enough
    assert not recwarn.list


def test_a_trace_that_is_no_block_says_how_to_make_one():
    t = trace()
    with pytest.raises(AttributeError, match=r"with trace\(\) as t:.*t\.layers after"):
        _ = t.layers
    assert not hasattr(t, "plot")


def test_a_trace_is_compared_with_traces():
    with trace() as t:
        dense(np.ones((4, 3)), Tensor(np.ones((3, 2)), requires_grad=True), f="tanh").sum()
    with pytest.raises(TypeError, match="another Trace, not int"):
        t.compare(3)


def test_an_error_in_the_block_closes_the_trace():
    for _ in range(2):
        with pytest.raises(KeyError), trace():
            raise KeyError("the block's own")
    with trace(), pytest.raises(engine.GraphError, match="already open"), trace():
        pass
    assert state.trace is None


def test_a_trace_sees_its_own_thread_alone():
    net, opened, passed = Net(), threading.Event(), threading.Event()

    def other():
        with trace() as t:
            opened.set()
            passed.wait(60)
            net(X)
        found.append(t)

    found: list[Trace] = []
    thread = threading.Thread(target=other)
    thread.start()
    assert opened.wait(60)
    net(X).backward(G)
    with trace("stats") as t:
        net(X).backward(G)
    passed.set()
    thread.join()
    assert state.trace is None
    assert [len(found[0]), len(t)] == [2, 2]
    assert [row.sweeps for row in (*found[0].layers, *t.layers)] == [0, 0, 1, 1]
