"""s = xW + b is kept only where it is needed: where f′ is no function of f(s), and for a trace."""

import numpy as np
import pytest

import engine
from engine import ACTIVATIONS, Tensor, dense, trace

RNG = np.random.default_rng(0)
NEED_S = {
    name for name, f in ACTIVATIONS.items() if getattr(f.kernel, "slope_of_value", None) is None
}
assert {"leaky_relu", "prelu", "gelu", "silu"} <= NEED_S
EACH = pytest.mark.parametrize("name", ACTIVATIONS)
# Below and above the sizes from which on kernels work otherwise.
EACH_SHAPE = pytest.mark.parametrize("shape", [(5, 3, 4), (10, 300, 210), (151, 4, 334)], ids=str)


def operands(shape, dtype=np.float32):
    m, n, p = shape
    arrays = RNG.normal(size=(m, n)), RNG.normal(size=(n, p)) / np.sqrt(n), RNG.normal(size=p)
    return [array.astype(dtype) for array in arrays]


def variables(shape, dtype=np.float32):
    return [Tensor(array, requires_grad=True) for array in operands(shape, dtype)]


@EACH
@EACH_SHAPE
def test_without_a_trace(name, shape):
    x, W, b = variables(shape)
    node = dense(x, W, b, name)._node
    assert (node.saved is not None) == (name in NEED_S)
    if name in NEED_S:
        np.testing.assert_allclose(
            node.saved, x.numpy() @ W.numpy() + b.numpy(), rtol=1e-4, atol=1e-5
        )


@EACH
@EACH_SHAPE
def test_in_a_trace(name, shape):
    x, W, b = variables(shape)
    with trace() as t:
        y = dense(x, W, b, name)
    exact = x.numpy() @ W.numpy() + b.numpy()
    np.testing.assert_allclose(y._node.saved, exact, rtol=1e-4, atol=1e-5)
    assert t[0].s is y._node.saved
    np.testing.assert_array_equal(t[0].x_next, ACTIVATIONS[name].value(t[0].s))
    assert dense(x, W, b, name)._node.saved is None or name in NEED_S  # after it, as before


@EACH
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@EACH_SHAPE
def test_a_trace_changes_no_bit(name, dtype, shape):
    arrays, g = operands(shape, dtype), RNG.normal(size=(shape[0], shape[2]))
    outcomes = []
    for traced in (False, True):
        tensors = [Tensor(array, requires_grad=True) for array in arrays]
        if traced:
            with trace():
                y = dense(*tensors, name)
                y.backward(g)
        else:
            y = dense(*tensors, name)
            y.backward(g)
        outcomes.append([y.numpy().tobytes(), *(t.grad.numpy().tobytes() for t in tensors)])
    assert outcomes[0] == outcomes[1]


@EACH
def test_what_was_kept_is_let_go_with_the_graph(name):
    y = dense(*variables((5, 3, 4)), name)
    node = y._node
    assert node.inputs is not None
    y.sum().backward()
    assert node.saved is None
    assert node.inputs is None


@EACH
def test_a_second_derivative_needs_no_kept_s(name):
    # Recorded backward passes compute s once more, with its gradient.
    gradients, arrays = [], operands((5, 3, 4), np.float64)
    for traced in (False, True):
        x, W, b = (Tensor(array, requires_grad=True) for array in arrays)
        if traced:
            with trace():
                dense(x, W, b, name).sum().backward(create_graph=True)
        else:
            dense(x, W, b, name).sum().backward(create_graph=True)
        first = x.grad
        W.zero_grad()
        (first * first).sum().backward()
        gradients.append(W.grad.numpy())
    np.testing.assert_array_equal(*gradients)


def test_a_layer_whose_activation_is_a_derivative_keeps_s():
    y = dense(*variables((5, 3, 4)), engine.tanh.derivative)
    assert y._node.saved.shape == (5, 4)


def test_memory_of_a_layer_in_training(monkeypatch):
    """Of arrays as large as the result there is one, and a second where s is needed."""
    made = []
    original = engine.kernels.compiled.layers.empty

    def empty(shape, dtype):
        made.append(shape)
        return original(shape, dtype)

    monkeypatch.setattr(engine.kernels.compiled.layers, "empty", empty)
    for name, count in (("tanh", 1), ("identity", 1), ("gelu", 2)):
        made.clear()
        dense(*variables((10, 300, 210)), name)
        assert made == [(10, 210)] * count
