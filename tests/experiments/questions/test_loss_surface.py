"""`loss_surface`: what a run yields, that it repeats itself, and when its claims fail."""

from dataclasses import replace

import numpy as np
import pytest

import nn
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.questions import QUESTIONS
from experiments.questions.loss_surface import PRESETS, Settings, run
from experiments.questions.loss_surface_claims import claims
from experiments.questions.loss_surface_grid import surface

IDS = ["G9", "G9 gradient", "G9 ∂L/∂o", "G9 p(1−p)"]
TINY = Settings(hidden=(3, 5), draws=3, points=9, examples=4)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


class TestYield:
    def test_shapes(self, tiny):
        shapes = {name: array.shape for name, array in tiny.arrays.items()}
        assert shapes == {
            "weights": (9,),
            **{f"{c}_{q}": (9, 9) for c in ("cross_entropy", "quadratic")
               for q in ("cost", "gradient")},
            **dict.fromkeys(("flat", "plateau"), (2, 2, 3)),
            "shares": (2, 3, 3, 2, 2, 3),
            "deviation": (2, 2), "p": (99,), "dL_do": (2, 99), "factor": (4,),
        }  # fmt: skip
        assert (tiny.arrays["weights"][[0, 4, 8]] == [-10, 0, 10]).all()

    def test_shares_are_those_of_the_net_of_that_size_and_draw(self, tiny):
        rng = np.random.default_rng([0, 5, 2])
        net = nn.MLP([10, 5, 5], "tanh", "standard", rng=rng, dtype=np.float64)
        x = rng.normal(size=(4, 10))
        labels = rng.integers(5, size=4)
        for c, cost in enumerate(("cross-entropy", "quadratic")):
            found = surface(net, x, labels, cost, np.linspace(-10, 10, 9))
            assert tiny.arrays["flat"][c, 1, 2] == found.flat(0.05).mean()
            assert tiny.arrays["plateau"][c, 1, 2] == found.plateau(0.05).mean()
            inner = found.inner(2)
            expected = [inner.plateau(t).mean() for t in (0.02, 0.05, 0.1)]
            assert tiny.arrays["shares"][1, 1, :, c, 1, 2].tolist() == expected

    def test_the_net_shown_is_the_first_of_five_units(self, tiny):
        rng = np.random.default_rng([0, 5, 0])
        net = nn.MLP([10, 5, 5], "tanh", "standard", rng=rng, dtype=np.float64)
        x = rng.normal(size=(4, 10))
        found = surface(net, x, rng.integers(5, size=4), "quadratic", np.linspace(-10, 10, 9))
        np.testing.assert_array_equal(tiny.arrays["quadratic_cost"], found.cost)
        size = np.hypot(found.dL_dw1, found.dL_dw2)
        np.testing.assert_array_equal(tiny.arrays["quadratic_gradient"], size)

    def test_a_plateau_is_never_more_than_what_is_flat(self, tiny):
        flat, plateau = tiny.arrays["shares"]
        assert (plateau <= flat).all() and (flat > 0).any()

    def test_measurements(self, tiny):
        rows = tiny.measurements["by_reach_and_threshold"]
        assert len(rows) == 2 * 3 * 3
        at = next(
            row for row in rows
            if (row["kind"], row["reach"], row["threshold"]) == ("plateau", 10, 0.05)
        )  # fmt: skip
        assert at["quadratic"] == pytest.approx(tiny.arrays["plateau"][1].mean())
        by_size = tiny.measurements["share_of_surface"]["gradient small"]["cross-entropy"]
        assert by_size[3] == pytest.approx(tiny.arrays["flat"][0, 0].mean())

    def test_progress_ends_at_what_was_expected(self):
        class Counting(Silent):
            done = 0

            def expect(self, steps, unit=""):
                self.expected = steps

            def step(self, what, steps=1):
                self.done += steps

        progress = Counting()
        run(TINY, progress)
        assert progress.done == progress.expected

    def test_the_same_settings_give_the_same_bits_and_a_net_does_not_know_the_others(self, tiny):
        again, alone = run(TINY, Silent()), run(replace(TINY, hidden=(5,)), Silent())
        for name, array in tiny.arrays.items():
            assert again.arrays[name].tobytes() == array.tobytes()
        assert (alone.arrays["plateau"][:, 0] == tiny.arrays["plateau"][:, 1]).all()
        other = run(replace(TINY, seed=1), Silent())
        assert (other.arrays["quadratic_cost"] != tiny.arrays["quadratic_cost"]).all()


