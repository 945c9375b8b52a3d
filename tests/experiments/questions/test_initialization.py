"""`initialization`: what a run yields, by hand and against theory, and that it repeats itself."""

from dataclasses import replace

import numpy as np
import pytest

import engine
import nn
from experiments.data import load
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.training import train
from experiments.questions import QUESTIONS
from experiments.questions.initialization import PRESETS, Settings, run
from experiments.questions.initialization_start import distributions, predicted_activations

IDS = [
    "G10", "G11", "G12", "G13", "G14", "G14 law", "G14 f′", "G15", "G15 ∂L/∂W", "G15 less",
]  # fmt: skip
TINY = Settings(
    depth=3,
    width=16,
    draws=3,
    jacobians=2,
    probe=20,
    train_width=8,
    updates=40,
    records=4,
    seeds=2,
    n_train=100,
)
START = replace(TINY, updates=0, jacobians=0)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


def same_bits(a, b):
    return set(a.arrays) == set(b.arrays) and all(
        a.arrays[name].tobytes() == b.arrays[name].tobytes() for name in a.arrays
    )


def net(i, draw, settings=TINY):
    sizes = [1024, *[settings.width] * settings.depth, 9]
    init = ("standard", "xavier_uniform")[i]
    return nn.MLP(sizes, "tanh", init, rng=np.random.default_rng([0, i, draw]))


@pytest.fixture(scope="module")
def data():
    return load("shapeset", n_train=1, n_test=1000, seed=0)


class TestYield:
    def test_shapes(self, tiny):
        shapes = {name: array.shape for name, array in tiny.arrays.items()}
        names = ("s_std", "x_std", "x_rms", "dL_ds", "dL_dx", "dL_dW")
        assert shapes == {
            **{f"init_{q}": (2, 3, 3) for q in names},
            **{f"predicted_{q}": (2, 3) for q in names if q != "x_rms"},
            **{f"distribution_{q}": (2, 3, 120) for q in ("x", "dL_ds", "dL_dW", "x_predicted")},
            **{f"edges_{q}": (2, 121) for q in ("x", "dL_ds", "dL_dW")},
            "n_var_W": (2, 3), "second_moments": (16,),
            "singular_W": (2, 2, 16), "singular_J": (2, 2, 2, 16),
            "singular_end_to_end": (2, 2, 16), "singular_J_predicted": (2, 2, 2),
            "singular_J_density": (2, 2, 80), "sigma": (80,), "quarter_circle": (2, 80),
            **{f"training_{q}": (2, 2, 5, 3) for q in ("x_std", "dL_ds", "dL_dW")},
            "training_losses": (2, 2, 5), "training_test_error": (2, 2),
            "training_updates": (5,),
        }  # fmt: skip
        assert tiny.arrays["training_updates"].tolist() == [0, 10, 20, 30, 40]

    def test_claims(self, tiny):
        assert [c.statement.id for c in tiny.claims] == IDS
        unmeasured = [c.statement.id for c in tiny.claims if c.verdict == "not yet measured"]
        assert unmeasured == IDS[-3:]  # of G15, 40 updates decide nothing
        for claim in tiny.claims:
            assert claim.statement.source
            assert len(claim.labels) in (0, len(claim.measured))

    def test_progress_ends_at_what_was_expected(self):
        class Counting(Silent):
            done = 0

            def expect(self, steps, unit=""):
                self.expected = steps

            def step(self, what, steps=1):
                self.done += steps

        for settings in (TINY, START):
            progress = Counting()
            run(settings, progress)
            assert progress.done == progress.expected

    def test_measurements(self, tiny):
        m = tiny.measurements
        assert "Shapeset" in m["data"]
        assert m["inits"] == ("standard", "xavier_uniform")
        dL_ds = tiny.arrays["training_dL_ds"]
        np.testing.assert_allclose(
            m["training_dL_ds_first_over_last_at_start"], dL_ds[:, :, 0, 0] / dL_ds[:, :, 0, 2]
        )
        # The last quarter of five records is one.
        np.testing.assert_allclose(
            m["training_dL_ds_first_over_last_at_end"], dL_ds[:, :, 4, 0] / dL_ds[:, :, 4, 2]
        )
        above = dL_ds[..., 0] >= dL_ds[..., 2]
        for i in range(2):
            for seed in range(2):
                first = next((10 * k for k in range(5) if above[i, seed, k]), None)
                assert m["reversed_at_update"][i][seed] == first


