"""`vanishing`: what a run yields, by hand and against theory, and that it repeats itself."""

import math
from dataclasses import replace

import numba
import numpy as np
import pytest

import engine
import nn
from experiments.data import load
from experiments.figures.vanishing import tables
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.questions import QUESTIONS
from experiments.questions.vanishing import PRESETS, Settings, run

IDS = ["G10", "G11", "G12", "G13", "S6", "H1", "H5", "V1"]
TINY = Settings(depth=3, width=16, draws=3, updates=5, probe=20)
QUANTITIES = ("s_std", "x_std", "x_rms", "dL_ds", "dL_dx", "dL_dW")
PREDICTED = ("s_std", "x_std", "dL_ds", "dL_dx", "dL_dW")


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


def same_bits(a, b):
    return set(a.arrays) == set(b.arrays) and all(
        a.arrays[name].tobytes() == b.arrays[name].tobytes() for name in a.arrays
    )


class TestYield:
    def test_arrays_and_their_shapes(self, tiny):
        shapes = {
            **{f"init_{q}": (3, 3, 3, 3) for q in QUANTITIES},
            **{f"after_{q}": (3, 3, 3) for q in QUANTITIES},
            **{f"predicted_{q}": (3, 3, 3) for q in PREDICTED},
            **dict.fromkeys(("n_var_W", "E_x2", "var_x"), (3, 3, 3)),
            "losses": (3, 3, 5),
            "test_error": (3, 3),
        }
        assert {name: array.shape for name, array in tiny.arrays.items()} == shapes

    def test_axes_are_activation_init_draw_layer(self):
        settings = replace(TINY, activations=("tanh", "relu"), inits=("standard",), draws=4)
        arrays = run(settings, Silent()).arrays
        assert arrays["init_dL_ds"].shape == (2, 1, 4, 3)
        assert arrays["losses"].shape == (2, 1, 5)

    def test_numbers_are_finite_and_positive(self, tiny):
        for name, array in tiny.arrays.items():
            assert np.isfinite(array).all(), name
            assert (array > 0).all(), name
        assert (tiny.arrays["test_error"] <= 1).all()

    def test_measurements(self, tiny):
        m = tiny.measurements
        assert "Shapeset" in m["data"]
        assert m["activations"] == ("sigmoid", "tanh", "relu")
        dL_ds = tiny.arrays["init_dL_ds"]
        per_layer = np.sqrt(dL_ds[..., 0] / dL_ds[..., 2])
        np.testing.assert_allclose(m["factor_per_layer"], np.exp(np.log(per_layer).mean(axis=2)))
        after = tiny.arrays["after_dL_ds"]
        np.testing.assert_allclose(
            m["factor_per_layer_after"], np.sqrt(after[..., 0] / after[..., 2])
        )
        # Of the same examples before and after: near ln 9 for nets that have hardly been trained.
        assert m["loss_at_start"].shape == m["loss_at_end"].shape == (3, 3)
        assert (abs(m["loss_at_start"] - np.log(9)) < 1).all()
        assert (m["loss_at_start"] != m["loss_at_end"]).all()
        np.testing.assert_array_equal(m["test_error"], tiny.arrays["test_error"])

    def test_the_losses_are_those_of_the_probe(self):
        settings = Settings(depth=2, width=8, draws=2, updates=3, probe=7, lr=1e-30)
        m = run(settings, Silent()).measurements
        np.testing.assert_array_equal(m["loss_at_start"], m["loss_at_end"])  # lr moves nothing

    def test_claims(self, tiny):
        assert [claim.statement.id for claim in tiny.claims] == IDS
        assert "not yet measured" not in [claim.verdict for claim in tiny.claims]
        for claim in tiny.claims:
            assert claim.statement.source
            assert len(claim.labels) in (0, len(claim.measured))

    def test_progress_ends_at_what_was_expected(self):
        class Counting(Silent):
            done = 0

            def expect(self, steps):
                self.expected = steps

            def step(self, what, steps=1):
                self.done += steps

        for settings in (TINY, replace(TINY, updates=0, activations=("relu",))):
            progress = Counting()
            run(settings, progress)
            assert progress.done == progress.expected


