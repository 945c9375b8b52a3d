"""The claims of `saturation`: with nets that behave as the paper says, and with others."""

import math
from dataclasses import replace

import numpy as np
import pytest

from experiments.questions.saturation import PRESETS, Settings
from experiments.questions.saturation_claims import claims, densities
from experiments.questions.saturation_kinds import BINS, FREE, FROZEN, Kind
from experiments.questions.saturation_statements import EARLY, ESCAPE_BY

ENTROPY = 2.11
SEEDS = 3
SIGMOIDS = (Kind("sigmoid", 3), FREE, Kind("sigmoid", 5), FROZEN)
TANH, TANH_N = Kind("tanh", 5), Kind("tanh", 5, normalized=True)
SOFTSIGN, SOFTSIGN_N = Kind("softsign", 5), Kind("softsign", 5, normalized=True)
IDS = [
    *("G1", "G1 others", "G1 order", "G2", "G2 layers", "G3", "G3 sooner", "G4", "G5"),
    *("G5 frozen", "G5 less", "G5 tanh", "G6", "G7", "G7 together", "G8", "G8 softsign", "G16"),
    *("G18", "G18 equal"),
]


def noisy(values, rng, size=0.005):
    """An axis of seeds before, and a little noise."""
    values = np.asarray(values, float)
    return values * (1 + size * rng.normal(size=(SEEDS, *(1,) * values.ndim)))


def rising(updates, when, low, high):
    """From low to high, half of the way at the update `when`."""
    return low + (high - low) / (1 + np.exp(-(updates - when) / (0.1 * when)))


def as_the_paper(settings):
    """Arrays of nets that do what every claim says."""
    rng = np.random.default_rng(0)
    arrays = {"entropy": np.array(ENTROPY)}
    for kind in settings.kinds():
        updates = np.arange(0, settings.updates_of(kind) + 1, settings.every(kind), float)
        end = updates[-1]
        if kind.activation == "sigmoid":
            escape = {3: 0.2, 4: 0.6}.get(kind.depth, math.inf) * end
            means = np.full((len(updates), kind.depth), 0.5) + 0.08 * np.arange(kind.depth)
            stds = np.full_like(means, 0.1)
            loss = np.full(len(updates), ENTROPY)
            means[1:, -1] = 0.55 if kind.frozen else 0.02
            if escape < end:
                means[:, -1] += 0.3 * (updates > escape)
                stds[:, 0] += 0.3 * (updates > escape)
                loss -= 0.5 * (updates > escape)
            p98, error = means + 2 * stds, 0.8333 if kind.depth == 5 else 0.7
            density = np.ones((kind.depth, BINS))
        else:
            first = {TANH: (0.05, 0.1, 0.2, 0.4, 0.6), TANH_N: (0.5,) * 5}.get(kind, (0.45,) * 5)
            high = {TANH: 0.99, TANH_N: 0.9}.get(kind, 0.85)
            p98 = np.stack([rising(updates, when * end, 0.3, high) for when in first], axis=1)
            means, stds = np.zeros_like(p98), p98 / 2
            loss = ENTROPY - updates / end
            error = {TANH: 0.3, TANH_N: 0.16}.get(kind, 0.17)
            density = np.ones((5, BINS))
            middle = abs((np.arange(BINS) + 0.5) / BINS * 2 - 1)
            if kind.activation == "tanh":
                density[:, middle > 0.8] = 3
            else:
                density[:, (middle > 0.6) & (middle < 0.8)] = 3
        density /= density.sum(axis=1, keepdims=True)
        found = {
            "mean": means, "std": stds, "p98": p98, "loss": loss, "last_loss": loss[-1],
            "error": error, "histogram": density,
        }  # fmt: skip
        arrays |= {f"{kind.key}_{name}": noisy(v, rng) for name, v in found.items()}
        arrays[f"{kind.key}_updates"] = np.tile(updates, (SEEDS, 1))
    return arrays


