"""The checks of tutorial 9: right answers pass, and typical wrong ones are told why."""

import check
import numpy as np
import pytest

import engine
from engine import activation


def moments(f):
    y = f(np.random.default_rng(0).normal(size=400_000))
    return y.mean(), (y**2).mean()


def test_the_gain():
    assert check.forward_gain(lambda f: 1 / np.sqrt(moments(f)[1]))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda f: np.sqrt(moments(f)[1]), "undoes it"),
        (lambda f: 1 / moments(f)[1], "square"),
        (lambda f: 1 / np.sqrt(moments(f)[1] - moments(f)[0] ** 2), "second moment"),
        (lambda f: 1.467414, "keeps the gradient"),
        (lambda f: 1.592537, "softplus"),
    ],
)
def test_wrong_gains(wrong, reason):
    verdict = check.forward_gain(wrong)
    assert not verdict
    assert reason in verdict.reason


def hat(s):
    return engine.maximum(1 - engine.abs(s), 0)


def wide_hat(s):
    return engine.maximum(2 - engine.abs(s), 0)


def slanted_hat(s):
    return engine.where(engine.abs(s) < 1, 1 - s * s, 0)


def hat_with_if(s):
    if s > 0:
        return 1 - s
    return 1 + s


def test_the_hat():
    assert check.hat(hat)
    assert "hat" not in engine.ACTIVATIONS
    assert check.hat(activation(hat))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda: 3.0, "give the function itself"),
        (lambda: hat_with_if, "`if`"),
        (lambda: lambda s: np.fmax(1 - abs(s), 0), "NumPy's"),
        (lambda: lambda s: ..., "replace the ..."),
        (lambda: activation(wide_hat), "at s = -1.5 it is 0.5"),
        (lambda: activation(slanted_hat), "at s = -0.75 it is"),
        (lambda: activation(kinks=(0.0,), title="hat_with_kinks")(hat), "kinks are: 0"),
        (lambda: ..., "replace the ..."),
    ],
)
def test_wrong_hats(wrong, reason):
    verdict = check.hat(wrong())
    assert not verdict
    assert reason in verdict.reason


def swish_own(s):
    return s * engine.sigmoid(s)


def swish_overflowing(s):
    return s / (1 + engine.exp(-s))


def swish_of_two(s):
    return s * engine.sigmoid(2 * s)


def swish_clipped(s):
    return s / (1 + engine.exp(-engine.clip(s, -20, 20)))


def test_the_swish():
    assert check.safe_swish(swish_own)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (lambda: engine.silu, "engine's own"),
        (lambda: swish_overflowing, "is still"),
        (lambda: swish_of_two, "at s = "),
        (lambda: swish_clipped, "at s = -1000 in float32 it is"),
    ],
)
def test_wrong_swishes(wrong, reason):
    verdict = check.safe_swish(wrong())
    assert not verdict
    assert reason in verdict.reason
