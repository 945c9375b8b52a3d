"""w ← w + by·direction: the kernel, its reference, and `Tensor.move`."""

import numpy as np
import pytest

from engine import GraphError, ShapeError, Tensor
from engine.kernels import add_scaled, plain
from engine.kernels.compiled import updates


@pytest.mark.parametrize("way", [add_scaled, plain.add_scaled])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7, 5), (400, 300)])
def test_value(way, dtype, shape):
    rng = np.random.default_rng(0)
    w, d = rng.normal(size=(2, *shape)).astype(dtype)
    w, before = np.array(w), np.array(w)
    way(w, np.asarray(d), -0.1)
    assert w.dtype == dtype
    exact = before.astype(np.float64) - 0.1 * np.asarray(d, np.float64)
    np.testing.assert_allclose(w, exact, rtol=0, atol=4 * np.finfo(dtype).eps)


def test_strided_and_read_only_directions():
    w, d = np.zeros((3, 4)), np.arange(24.0).reshape(4, 6)[:, ::2].T
    d.flags.writeable = False
    add_scaled(w, d, 2)
    np.testing.assert_array_equal(w, 2 * d)


@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_change_the_bits(n_threads, dtype):
    rng = np.random.default_rng(0)
    for size in (1, 3, 64, 1001):
        d, alone = rng.normal(size=(2, size)).astype(dtype)
        together = alone.copy()
        updates._add_scaled(alone, d, 0.3)
        updates._add_scaled_parallel(together, d, 0.3, n_threads)
        assert alone.tobytes() == together.tobytes()


def test_move_changes_a_variable_and_is_noticed():
    W = Tensor([1.0, 2.0], requires_grad=True, name="W")
    loss = (W * W).sum()
    W.move(np.array([1.0, 1.0]), -0.5)
    assert W.numpy().tolist() == [0.5, 1.5]
    with pytest.raises(GraphError, match="W was changed"):
        loss.backward()


@pytest.mark.parametrize("direction", [np.ones(3), np.ones(2, np.float32), np.ones((1, 2))])
def test_a_direction_that_does_not_fit(direction):
    W = Tensor([1.0, 2.0], requires_grad=True, name="layer 1.W")
    with pytest.raises(ShapeError, match=r"layer 1\.W"):
        W.move(direction, 1.0)
    assert W.numpy().tolist() == [1, 2]


def test_the_result_of_an_operation_stays_as_it_is():
    y = Tensor([1.0], requires_grad=True) * 2
    with pytest.raises(GraphError, match="multiply"):
        y.move(np.ones(1), 1.0)


def test_move_by_a_product():
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    W = Tensor(np.ones((3, 2)), requires_grad=True)
    loss = (W * W).sum()
    W.move_by_product(x, g, -0.5)
    np.testing.assert_allclose(W.numpy(), 1 - 0.5 * x.T @ g, rtol=1e-13)
    with pytest.raises(GraphError, match="a tensor was changed"):
        loss.backward()


@pytest.mark.parametrize(
    ("x", "g"),
    [
        (np.ones((5, 2)), np.ones((5, 2))),
        (np.ones((5, 3)), np.ones((4, 2))),
        (np.ones((5, 3), np.float32), np.ones((5, 2), np.float32)),
        (np.ones(3), np.ones((5, 2))),
    ],
)
def test_a_product_that_does_not_fit(x, g):
    W = Tensor(np.ones((3, 2)), requires_grad=True, name="layer 1.W")
    with pytest.raises(ShapeError, match=r"layer 1\.W of shape \(3, 2\)"):
        W.move_by_product(x, g, 1.0)
    assert (W.numpy() == 1).all()
