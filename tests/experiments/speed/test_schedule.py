"""Turns and blocks, with entrants that are made up: order, ratios, failures, wrong results."""

import math

import numpy as np
import pytest

from experiments.speed.cases import Limit, Product
from experiments.speed.processes import WorkerError
from experiments.speed.schedule import Blocks, Timing, difference, measure, turns

CASE = Product("matmul", "float32", "X·W", 8, 8, 8)
RESULT = [2.0, 0.5, 1.0, -1.0]


class Fake:
    """An entrant whose calls take as long as it is told, and who writes down what happens."""

    def __init__(self, name, seconds=1.0, diary=None, digest=RESULT, dies_in=None, refuses=""):
        self.name, self.seconds, self.digest = name, seconds, digest
        self.diary = [] if diary is None else diary
        self.dies_in, self.refuses, self.blocks = dies_in, refuses, 0

    def prepare(self, request):
        self.diary.append(("prepare", self.name))
        if self.refuses:
            raise WorkerError(self.refuses)
        return self.digest

    def block(self, seconds, least):
        self.blocks += 1
        self.diary.append(("block", self.name))
        if self.blocks == self.dies_in:
            raise WorkerError("its process ended (signal 9)")
        time = self.seconds(self.blocks) if callable(self.seconds) else self.seconds
        return [time, 1.5 * time, 9 * time][: max(least, 1)]

    def drop(self):
        self.diary.append(("drop", self.name))


def run(*entrants, rounds=4, **given):
    rng = np.random.default_rng(0)
    return measure(CASE, 2, entrants, Blocks(rounds, 0.01), rng, **given)


class TestTurns:
    def test_each_round_has_everybody_once(self):
        for order in turns(4, 9, np.random.default_rng(0)):
            assert sorted(order) == [0, 1, 2, 3]

    def test_everybody_has_each_place_equally_often(self):
        orders = np.array(turns(5, 10, np.random.default_rng(3)))
        for place in orders.T:
            assert np.bincount(place).tolist() == [2] * 5

    def test_the_seed_decides(self):
        one, same = (turns(5, 3, np.random.default_rng(1)) for _ in range(2))
        assert one == same
        assert any(turns(5, 3, np.random.default_rng(s)) != one for s in range(2, 6))

    def test_nobody(self):
        assert turns(0, 2, np.random.default_rng(0)) == [[], []]

    def test_blocks_follow_them(self):
        diary = []
        run(*(Fake(name, diary=diary) for name in "abc"), rounds=5)
        blocks = [name for what, name in diary if what == "block"]
        expected = turns(3, 5, np.random.default_rng(0))
        assert blocks == ["abc"[i] for order in expected for i in order]
        assert [what for what, _ in diary] == ["prepare"] * 3 + ["block"] * 15 + ["drop"] * 3


class TestTimes:
    def test_the_median_and_the_least_of_a_block(self):
        timing = run(Fake("ours", lambda k: float(k)))
        np.testing.assert_array_equal(timing.medians["ours"], [1.5, 3, 4.5, 6])
        np.testing.assert_array_equal(timing.minima["ours"], [1, 2, 3, 4])
        np.testing.assert_array_equal(timing.repeats["ours"], [3] * 4)
        assert timing.seconds("ours") == 3.75
        assert math.isnan(timing.seconds("nobody"))

    def test_a_ratio_is_taken_round_by_round(self):
        # Both slow down together, tenfold: their ratio stays.
        drift = lambda k: 10.0 ** (k - 1)  # noqa: E731
        timing = run(Fake("ours", drift), Fake("rival", lambda k: 3 * drift(k)))
        ratio = timing.ratio("rival", "ours")
        assert ratio.value == pytest.approx(3)
        assert ratio.high - ratio.low < 1e-9

    def test_a_ratio_is_the_geometric_mean_with_its_interval(self):
        timing = run(Fake("ours"), Fake("rival", lambda k: [1.0, 4.0, 1.0, 4.0][k - 1]))
        ratio = timing.ratio("rival", "ours")
        assert ratio.value == pytest.approx(2)
        half = 3.1824 * np.std(np.log([1, 4, 1, 4]), ddof=1) / 2
        assert (ratio.low, ratio.high) == pytest.approx((2 * np.exp(-half), 2 * np.exp(half)))

    def test_larger_means_that_we_are_faster(self):
        assert run(Fake("ours", 1.0), Fake("rival", 2.0)).ratio("rival", "ours").value > 1.9

    def test_the_fastest(self):
        timing = run(Fake("a", 3.0), Fake("b", 1.0), Fake("c", 2.0), Fake("d", 0.5, dies_in=1))
        assert timing.fastest(["a", "b", "c"]) == "b"
        assert timing.fastest(["a", "c", "d", "e"]) == "c"
        assert timing.fastest(["d", "e"]) is None

    def test_rates(self):
        assert run(Fake("ours", 2.0)).rate("ours") == CASE.flops / 3.0
        peak = Limit("roofline", "float32", "peak", 10, operations=6.0)
        alone = {"ours": np.array([2.0])}
        assert Timing(peak, 4, alone, alone, alone, {}).rate("ours") == 4 * 60 / 2

    def test_a_limit_is_the_most_that_was_reached(self):
        triad = Limit("roofline", "float32", "triad", 10, "L2")
        medians, minima = {"ours": np.array([2.0, 8.0])}, {"ours": np.array([4.0, 1.0])}
        assert Timing(triad, 2, medians, minima, medians, {}).bandwidth("ours") == 120
        assert Timing(triad, 2, medians, minima, medians, {}).rate("ours") == 20
        assert Timing(CASE, 2, medians, minima, medians, {}).bandwidth("ours") == CASE.bytes / 5
        assert math.isnan(Timing(triad, 2, {}, {}, {}, {}).best("ours"))

    def test_progress_hears_of_each_round(self):
        heard = []
        run(Fake("ours"), Fake("rival"), rounds=3, after_round=lambda: heard.append(1))
        assert len(heard) == 3