class TestByHand:
    def test_profile_and_distributions_are_those_of_a_trace(self, tiny, data):
        for i in range(2):
            one = net(i, 0)
            with engine.trace() as t:
                nn.cross_entropy(one(data.x_test[:20]), data.y_test[:20]).backward()
            for k, row in enumerate(t.layers[:-1]):
                std = row.x_next.astype(np.float64).std()
                assert tiny.arrays["init_x_std"][i, 0, k] == pytest.approx(std, rel=1e-6)
                rms = np.sqrt(np.mean(row.dL_ds.astype(np.float64) ** 2))
                assert tiny.arrays["init_dL_ds"][i, 0, k] == pytest.approx(rms, rel=1e-6)
                arrays = (("x", row.x_next), ("dL_ds", row.dL_ds), ("dL_dW", row.dL_dW))
                for name, array in arrays:
                    edges = tiny.arrays[f"edges_{name}"][i]
                    counts = np.histogram(array, edges)[0]
                    np.testing.assert_allclose(
                        tiny.arrays[f"distribution_{name}"][i, k],
                        counts / (array.size * (edges[1] - edges[0])),
                    )

    def test_singular_values_are_those_of_the_jacobian(self, tiny, data):
        """Draw 1 with example 1; the Jacobian by differences of the layer."""
        for i in range(2):
            one = net(i, 1)
            h = data.x_test[1:2].astype(np.float64)
            whole = np.eye(16)
            for k, layer in enumerate(one.layers[:-1]):
                W = layer.W.numpy().astype(np.float64)
                s = h @ W
                if k:
                    J = (1 - np.tanh(s[0]) ** 2)[:, None] * W.T
                    found = np.linalg.svd(J, compute_uv=False)
                    np.testing.assert_allclose(
                        tiny.arrays["singular_J"][i, 1, k - 1], found, rtol=1e-4, atol=1e-5
                    )
                    whole = J @ whole
                h = np.tanh(s)
            found = np.linalg.svd(whole, compute_uv=False)
            np.testing.assert_allclose(
                tiny.arrays["singular_end_to_end"][i, 1], found, rtol=1e-4, atol=1e-5
            )
            W = one.layers[1].W.numpy().astype(np.float64)
            np.testing.assert_allclose(
                tiny.arrays["singular_W"][i, 1], np.linalg.svd(W, compute_uv=False), rtol=1e-6
            )

    def test_training_is_the_labs(self, tiny):
        trainings = TINY.trainings()
        assert [(t.seed, t.init) for t in trainings] == [
            (0, "standard"), (0, "xavier_uniform"), (1, "standard"), (1, "xavier_uniform"),
        ]  # fmt: skip
        trained = train(trainings[1])  # the axes are init, seed
        assert tiny.arrays["training_test_error"][1, 0] == trained.test_error
        for k in range(3):
            for name, key in (("dL_dW", ("dL_dW", "std")), ("dL_ds", ("dL_ds", "rms"))):
                _, values = trained.recorder.series(f"layer {k + 1}", *key)
                np.testing.assert_array_equal(tiny.arrays[f"training_{name}"][1, 0, :, k], values)

    def test_predicted_activations_are_those_of_wide_nets(self, data):
        settings = replace(TINY, width=600)
        x = data.x_test[:60]
        one = net(1, 0, settings)
        with engine.no_grad():
            h = x
            measured = []
            for layer in one.layers[:-1]:
                h = layer(h).numpy()
                measured.append(h)
        found = distributions(measured, (-1, 1))
        moments = np.mean(x.astype(np.float64) ** 2, axis=1)
        predicted = predicted_activations(one, moments, found.edges)
        coarse = (found.density.reshape(3, 12, 10).mean(2), predicted.reshape(3, 12, 10).mean(2))
        np.testing.assert_allclose(*coarse, rtol=0.15, atol=0.02)


