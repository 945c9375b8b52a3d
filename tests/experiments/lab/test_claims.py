"""Claims: tolerances, verdicts, intervals, and the form that result.json has."""

import json
import math

import numpy as np
import pytest

from experiments.lab.claims import Claim, Measured, Statement, Tolerance, student_quantile

RELATIVE = Tolerance("relative", 0.1)
INF = math.inf


def claim(tolerance, expected, *intervals, labels=()):
    statement = Statement("X1", "a sentence", "a source", tolerance)
    measured = [Measured((low + high) / 2, low, high) for low, high in intervals]
    return statement.measured([expected] * len(measured), measured, labels)


class TestTolerance:
    @pytest.mark.parametrize(
        ("tolerance", "expected", "bounds"),
        [
            (RELATIVE, 2.0, (1.8, 2.2)),
            (RELATIVE, -2.0, (-2.2, -1.8)),
            (RELATIVE, 0.0, (0.0, 0.0)),
            (Tolerance("factor", 1.5), 3.0, (2.0, 4.5)),
            (Tolerance("at most", 0.03), 0.5, (-INF, 0.03)),
            (Tolerance("at least", 0.9), 0.5, (0.9, INF)),
        ],
    )
    def test_bounds(self, tolerance, expected, bounds):
        assert tolerance.bounds(expected) == pytest.approx(bounds)

    @pytest.mark.parametrize(
        ("tolerance", "words"),
        [
            (Tolerance("relative", 0.02), "± 2 %"),
            (Tolerance("relative", 0.005), "± 0.5 %"),
            (Tolerance("factor", 1.5), "within a factor of 1.5"),
            (Tolerance("at most", 0.03), "at most 0.03"),
            (Tolerance("at least", 2.0), "at least 2"),
        ],
    )
    def test_in_words(self, tolerance, words):
        assert str(tolerance) == words


class TestVerdict:
    @pytest.mark.parametrize(
        ("interval", "verdict"),
        [
            ((9.5, 10.5), "holds"),
            ((9.0, 11.0), "holds"),
            ((8.9, 10.0), "not shown"),
            ((10.0, 11.1), "not shown"),
            ((5.0, 20.0), "not shown"),
            ((7.0, 8.9), "does not hold"),
            ((11.1, 12.0), "does not hold"),
            ((-INF, INF), "not shown"),
        ],
    )
    def test_on_each_side_of_the_tolerance(self, interval, verdict):
        assert claim(RELATIVE, 10.0, interval).verdict == verdict

    @pytest.mark.parametrize(
        ("kind", "interval", "verdict"),
        [
            ("at most", (0.5, 0.9), "holds"),
            ("at most", (-5.0, 1.0), "holds"),
            ("at most", (0.5, 1.1), "not shown"),
            ("at most", (1.1, 1.2), "does not hold"),
            ("at least", (1.1, 1.2), "holds"),
            ("at least", (0.5, 1.1), "not shown"),
            ("at least", (0.5, 0.9), "does not hold"),
        ],
    )
    def test_one_sided(self, kind, interval, verdict):
        assert claim(Tolerance(kind, 1.0), 0.7, interval).verdict == verdict

    @pytest.mark.parametrize(
        ("interval", "verdict"),
        [
            ((0.51, 1.99), "holds"),
            ((0.49, 1.0), "not shown"),
            ((0.2, 0.4), "does not hold"),
            ((2.1, 2.5), "does not hold"),
        ],
    )
    def test_factors(self, interval, verdict):
        assert claim(Tolerance("factor", 2.0), 1.0, interval).verdict == verdict

    def test_all_numbers_must_agree(self):
        good, wide, bad = (9.9, 10.1), (5.0, 15.0), (1.0, 2.0)
        assert claim(RELATIVE, 10.0, good, good).verdict == "holds"
        assert claim(RELATIVE, 10.0, good, wide).verdict == "not shown"
        assert claim(RELATIVE, 10.0, good, wide, bad).verdict == "does not hold"
        assert claim(RELATIVE, 10.0, bad, good).verdict == "does not hold"

    def test_nothing_measured(self):
        assert claim(RELATIVE, 10.0).verdict == "not yet measured"

    def test_nan_is_not_shown(self):
        statement = Statement("X1", "", "", RELATIVE)
        nan = Measured(math.nan, 9.9, 10.1)
        assert statement.measured([10.0], [nan]).verdict == "not shown"
        assert statement.measured([10.0], [Measured.of([10.0, math.nan])]).verdict == "not shown"

    def test_every_number_needs_its_expectation(self):
        statement = Statement("X1", "", "", RELATIVE)
        with pytest.raises(ValueError, match=r"zip\(\)"):
            _ = statement.measured([10.0], [Measured(10, 10, 10)] * 2).verdict


