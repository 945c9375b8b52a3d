"""The exercises of tutorial 4, with right and with typical wrong answers."""

import math

import check
import numpy as np
import pytest


def factor(df_ds, W):
    return math.sqrt(np.mean(df_ds**2) * W.shape[1] * W.var())


def mean(a):
    return float(np.mean(a))


RIGHT = [
    (check.layer_factor, factor),
    (check.layer_factor, lambda d, W: math.sqrt(mean(d**2)) * math.sqrt(50 * mean(W**2))),
    (check.needed_variance, lambda n, slope: 1 / (n * slope**2)),
    (check.layers_until, lambda f, share: math.ceil(math.log(share, f))),
    (check.layers_until, lambda f, share: next(n for n in range(1000) if f**n <= share)),
]
WRONG = [
    (check.layer_factor, lambda d, W: factor(d, W) ** 2, "the rms is its root"),
    (check.layer_factor, lambda d, W: factor(d, W) * math.sqrt(0.6), "not the rows of W"),
    (check.layer_factor, lambda d, W: factor(d, W) ** 2 * 0.6, "not the rows of W"),
    (
        check.layer_factor,
        lambda d, W: mean(d) * math.sqrt(50 * mean(W**2)),
        "is not the mean of f′²",
    ),
    (check.layer_factor, lambda d, W: factor(d, W) / math.sqrt(50), "n is missing"),
    (check.layer_factor, lambda d, W: math.sqrt(50 * mean(W**2)), "f′ is missing"),
    (check.layer_factor, lambda d, W: math.sqrt(mean(d) * 50 * W.var()), "to be squared"),
    (check.layer_factor, lambda d, W: math.sqrt(mean(d**2) * 50) * W.var(), "the root goes over"),
    (check.layer_factor, lambda d, W: d, "a single number"),
    (check.layer_factor, lambda d, W: math.sqrt(np.var(d) * 50 * W.var()), "not the variance"),
    (check.layer_factor, lambda d, W: math.sqrt(mean(d**2) * 50 * W.std()), "for its variance"),
    (check.layer_factor, lambda d, W: math.sqrt(mean(d**2) * len(d) * W.var()), "not the batch"),
    (check.layer_factor, lambda d, W: math.sqrt(mean(d**2) * W.size * W.var()), "not all of W"),
    (check.layer_factor, lambda d, W: 1 / factor(d, W), "the other way"),
    (check.layer_factor, lambda d, W: 9.0, "the factor for f′(s) of 30 units"),
    (check.needed_variance, lambda n, slope: 1 / n, "where f′ is 1"),
    (check.needed_variance, lambda n, slope: 1 / (n * slope), "by its square"),
    (check.needed_variance, lambda n, slope: (n * slope**2) ** -0.5, "standard deviation"),
    (check.needed_variance, lambda n, slope: n * slope**2, "is multiplied by"),
    (check.needed_variance, lambda n, slope: slope**2 / n, "not smaller ones"),
    (check.needed_variance, lambda n, slope: 1 / slope**2, "that is n Var W"),
    (check.layers_until, lambda f, share: math.floor(math.log(share, f)), "not reached yet"),
    (check.layers_until, lambda f, share: math.log(share, f), "whole number"),
    (check.layers_until, lambda f, share: share / f, "multiplied"),
    (check.layers_until, lambda f, share: math.floor(math.log(share, f)) + 1, "at most, not less"),
    (check.layers_until, lambda f, share: math.ceil(math.log(f, share)), "upside down"),
    (check.layers_until, lambda f, share: 99, "the layers for a factor of 0.1414"),
]


@pytest.mark.parametrize(("looks", "answer"), RIGHT)
def test_right_answers(looks, answer):
    verdict = looks(answer)
    assert verdict, verdict


@pytest.mark.parametrize(("looks", "answer", "said"), WRONG, ids=[said for *_, said in WRONG])
def test_wrong_answers(looks, answer, said):
    verdict = looks(answer)
    assert not verdict
    assert said in " ".join(str(verdict).split())
