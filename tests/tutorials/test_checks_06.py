"""The checks of tutorial 6: right answers pass, and typical wrong ones are told why."""

import check
import numpy as np
import pytest


def softmax(o):
    e = np.exp(o - o.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def one_hot(o, labels):
    return np.eye(o.shape[1])[labels]


def quadratic_slope(o, labels):
    p = softmax(o)
    off = p - one_hot(o, labels)
    return 2 / len(o) * p * (off - (off * p).sum(axis=1, keepdims=True))


def test_the_quadratic_slope():
    assert check.quadratic_slope(quadratic_slope)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda o, y: (softmax(o) - one_hot(o, y)) / len(o), "cross-entropy's"),
        (lambda o, y: softmax(o) - one_hot(o, y), "cross-entropy's"),
        (lambda o, y: 2 * (softmax(o) - one_hot(o, y)) / len(o), "one step more"),
        (
            lambda o, y: 2 * (softmax(o) - one_hot(o, y)) * softmax(o) * (1 - softmax(o)) / len(o),
            "moves all of the p_j",
        ),
        (lambda o, y: len(o) * quadratic_slope(o, y), "mean over the batch"),
        (lambda o, y: -quadratic_slope(o, y), "its sign"),
        (lambda o, y: quadratic_slope(o, y) / 2, "square"),
        (lambda o, y: 3 * quadratic_slope(o, y), "3 times"),
        (lambda o, y: quadratic_slope(o, y).sum(axis=1), "shape"),
        (lambda o, y: None, "replace the ..."),
        (lambda o, y: o / 0, "warning"),
        (..., "replace the ..."),
    ],
)
def test_wrong_quadratic_slopes(wrong, reason):
    verdict = check.quadratic_slope(wrong)
    assert not verdict
    assert reason in verdict.reason


def safe(o, labels):
    o = o - o.max(axis=1, keepdims=True)
    log_p = o - np.log(np.exp(o).sum(axis=1, keepdims=True))
    return -log_p[np.arange(len(o)), labels].mean()


def cut_off(o, labels):
    p = np.clip(softmax(o)[np.arange(len(o)), labels], 1e-12, 1)
    return -np.log(p).mean()


def overflowing(o, labels):
    with np.errstate(all="ignore"):
        e = np.exp(o)
        return -np.log((e / e.sum(axis=1, keepdims=True))[np.arange(len(o)), labels]).mean()


def one_maximum_for_all(o, labels):
    o = o - o.max()
    return (np.log(np.exp(o).sum(axis=1)) - o[np.arange(len(o)), labels]).mean()


def test_the_safe_cross_entropy():
    assert check.safe_cross_entropy(safe)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda o, y: len(o) * safe(o, y), "sum over the batch"),
        (lambda o, y: -safe(o, y), "sign"),
        (lambda o, y: safe(o, y) / o.shape[1], "mean over outputs"),
        (cut_off, "cut off"),
        (one_maximum_for_all, "depend on that example"),
        (overflowing, "overflowed"),
        (lambda o, y: -np.log(np.exp(o) / np.exp(o).sum())[0, y[0]], "the cost of a batch of four"),
    ],
)
def test_wrong_cross_entropies(wrong, reason):
    verdict = check.safe_cross_entropy(wrong)
    assert not verdict
    assert reason in verdict.reason


def test_the_number_of_updates():
    assert check.updates_to_turn(lambda d, lr: np.exp(-d) / (4 * lr))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda d, lr: np.exp(-d) / lr, "too many, by a factor of more than 3"),
        (lambda d, lr: np.exp(-d) / (2 * lr), "too many, by more than 15 %"),
        (lambda d, lr: -d / lr, "too few"),
        (lambda d, lr: np.exp(-d) / 4, "lr = 0.5"),
        (lambda d, lr: -1.0, "too few"),
    ],
)
def test_wrong_numbers_of_updates(wrong, reason):
    verdict = check.updates_to_turn(wrong)
    assert not verdict
    assert reason in verdict.reason
