"""`table1`: the search, the nets that count, data that can't be had, and its settings."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from experiments.data import DataError
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.training import train
from experiments.questions import QUESTIONS
from experiments.questions.table1 import PRESETS, Settings, run
from experiments.questions.table1_budgets import BUDGETS, EXAMPLES
from experiments.questions.table1_statements import CONSTANT_ERROR, KINDS, PAPER

TINY = Settings(
    data=("shapeset",), depth=2, width=12, updates=60, search_updates=30, lrs=(1e-6, 0.1), seeds=2,
    workers=1,
)  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few_examples():
    patch = pytest.MonkeyPatch()
    patch.setitem(EXAMPLES, "shapeset", (0, 100, 200))
    yield
    patch.undo()


@pytest.fixture(scope="module")
def tiny(few_examples):
    return run(TINY, Silent())


class TestYield:
    def test_arrays_and_their_shapes(self, tiny):
        assert {name: array.shape for name, array in tiny.arrays.items()} == {
            "search_valid_error": (1, 5, 2),
            "lr": (1, 5),
            "valid_error": (1, 5, 2),
            "test_error": (1, 5, 2),
        }
        for array in tiny.arrays.values():
            assert np.isfinite(array).all() and (array <= 1).all() and (array > 0).all()

    def test_the_rate_of_the_least_validation_error_is_taken(self, tiny):
        best = np.array(TINY.lrs)[tiny.arrays["search_valid_error"].argmin(axis=2)]
        np.testing.assert_array_equal(tiny.arrays["lr"], best)

    def test_by_hand(self, tiny):
        for k, kind in ((1, "softsign N"), (4, "sigmoid")):
            for i, lr in enumerate(TINY.lrs):
                tried = train(replace(TINY.training("shapeset", kind, lr), updates=30))
                assert tiny.arrays["search_valid_error"][0, k, i] == tried.valid_error
            lr = float(tiny.arrays["lr"][0, k])
            final = train(replace(TINY.training("shapeset", kind, lr), seed=1))
            assert tiny.arrays["test_error"][0, k, 1] == final.test_error
            assert tiny.arrays["valid_error"][0, k, 1] == final.valid_error

    def test_validation_and_test_errors_are_of_other_examples(self, tiny):
        # 100 and 200 examples: shares in hundredths and two hundredths.
        valid, test = tiny.arrays["valid_error"], tiny.arrays["test_error"]
        np.testing.assert_allclose(valid * 100, np.round(valid * 100))
        np.testing.assert_allclose(test * 200, np.round(test * 200))
        assert (valid != test).any()

    def test_kinds_are_the_tables(self):
        made = {kind: TINY.training("shapeset", kind, 0.1) for kind in KINDS}
        assert {kind: (t.activation, t.init) for kind, t in made.items()} == {
            "softsign": ("softsign", "standard"),
            "softsign N": ("softsign", "xavier_uniform"),
            "tanh": ("tanh", "standard"),
            "tanh N": ("tanh", "xavier_uniform"),
            "sigmoid": ("sigmoid", "standard"),
        }

    def test_measurements(self, tiny):
        m = tiny.measurements
        assert m["data"] == ["shapeset"] and m["missing"] == {}
        assert m["plan"]["updates"] == 60 and m["plan"]["lrs"] == (1e-6, 0.1)
        np.testing.assert_allclose(m["test_error_percent"], 100 * tiny.arrays["test_error"])
        assert m["paper_percent"]["shapeset"]["tanh"] == 27.15

    def test_the_same_settings_give_the_same_bits(self, tiny):
        again = run(TINY, Silent())
        for name, array in tiny.arrays.items():
            assert array.tobytes() == again.arrays[name].tobytes(), name

    def test_progress_ends_at_what_was_expected(self):
        class Counting(Silent):
            done = 0

            def expect(self, steps, *args, **kwargs):
                self.expected = steps

            def step(self, what, steps=1):
                self.done += steps

        progress = Counting()
        run(TINY, progress)
        assert progress.done == progress.expected == 5 * (2 * 30 + 2 * 60)


class TestMissingData:
    def test_it_is_left_out_and_the_reason_is_kept(self, tmp_path):
        settings = replace(TINY, data=("mnist", "shapeset"), data_dir=tmp_path, updates=3)
        result = run(replace(settings, search_updates=2), Silent())
        assert result.measurements["data"] == ["shapeset"]
        assert list(result.measurements["missing"]) == ["mnist"]
        assert str(tmp_path) in result.measurements["missing"]["mnist"]
        assert result.arrays["test_error"].shape == (1, 5, 2)

    def test_none_at_all_is_an_error(self, tmp_path):
        with pytest.raises(DataError, match="MNIST"):
            run(replace(TINY, data=("mnist",), data_dir=tmp_path), Silent())


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"width": 0}, "--width must be at least 1, got 0"),
            ({"depth": 0}, "--depth must be at least 1, got 0"),
            ({"updates": 0}, "--updates must be at least 1, got 0"),
            ({"search_updates": 0}, "--search-updates must be at least 1, got 0"),
            ({"seeds": 1}, "--seeds must be at least 2, got 1"),
            ({"batch": 0}, "--batch must be at least 1, got 0"),
            ({"data": ()}, "--data: name each once"),
            ({"data": ("mnist", "mnist")}, "--data: name each once"),
            ({"lrs": ()}, "--lrs must be positive and finite"),
            ({"lrs": (0.1, -1.0)}, "--lrs must be positive and finite"),
            ({"lrs": (0.1, math.inf)}, "--lrs must be positive and finite"),
            ({"lrs": (0.1, 0.1)}, "--lrs: name each once"),
        ],
    )
    def test_refused_in_one_line(self, wrong, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**wrong)
        assert "\n" not in str(caught.value)

    def test_flags_replace_the_budgets_numbers(self):
        assert Settings().plan == BUDGETS["minutes"]
        assert Settings(budget="hours").plan == BUDGETS["hours"]
        plan = Settings(budget="hours", width=7, lrs=(0.5,)).plan
        assert plan == replace(BUDGETS["hours"], width=7, lrs=(0.5,))

    def test_the_papers_budget(self):
        paper = QUESTIONS["table1"].preset("paper")
        assert (paper.plan.width, paper.depth, paper.batch) == (1000, 5, 10)
        assert paper.plan.updates == 5_000_000
        assert set(PRESETS) == {"quick", "paper"}

    def test_budgets_grow(self):
        sizes = [BUDGETS[name] for name in ("minutes", "hours", "paper")]
        for less, more in itertools.pairwise(sizes):
            assert less.width < more.width
            assert less.updates < more.updates
            assert less.search_updates < less.updates

    def test_the_papers_numbers(self):
        assert set(PAPER) == set(EXAMPLES)
        assert all(set(row) == set(KINDS) for row in PAPER.values())
        assert pytest.approx(83.333, abs=1e-3) == CONSTANT_ERROR

    def test_examples_are_those_of_the_data(self):
        t = Settings(data_dir=None).training("cifar10", "tanh", 0.1)
        assert (t.n_train, t.n_valid, t.n_test) == EXAMPLES["cifar10"]
        assert t.data == "cifar10"

    def test_a_folder_is_not_for_data_that_are_generated(self, tmp_path):
        settings = Settings(data_dir=tmp_path)
        assert settings.training("shapeset", "tanh", 0.1).data_dir is None
        assert settings.training("mnist", "tanh", 0.1).data_dir == tmp_path


def test_a_net_that_diverges_is_not_chosen():
    rates = (0.1, 1e30)
    result = run(replace(TINY, lrs=rates, updates=2, search_updates=20), Silent())
    assert (result.arrays["search_valid_error"][:, :, 1] >= 0.5).all()
    assert (result.arrays["lr"][0, 2:4] == 0.1).all()