def by_id(settings, arrays):
    return {claim.statement.id: claim for claim in claims(settings, arrays)}


@pytest.fixture
def settings():
    return Settings(**PRESETS["paper"])


@pytest.fixture
def arrays(settings):
    return as_the_paper(settings)


def verdict(settings, arrays, name):
    return by_id(settings, arrays)[name].verdict


def test_all_hold_where_the_nets_do_what_the_paper_says(settings, arrays):
    found = by_id(settings, arrays)
    assert list(found) == IDS
    assert {name: claim.verdict for name, claim in found.items()} == dict.fromkeys(IDS, "holds")
    for claim in found.values():
        assert claim.statement.source
        assert len(claim.labels) in (0, len(claim.measured))


def test_tolerances(settings, arrays):
    found = {name: str(c.statement.tolerance) for name, c in by_id(settings, arrays).items()}
    assert found == {
        "G1": "at most 0.1", "G1 others": "at least 0.49", "G1 order": "at least 0",
        "G2": "at least 0.1", "G2 layers": "at least 2", "G3": "at most 0.05",
        "G3 sooner": "at most 1", "G4": "± 2 %", "G5": "± 3 %", "G5 frozen": "at least 0.1",
        "G5 less": "at least 2", "G5 tanh": "at least 0.1", "G6": "at least 1", "G7": "at least 0",
        "G7 together": "at least 1", "G8": "at least 1", "G8 softsign": "at least 1",
        "G16": "at most 1", "G18": "at least 0", "G18 equal": "± 15 %",
    }  # fmt: skip


def spoil_mean(layer, value):
    def spoil(arrays):
        arrays["sigmoid_4_mean"][:, 1:, layer] = value + arrays["sigmoid_4_mean"][:, 1:, layer] / 99

    return spoil


def set_to(name, value):
    def spoil(arrays):
        arrays[name] = value * (arrays[name] / arrays[name].mean())

    return spoil


def exchange(a, b, *names):
    def spoil(arrays):
        for name in names:
            first, second = f"{a.key}_{name}", f"{b.key}_{name}"
            arrays[first], arrays[second] = arrays[second], arrays[first]

    return spoil


def reverse_layers(arrays):
    arrays["tanh_5_p98"] = arrays["tanh_5_p98"][:, :, ::-1]


SPOILT = {
    "G1": spoil_mean(-1, 0.3),
    "G1 others": spoil_mean(0, 0.4),
    "G1 order": spoil_mean(1, 0.45),
    "G2": set_to("sigmoid_4_last_loss", 2.1),
    "G3": set_to("sigmoid_5_last_loss", 1.9),
    "G3 sooner": exchange(Kind("sigmoid", 3), FREE, "loss"),
    "G4": set_to("sigmoid_5_error", 0.75),
    "G5": set_to("sigmoid_4_loss", 1.5),
    "G5 frozen": set_to("sigmoid_4_frozen_mean", 0.05),
    "G5 less": set_to("sigmoid_4_frozen_mean", 0.001),
    "G5 tanh": set_to("tanh_5_last_loss", 2.1),
    "G6": reverse_layers,
    "G7": exchange(TANH, SOFTSIGN, "p98"),
    "G7 together": exchange(TANH, SOFTSIGN, "p98"),
    "G8": exchange(TANH, SOFTSIGN, "histogram"),
    "G8 softsign": exchange(TANH, SOFTSIGN, "histogram"),
    "G16": exchange(TANH, TANH_N, "p98", "std"),
    "G18": exchange(TANH, SOFTSIGN, "error"),
    "G18 equal": set_to("softsign_5_error", 0.25),
}


@pytest.mark.parametrize("name", SPOILT)
def test_each_fails_where_they_do_not(settings, arrays, name):
    SPOILT[name](arrays)
    assert verdict(settings, arrays, name) == "does not hold"