class TestDistributions:
    def test_by_hand(self):
        found = distributions([np.array([0.5, 0.5, -0.5, 3.0])], (-1, 1))
        # Three of four lie within; a bin is 1/60 wide.
        assert found.density.shape == (1, 120)
        assert found.density.sum() / 60 == pytest.approx(0.75)
        assert found.density.max() == pytest.approx(0.5 * 60)

    def test_the_axis_is_that_of_the_widest(self):
        rng = np.random.default_rng(0)
        found = distributions([rng.normal(0, s, 1000) for s in (0.1, 2.0)])
        assert found.edges[-1] == pytest.approx(6, rel=0.1)
        assert found.edges[0] == -found.edges[-1]

    def test_nothing_but_zeros(self):
        assert distributions([np.zeros(5)]).edges[-1] == 1


class TestLeftOut:
    def test_training_and_jacobians(self):
        result = run(START, Silent())
        found = {c.statement.id for c in result.claims if c.verdict != "not yet measured"}
        assert found == {"G10", "G11", "G12", "G13"}
        assert [c.statement.id for c in result.claims] == IDS

    def test_another_activation(self):
        settings = replace(TINY, activation="softsign", updates=0)
        found = {
            c.statement.id
            for c in run(settings, Silent()).claims
            if c.verdict != "not yet measured"
        }
        assert found == {"G14 law", "G14 f′"}

    def test_an_unbounded_one(self):
        settings = replace(START, activation="relu")
        edges = run(settings, Silent()).arrays["edges_x"]
        assert (edges[:, 0] < 0).all() and np.isfinite(edges).all()
        assert edges[0, -1] != edges[1, -1]  # each initialisation's own


class TestRepeats:
    def test_the_same_settings_give_the_same_bits(self, tiny):
        assert same_bits(tiny, run(TINY, Silent()))

    def test_another_seed_gives_other_numbers(self, tiny):
        other = run(replace(TINY, seed=7), Silent())
        for name in ("init_dL_ds", "n_var_W", "singular_J", "training_dL_dW"):
            assert (other.arrays[name] != tiny.arrays[name]).all()

    def test_nets_are_the_same_with_and_without_training(self, tiny):
        np.testing.assert_array_equal(
            run(START, Silent()).arrays["init_dL_dW"], tiny.arrays["init_dL_dW"]
        )


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"depth": 1}, "--depth must be at least 2, got 1"),
            ({"width": 1}, "--width must be at least 2, got 1"),
            ({"train_width": 0}, "--train-width must be at least 1, got 0"),
            ({"draws": 1}, "--draws must be at least 2, got 1"),
            ({"seeds": 1}, "--seeds must be at least 2, got 1"),
            ({"jacobians": 1}, "--jacobians must be 0, or 2 to the 5 of --draws, got 1"),
            ({"jacobians": 6}, "--jacobians must be 0, or 2 to the 5 of --draws, got 6"),
            ({"probe": 3}, "--jacobians needs another example for each, and --probe has 3"),
            ({"lr": 0.0}, "--lr must be positive and finite, got 0"),
            ({"lr": float("inf")}, "--lr must be positive and finite, got inf"),
            ({"activation": "thanh"}, "--activation: 'thanh' is unknown; .*tanh"),
            ({"updates": -1}, "--updates must be at least 0, got -1"),
            ({"records": 0}, "--records must be at least 1, got 0"),
            ({"seed": -1}, "--seed must be at least 0, got -1"),
        ],
    )
    def test_refused_in_one_line(self, wrong, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**wrong)
        assert "\n" not in str(caught.value)

    def test_presets(self):
        question = QUESTIONS["initialization"]
        assert (Settings().depth, Settings().width) == (5, 1000)
        paper = question.preset("paper")
        assert (paper.data, paper.depth, paper.width, paper.train_width) == (
            "shapeset", 5, 1000, 1000,
        )  # fmt: skip
        assert set(PRESETS) == {"quick", "paper"}

    def test_more_records_than_updates(self):
        settings = replace(TINY, updates=3, records=100)
        assert [t.every for t in settings.trainings()] == [1] * 4
