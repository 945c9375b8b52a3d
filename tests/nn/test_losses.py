"""Losses: the quadratic one by its formula and by the derivative that its docstring states."""

import numpy as np
import pytest

import engine
import nn
from engine import ShapeError, Tensor, gradcheck

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(5, 4)) * 2
LABELS = np.array([0, 3, 1, 1, 2])


def softmax(o):
    e = np.exp(o - o.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def test_the_engines_losses_are_handed_on():
    assert nn.cross_entropy is engine.cross_entropy
    assert nn.mse is engine.mse


def test_quadratic_is_its_formula():
    p, y = softmax(LOGITS), np.eye(4)[LABELS]
    loss = nn.quadratic(Tensor(LOGITS), LABELS)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(sum(((p[n] - y[n]) ** 2).sum() for n in range(5)) / 5)


def test_quadratic_has_the_derivative_that_it_states():
    """∂L/∂o_k = (2/N) p_k [(p_k − y_k) − Σ_j p_j (p_j − y_j)], a loop over n and k."""
    p, y = softmax(LOGITS), np.eye(4)[LABELS]
    expected = np.zeros_like(LOGITS)
    for n in range(5):
        mean = sum(p[n, j] * (p[n, j] - y[n, j]) for j in range(4))
        for k in range(4):
            expected[n, k] = 2 / 5 * p[n, k] * ((p[n, k] - y[n, k]) - mean)
    logits = Tensor(LOGITS, requires_grad=True)
    nn.quadratic(logits, LABELS).backward()
    np.testing.assert_allclose(logits.grad.numpy(), expected, rtol=1e-12)
    gradcheck(lambda o: nn.quadratic(o, LABELS), LOGITS, order=2)


def test_quadratic_is_flat_where_the_net_is_surely_wrong_and_cross_entropy_is_not():
    sure = np.array([[30.0, 0.0, 0.0]])
    gradients = []
    for loss in (nn.quadratic, nn.cross_entropy):
        logits = Tensor(sure, requires_grad=True)
        loss(logits, [1]).backward()
        gradients.append(np.abs(logits.grad.numpy()).max())
    assert gradients[0] < 1e-11
    assert gradients[1] == pytest.approx(1)


def test_quadratic_between_right_and_wrong():
    sure = Tensor(np.array([[1000.0, 0.0], [1000.0, 0.0]], np.float32))
    assert nn.quadratic(sure, [0, 0]).item() == 0
    assert nn.quadratic(sure, [1, 1]).item() == 2
    assert nn.quadratic(sure, [0, 1]).item() == 1
    assert nn.quadratic(sure, [0, 1]).dtype == np.float32


def test_the_labels_may_be_a_list_or_small_integers():
    expected = nn.quadratic(Tensor(LOGITS), LABELS).item()
    for labels in (LABELS.tolist(), LABELS.astype(np.uint8), LABELS.astype(np.int8)):
        assert nn.quadratic(Tensor(LOGITS), labels).item() == expected


@pytest.mark.parametrize("loss", [nn.quadratic, nn.cross_entropy])
@pytest.mark.parametrize(
    ("labels", "error", "words"),
    [
        ([0, 1, 2, 3, 4], ValueError, "label 4 of example 4"),
        ([0, -1, 2, 3, 1], ValueError, "label -1 of example 1"),
        ([0, 1, 2], ShapeError, r"\(3,\)"),
        (np.eye(4)[LABELS], ShapeError, r"\(5, 4\)"),
        ([0.0, 1.0, 2.0, 3.0, 1.0], TypeError, "float64"),
    ],
    ids=["high", "low", "short", "one-hot", "floats"],
)
def test_labels_that_do_not_fit(loss, labels, error, words):
    with pytest.raises(error, match=words):
        loss(Tensor(LOGITS, requires_grad=True), labels)


def test_checking_the_labels_leaves_nothing_on_the_tape():
    with engine.detect_nonfinite():
        logits = Tensor(LOGITS, requires_grad=True)
        nn.quadratic(logits, LABELS).backward()
        first = logits.grad.numpy().copy()
        nn.quadratic(logits, LABELS).backward()
    np.testing.assert_array_equal(logits.grad.numpy(), 2 * first)


def test_quadratic_of_one_example_is_a_batch_of_one():
    logits = Tensor(LOGITS[0], requires_grad=True)
    loss = nn.quadratic(logits, LABELS[0])
    assert loss.shape == ()
    assert loss.item() == nn.quadratic(LOGITS[:1], LABELS[:1]).item()
    loss.backward()
    assert logits.grad.shape == (4,)
    gradcheck(lambda o: nn.quadratic(o, 1), LOGITS[0])


@pytest.mark.parametrize(
    ("logits", "labels", "error", "words"),
    [
        ([[1.0, 2.0]], [2], ValueError, "label 2 of example 0 is not one of the 2 classes"),
        ([1.0, 2.0], 2, ValueError, "label 2"),
        ([[1.0, 2.0]], [-1], ValueError, "label -1"),
        ([[1.0, 2.0]], [0.5], TypeError, "labels of dtype float64"),
        ([[1.0, 2.0]], [True], TypeError, "labels of dtype bool"),
        ([[1.0, 2.0]], ["a"], TypeError, "labels of dtype <U1"),
        ([[1.0, 2.0]], [0, 1], ShapeError, r"logits of shape \(1, 2\) and labels of shape \(2,\)"),
        ([[1.0, 2.0]], 1, ShapeError, r"labels of shape \(\)"),
        ([[1.0, 2.0]], [[0, 1]], ShapeError, r"labels of shape \(1, 2\)"),
        (1.0, 0, ShapeError, r"logits of shape \(\)"),
        (np.zeros((0, 2)), [], ShapeError, "N at least 1"),
    ],
)
def test_labels_are_refused_by_the_name_of_the_loss(logits, labels, error, words):
    for loss, name in ((nn.quadratic, "quadratic"), (nn.cross_entropy, "cross_entropy")):
        with pytest.raises(error, match=f"^{name}: .*{words}"):
            loss(logits, labels)
