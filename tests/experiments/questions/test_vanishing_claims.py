"""The claims of `vanishing`: which numbers they expect, at which size, and when they fail."""

import math

import numpy as np
import pytest

from experiments.questions.vanishing import PRESETS, Settings
from experiments.questions.vanishing_claims import claims

PAPER_STD = [0.300, 0.167, 0.096, 0.055, 0.033, 0.447, 0.377, 0.330, 0.301, 0.273]


def made_up(settings, rng=None):
    """Arrays in which every kind of net behaves like this: see the tests."""
    rng = rng or np.random.default_rng(0)
    kinds = (len(settings.activations), len(settings.inits))
    layers = (*kinds, settings.depth)
    draws = (*kinds, settings.draws, settings.depth)
    init = ("x_std", "x_rms", "dL_ds", "dL_dW")
    arrays = {f"init_{name}": np.exp(0.01 * rng.normal(size=draws)) for name in init}
    arrays |= {f"predicted_{name}": rng.uniform(0.1, 1.0, layers) for name in init}
    arrays |= {name: np.ones(draws[:3]) for name in ("n_var_W", "E_x2", "var_x")}
    return arrays


def by_id(settings, arrays):
    return {claim.statement.id: claim for claim in claims(settings, arrays)}


def paper(**changed):
    return Settings(**({"depth": 5, "width": 1000, "draws": 5} | changed))


class TestExpected:
    def test_the_papers_numbers_at_the_papers_size(self):
        found = by_id(paper(), made_up(paper()))
        assert list(found["G11"].expected) == PAPER_STD
        assert found["G12"].expected == (0.097, 0.618)
        assert found["G13"].expected == (1.0, 1.0)

    @pytest.mark.parametrize(
        "changed", [{"depth": 6}, {"width": 999}, {"data": "mnist"}, {"depth": 10, "width": 256}]
    )
    def test_the_theorys_at_any_other(self, changed):
        settings = paper(**changed)
        arrays = made_up(settings)
        found = by_id(settings, arrays)
        theory = arrays["predicted_x_std"]
        chosen = np.unique(np.linspace(0, settings.depth - 1, 5).round().astype(int))
        np.testing.assert_allclose(
            found["G11"].expected, [*theory[1, 0, chosen], *theory[1, 1, chosen]]
        )
        for name, quantity in (("G12", "dL_ds"), ("G13", "dL_dW")):
            predicted = arrays[f"predicted_{quantity}"][1, :2]
            np.testing.assert_allclose(found[name].expected, predicted[:, 0] / predicted[:, -1])

    def test_the_preset_has_the_papers_size(self):
        settings = Settings(**PRESETS["paper"])
        assert list(by_id(settings, made_up(settings))["G11"].expected) == PAPER_STD

    @pytest.mark.parametrize("settings", [paper(), Settings()], ids=["paper", "default"])
    def test_numbers_that_are_exact_at_any_size(self, settings):
        found = by_id(settings, made_up(settings))
        assert found["G10"].expected == (1 / 3, 1.0)
        assert found["S6"].expected == (0.1414, 0.2361)
        assert found["H1"].expected == pytest.approx((0.5, 0.34085), abs=1e-5)
        assert found["H5"].expected == pytest.approx((math.sqrt(0.5),))

    def test_v1_always_expects_the_theorys(self):
        arrays = made_up(paper())
        predicted = [arrays[f"predicted_{name}"][1, 0] for name in ("dL_ds", "dL_dW")]
        np.testing.assert_allclose(
            by_id(paper(), arrays)["V1"].expected, [p[0] / p[-1] for p in predicted]
        )

    @pytest.mark.parametrize("depth", [2, 3, 4, 5, 7, 30])
    def test_layers_of_g11(self, depth):
        settings = Settings(depth=depth, draws=3)
        labels = by_id(settings, made_up(settings))["G11"].labels
        assert len(labels) == 2 * min(depth, 5)
        assert (labels[0], labels[-1]) == ("standard 1", f"Xavier {depth}")

    def test_tolerances(self):
        found = {
            name: str(c.statement.tolerance) for name, c in by_id(paper(), made_up(paper())).items()
        }
        assert found == {
            "G10": "± 2 %", "G11": "± 10 %", "G12": "± 15 %", "G13": "± 20 %", "S6": "± 5 %",
            "H1": "± 5 %", "H5": "± 5 %", "V1": "within a factor of 1.5",
        }  # fmt: skip


