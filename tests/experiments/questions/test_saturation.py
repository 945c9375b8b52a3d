"""`saturation`: what a run yields, by hand, and that it repeats itself."""

import math
import struct
from dataclasses import replace

import numpy as np
import pytest

from experiments.data import DataError, load
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.training import train
from experiments.questions import QUESTIONS
from experiments.questions.saturation import PRESETS, Settings, run
from experiments.questions.saturation_kinds import BINS, Kind, kinds, measure

TINY = Settings(
    width=12, sigmoid_updates=60, updates=30, n_train=60, seeds=2, records=5, probe=20, workers=1
)
KEYS = [
    *("sigmoid_3", "sigmoid_4", "sigmoid_5", "sigmoid_N_5", "sigmoid_4_frozen"),
    *("tanh_5", "tanh_N_5", "softsign_5", "softsign_N_5"),
]


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


class TestYield:
    def test_arrays_and_their_shapes(self, tiny):
        shapes = {"entropy": ()}
        for key in KEYS:
            depth = 5 if key.endswith("5") else int(key.split("_")[1])
            records = 5 if key == "sigmoid_N_5" else 6
            shapes |= {
                f"{key}_{name}": (2, records, depth) for name in ("mean", "std", "p98", "saturated")
            }
            shapes |= {f"{key}_{name}": (2, records) for name in ("updates", "loss")}
            shapes |= {f"{key}_{name}": (2,) for name in ("last_loss", "error")}
            shapes[f"{key}_histogram"] = (2, depth, BINS)
        assert {name: array.shape for name, array in tiny.arrays.items()} == shapes

    def test_numbers_are_in_their_ranges(self, tiny):
        for name, array in tiny.arrays.items():
            assert np.isfinite(array).all(), name
        for key in KEYS:
            low = 0 if key.startswith("sigmoid") else -1
            mean, std = tiny.arrays[f"{key}_mean"], tiny.arrays[f"{key}_std"]
            assert (low <= mean).all() and (mean <= 1).all() and (std > 0).all()
            np.testing.assert_allclose(tiny.arrays[f"{key}_histogram"].sum(axis=-1), 1)

    def test_records_run_from_the_start_to_the_end(self, tiny):
        ends = {"sigmoid_5": 60, "sigmoid_4": 60, "sigmoid_3": 20, "sigmoid_4_frozen": 20}
        for key, end in ends.items():
            np.testing.assert_array_equal(tiny.arrays[f"{key}_updates"][0], np.linspace(0, end, 6))
        np.testing.assert_array_equal(tiny.arrays["tanh_5_updates"][1], np.arange(0, 31, 6))
        ends = [0, 3, 6, 9, 12]
        np.testing.assert_array_equal(tiny.arrays["sigmoid_N_5_updates"][0], ends)

    def test_measurements(self, tiny):
        m = tiny.measurements
        assert "Shapeset" in m["data"]
        assert [key for key in m if key in KEYS] == KEYS
        assert m["tanh_N_5"]["title"] == "tanh N, 5 layers"
        assert m["sigmoid_4_frozen"]["title"] == "sigmoid, 4 layers, b=0"
        np.testing.assert_array_equal(m["tanh_5"]["test_error"], tiny.arrays["tanh_5_error"])
        np.testing.assert_array_equal(m["tanh_5"]["p98_at_end"], tiny.arrays["tanh_5_p98"][:, -1])

    def test_progress_ends_at_what_was_expected(self):
        class Counting(Silent):
            done = 0

            def expect(self, steps, *args, **kwargs):
                self.expected = steps

            def step(self, what, steps=1):
                self.done += steps

        progress = Counting()
        run(TINY, progress)
        assert progress.done == progress.expected == 2 * (60 + 60 + 20 + 12 + 20 + 4 * 30)


class TestByHand:
    def test_the_last_record_is_that_of_the_final_net(self, tiny):
        kind = Kind("tanh", 5, normalized=True)
        training = TINY.training(kind, 1)
        assert (training.init, training.lr, training.seed) == ("xavier_uniform", TINY.lr, 1)
        trained = train(training)
        x = load("shapeset", n_train=1, n_test=TINY.probe, seed=1).x_test.astype(np.float64)
        for i, layer in enumerate(trained.net.layers[:-1]):
            s = x @ layer.W.numpy() + layer.b.numpy()
            x = np.tanh(s)
            record = {
                name: tiny.arrays[f"tanh_N_5_{name}"][1, -1, i]
                for name in ("mean", "std", "p98", "saturated")
            }
            assert record["mean"] == pytest.approx(x.mean(), rel=1e-4, abs=1e-6)
            assert record["std"] == pytest.approx(x.std(), rel=1e-4)
            assert record["p98"] == pytest.approx(np.quantile(x, 0.98, method="inverted_cdf"))
            assert record["saturated"] == np.mean(1 - x**2 < 0.05)
            shares = np.histogram(x, bins=BINS, range=(-1, 1))[0] / x.size
            # An activation at an edge may be in either bin.
            assert abs(tiny.arrays["tanh_N_5_histogram"][1, i] - shares).max() <= 1 / x.size
        assert tiny.arrays["tanh_N_5_error"][1] == trained.test_error

    def test_losses_are_means_around_the_records(self, tiny):
        training = TINY.training(Kind("sigmoid", 4), 0)
        assert (training.init, training.lr, training.every) == ("standard", TINY.sigmoid_lr, 12)
        losses = train(training).losses.astype(np.float64)
        loss = tiny.arrays["sigmoid_4_loss"][0]
        assert loss[0] == pytest.approx(losses[:6].mean())
        assert loss[3] == pytest.approx(losses[30:42].mean())
        assert loss[-1] == pytest.approx(losses[54:].mean())
        assert tiny.arrays["sigmoid_4_last_loss"][0] == pytest.approx(losses[-3:].mean())

    def test_frozen_nets_differ_in_the_frozen_biases_alone(self, tiny):
        free, frozen = Kind("sigmoid", 4), Kind("sigmoid", 4, frozen=True)
        a, b = TINY.training(free, 0), TINY.training(frozen, 0)
        assert replace(a, freeze_top_bias=True, updates=20, every=4) == b
        start = [tiny.arrays[f"{kind.key}_mean"][:, 0] for kind in (free, frozen)]
        np.testing.assert_array_equal(*start)
        assert not train(b).net.layers[-1].b.numpy().any()
        end = [tiny.arrays[f"{kind.key}_mean"][:, -1] for kind in (free, frozen)]
        assert (end[0] != end[1]).all()

    def test_entropy_of_shapesets_classes(self, tiny):
        labels = load("shapeset", n_train=20_000, n_test=1, seed=3).y_train
        shares = np.bincount(labels) / len(labels)
        assert tiny.arrays["entropy"] == pytest.approx(-(shares * np.log(shares)).sum(), abs=0.01)
        assert tiny.arrays["entropy"] == pytest.approx(2.1100, abs=1e-4)

    def test_a_training_without_records_is_refused(self):
        training = replace(TINY.training(Kind("tanh", 5), 0), every=0)
        with pytest.raises(ValueError, match="every=0"):
            measure(training, train(training))


