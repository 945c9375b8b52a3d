"""`dense`, the article's layer: against its parts, and against the four equations."""

import itertools

import numpy as np
import pytest

import engine
from engine import ACTIVATIONS, ShapeError, Tensor, dense, gradcheck, leaky_relu, place

RNG = np.random.default_rng(0)
X, W, B = RNG.normal(size=(5, 3)), RNG.normal(size=(3, 4)), RNG.normal(size=4)
G = RNG.normal(size=(5, 4))


def both_ways(f, *arrays, dtype=np.float64):
    found = []
    for layer in (dense, lambda x, W, b=None, f=None: f(x @ W if b is None else x @ W + b)):
        tensors = [Tensor(a, requires_grad=True, dtype=dtype) for a in arrays]
        y = layer(*tensors, f=f)
        y.backward(G.reshape(y.shape) if y.size == G.size else np.ones(y.shape))
        found.append([y.numpy(), *(t.grad.numpy() for t in tensors)])
    return found


@pytest.mark.plain
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dense_is_matmul_add_and_f(name, dtype):
    f = ACTIVATIONS[name]
    rtol = 1e-12 if dtype == np.float64 else 1e-4
    for arrays in ((X, W, B), (X, W)):
        fused, composed = both_ways(f, *arrays, dtype=dtype)
        for a, b in zip(fused, composed, strict=True):
            assert a.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@pytest.mark.plain
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dense_follows_the_four_equations(name):
    """The sums of engine/rules/linear.py, written out over n, j and k."""
    f = ACTIVATIONS[name]
    n_batch, fan_in, fan_out = 5, 3, 4
    s = np.zeros((n_batch, fan_out))
    for n in range(n_batch):
        for k in range(fan_out):
            for j in range(fan_in):
                s[n, k] += X[n, j] * W[j, k]
            s[n, k] += B[k]
    slope = f.slope(s)
    dL_ds, dL_dW = np.zeros((n_batch, fan_out)), np.zeros((fan_in, fan_out))
    dL_db, dL_dx = np.zeros(fan_out), np.zeros((n_batch, fan_in))
    for n in range(n_batch):
        for k in range(fan_out):
            dL_ds[n, k] = G[n, k] * slope[n, k]
            dL_db[k] += dL_ds[n, k]
            for j in range(fan_in):
                dL_dW[j, k] += X[n, j] * dL_ds[n, k]
                dL_dx[n, j] += W[j, k] * dL_ds[n, k]

    x, w, b = (Tensor(a, requires_grad=True) for a in (X, W, B))
    y = dense(x, w, b, f)
    np.testing.assert_allclose(y.numpy(), f.value(s), rtol=1e-13, atol=1e-14)
    y.backward(G)
    for ours, expected in ((x.grad, dL_dx), (w.grad, dL_dW), (b.grad, dL_db)):
        np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.plain
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_dense_to_second_order(name):
    gradcheck(lambda x, W, b: dense(x, W, b, name), X[:2], W[:, :2], B[:2], order=2)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bias", [True, False])