class TestByHand:
    def test_statistics_are_those_of_a_trace(self, tiny):
        """One kind, one draw, from engine.trace and NumPy alone."""
        a, i, draw = 1, 1, 2
        data = load("shapeset", n_train=TINY.updates * TINY.batch, n_test=1000, seed=0)
        rng = np.random.default_rng(
            [0, list(engine.ACTIVATIONS).index("tanh"),
             list(nn.init.SCHEMES).index("xavier_uniform"), draw]
        )  # fmt: skip
        net = nn.MLP([1024, 16, 16, 16, 9], "tanh", "xavier_uniform", rng=rng)
        with engine.trace() as t:
            nn.cross_entropy(net(data.x_test[:20]), data.y_test[:20]).backward()
        arrays = {name: array[a, i, draw] for name, array in tiny.arrays.items() if "init" in name}

        def rms(x):
            return math.sqrt(np.mean(x.astype(np.float64) ** 2))

        E_x2, var_x = [], []
        for k, layer in enumerate(t.layers[:-1]):
            s = layer.x.astype(np.float64) @ layer.W + layer.b
            assert arrays["init_s_std"][k] == pytest.approx(s.std(), rel=1e-5)
            assert arrays["init_x_std"][k] == pytest.approx(np.tanh(s).std(), rel=1e-5)
            assert arrays["init_x_rms"][k] == pytest.approx(rms(np.tanh(s)), rel=1e-5)
            dL_ds = layer.dL_dx_next * (1 - np.tanh(s) ** 2)
            assert arrays["init_dL_ds"][k] == pytest.approx(rms(dL_ds), rel=1e-4)
            assert arrays["init_dL_dx"][k] == pytest.approx(rms(layer.dL_dx_next), rel=1e-6)
            dL_dW = net.layers[k].W.grad.numpy()
            assert arrays["init_dL_dW"][k] == pytest.approx(rms(dL_dW), rel=1e-6)
            # Example by example: over examples of differing norms, s is not normal.
            E_x2.append([np.mean(np.tanh(row) ** 2) / np.mean(row**2) for row in s])
            var_x.append([np.tanh(row).var() / np.mean(row**2) for row in s])
        assert tiny.arrays["E_x2"][a, i, draw] == pytest.approx(np.mean(E_x2), rel=1e-5)
        assert tiny.arrays["var_x"][a, i, draw] == pytest.approx(np.mean(var_x), rel=1e-5)
        square = [16 * np.var(layer.W.numpy()) for layer in net.layers[1:3]]
        assert tiny.arrays["n_var_W"][a, i, draw] == pytest.approx(np.mean(square), rel=1e-5)

    def test_relu_moments_are_over_the_units_of_an_example(self):
        settings = replace(
            TINY, width=400, activations=("relu",), inits=("kaiming_normal",), updates=0
        )
        arrays = run(settings, Silent()).arrays
        assert arrays["E_x2"].mean() == pytest.approx(0.5, rel=0.03)
        assert arrays["var_x"].mean() == pytest.approx(0.5 - 0.5 / math.pi, rel=0.03)

    def test_training_is_plain_sgd(self, tiny):
        data = load("shapeset", n_train=TINY.updates * TINY.batch, n_test=1000, seed=0)
        rng = np.random.default_rng([0, list(engine.ACTIVATIONS).index("relu"),
                                     list(nn.init.SCHEMES).index("kaiming_normal"), 0])  # fmt: skip
        net = nn.MLP([1024, 16, 16, 16, 9], "relu", "kaiming_normal", rng=rng)
        losses = []
        batches = data.batches(TINY.batch, 0)
        for _ in range(5):
            x, y = next(batches)
            net.zero_grad()
            loss = nn.cross_entropy(net(x), y)
            loss.backward()
            losses.append(loss.item())
            for p in net.parameters():
                p.update(lambda value, p=p: np.subtract(value, 0.1 * p.grad.numpy(), out=value))
        np.testing.assert_allclose(tiny.arrays["losses"][2, 2], losses, rtol=1e-4)
        error = np.mean(net(data.x_test).numpy().argmax(axis=1) != data.y_test)
        assert tiny.arrays["test_error"][2, 2] == pytest.approx(error, abs=0.002)

    def test_predictions_are_those_of_nn_theory(self):
        self.compare_predictions(16)
        # The run groups more examples than that by their strength.
        self.compare_predictions(160)

    @pytest.mark.parametrize("probe", [20, 100])
    def test_predictions_where_16_does_not_divide_the_probe(self, probe):
        self.compare_predictions(probe)

    def compare_predictions(self, probe):
        settings = replace(TINY, updates=0, activations=("tanh",), inits=("standard",), probe=probe)
        found = run(settings, Silent())
        data = load("shapeset", n_train=1, n_test=1000, seed=0)
        moments = np.mean(data.x_test[:probe].astype(np.float64) ** 2, axis=1)
        net = nn.MLP([1024, 16, 16, 16, 9], "tanh", "standard", rng=0)
        theory = nn.theory.predict_profile(net, moments)
        assert found.measurements["E_x2"] == pytest.approx(moments.mean(), rel=1e-6)
        for name in PREDICTED:
            np.testing.assert_allclose(
                found.arrays[f"predicted_{name}"][0, 0], getattr(theory, name), rtol=5e-3
            )