class TestMeasured:
    """Arrays with the behaviour that a claim is about, and then without it."""

    def test_ratios_are_first_layer_over_last(self):
        settings = Settings(depth=4, draws=6)
        arrays = made_up(settings)
        arrays["init_dL_ds"][1, 0] = np.array([0.1, 0.2, 0.4, 0.8])
        arrays["predicted_dL_ds"][1, 0] = [0.125, 0.3, 0.5, 1.0]
        claim = by_id(settings, arrays)["G12"]
        assert claim.measured[0].value == pytest.approx(0.125)
        assert claim.expected[0] == 0.125

    def test_s6_is_a_factor_per_layer(self):
        settings = Settings(depth=4, draws=6)
        arrays = made_up(settings)
        arrays["init_dL_ds"][0, 0] = 0.1414 ** np.array([3, 2, 1, 0])
        arrays["init_dL_ds"][0, 1] = 0.2361 ** np.array([3, 2, 1, 0])
        assert by_id(settings, arrays)["S6"].verdict == "holds"
        arrays["init_dL_ds"][0, 1] = 0.26 ** np.array([3, 2, 1, 0])
        assert by_id(settings, arrays)["S6"].verdict == "does not hold"

    def test_h5_is_xaviers_growth_against_kaimings(self):
        settings = Settings(depth=4, draws=6)
        arrays = made_up(settings)
        arrays["init_x_rms"][2, 1] = 0.9 * math.sqrt(0.5) ** np.arange(4)
        arrays["init_x_rms"][2, 2] = 0.3
        claim = by_id(settings, arrays)["H5"]
        assert claim.measured[0].value == pytest.approx(math.sqrt(0.5))
        assert claim.verdict == "holds"
        arrays["init_x_rms"][2, 1] = 0.9
        assert by_id(settings, arrays)["H5"].verdict == "does not hold"

    def test_h1_and_g10_are_means_over_draws(self):
        settings = Settings(depth=4, draws=4)
        arrays = made_up(settings)
        arrays["E_x2"][2, 2] = [0.49, 0.51, 0.5, 0.5]
        arrays["var_x"][2, 2] = 0.34085
        arrays["n_var_W"][1] = np.array([[1 / 3], [1.0], [2.0]])
        found = by_id(settings, arrays)
        assert found["H1"].measured[0].value == pytest.approx(0.5)
        assert (found["H1"].verdict, found["G10"].verdict) == ("holds", "holds")
        arrays["var_x"][2, 2] = 0.5
        arrays["n_var_W"][1, 1] = 1.05
        found = by_id(settings, arrays)
        assert (found["H1"].verdict, found["G10"].verdict) == ("does not hold", "does not hold")

    def test_v1_fails_if_the_weight_gradient_vanishes_too(self):
        settings = Settings(depth=4, draws=6)
        arrays = made_up(settings)
        arrays["predicted_dL_ds"][1, 0] = arrays["init_dL_ds"][1, 0] = [0.01, 0.05, 0.2, 1.0]
        arrays["predicted_dL_dW"][1, 0] = 1.0
        assert by_id(settings, arrays)["V1"].verdict == "holds"
        arrays["init_dL_dW"][1, 0] = [0.01, 0.05, 0.2, 1.0]
        assert by_id(settings, arrays)["V1"].verdict == "does not hold"

    def test_a_dead_net_is_not_shown(self):
        settings = Settings(depth=4, draws=6)
        arrays = made_up(settings)
        arrays["init_dL_ds"][0, 0] = 0.1414 ** np.array([3, 2, 1, 0])
        arrays["init_dL_ds"][0, 1] = 0.2361 ** np.array([3, 2, 1, 0])
        assert by_id(settings, arrays)["S6"].verdict == "holds"
        arrays["init_dL_ds"][0, 0, 2] = np.nan
        assert by_id(settings, arrays)["S6"].verdict == "not shown"