class TestClaims:
    def made_up(self, plateau=(0.01, 0.05), flat=(0.3, 0.2)):
        noise = 1e-3 * np.random.default_rng(0).normal(size=(2, 2, 3))
        return {
            "plateau": np.array(plateau)[:, None, None] + noise,
            "flat": np.array(flat)[:, None, None] + noise,
            "deviation": np.full((2, 2), 1e-15),
            "factor": np.array([4 * p * (1 - p) for p in (0.5, 0.1, 0.01, 0.001)]),
        }

    def verdicts(self, arrays):
        return {c.statement.id: c.verdict for c in claims(TINY, arrays)}

    def test_what_the_paper_says(self):
        assert self.verdicts(self.made_up()) == dict.fromkeys(IDS, "holds")

    @pytest.mark.parametrize(
        ("changed", "id", "verdict"),
        [
            ({"plateau": (0.05, 0.01)}, "G9", "does not hold"),
            ({"plateau": (0.0, 0.0)}, "G9", "does not hold"),  # none is not more
            ({"plateau": (0.05, 0.0545)}, "G9", "not shown"),
            ({"flat": (0.2, 0.3)}, "G9 gradient", "does not hold"),
        ],
    )
    def test_and_the_contrary(self, changed, id, verdict):
        assert self.verdicts(self.made_up(**changed)) == dict.fromkeys(IDS, "holds") | {id: verdict}

    def test_one_size_is_enough_to_fail(self):
        arrays = self.made_up()
        arrays["plateau"][1, 1] = 0.0
        assert self.verdicts(arrays)["G9"] == "does not hold"

    @pytest.mark.parametrize("name", ["deviation", "factor"])
    def test_what_is_exact_is_exact(self, name):
        arrays = self.made_up()
        arrays[name] = arrays[name] + 1e-9
        arrays[name].flat[1] += 1e-8
        id = "G9 ∂L/∂o" if name == "deviation" else "G9 p(1−p)"
        assert self.verdicts(arrays)[id] == "does not hold"

    def test_labels_and_sources(self, tiny):
        assert [c.statement.id for c in tiny.claims] == IDS
        assert tiny.claims[0].labels == ("3 units", "5 units")
        for claim in tiny.claims:
            assert claim.statement.source
            assert len(claim.labels) == len(claim.measured) == len(claim.expected)

    def test_the_exact_ones_hold_in_any_run(self, tiny):
        assert [c.verdict for c in tiny.claims[2:]] == ["holds", "holds"]


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"draws": 1}, "--draws must be at least 2, got 1"),
            ({"classes": 1}, "--classes must be at least 2, got 1"),
            ({"examples": 0}, "--examples must be at least 1, got 0"),
            ({"points": 5}, "--points must be at least 9, got 5"),
            ({"points": 84}, "--points must be one more than a multiple of 8, got 84; take 81"),
            ({"reach": 0.0}, "--reach must be above 0 and at most 1000, got 0"),
            ({"reach": float("nan")}, "--reach must be above 0"),
            ({"hidden": ()}, "--hidden: name each size once, and at least one"),
            ({"hidden": (3, 3)}, "--hidden: name each size once"),
            ({"hidden": (3, 0)}, "--hidden must be 1 to 10000 units, got 0"),
            ({"activation": "thanh"}, "--activation: 'thanh' is unknown; .*tanh"),
            ({"init": "zeros"}, "--init: 'zeros' is unknown; .*standard"),
            ({"seed": -1}, "--seed must be at least 0"),
        ],
    )
    def test_refused_in_one_line(self, wrong, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**wrong)
        assert "\n" not in str(caught.value)

    def test_presets(self):
        question = QUESTIONS["loss_surface"]
        assert Settings().draws == 20 and len(Settings().hidden) == 5
        assert set(PRESETS) == {"quick", "paper"}
        for name in PRESETS:
            assert question.preset(name).draws >= 20