class TestRepeats:
    def test_the_same_settings_give_the_same_bits(self, tiny):
        assert same_bits(tiny, run(TINY, Silent()))

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one thread is all there is")
    def test_whatever_the_number_of_threads(self):
        # Wide enough that the parallel kernels are used.
        settings = replace(
            TINY, width=256, probe=200, draws=2, activations=("tanh",), inits=("standard",)
        )
        before = numba.get_num_threads()
        found = []
        try:
            for threads in (1, 2):
                numba.set_num_threads(threads)
                found.append(run(settings, Silent()))
        finally:
            numba.set_num_threads(before)
        assert same_bits(*found)

    def test_another_seed_gives_other_numbers(self, tiny):
        other = run(replace(TINY, seed=1), Silent())
        for name in ("init_dL_ds", "init_s_std", "losses", "n_var_W"):
            assert (other.arrays[name] != tiny.arrays[name]).all()

    def test_draws_differ(self, tiny):
        dL_ds = tiny.arrays["init_dL_ds"]
        assert (dL_ds[:, :, 0] != dL_ds[:, :, 1]).all()
        assert (dL_ds[:, :, 1] != dL_ds[:, :, 2]).all()

    def test_a_kind_of_net_is_the_same_whatever_is_run_beside_it(self, tiny):
        alone = replace(TINY, activations=("relu", "tanh"), inits=("kaiming_normal",))
        found = run(alone, Silent())
        for name in ("init_dL_ds", "losses", "after_dL_dW", "predicted_s_std"):
            np.testing.assert_array_equal(found.arrays[name][0, 0], tiny.arrays[name][2, 2])
            np.testing.assert_array_equal(found.arrays[name][1, 0], tiny.arrays[name][1, 2])