class TestMeasured:
    def test_the_mean_and_students_interval(self):
        draws = [4.0, 5.0, 7.0, 8.0]
        m = Measured.of(draws)
        half = 3.1824 * np.std(draws, ddof=1) / 2
        assert m.value == 6.0
        assert (m.high - 6.0) == pytest.approx(half, rel=0.01)
        assert (6.0 - m.low) == pytest.approx(half, rel=0.01)

    def test_two_draws(self):
        m = Measured.of([1.0, 3.0])
        assert (m.low, m.high) == pytest.approx((2 - 12.7062, 2 + 12.7062))

    def test_ratios_take_the_geometric_mean(self):
        m = Measured.of([0.25, 1.0, 4.0], log=True)
        half = math.exp(4.3027 * math.log(4) / math.sqrt(3))
        assert m.value == pytest.approx(1.0)
        assert (m.low, m.high) == pytest.approx((1 / half, half))
        # What holds of a ratio holds of its inverse.
        ratios = np.array([0.3, 0.5, 0.9, 1.4])
        m, inverse = Measured.of(ratios, log=True), Measured.of(1 / ratios, log=True)
        assert (1 / inverse.value, 1 / inverse.high) == pytest.approx((m.value, m.low))

    def test_one_draw_has_no_interval(self):
        assert Measured.of([2.0]) == Measured(2.0, -INF, INF)
        assert Measured.of([2.0], log=True) == Measured(pytest.approx(2.0), 0.0, INF)
        assert claim(RELATIVE, 2.0).statement.measured([2.0], [Measured.of([2.0])]).verdict == (
            "not shown"
        )

    def test_equal_draws(self):
        assert Measured.of([2.0, 2.0, 2.0]) == Measured(2.0, 2.0, 2.0)

    @pytest.mark.parametrize(
        ("draws", "log"),
        [([], False), ([1.0, math.nan], False), ([1.0, INF], False), ([1.0, 0.0], True),
         ([1.0, -2.0], True)],
    )  # fmt: skip
    def test_what_can_not_be_measured(self, draws, log):
        m = Measured.of(draws, log=log)
        assert math.isnan(m.value)
        assert (m.low, m.high) == (-INF, INF)

    def test_negative_numbers_have_an_arithmetic_mean(self):
        assert Measured.of([-1.0, -3.0]).value == -2.0

    def test_an_endless_interval_of_a_ratio(self):
        m = Measured.of([1e-300, 1e300], log=True)
        assert (m.value, m.low, m.high) == (pytest.approx(1.0), 0.0, INF)

    @pytest.mark.parametrize("n", [2, 3, 5, 8, 20])
    def test_the_interval_covers_the_truth_in_95_of_100_cases(self, n):
        rng = np.random.default_rng(n)
        hits = 0
        for _ in range(4000):
            m = Measured.of(rng.normal(3.0, 2.0, n))
            hits += m.low <= 3.0 <= m.high
        assert hits / 4000 == pytest.approx(0.95, abs=0.012)

    def test_coverage_of_ratios(self):
        rng = np.random.default_rng(0)
        hits = 0
        for _ in range(4000):
            m = Measured.of(np.exp(rng.normal(-1.0, 0.7, 8)), log=True)
            hits += m.low <= math.exp(-1) <= m.high
        assert hits / 4000 == pytest.approx(0.95, abs=0.012)


# The 97.5 % quantile as tables of Student's t have it.
QUANTILES = {
    1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 10: 2.228, 19: 2.093,
    30: 2.042, 100: 1.984, 1000: 1.962,
}  # fmt: skip


