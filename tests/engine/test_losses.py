"""Losses: their formulas, their gradients, extreme logits, and what they refuse."""

import math
import warnings

import numpy as np
import pytest

import engine
from engine import ShapeError, Tensor, cross_entropy, gradcheck, mse, place, quadratic

RNG = np.random.default_rng(0)
LOGITS, LABELS = RNG.normal(size=(5, 4)), np.array([0, 3, 1, 1, 2])


def reference(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(labels)), labels].mean()


@pytest.mark.plain
def test_cross_entropy_and_its_gradient():
    o = Tensor(LOGITS, requires_grad=True)
    loss = cross_entropy(o, LABELS)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(reference(LOGITS, LABELS), rel=1e-14)
    loss.backward()
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(o.grad.numpy(), (p - np.eye(4)[LABELS]) / 5, rtol=1e-13)
    gradcheck(lambda o: cross_entropy(o, LABELS), LOGITS, order=2)


@pytest.mark.plain
def test_cross_entropy_is_what_log_softmax_gives():
    a, b = (Tensor(LOGITS, requires_grad=True) for _ in "ab")
    cross_entropy(a, LABELS).backward()
    (-engine.log_softmax(b)[np.arange(5), LABELS].mean()).backward()
    np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-12, atol=1e-16)


def test_equal_logits_cost_ln_k():
    assert cross_entropy(Tensor(np.zeros((3, 10))), [0, 5, 9]).item() == pytest.approx(math.log(10))
    assert cross_entropy(Tensor(np.zeros((2, 1))), [0, 0]).item() == 0


@pytest.mark.plain
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_logits_neither_overflow_nor_underflow(dtype):
    o = Tensor(np.array([[1000, 0, -1000], [-1000, 1000, 0]], dtype), requires_grad=True)
    loss = cross_entropy(o, [2, 1])
    assert loss.dtype == dtype
    assert loss.item() == 1000  # (2000 + 0) / 2
    loss.backward()
    assert o.grad.dtype == dtype
    assert o.grad.numpy().tolist() == [[0.5, 0, -0.5], [0, 0, 0]]
    never = Tensor(np.array([[0, 0, -np.inf]], dtype), requires_grad=True)
    cross_entropy(never, [0]).backward()
    assert never.grad.numpy().tolist() == [[-0.5, 0.5, 0]]
    assert cross_entropy(never, [2]).item() == np.inf
    assert np.isnan(cross_entropy(Tensor(np.array([[np.nan, 1]], dtype)), [1]).item())


def test_one_example_without_a_batch_axis():
    o = Tensor(LOGITS[0], requires_grad=True)
    loss = cross_entropy(o, 2)
    assert loss.item() == pytest.approx(reference(LOGITS[:1], np.array([2])))
    loss.backward()
    assert o.grad.shape == (4,)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "uint64"])
def test_labels_of_any_integer_dtype(dtype):
    loss = cross_entropy(Tensor(LOGITS), LABELS.astype(dtype))
    assert loss.item() == cross_entropy(Tensor(LOGITS), LABELS.tolist()).item()


def test_labels_are_copied():
    labels, o = LABELS.copy(), Tensor(LOGITS, requires_grad=True)
    loss = cross_entropy(o, labels)
    labels[:] = 0
    loss.backward()
    expected = engine.grad(lambda o: cross_entropy(o, LABELS))(LOGITS)
    np.testing.assert_array_equal(o.grad.numpy(), expected.numpy())


@pytest.mark.plain
@pytest.mark.parametrize(
    ("logits", "labels", "error", "parts"),
    [
        ((5, 4), [0, 1], ShapeError, ["(5, 4)", "(2,)"]),
        ((5,), [0, 1], ShapeError, ["(5,)", "(2,)"]),
        ((2, 3, 4), [0, 1], ShapeError, ["(2, 3, 4)"]),
        ((0, 4), [], ShapeError, ["(0, 4)"]),
        ((2, 4), [0.0, 1.0], TypeError, ["float64"]),
        ((2, 4), [True, False], TypeError, ["bool"]),
        ((3, 4), [0, 4, 9], ValueError, ["label 4", "example 1", "0 … 3"]),
        ((3, 4), [0, 1, -1], ValueError, ["label -1", "example 2"]),
    ],
)
def test_labels_that_do_not_fit(logits, labels, error, parts):
    with place("layer 9"), pytest.raises(error) as caught:
        cross_entropy(Tensor(np.ones(logits)), labels)
    for part in ("cross_entropy in layer 9", *parts):
        assert part in str(caught.value)


@pytest.mark.plain
def test_quadratic_costs():
    x, t = RNG.normal(size=(5, 3)), RNG.normal(size=(5, 3))
    for f, n in ((quadratic, 5), (mse, 15)):
        a, b = Tensor(x, requires_grad=True), Tensor(t, requires_grad=True)
        loss = f(a, b)
        assert loss.shape == ()
        assert loss.item() == pytest.approx(((x - t) ** 2).sum() / n, rel=1e-14)
        loss.backward()
        np.testing.assert_allclose(a.grad.numpy(), 2 * (x - t) / n, rtol=1e-14)
        np.testing.assert_allclose(b.grad.numpy(), -2 * (x - t) / n, rtol=1e-14)
        gradcheck(f, x, t, order=2)
        assert f(Tensor(x, dtype=np.float32), t.astype(np.float32)).dtype == np.float32
    assert quadratic(Tensor(3.0), 1.0).item() == 4


@pytest.mark.parametrize("f", [quadratic, mse])
def test_quadratic_costs_do_not_broadcast(f):
    # (N, 1) against (N,) would silently average N² pairs.
    for a, b in (((5, 1), (5,)), ((5, 3), (1, 3)), ((5,), ()), ((0, 3), (0, 3))):
        with (
            pytest.raises(ShapeError, match=rf"^{f.__name__} in layer 2: shapes"),
            place("layer 2"),
        ):
            f(Tensor(np.ones(a)), np.ones(b))


@pytest.mark.plain
@pytest.mark.parametrize("loss", ["mse", "quadratic", "cross_entropy"])
def test_what_overflows_in_a_loss_warns_nobody(loss):
    huge = np.full((2, 3), 1e30, np.float32)
    x = Tensor(huge, requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if loss == "cross_entropy":
            y = engine.cross_entropy(x * np.float32(1e9), [0, 1])
        else:
            y = getattr(engine, loss)(x, -huge)
        y.backward(np.float32(1e20))
    assert not np.isfinite(y.item())