class TestLeftOut:
    @pytest.mark.parametrize(
        ("kept", "measured"),
        [
            ({"activations": ("tanh",)}, {"G10", "G11", "G12", "G13", "V1"}),
            ({"activations": ("sigmoid",)}, {"S6"}),
            ({"activations": ("relu",)}, {"H1", "H5"}),
            ({"activations": ("softsign",)}, set()),
            ({"inits": ("standard",)}, {"V1"}),
            ({"inits": ("kaiming_normal",)}, {"H1"}),
            ({"inits": ("xavier_uniform", "kaiming_normal")}, {"H1", "H5"}),
        ],
    )
    def test_claims_that_need_it_are_not_yet_measured(self, kept, measured):
        result = run(replace(TINY, updates=0, **kept), Silent())
        assert [claim.statement.id for claim in result.claims] == IDS
        found = {c.statement.id for c in result.claims if c.verdict != "not yet measured"}
        assert found == measured

    def test_no_training(self):
        settings = replace(TINY, updates=0)
        result = run(settings, Silent())
        assert result.arrays["losses"].shape == (3, 3, 0)
        assert np.isnan(result.arrays["after_dL_ds"]).all()
        assert np.isnan(result.arrays["test_error"]).all()
        assert result.measurements["loss_at_start"] is None
        assert result.measurements["loss_at_end"] is None


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"depth": 1}, "--depth must be at least 2, got 1"),
            ({"width": 0}, "--width must be at least 1, got 0"),
            ({"draws": 1}, "--draws must be at least 2, got 1"),
            ({"probe": 0}, "--probe must be at least 1, got 0"),
            ({"updates": -1}, "--updates must be at least 0, got -1"),
            ({"batch": 0}, "--batch must be at least 1, got 0"),
            ({"seed": -1}, "--seed must be at least 0, got -1"),
            ({"lr": 0.0}, "--lr must be positive and finite, got 0"),
            ({"lr": math.nan}, "--lr must be positive and finite, got nan"),
            ({"lr": math.inf}, "--lr must be positive and finite, got inf"),
            ({"activations": ("thanh",)}, "--activations: no activation is named 'thanh'; .*tanh"),
            ({"activations": ()}, "--activations: name each once, and at least one"),
            ({"activations": ("tanh", "tanh")}, "--activations: name each once"),
            ({"inits": ("he",)}, "--inits: 'he' is unknown; .*kaiming_normal"),
            ({"inits": ("zeros",)}, "--inits: 'zeros' is unknown"),
            ({"inits": ("standard", "standard")}, "--inits: name each once"),
        ],
    )
    def test_refused_in_one_line(self, wrong, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**wrong)
        assert "\n" not in str(caught.value)

    def test_an_activation_of_ones_own(self, tmp_path):
        file = tmp_path / "mine.py"
        (tmp_path / "beside.py").write_text("SLOPE = 1.5\n")
        file.write_text(
            "from engine import activation, tanh\nfrom beside import SLOPE\n\n"
            "@activation\ndef steeper(s):\n    return tanh(SLOPE * s)\n"
        )
        settings = replace(TINY, activations=("tanh", f"{file}:steeper"), inits=("standard",))
        result = run(settings, Silent())
        alone = run(replace(settings, activations=(f"{file}:steeper",)), Silent())
        for q in ("s_std", "dL_ds"):
            both = result.arrays[f"init_{q}"]
            np.testing.assert_array_equal(both[1], alone.arrays[f"init_{q}"][0])
        known, own = result.arrays["init_x_std"].mean(axis=2)  # over the draws
        assert (own > 1.2 * known).all()
        cells = [str(cell) for t in tables(settings, result) for c in t.columns for cell in c.cells]
        assert "steeper" in cells and str(tmp_path) not in " ".join(cells)
        with pytest.raises(SettingsError, match="name each once"):
            replace(settings, activations=(f"{file}:steeper", f"{file}:steeper"))

    def test_a_seed_that_the_data_set_does_not_take(self):
        with pytest.raises(SettingsError, match="--seed"):
            Settings(seed=2**64)

    def test_presets(self):
        question = QUESTIONS["vanishing"]
        assert (Settings().depth, Settings().width) == (10, 256)
        quick, paper = question.preset("quick"), question.preset("paper")
        assert (quick.depth, quick.width, quick.draws) == (5, 128, 12)
        assert (paper.data, paper.depth, paper.width) == ("shapeset", 5, 1000)
        assert set(PRESETS) == {"quick", "paper"}


def test_at_a_moderate_size_every_claim_holds():
    result = run(Settings(depth=5, width=128, draws=20, updates=0), Silent())
    assert {c.statement.id: c.verdict for c in result.claims} == dict.fromkeys(IDS, "holds")
    factors = np.asarray(result.measurements["factor_per_layer"])
    assert factors[0, 0] == pytest.approx(0.1414, rel=0.03)


def test_dead_nets_are_measured_without_a_warning():
    # Eight layers of two units: in most draws no signal reaches the top.
    settings = Settings(depth=8, width=2, draws=3, updates=0, probe=5, activations=("relu",))
    result = run(settings, Silent())
    assert {c.verdict for c in result.claims if c.statement.id[0] == "H"} <= {
        "not shown", "does not hold",
    }  # fmt: skip