def test_student_quantile():
    for degrees, expected in QUANTILES.items():
        # The expansion is .7 % short at 3 degrees, and better from there on.
        rel = 0.008 if degrees == 3 else 0.003
        assert student_quantile(degrees) == pytest.approx(expected, rel=rel)
    for degrees in (1, 2, 7, 19, 30, 100, 1000):
        assert student_quantile(degrees) == pytest.approx(QUANTILES[degrees], abs=0.0012)
    found = [student_quantile(degrees) for degrees in range(1, 200)]
    assert found == sorted(found, reverse=True)


class TestJson:
    def test_one_number(self):
        statement = Statement("X1", "a sentence", "a source", RELATIVE)
        m = Measured(10.1, 9.9, 10.3)
        assert statement.measured([10.0], [m]).as_json() == {
            "id": "X1",
            "text": "a sentence",
            "source": "a source",
            "recalled": False,
            "exact": False,
            "needs": "",
            "labels": [],
            "measured": 10.1,
            "interval": [9.9, 10.3],
            "expected": 10.0,
            "tolerance": "± 10 %",
            "holds": True,
            "verdict": "holds",
            "worst": 0,
        }

    def test_several_numbers(self):
        found = claim(RELATIVE, 10.0, (9.9, 10.1), (1.0, 3.0), labels=("a", "b")).as_json()
        assert found["measured"] == [10.0, 2.0]
        assert found["interval"] == [[9.9, 10.1], [1.0, 3.0]]
        assert found["expected"] == [10.0, 10.0]
        assert found["labels"] == ["a", "b"]
        assert (found["holds"], found["verdict"]) == (False, "does not hold")

    def test_not_yet_measured(self):
        found = Claim(Statement("X1", "", "", RELATIVE, recalled=True)).as_json()
        assert (found["measured"], found["interval"], found["expected"]) == ([], [], [])
        assert (found["holds"], found["verdict"]) == (None, "not yet measured")
        assert found["recalled"] is True

    def test_nothing_in_it_is_nan_or_inf(self):
        statement = Statement("X1", "", "", Tolerance("at most", 1.0))
        measured = [Measured.of([]), Measured.of([1.0]), Measured(INF, 1.0, INF)]
        found = statement.measured([math.nan, -INF, 1.0], measured).as_json()
        json.dumps(found, allow_nan=False)
        assert found["measured"] == [None, 1.0, None]
        assert found["interval"] == [[None, None], [None, None], [1.0, None]]
        assert found["expected"] == [None, None, 1.0]
        assert (found["holds"], found["verdict"]) == (None, "not shown")


class TestWorst:
    @pytest.mark.parametrize(
        ("intervals", "worst"),
        [
            ([(9.9, 10.1), (9.5, 9.9), (10, 10)], 1),
            ([(9.5, 10.9), (9.9, 30.0), (11.2, 11.3)], 2),  # one that fails before one that is wide
            ([(20.0, 21.0), (12.0, 12.1)], 0),
            ([(9.5, 9.6), (-INF, INF), (9.0, 12.0)], 1),
            ([], 0),
        ],
    )
    def test_the_number_that_agrees_least(self, intervals, worst):
        made = claim(RELATIVE, 10.0, *intervals)
        assert made.worst == worst and made.as_json()["worst"] == worst
        if intervals:
            alone = claim(RELATIVE, 10.0, intervals[worst])
            assert alone.verdict == made.verdict

    def test_one_sided_and_not_measured_numbers(self):
        assert claim(Tolerance("at most", 2.0), 2.0, (0, 1), (1, 1.9), (-5, 0)).worst == 1
        assert claim(Tolerance("at least", 2.0), 2.0, (3, 4), (2.1, 9)).worst == 1
        statement = Statement("X1", "", "", Tolerance("at most", 0))
        measured = [Measured(0, 0, 0), Measured(math.nan, -INF, INF), Measured(3, 3, 3)]
        assert statement.measured([0, 0, 0], measured).worst == 2
        assert statement.measured([0, 0], measured[:2]).worst == 1
