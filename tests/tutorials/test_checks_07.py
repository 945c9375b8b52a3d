"""The checks of tutorial 7: right answers pass, and typical wrong ones are told why."""

import check
import numpy as np
import pytest


def test_the_bound():
    assert check.xavier_bound(lambda i, o: np.sqrt(6 / (i + o)))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda i, o: np.sqrt(2 / (i + o)), "standard deviation"),
        (lambda i, o: 2 / (i + o), "variance"),
        (lambda i, o: 6 / (i + o), "a²"),
        (lambda i, o: np.sqrt(3 / i), "forward condition alone"),
        (lambda i, o: np.sqrt(3 / o), "backward condition alone"),
        (lambda i, o: 1 / np.sqrt(i), "standard initialisation"),
        (lambda i, o: 2 * np.sqrt(6 / (i + o)), "whole width"),
        (lambda i, o: 0.1, "fan_in Var W = "),
        (lambda i, o: "0.1 or so", "should be"),
    ],
)
def test_wrong_bounds(wrong, reason):
    verdict = check.xavier_bound(wrong)
    assert not verdict
    assert reason in verdict.reason


def slope(s):
    return 1 - np.tanh(s) ** 2


def test_the_jacobian():
    assert check.tanh_jacobian(lambda W, s: slope(s)[:, None] * W.T)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda W, s: W.T, "Jacobian of s"),
        (lambda W, s: np.tanh(s)[:, None] * W.T, "f(s) stands"),
        (lambda W, s: (1 - s**2)[:, None] * W.T, "s itself"),
        (lambda W, s: W * slope(s), "rows and columns"),
        (lambda W, s: W.T * slope(s), "f′(s_j)"),
        (lambda W, s: slope(s)[:, None] * W, "w_kj"),
        (lambda W, s: (slope(s)[:, None] * W.T).reshape(W.shape), "its rows are the outputs"),
        (lambda W, s: -slope(s)[:, None] * W.T, "-1 times"),
    ],
)
def test_wrong_jacobians(wrong, reason):
    verdict = check.tanh_jacobian(wrong)
    assert not verdict
    assert reason in verdict.reason


def orthogonal(n, rng):
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


def test_the_isometry():
    assert check.isometry(orthogonal)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda n, rng: rng.normal(size=(n, n)) / np.sqrt(n), "reach from"),
        (lambda n, rng: 2 * orthogonal(n, rng), "they are 2"),
        (lambda n, rng: np.eye(n), "equal"),
        (lambda n, rng: np.eye(n)[rng.permutation(n)], "exchanges"),
        (lambda n, rng: orthogonal(n, np.random.default_rng(0)), "use the rng"),
        (lambda n, rng: orthogonal(n, rng)[0], "shape"),
    ],
)
def test_wrong_isometries(wrong, reason):
    verdict = check.isometry(wrong)
    assert not verdict
    assert reason in verdict.reason