def test_the_fused_kernels_and_the_derivation_give_the_same_numbers(name, dtype, bias, monkeypatch):
    """Each combination of gradients that are needed, once with `FUSED` and once without."""
    f = ACTIVATIONS[name]
    operands = [array.astype(dtype) for array in ((X, W, B) if bias else (X, W))]
    g = G.astype(dtype)
    rule = engine.RULES["dense"]
    outcomes = []
    for fused in (True, False):
        if not fused:
            monkeypatch.setattr("engine.kernels.FUSED", {})
        assert ("dense" in engine.kernels.FUSED) == fused
        numbers = []
        for needs in itertools.product((True, False), repeat=len(operands)):
            y, s = rule.value(*operands, f=f)
            gradients = rule.vjp(g, y, *operands, f=f, saved=s, needs=needs)
            assert len(gradients) == len(operands)
            for needed, gradient, operand in zip(needs, gradients, operands, strict=True):
                if needed:
                    assert (gradient.shape, gradient.dtype) == (operand.shape, dtype)
                    numbers.append(gradient)
            numbers.append(y)
        outcomes.append(numbers)
    tolerance = 64 * np.finfo(dtype).eps
    for ours, plain in zip(*outcomes, strict=True):
        np.testing.assert_allclose(ours, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.plain
def test_fused_kernels_are_there_with_a_compiler_alone():
    assert ("dense" in engine.kernels.FUSED) == engine.kernels.COMPILED


def test_without_the_fused_kernels_tensors_and_arrays_run_the_same_derivation(monkeypatch):
    monkeypatch.setattr("engine.kernels.FUSED", {})
    for f in (engine.gelu, engine.tanh.derivative):
        gradients = []
        for create_graph in (False, True):
            tensors = [Tensor(a, requires_grad=True) for a in (X, W, B)]
            dense(*tensors, f=f).backward(G, create_graph=create_graph)
            gradients.append([t.grad.numpy() for t in tensors])
        for array, tensor in zip(*gradients, strict=True):
            np.testing.assert_array_equal(array, tensor)


def test_dense_without_bias_to_second_order():
    gradcheck(lambda x, W: dense(x, W, f="tanh"), X[:2], W[:, :2], order=2)


@pytest.mark.parametrize(
    "shape", [(3,), (2, 3), (2, 2, 3), (2, 1, 2, 3), (0, 3), (2, 0, 3), (1, 3)]
)
@pytest.mark.parametrize("bias", [True, False])
def test_any_axes_before_the_last(shape, bias):
    x0 = RNG.normal(size=shape)
    x, w, b = (Tensor(a, requires_grad=True) for a in (x0, W, B))
    y = dense(x, w, b if bias else None, "tanh")
    np.testing.assert_allclose(y.numpy(), np.tanh(x0 @ W + B * bias), rtol=1e-12)
    y.sum().backward()
    assert (x.grad.shape, w.grad.shape) == (shape, W.shape)
    assert (b.grad is None) == (not bias)
    if x0.size:
        gradcheck(lambda x, w: dense(x, w, B, "tanh"), x0, W)


def test_the_activation_may_be_a_name_a_record_or_a_variant():
    a = dense(X, Tensor(W), B, "tanh").numpy()
    b = dense(X, Tensor(W), B, engine.tanh).numpy()
    np.testing.assert_array_equal(a, b)
    s = X @ W + B
    y = dense(Tensor(X), W, B, leaky_relu(a=0.2)).numpy()
    np.testing.assert_allclose(y, np.where(s > 0, s, 0.2 * s), rtol=1e-12)
    gradcheck(lambda x: dense(x, W, B, leaky_relu(a=0.2)), X)
    np.testing.assert_allclose(dense(Tensor(X), W, B).numpy(), s, rtol=1e-12)
    with pytest.raises(ValueError, match=r"'thanh'.*tanh"):
        dense(X, Tensor(W), B, "thanh")
    with pytest.raises(TypeError, match="@activation"):
        dense(X, Tensor(W), B, np.tanh)


def test_only_what_is_wanted_gets_a_gradient():
    for wanted in range(3):
        tensors = [Tensor(a, requires_grad=i == wanted) for i, a in enumerate((X, W, B))]
        dense(*tensors, f="tanh").sum().backward()
        assert [t.grad is not None for t in tensors] == [i == wanted for i in range(3)]


def test_lists_integers_and_mixed_precision():
    y = dense([[1, 2, 3]], Tensor(np.ones((3, 2), np.float32), requires_grad=True))
    assert y.dtype == np.float64
    assert y.numpy().tolist() == [[6, 6]]
    x, w, b = (
        Tensor(a, requires_grad=True, dtype=d)
        for a, d in ((X, np.float32), (W, np.float64), (B, np.float32))
    )
    dense(x, w, b, "tanh").sum().backward()
    assert [t.grad.dtype for t in (x, w, b)] == [np.float32, np.float64, np.float32]


@pytest.mark.plain
@pytest.mark.parametrize("name", ["identity", "tanh", "gelu"])
def test_a_fan_in_of_zero_leaves_the_bias(name):
    f, b = ACTIVATIONS[name], Tensor(B, requires_grad=True)
    y = dense(np.ones((2, 0)), Tensor(np.ones((0, 4))), b, f)
    np.testing.assert_array_equal(y.numpy(), f.value(np.array([B, B])))
    y.sum().backward()
    np.testing.assert_allclose(b.grad.numpy(), 2 * f.slope(B), rtol=1e-12)


@pytest.mark.plain
@pytest.mark.parametrize(
    "f",
    [
        *(engine.elu(alpha=alpha) for alpha in (-2.0, -1e-3, 0.0, 0.5, 2.0)),
        *(leaky_relu(a=a) for a in (-0.3, 0.0, 2.0)),
    ],
    ids=lambda f: f"{f.name} {f.parameters}",
)
def test_dense_with_other_parameters_of_f(f):
    fused, composed = both_ways(f, X, W, B)
    for a, b in zip(fused, composed, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.plain
@pytest.mark.parametrize(
    ("x", "w", "b", "parts"),
    [
        ((5, 2), (3, 4), None, ["(5, 2)", "(3, 4)", "fan_in = 2"]),
        ((5, 3), (3, 4), (3,), ["(3,)", "(3, 4)", "(4,)"]),
        ((5, 3), (3, 4), (1, 4), ["(1, 4)", "(4,)"]),
        ((5, 3), (3, 4), (1,), ["(1,)", "(4,)"]),
        ((5, 3), (3,), None, ["(5, 3)", "(3,)"]),
        ((), (3, 4), None, ["()", "(3, 4)"]),
        ((5, 3), (2, 3, 4), None, ["(2, 3, 4)"]),
    ],
)
def test_errors_name_dense_the_place_and_the_shapes(x, w, b, parts):
    with place("layer 3"), pytest.raises(ShapeError) as caught:
        dense(Tensor(np.ones(x)), np.ones(w), None if b is None else np.ones(b))
    for part in ("dense in layer 3", *parts):
        assert part in str(caught.value)


def test_the_incoming_gradient_may_have_any_layout():
    outcomes = []
    for g in (G, np.asfortranarray(G), np.broadcast_to(G[0], G.shape)[:, ::1], G[::-1][::-1]):
        x = Tensor(X, requires_grad=True)
        dense(x, W, B, "tanh").backward(g)
        outcomes.append(x.grad.numpy())
    np.testing.assert_array_equal(outcomes[0], outcomes[1])
    np.testing.assert_array_equal(outcomes[0], outcomes[3])


def test_the_saved_sum_is_not_changed_by_later_layers():
    # With the identity, s and the result are the same array.
    x = Tensor(X, requires_grad=True)
    y = dense(x, W, B)
    z = dense(y, np.eye(4), B)
    assert not np.shares_memory(y.numpy(), z.numpy())
    np.testing.assert_allclose(y.numpy(), X @ W + B, rtol=1e-12)
