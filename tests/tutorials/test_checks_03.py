"""The exercises of tutorial 3, with right and with typical wrong answers."""

import math

import check
import numpy as np
import pytest

LN2 = math.log(2)


def split(n):
    return lambda x: (n(x), x - n(x) * LN2)


def one_sided(s):
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-s))


def from_the_other_end(s):
    e = np.exp(-abs(s))
    return np.where(s >= 0, 1 / (1 + e), 1 - 1 / (1 + e))


def by_tanh(s):
    return 0.5 * (1 + np.tanh(s / 2))


def in_float64(s):
    e = np.exp(-abs(s.astype(np.float64)))
    return np.where(s < 0, e, 1) / (1 + e)


def hides_nan(s):
    e = np.exp(-abs(np.nan_to_num(s)))
    return np.where(s < 0, e, 1) / (1 + e)


def with_masks(s):
    y = np.empty_like(s)
    low = s < 0
    y[~low] = 1 / (1 + np.exp(-s[~low]))
    e = np.exp(s[low])
    y[low] = e / (1 + e)
    return y


RIGHT = [
    (check.multiply_adds, lambda batch, n_in, n_out: 3 * batch * n_in * n_out),
    (check.split_exponent, split(lambda x: round(x / LN2))),
    (check.split_exponent, split(lambda x: math.floor(x / LN2 + 0.5))),
    (check.split_exponent, split(lambda x: np.rint(x / LN2))),
    (check.stable_sigmoid, lambda s: np.where(s < 0, np.exp(-abs(s)), 1) / (1 + np.exp(-abs(s)))),
    (check.stable_sigmoid, with_masks),
    (check.stable_sigmoid, one_sided),
    (check.stable_sigmoid, in_float64),
]
WRONG = [
    (check.multiply_adds, lambda batch, n_in, n_out: batch * n_in * n_out, "that is one product"),
    (check.multiply_adds, lambda batch, n_in, n_out: 2 * batch * n_in * n_out, "is missing"),
    (check.multiply_adds, lambda batch, n_in, n_out: 4 * batch * n_in * n_out, "too many"),
    (check.multiply_adds, lambda batch, n_in, n_out: 6 * batch * n_in * n_out, "counts as one"),
    (check.multiply_adds, lambda batch, n_in, n_out: 3 * n_in * n_out, "and the batch?"),
    (
        check.multiply_adds,
        lambda batch, n_in, n_out: 3 * batch * n_in * n_out + batch * n_out,
        "adding b is no multiply-add",
    ),
    (check.multiply_adds, lambda batch, n_in, n_out: 7, "the number for a batch of 10"),
    (check.split_exponent, split(lambda x: math.floor(x / LN2)), "not always the nearest"),
    (check.split_exponent, split(lambda x: math.ceil(x / LN2)), "at most half of ln 2"),
    (check.split_exponent, split(lambda x: x / LN2), "a whole number"),
    (check.split_exponent, lambda x: (round(x), x - round(x)), "n · ln 2 + r"),
    (check.split_exponent, lambda x: round(x / LN2), "return 2 things"),
    (check.stable_sigmoid, lambda s: 1 / (1 + np.exp(-s)), "which sign of the exponent"),
    (check.stable_sigmoid, lambda s: np.exp(s) / (1 + np.exp(s)), "which sign of the exponent"),
    (check.stable_sigmoid, from_the_other_end, "has no digits left"),
    (check.stable_sigmoid, by_tanh, "has no digits left"),
    (check.stable_sigmoid, hides_nan, "would be hidden"),
    (check.stable_sigmoid, lambda s: 1 / (1 + np.exp(-np.clip(s, -30, 30))), "is cut off"),
    (check.stable_sigmoid, lambda s: 1 / (1 + np.exp(-abs(s))), "f is less than ½"),
    (check.stable_sigmoid, lambda s: np.tanh(s), "s = -1000 it is -1"),
    (check.stable_sigmoid, lambda s: 0.5, "shape ()"),
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
