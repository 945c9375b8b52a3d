"""The exercises of tutorial 1, with right and with typical wrong answers."""

import math

import check
import pytest


def tanh_slope(x):
    return 1 - math.tanh(x) ** 2


RIGHT = [
    (check.division_rule, lambda a, b: (a / b, 1 / b, -a / b**2)),
    (check.division_rule, lambda a, b: [a / b, b**-1, -(a / b) / b]),
    (
        check.two_paths,
        lambda x, y: (y * math.tanh(x) + x * y * tanh_slope(x), x * math.tanh(x)),
    ),
    (check.calls_by_paths, lambda n: 2 ** (n + 1) - 1),
    (check.calls_by_paths, lambda n: sum(2**i for i in range(n + 1))),
]
WRONG = [
    (check.division_rule, lambda a, b: a / b, "return 3 things"),
    (check.division_rule, lambda a, b: (a * b, b, a), "that is the product"),
    (check.division_rule, lambda a, b: (a / b, b, a), "that is the product's"),
    (check.division_rule, lambda a, b: (a / b, 1.0, 1.0), "that is the sum's"),
    (check.division_rule, lambda a, b: (a / b, 1 / b, a / b**2), "its sign"),
    (check.division_rule, lambda a, b: (a / b, 1 / b, a), "write a / b as a · b⁻¹"),
    (check.division_rule, lambda a, b: (a / b, 1 / b, -1 / b**2), "a still multiplies it"),
    (check.division_rule, lambda a, b: (a / b, 1 / b, -a / b), "the power of b"),
    (check.division_rule, lambda a, b: (a / b, 1 / b, 1 / b), "that is ∂y/∂a"),
    (check.division_rule, lambda a, b: (a / b, -a / b**2, 1 / b), "that is ∂y/∂b; the order"),
    (check.two_paths, lambda x, y: (y * math.tanh(x), x * math.tanh(x)), "by two paths"),
    (check.two_paths, lambda x, y: (x * y * tanh_slope(x), 0.0), "by two paths"),
    (
        check.two_paths,
        lambda x, y: (y * math.tanh(x) * x * y * tanh_slope(x), 0.0),
        "paths are added",
    ),
    (check.two_paths, lambda x, y: (y * math.tanh(x) + x * y, 0.0), "its slope is missing"),
    (check.two_paths, lambda x, y: (y * math.tanh(x) + tanh_slope(x), 0.0), "what is ∂L/∂c?"),
    (
        check.two_paths,
        lambda x, y: (y * math.tanh(x) + x * y * tanh_slope(x), math.tanh(x)),
        "that is ∂L/∂a",
    ),
    (
        check.two_paths,
        lambda x, y: (y * math.tanh(x) + x * y * tanh_slope(x), x),
        "that is ∂a/∂y",
    ),
    (
        check.two_paths,
        lambda x, y: (y * math.tanh(x) + x * y * (1 - x * x), 0.0),
        "1 − c², by its value",
    ),
    (check.two_paths, lambda x, y: (x * math.tanh(x), 0.0), "that is ∂L/∂y; the order"),
    (check.calls_by_paths, lambda n: 2**n, "arrive at a; the ones on the way"),
    (check.calls_by_paths, lambda n: 2**n - 1, "those are the calls on the way"),
    (check.calls_by_paths, lambda n: 100, "the number of calls at depth 5 is too large"),
    (check.calls_by_paths, lambda n: 2 ** (n + 1), "count once more"),
    (check.calls_by_paths, lambda n: n + 1, "for each path"),
    (check.calls_by_paths, lambda n: 2 * n + 1, "each call makes two others"),
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