@pytest.fixture
def digits(tmp_path):
    """A folder with MNIST's four files: fewer images, of four digits, each a quarter."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 80), ("t10k", 10_000)):
        pixels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        labels = np.arange(n, dtype=np.uint8) % 4
        for name, values in (("images-idx3", pixels), ("labels-idx1", labels)):
            header = struct.pack(f">4B{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
            (tmp_path / f"{part}-{name}-ubyte").write_bytes(header + values.tobytes())
    return tmp_path


class TestMnist:
    SETTINGS = replace(TINY, data="mnist", sigmoid_depths=(5,))

    def test_it_runs_and_has_its_own_entropy(self, digits):
        result = run(replace(self.SETTINGS, data_dir=digits), Silent())
        assert "MNIST" in result.measurements["data"]
        assert result.arrays["entropy"] == pytest.approx(np.log(4))
        assert result.arrays["tanh_5_mean"].shape == (2, 6, 5)

    def test_the_paper_takes_50_000_images(self, digits):
        settings = replace(self.SETTINGS, data_dir=digits, n_train=0)
        assert settings.training(Kind("tanh", 5), 0).n_train == 50_000
        with pytest.raises(DataError, match="holds 80 images"):
            run(settings, Silent())


class TestRepeats:
    def test_the_same_settings_give_the_same_bits(self, tiny):
        again = run(TINY, Silent())
        for name, array in tiny.arrays.items():
            assert array.tobytes() == again.arrays[name].tobytes(), name

    def test_seeds_differ_and_count_on_from_the_first(self, tiny):
        other = run(replace(TINY, seed=1), Silent())
        for key in KEYS:
            first, second = tiny.arrays[f"{key}_mean"]
            assert (first != second).all()
            np.testing.assert_array_equal(other.arrays[f"{key}_mean"][0], second)

    def test_a_kind_is_the_same_whatever_is_run_beside_it(self, tiny):
        alone = run(replace(TINY, sigmoid_depths=(5,)), Silent())
        assert "sigmoid_4_frozen_mean" not in alone.arrays
        np.testing.assert_array_equal(alone.arrays["sigmoid_5_mean"], tiny.arrays["sigmoid_5_mean"])


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"width": 0}, "--width must be at least 1, got 0"),
            ({"depth": 0}, "--depth must be at least 1, got 0"),
            ({"updates": 9}, "--updates must be at least 10, got 9"),
            ({"sigmoid_updates": 49}, "--sigmoid-updates must be at least 50, got 49"),
            ({"seeds": 1}, "--seeds must be at least 2, got 1"),
            ({"records": 2}, "--records must be at least 3, got 2"),
            ({"records": 50, "updates": 40}, "--records 50 is more than the 40 updates"),
            ({"records": 50, "sigmoid_updates": 120}, "--records 50 is more than the 24 updates"),
            ({"lr": 0.0}, "--lr must be positive and finite, got 0"),
            ({"sigmoid_lr": math.nan}, "--sigmoid-lr must be positive and finite, got nan"),
            ({"sigmoid_depths": (0, 4)}, "--sigmoid-depths must lie in 1 … 100"),
            ({"sigmoid_depths": (4, 4)}, "--sigmoid-depths: name each once"),
            ({"seed": -1}, "--seed must be at least 0, got -1"),
        ],
    )
    def test_refused_in_one_line(self, wrong, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**wrong)
        assert "\n" not in str(caught.value)

    def test_presets(self):
        question = QUESTIONS["saturation"]
        quick, paper = question.preset("quick"), question.preset("paper")
        assert quick.updates < Settings().updates
        assert (paper.width, paper.depth, paper.batch, paper.probe) == (1000, 5, 10, 300)
        assert set(PRESETS) == {"quick", "paper"}

    def test_kinds(self):
        assert [kind.key for kind in kinds((3, 4, 5), 5)] == KEYS
        assert [kind.key for kind in kinds((), 2)] == [
            "tanh_2", "tanh_N_2", "softsign_2", "softsign_N_2",
        ]  # fmt: skip