def test_g2_layers_needs_both(settings, arrays):
    arrays["sigmoid_4_std"][:] = 0.1 * (1 + 0.01 * np.random.default_rng(0).normal(size=(3, 1, 1)))
    claim = by_id(settings, arrays)["G2 layers"]
    assert claim.verdict == "does not hold"
    assert claim.measured[0].value > 2
    assert claim.measured[1].value == pytest.approx(1)


class TestShortRuns:
    """A run shorter than the paper's does not refute what comes late, but may show it."""

    @pytest.fixture
    def short(self):
        return Settings()

    def test_they_can_show_all(self, short):
        assert {c.verdict for c in claims(short, as_the_paper(short))} == {"holds"}

    @pytest.mark.parametrize("name", ["G2", "G5 tanh", "G8", "G8 softsign"])
    def test_they_do_not_refute(self, short, name):
        arrays = as_the_paper(short)
        SPOILT[name](arrays)
        assert verdict(short, arrays, name) == "not shown"

    @pytest.mark.parametrize("name", ["G1", "G3", "G5", "G6", "G16"])
    def test_what_comes_early_they_do(self, short, name):
        arrays = as_the_paper(short)
        SPOILT[name](arrays)
        assert verdict(short, arrays, name) == "does not hold"

    def test_layers_of_a_net_that_has_not_escaped(self, short):
        arrays = as_the_paper(short)
        arrays["sigmoid_4_last_loss"][:] = 2.1
        for name in ("mean", "std"):
            arrays[f"sigmoid_4_{name}"] = arrays[f"sigmoid_4_{name}"][:, :30]
        arrays["sigmoid_4_updates"] = arrays["sigmoid_4_updates"][:, :30]
        arrays["sigmoid_4_loss"] = arrays["sigmoid_4_loss"][:, :30]
        assert verdict(short, arrays, "G2 layers") == "not shown"

    def test_a_net_that_never_escapes_counts_as_later_than_the_end(self, short):
        arrays = as_the_paper(short)
        arrays["sigmoid_4_loss"][:] = ENTROPY
        claim = by_id(short, arrays)["G3 sooner"]
        assert claim.measured[0].value == pytest.approx(0.2 / 3, rel=0.1)
        assert claim.verdict == "holds"
        arrays["sigmoid_3_loss"][:] = ENTROPY
        assert verdict(short, arrays, "G3 sooner") == "not shown"

    def test_the_papers_own_length_refutes(self, short):
        long = replace(short, sigmoid_updates=ESCAPE_BY)
        arrays = as_the_paper(long)
        SPOILT["G2"](arrays)
        assert verdict(long, arrays, "G2") == "does not hold"
        arrays = as_the_paper(almost := replace(short, sigmoid_updates=ESCAPE_BY - 1))
        SPOILT["G2"](arrays)
        assert verdict(almost, arrays, "G2") == "not shown"


class TestOrderOfSaturation:
    def test_ratios_are_of_updates(self, settings, arrays):
        claim = by_id(settings, arrays)["G6"]
        assert claim.labels == ("2 over 1", "3 over 2", "4 over 3", "5 over 4")
        assert claim.measured[0].value == pytest.approx(2, rel=0.15)

    def test_layers_that_have_not_saturated(self, settings, arrays):
        arrays["tanh_5_p98"][:, :, 2:] = 0.5
        claim = by_id(settings, arrays)["G6"]
        assert claim.labels == ("2 over 1", "3 over 2")
        assert claim.measured[1].high == math.inf  # layer 3 would be later than the end
        assert claim.verdict == "holds"

    def test_one_layer_alone_shows_no_order(self, settings, arrays):
        arrays["tanh_5_p98"][:, :, 1:] = 0.5
        claim = by_id(settings, arrays)["G6"]
        assert claim.labels == ("2 over 1", "3 over 2")
        assert math.isnan(claim.measured[1].value)
        assert claim.verdict == "not shown"

    def test_none_at_all(self, settings, arrays):
        arrays["tanh_5_p98"][:] = 0.5
        assert verdict(settings, arrays, "G6") == "not shown"


