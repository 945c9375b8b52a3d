"""The claims of `initialization`: which numbers they expect, at which size, and when they fail."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.questions.initialization import PRESETS, Settings
from experiments.questions.initialization_claims import at_end, claims, first_over_last
from experiments.questions.profile_claims import G10, G11, G12, G13
from experiments.questions.vanishing import Settings as VanishingSettings
from experiments.questions.vanishing_claims import claims as vanishing_claims

DEFAULT = Settings(draws=4, jacobians=4)
PAPER_STD = np.array([[0.300, 0.167, 0.096, 0.055, 0.033], [0.447, 0.377, 0.330, 0.301, 0.273]])


def made_up(settings=DEFAULT):
    """Nets that do what the paper says."""
    rng = np.random.default_rng(0)

    def near(values, shape, noise=2e-3):
        return np.asarray(values) * np.exp(noise * rng.normal(size=shape))

    draws, d, seeds = settings.draws, settings.depth, settings.seeds
    std = PAPER_STD if d == 5 else np.full((2, d), 0.3)
    falling = np.stack([np.geomspace(r, 1, d) for r in (0.097, 0.618)])
    level = np.ones((2, d))
    predicted = {"x_std": std, "x_rms": std, "dL_ds": falling, "dL_dW": level}
    arrays = {f"predicted_{name}": values for name, values in predicted.items()}
    arrays |= {
        f"init_{name}": near(values[:, None], (2, draws, d)) for name, values in predicted.items()
    }
    arrays["n_var_W"] = near([[1 / 3], [1.0]], (2, draws))
    k = settings.jacobians
    arrays["singular_W"] = near(np.array([0.4901, 0.8488])[:, None, None], (2, k, 6), 1e-4)
    arrays["singular_J"] = near(np.array([0.487, 0.78])[:, None, None, None], (2, k, d - 1, 6))
    means = np.array([0.487, 0.78])[:, None, None]
    arrays["singular_J_predicted"] = np.broadcast_to(means, (2, k, d - 1))
    records = 9
    # ∂L/∂s from shrinking downwards to growing; ∂L/∂W parting, under standard init by 3.
    bottom = {"dL_ds": (2.0, 1.5), "dL_dW": (3.0, 1.3)}
    for name, (a, b) in bottom.items():
        end = np.stack([np.geomspace(r, 1, d) for r in (a, b)])
        course = np.repeat(falling[:, None], records, axis=1)
        course[:, -2:] = end[:, None]  # the last quarter of nine records
        arrays[f"training_{name}"] = near(course[:, None], (2, seeds, records, d))
    return arrays


def by_id(settings, arrays):
    return {claim.statement.id: claim for claim in claims(settings, arrays)}


class TestExpected:
    def test_the_papers_numbers_at_the_papers_size(self):
        found = by_id(DEFAULT, made_up())
        assert list(found["G11"].expected) == PAPER_STD.flatten().tolist()
        assert found["G12"].expected == (0.097, 0.618)
        assert found["G13"].expected == (1.0, 1.0)

    @pytest.mark.parametrize("changed", [{"width": 999}, {"data": "mnist"}, {"depth": 4}])
    def test_the_theorys_at_any_other(self, changed):
        settings = replace(DEFAULT, **changed)
        arrays = made_up(settings)
        arrays["predicted_x_std"] = np.linspace(0.2, 0.8, 2 * settings.depth).reshape(2, -1)
        arrays["predicted_dL_ds"] = np.linspace(0.1, 0.9, 2 * settings.depth).reshape(2, -1)
        found = by_id(settings, arrays)
        np.testing.assert_allclose(found["G11"].expected, arrays["predicted_x_std"].flatten())
        rows = arrays["predicted_dL_ds"]
        np.testing.assert_allclose(found["G12"].expected, rows[:, 0] / rows[:, -1])

    def test_the_preset_has_the_papers_size(self):
        settings = Settings(**PRESETS["paper"])
        assert by_id(settings, made_up(settings))["G12"].expected == (0.097, 0.618)

    def test_numbers_of_the_jacobian(self):
        found = by_id(DEFAULT, made_up())
        assert found["G14"].expected == (0.5, 0.8)
        assert found["G14 law"].expected == pytest.approx((0.49008, 0.84883), abs=1e-5)
        assert found["G14 f′"].labels[0] == "standard 2"
        assert found["G14 f′"].expected == (1.0,) * 8

    def test_tolerances(self):
        found = {id: str(c.statement.tolerance) for id, c in by_id(DEFAULT, made_up()).items()}
        assert found == {
            "G10": "± 2 %", "G11": "± 10 %", "G12": "± 15 %", "G13": "± 20 %", "G14": "± 10 %",
            "G14 law": "± 1 %", "G14 f′": "± 3 %", "G15": "at least 1", "G15 ∂L/∂W": "at least 1.2",
            "G15 less": "at least 1",
        }  # fmt: skip

    def test_vanishing_makes_the_same_claims(self):
        settings = VanishingSettings(depth=5, width=1000, draws=4)
        kinds = (3, 3)
        arrays = {
            f"init_{q}": np.ones((*kinds, 4, 5)) for q in ("x_std", "x_rms", "dL_ds", "dL_dW")
        }
        arrays |= {f"predicted_{q}": np.ones((*kinds, 5)) for q in ("x_std", "dL_ds", "dL_dW")}
        arrays |= {name: np.ones((*kinds, 4)) for name in ("n_var_W", "E_x2", "var_x")}
        own = made_up()
        for name in ("init_x_std", "init_dL_ds", "init_dL_dW", "n_var_W"):
            arrays[name][1, :2] = own[name]
        other = {c.statement: c for c in vanishing_claims(settings, arrays)}
        for claim in claims(DEFAULT, own)[:4]:
            assert other[claim.statement] == claim
        assert [c.statement for c in claims(DEFAULT, own)[:4]] == [G10, G11, G12, G13]


class TestVerdicts:
    def test_what_the_paper_says_holds(self):
        verdicts = {id: claim.verdict for id, claim in by_id(DEFAULT, made_up()).items()}
        assert set(verdicts.values()) == {"holds"}

    @pytest.mark.parametrize(
        ("name", "change", "failing"),
        [
            ("singular_J", lambda a: a * [[[[0.85]]], [[[1.0]]]], {"G14", "G14 f′"}),
            ("singular_W", lambda a: a * 1.02, {"G14 law"}),
            ("singular_J_predicted", lambda a: a * 1.05, {"G14 f′"}),
            ("n_var_W", lambda a: a * 1.05, {"G10"}),
            ("init_dL_ds", lambda a: np.ones_like(a), {"G12"}),
            ("training_dL_ds", lambda a: np.repeat(a[:, :, :1], 9, axis=2), {"G15"}),
            ("training_dL_dW", lambda a: a[::-1], {"G15 less"}),
            ("training_dL_dW", np.ones_like, {"G15 ∂L/∂W"}),
        ],
    )
    def test_and_the_contrary_fails(self, name, change, failing):
        arrays = made_up()
        arrays[name] = change(arrays[name])
        verdicts = {id: claim.verdict for id, claim in by_id(DEFAULT, arrays).items()}
        found = {id for id, verdict in verdicts.items() if verdict == "does not hold"}
        assert found == failing

    def test_a_training_shorter_than_the_papers_epoch_decides_nothing(self):
        found = by_id(replace(DEFAULT, updates=19_999), made_up())
        verdicts = {found[id].verdict for id in ("G15", "G15 ∂L/∂W", "G15 less")}
        assert verdicts == {"not yet measured"}
        assert found["G14"].verdict == "holds"

    def test_a_prediction_is_for_the_same_input(self):
        arrays = made_up()
        by_draw = np.linspace(0.5, 1.0, DEFAULT.jacobians)[:, None]  # inputs that differ widely
        arrays["singular_J"] = arrays["singular_J"] * by_draw[..., None]
        assert by_id(DEFAULT, arrays)["G14 f′"].verdict != "holds"
        arrays["singular_J_predicted"] = arrays["singular_J_predicted"] * by_draw
        assert by_id(DEFAULT, arrays)["G14 f′"].verdict == "holds"

    def test_a_net_that_diverges_shows_nothing(self):
        arrays = made_up()
        arrays["training_dL_dW"][0, 1, -1] = np.nan
        found = by_id(DEFAULT, arrays)
        assert found["G15 ∂L/∂W"].verdict == found["G15 less"].verdict == "not shown"

    def test_seeds_that_disagree_show_nothing(self):
        arrays = made_up()
        arrays["training_dL_dW"][0, ::2, :, 0] /= 6
        assert by_id(DEFAULT, arrays)["G15 ∂L/∂W"].verdict == "not shown"


def test_the_end_is_the_last_quarter_of_the_records():
    assert at_end(np.array([[9.0] * 6 + [2.0, 8.0]])) == pytest.approx([4.0])
    assert at_end(np.array([[9.0, 7.0]])) == pytest.approx([7.0])
    values = np.array([[2.0, 3.0, 4.0], [6.0, 5.0, 3.0]])
    np.testing.assert_allclose(first_over_last(values), [0.5, 2.0])
