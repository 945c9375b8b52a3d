"""The checks of tutorial 8: right answers pass, and typical wrong ones are told why."""

import math

import check
import pytest


def test_the_leaky_gain():
    assert check.leaky_gain(lambda a: math.sqrt(2 / (1 + a * a)))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda a: 2 / (1 + a * a), "fan_in · Var W"),
        (lambda a: math.sqrt((1 + a * a) / 2), "undoes it"),
        (lambda a: (1 + a * a) / 2, "undoes it"),
        (lambda a: math.sqrt(2), "ReLU's"),
        (lambda a: math.sqrt(2 / (1 + a)), "mean of squares"),
        (lambda a: math.sqrt(2) / (1 + a * a), "root is of all"),
        (lambda a: math.sqrt(1 / (1 + a * a)), "half"),
        (lambda a: 1 / math.sqrt((1 + a * a) / 2 - (1 - a) ** 2 / (2 * math.pi)), "Var f(s)"),
        (lambda a: 5.0, "too large"),
    ],
)
def test_wrong_leaky_gains(wrong, reason):
    verdict = check.leaky_gain(wrong)
    assert not verdict
    assert reason in verdict.reason


def bound(fan_in, a):
    return math.sqrt(2 / (1 + a * a)) * math.sqrt(3 / fan_in)


def test_the_bound():
    assert check.torch_bound(bound)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda n, a: bound(n, a) / math.sqrt(3), "standard deviation"),
        (lambda n, a: math.sqrt(6 / n), "a does not enter"),
        (lambda n, a: math.sqrt(3 / n), "gain is missing"),
        (lambda n, a: bound(n, a) ** 2, "square"),
        (lambda n, a: 2 / (1 + a * a) * math.sqrt(3 / n), "gain stands squared"),
        (lambda n, a: 1 / math.sqrt(n), "for one a alone"),
        (lambda n, a: 1.0, "fan_in = 300"),
    ],
)
def test_wrong_bounds(wrong, reason):
    verdict = check.torch_bound(wrong)
    assert not verdict
    assert reason in verdict.reason


def test_the_ratio():
    assert check.gradient_ratio(lambda widths: math.sqrt(widths[-1] / widths[0]))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda w: w[-1] / w[0], "mean squares"),
        (lambda w: math.sqrt(w[0] / w[-1]), "divided by which"),
        (lambda w: w[0] / w[-1], "divided by which"),
        (lambda w: 1.0, "fan_in"),
        (lambda w: 0.5 ** (len(w) - 1), "give it back"),
        (lambda w: math.sqrt(w[-1] / w[0] / 2 ** (len(w) - 1)), "give it back"),
        (lambda w: math.sqrt(w[-1] / w[0] * 2 ** (len(w) - 1)), "give back a half"),
        (lambda w: [1.0], "single number"),
    ],
)
def test_wrong_ratios(wrong, reason):
    verdict = check.gradient_ratio(wrong)
    assert not verdict
    assert reason in verdict.reason