class TestEarly:
    def test_it_is_after_5000_updates(self, settings):
        long = replace(settings, sigmoid_updates=100_000, records=100)
        arrays = as_the_paper(long)
        arrays["sigmoid_4_mean"][:, : EARLY // 1000, -1] = 0.5
        assert verdict(long, arrays, "G1") == "holds"
        arrays["sigmoid_4_mean"][:, EARLY // 1000, -1] = 0.5
        assert verdict(long, arrays, "G1") == "does not hold"

    def test_a_shorter_run_has_its_controls_end(self, settings):
        short = replace(settings, sigmoid_updates=600, updates=300, records=60)
        arrays = as_the_paper(short)
        top = arrays["sigmoid_4_mean"][:, :, -1]
        top[:, :20] = 0.5  # records at updates 0 … 190
        assert verdict(short, arrays, "G1") == "holds"
        top[:, 20] = 0.5  # at update 200
        assert verdict(short, arrays, "G1") == "not shown"

    def test_the_control_may_have_no_record_at_its_very_end(self, settings):
        short = replace(settings, sigmoid_updates=801 * 3, updates=300, records=20)
        arrays = as_the_paper(short)
        assert arrays["sigmoid_4_frozen_updates"][0, -1] < 801
        ratio = by_id(short, arrays)["G5 less"].measured[0]
        assert ratio.value == pytest.approx((0.55 + 0.3) / 0.02, rel=0.02)  # escaped by then

    @pytest.mark.parametrize("name", ["G1", "G1 order", "G5 less"])
    def test_a_shorter_run_does_not_refute(self, settings, name):
        for updates, said in ((3 * EARLY - 3, "not shown"), (3 * EARLY, "does not hold")):
            chosen = replace(settings, sigmoid_updates=updates)
            arrays = as_the_paper(chosen)
            SPOILT[name](arrays)
            assert verdict(chosen, arrays, name) == said


def test_a_control_that_has_not_fallen_yet_shows_nothing(settings):
    for updates, said in ((3 * EARLY - 3, "not shown"), (3 * EARLY, "holds")):
        chosen = replace(settings, sigmoid_updates=updates)
        assert verdict(chosen, as_the_paper(chosen), "G5 frozen") == said


def test_densities_fold_the_signs_and_are_1_for_uniform():
    uniform = np.full((2, BINS), 1 / BINS)
    np.testing.assert_allclose(densities(uniform), np.ones((2, 5)))
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0.6, 0.8, 700), -rng.uniform(0.0, 0.2, 300)])
    shares = np.histogram(x, bins=BINS, range=(-1, 1))[0] / len(x)
    np.testing.assert_allclose(densities(shares), [1.5, 0, 0, 3.5, 0], atol=1e-12)


def test_peaks_are_compared_with_the_highest_density_elsewhere(settings, arrays):
    found = by_id(settings, arrays)
    for name in ("G8", "G8 softsign"):
        assert found[name].measured[0].value == pytest.approx(3, rel=0.02)


class TestLeftOut:
    def test_depths_that_were_not_run(self, settings, arrays):
        fewer = replace(settings, sigmoid_depths=(3,))
        kept = {n: a for n, a in arrays.items() if not n.startswith(("sigmoid_4", "sigmoid_5"))}
        missing = {c.statement.id for c in claims(fewer, kept) if c.verdict == "not yet measured"}
        assert missing == {i for i in IDS if i[:2] in ("G1", "G2", "G3", "G4", "G5")} - {
            "G5 tanh", "G16",
        } | {"G18", "G18 equal"}  # fmt: skip

    def test_claims_of_shapesets_errors_on_mnist(self, settings, arrays):
        other = replace(settings, data="mnist", n_train=100)
        missing = {c.statement.id for c in claims(other, arrays) if c.verdict == "not yet measured"}
        assert missing == {"G3", "G4", "G18", "G18 equal"}