class TestFailures:
    def test_one_that_dies_is_out_and_the_others_go_on(self):
        dying, other = Fake("b", dies_in=2), Fake("c", 2.0)
        timing = run(Fake("a"), dying, other)
        assert timing.failures == {"b": "its process ended (signal 9)"}
        assert set(timing.medians) == {"a", "c"}
        assert len(timing.medians["c"]) == 4
        assert dying.blocks == 2

    def test_a_ratio_with_it_is_not_shown(self):
        timing = run(Fake("a"), Fake("b", dies_in=4))
        assert math.isnan(timing.ratio("b", "a").value)
        assert math.isnan(timing.ratio("a", "b").value)

    def test_one_that_can_not_do_it(self):
        timing = run(Fake("a"), Fake("b", refuses="has no such operation"))
        assert timing.failures == {"b": "has no such operation"}

    def test_ours_failing_leaves_the_others_times(self):
        timing = run(Fake("a", refuses="no"), Fake("b"), Fake("c"))
        assert set(timing.medians) == {"b", "c"} and list(timing.failures) == ["a"]

    def test_nobody_is_left(self):
        timing = run(Fake("a", dies_in=1), rounds=3)
        assert not timing.medians and list(timing.failures) == ["a"]
        assert run().medians == {}

    def test_everybody_lets_go_even_so(self):
        diary = []
        run(Fake("a", diary=diary, dies_in=1), Fake("b", diary=diary, refuses="no"))
        assert diary[-2:] == [("drop", "a"), ("drop", "b")]


class TestResults:
    def test_a_wrong_one_is_not_timed(self):
        wrong = Fake("b", digest=[2.0, 0.5, 1.0, -0.9])
        timing = run(Fake("a"), wrong)
        assert timing.failures == {"b": "its result differs from ours by 5.0e-02 of its rms"}
        assert wrong.blocks == 0

    def test_rounding_is_allowed(self):
        timing = run(Fake("a"), Fake("b", digest=[2.0, 0.5, 1.0, -1.0001]))
        assert not timing.failures

    @pytest.mark.parametrize(
        ("digest", "tolerance", "passes"),
        [
            ([2.0, 1.0], 1e-4, True),
            ([2.0, 1.00019], 1e-4, True),
            ([2.0, 1.00021], 1e-4, False),
            ([2.0, 1.00021], 1e-3, True),
            ([4.0, 2.0], 1e-4, False),
            ([2.0, math.nan], 1e-4, False),
            ([math.inf, math.inf], 1e-4, False),
            ([2.0], 1e-4, False),
        ],
    )
    def test_difference(self, digest, tolerance, passes):
        assert (difference([2.0, 1.0], digest, tolerance) == "") is passes

    def test_nan_is_equal_to_nothing(self):
        assert difference([math.nan, 1.0], [math.nan, 1.0], 1e-4)

    def test_nothing_is_equal_to_nothing(self):
        assert difference([0.0], [0.0], 1e-4) == ""
