"""Verdicts: what they say of answers that are missing, break, warn, or have the wrong shape."""

import warnings

import check
import numpy as np
import pytest

RIGHT = np.array([[1.0, -2.0], [3.0, 4.0]])


@check.exercise
def doubled(answer):
    typical = [(RIGHT**2, "that is the square"), (RIGHT, "nothing has been doubled")]
    check.agree("2x", check.call(answer, RIGHT), 2 * RIGHT, typical)
    return "for four numbers"


@check.exercise
def area(answer):
    for name, value in zip(("a", "b"), check.parts(answer, ("a", "b")), strict=True):
        check.agree(name, value, 7.25)
    return "for both"


def in_place(x):
    x *= 2
    return x


def broken(x):
    y = x
    return y.no_such_thing


WRONG = [
    (lambda x: None, "replace the ..."),
    (lambda x: ..., "replace the ..."),
    (lambda x: (x, ...), "replace the ..."),
    (..., "replace the ..."),
    (None, "replace the ..."),
    (RIGHT, "without brackets"),
    (lambda x, y: x, "raises TypeError"),
    (lambda x, y: x, "given argument 1 of shape (2, 2), it"),
    (broken, "given x of shape (2, 2), it raises"),
    (broken, "no_such_thing"),
    (broken, "line 3 of the function"),
    (lambda x: x / 0, "warning"),
    (in_place, "it changes x, an array of shape (2, 2), in place"),
    (lambda x: "2x", "should be numbers"),
    (lambda x: x[0], "shape (2,)"),
    (lambda x: 2 * x[0, 0], "shape ()"),
    (lambda x: x * x, "that is the square"),
    (lambda x: x, "nothing has been doubled"),
    (lambda x: -2 * x, "-1 times what it should be"),
    (lambda x: x / 2, "0.25 times what it should be"),
    (lambda x: x * [[2, 2], [2, np.nan]], "1 of 4 entries are NaN"),
    (lambda x: x * [[2, 2], [3, 3]], "2 of 4 entries are wrong; the first is [1, 0]"),
]


@pytest.mark.parametrize(("answer", "said"), WRONG, ids=[said for _, said in WRONG])
def test_a_wrong_answer_is_told_what_is_wrong(answer, said, capsys):
    verdict = doubled(answer)
    assert not verdict
    assert said in " ".join(str(verdict).split())
    assert capsys.readouterr().out == f"{verdict}\n"


def test_a_right_answer_is_right(capsys):
    verdict = doubled(lambda x: 2 * x)
    assert verdict
    assert capsys.readouterr().out == "doubled: right, for four numbers\n"


def test_tensors_and_lists_are_answers_too():
    from engine import Tensor

    assert doubled(lambda x: Tensor(2 * x))
    assert doubled(lambda x: (2 * x).tolist())


def test_the_factor_of_a_single_number_would_give_it_away():
    for value, said in ((0.5, "too small"), (800.0, "too large"), (-7.25, "wrong sign")):
        verdict = area((7.25, value))
        assert said in str(verdict)
        assert "7.25" not in str(verdict).replace("-7.25", "")


def test_several_numbers_are_asked_for_by_name():
    assert "return 2 things, a, b" in str(area(7.25))
    assert "it returns 3 things" in str(area((1, 2, 3)))
    assert area((7.25, 7.25))
    assert area(np.array([7.25, 7.25]))
    assert "it returns 3 things" in str(area(np.array([1, 2, 3])))


def test_what_is_not_finite_must_be_so_in_the_answer_too():
    right = np.array([np.nan, np.inf, 1.0])
    check.agree("x", right.copy(), right)
    for wrong in ([np.nan, -np.inf, 1], [0, np.inf, 1], [np.nan, np.inf, 2]):
        with pytest.raises(check.NotYet):
            check.agree("x", wrong, right)


def test_each_entry_counts_by_its_own_size():
    check.agree("x", [1e-9, 1.0], [2e-9, 1.0])
    with pytest.raises(check.NotYet, match="1 of 2 entries"):
        check.agree("x", [1e-9, 1.0], [2e-9, 1.0], each=True)


def test_the_lines_are_short_enough_to_read():
    for answer, _ in WRONG:
        assert max(map(len, str(doubled(answer)).splitlines())) <= 92


def test_a_warning_counts_where_the_program_ignores_them_too():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "gives the warning" in str(doubled(lambda x: x / 0))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        np.ones(1) / np.zeros(1)
    assert len(seen) == 1


def test_a_notebook_shows_a_verdict_once():
    assert doubled(lambda x: 2 * x)._ipython_display_() is None
