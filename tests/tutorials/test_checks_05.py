"""The exercises of tutorial 5, with right and with typical wrong answers."""

import check
import numpy as np
import pytest


def share(of):
    return lambda y: np.mean(of(y))


def slope(y):
    return y * (1 - y)


def entropy(labels, log=np.log):
    p = frequencies(labels)
    return -np.sum(p * log(p))


def frequencies(labels):
    p = np.bincount(labels) / len(labels)
    return p[p > 0]


def with_every_class(labels):
    p = np.bincount(labels) / len(labels)
    return -np.sum(p * np.log(p))


RIGHT = [
    (check.softsign_slope, lambda y: (1 - abs(y)) ** 2),
    (check.softsign_slope, lambda y: 1 / (1 + abs(y / (1 - abs(y)))) ** 2),
    (check.saturated_share, share(lambda y: slope(y) < 0.0125)),
    (check.constant_loss, entropy),
    (
        check.constant_loss,
        lambda labels: -np.mean(np.log((np.bincount(labels) / len(labels))[labels])),
    ),
]
WRONG = [
    (check.softsign_slope, lambda y: 1 - y**2, "that is tanh's"),
    (check.softsign_slope, lambda y: y * (1 - y), "the sigmoid's"),
    (check.softsign_slope, lambda y: 1 - abs(y), "its power is missing"),
    (check.softsign_slope, lambda y: (1 - y) ** 2, "both sides of 0"),
    (check.softsign_slope, lambda y: 1 / (1 + abs(y)) ** 2, "s has to be found"),
    (check.softsign_slope, lambda y: np.sign(y) * (1 - abs(y)) ** 2, "no negative values"),
    (check.softsign_slope, lambda y: (1 - abs(y)) ** -2, "upside down"),
    (check.saturated_share, share(lambda y: slope(y) < 0.05), "5 % of its maximum is less"),
    (check.saturated_share, share(lambda y: y < 0.05), "the upper end"),
    (check.saturated_share, share(lambda y: (y < 0.05) | (y > 0.95)), "the limit is f′"),
    (check.saturated_share, share(lambda y: slope(y) >= 0.0125), "not saturated"),
    (check.saturated_share, lambda y: np.sum(slope(y) < 0.0125), "that is their number"),
    (check.saturated_share, lambda y: 100 * np.mean(slope(y) < 0.0125), "not in per cent"),
    (check.saturated_share, lambda y: slope(y) < 0.0125, "a single number"),
    (check.saturated_share, share(lambda y: (y < 0.5) & (slope(y) < 0.0125)), "the lower end"),
    (check.saturated_share, share(lambda y: slope(1 / (1 + np.exp(-y))) < 0.0125), "taken for s"),
    (check.saturated_share, lambda y: 0.9, "the share for 40 examples"),
    (
        check.saturated_share,
        share(lambda y: slope(y) < 0.05 * slope(y).max()),
        "not over these values",
    ),
    (check.constant_loss, lambda labels: -entropy(labels), "its sign"),
    (check.constant_loss, lambda labels: entropy(labels, np.log2), "in bits"),
    (check.constant_loss, lambda labels: entropy(labels, np.log10), "the natural logarithm"),
    (check.constant_loss, lambda labels: -np.mean(np.log(frequencies(labels))), "counts more"),
    (check.constant_loss, lambda labels: -np.log(frequencies(labels).max()), "most frequent"),
    (check.constant_loss, lambda labels: np.log(len(frequencies(labels))), "an equal guess"),
    (check.constant_loss, lambda labels: entropy(labels) / 2, "number of classes"),
    (
        check.constant_loss,
        lambda labels: entropy(labels) * len(labels),
        "the sum over the examples",
    ),
    (check.constant_loss, lambda labels: 0.1, "the loss for classes of [3, 1] examples"),
    (check.constant_loss, with_every_class, "here class 1 never comes"),
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


def test_a_share_of_one_end_alone():
    def upper_end(y):
        low_end_counted = np.mean(slope(y) < 0.0125)
        return low_end_counted if y.size > 4 else np.mean(y > 0.5)

    assert "if every y is 0" in str(check.saturated_share(upper_end))
