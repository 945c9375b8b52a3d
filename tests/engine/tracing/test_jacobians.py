"""Singular values against Jacobians taken by the engine itself."""

import numpy as np
import pytest

import engine
from engine import GraphError, Tensor, dense, trace
from nn import MLP


def test_end_to_end_is_the_jacobian_of_the_net():
    net = MLP([5, 8, 7, 3], "tanh", rng=0, dtype=np.float64)
    x = np.random.default_rng(0).normal(size=(4, 5))
    with trace() as t:
        net(x)
    j = t.jacobians(3)
    assert isinstance(j, engine.Jacobians)
    assert j.names == ("layer 1", "layer 2", "output")
    assert [values.shape for values in j.layers] == [(3, 5), (3, 7), (3, 3)]
    assert j.end_to_end.shape == (3, 3)
    for i in range(3):
        J = engine.jacobian(net, Tensor(x[i]))
        want = np.linalg.svd(np.asarray(J.numpy()), compute_uv=False)
        np.testing.assert_allclose(j.end_to_end[i], want, rtol=1e-10)
    layer = net.layers[0]
    J = engine.jacobian(layer, Tensor(x[1]))
    np.testing.assert_allclose(j.layers[0][1], np.linalg.svd(J.numpy())[1], rtol=1e-10)
    np.testing.assert_allclose(j.mean[0], j.layers[0].mean())
    assert (j.smallest <= j.mean).all() and (j.mean <= j.largest).all()
    assert j.smallest[1] == j.layers[1].min() and j.largest[1] == j.layers[1].max()
    assert len(t.jacobians(99).end_to_end) == 4


def test_the_table_has_a_row_for_each_layer_and_one_for_the_net():
    net = MLP([5, 8, 7, 3], "tanh", rng=0)
    with trace() as t:
        net(np.random.default_rng(0).normal(size=(4, 5)))
    j = t.jacobians(3)
    lines = str(j).splitlines()
    assert [line.split("  ")[0] for line in lines[3:]] == [
        "layer 1",
        "layer 2",
        "output",
        "end to end",
    ]
    values = j.layers[1]
    shown = [7, values.min(), np.median(values), values.mean(), values.max()]
    np.testing.assert_allclose([float(v) for v in lines[4].split()[2:]], shown, rtol=0.01)
    assert max(map(len, lines)) <= 80
    assert repr(j) == "Jacobians(3 layers, 3 examples)"


def test_layers_that_are_no_chain_have_no_end_to_end():
    W = Tensor(np.eye(3), requires_grad=True)
    with trace() as t:
        dense(dense(np.ones((2, 3)), W) * 2.0, W)
    j = t.jacobians()
    assert j.end_to_end is None
    np.testing.assert_array_equal(j.layers[0], np.ones((2, 3)))


def test_nan_is_an_answer_and_errors_say_what_to_do():
    W = Tensor(np.eye(3), requires_grad=True)
    x = np.ones((2, 3))
    x[0, 0] = np.nan
    with trace() as t:
        dense(x, W, f="tanh")
    j = t.jacobians()
    assert np.isnan(j.layers[0][0]).all() and np.isfinite(j.layers[0][1]).all()
    with pytest.raises(ValueError, match="one example"):
        t.jacobians(0)
    with trace() as t:
        pass
    with pytest.raises(ValueError, match="no layer"):
        t.jacobians()
    with trace("stats") as t:
        dense(x, W)
    with pytest.raises(GraphError, match="arrays"):
        t.jacobians()
