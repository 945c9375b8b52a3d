"""The figures and the tables of `initialization`."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.initialization import figures, tables
from experiments.figures.initialization_tables import shown_layers
from experiments.lab.progress import Silent
from experiments.questions.initialization import Settings, run

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
START = ["figure", "activations", "gradients", "weight-gradients"]
TRAINING = ["training", "training-ratio"]
PARTS = [
    ({}, [*START, "jacobians", *TRAINING]),
    ({"updates": 0}, [*START, "jacobians"]),
    ({"jacobians": 0}, [*START, *TRAINING]),
    ({"updates": 0, "jacobians": 0, "depth": 7}, START),
]


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


@pytest.fixture(scope="module", params=PARTS, ids=str)
def part(request):
    """Settings, their result and the names of the figures, with parts left out."""
    changed, names = request.param
    settings = replace(TINY, **changed)
    return settings, run(settings, Silent()), names


class TestFigures:
    def test_each_is_legible_and_parts_left_out_have_none(self, part, legible):
        settings, result, names = part
        made = figures(settings, result)
        assert list(made) == names
        for figure in made.values():
            legible(figure)

    def test_another_activation(self, legible):
        settings = replace(TINY, activation="relu", updates=0)
        legible(figures(settings, run(settings, Silent()))["activations"])

    def test_lines_are_what_was_measured_and_predicted(self, tiny):
        made = figures(TINY, tiny)
        [ax] = made["figure"].axes
        for i in range(2):
            measured, theory = ax.lines[2 * i : 2 * i + 2]
            start = np.exp(np.log(tiny.arrays["init_dL_ds"][i]).mean(axis=0))
            np.testing.assert_allclose(measured.get_ydata(), (start / start[-1])[::-1])
            predicted = tiny.arrays["predicted_dL_ds"][i]
            np.testing.assert_allclose(theory.get_ydata(), (predicted / predicted[-1])[::-1])
        line = made["weight-gradients"].axes[1].lines[2].get_ydata()
        density = tiny.arrays["distribution_dL_dW"][1, 2]
        np.testing.assert_array_equal(np.nan_to_num(line), density)
        dW = tiny.arrays["training_dL_dW"][0]
        ratio = np.exp(np.log(dW[:, :, 0] / dW[:, :, 2]).mean(axis=0))
        np.testing.assert_allclose(made["training-ratio"].axes[0].lines[0].get_ydata(), ratio)
        curve = np.exp(np.log(dW).mean(axis=0))[:, 2]
        np.testing.assert_allclose(made["training"].axes[0].lines[2].get_ydata(), curve)

    def test_titles_have_the_numbers_of_the_run(self, tiny):
        sizes = np.ones((2, 3, 3))
        sizes[0] = [0.01, 0.1, 1]
        singular = np.ones_like(tiny.arrays["singular_J"])
        singular[0] = 0.25
        course = np.ones_like(tiny.arrays["training_dL_ds"])
        course[0, :, 0, 0], course[0, :, -1, 0] = 0.125, 3
        arrays = dict(tiny.arrays) | {
            "init_x_std": sizes, "init_dL_ds": sizes, "singular_J": singular,
            "training_dL_ds": course, "training_dL_dW": course,
        }  # fmt: skip
        made = figures(TINY, replace(tiny, arrays=arrays))
        titles = {name: figure.get_label() for name, figure in made.items()}
        assert titles["figure"] == (
            "standard: ∂L/∂s falls to 0.01 of the top layer's; Xavier stays level (×1.00)"
        )
        folds = (
            "differs by a factor of 100 from layer to layer under standard initialisation, "
            "by a factor of 1 under"
        )
        assert titles["activations"] == f"The std of x {folds} Xavier's"
        assert titles["gradients"].startswith(f"The rms of ∂L/∂s {folds}")
        assert "is 0.25 under standard initialisation and 1 under Xavier's" in titles["jacobians"]
        assert "After 40 updates ∂L/∂W differs by a factor of 3" in titles["training"]
        assert "from 0.13 of the top layer's at the start to 3 in 40" in titles["training-ratio"]

    def test_an_axis_is_not_stretched_by_an_outlier(self, tiny):
        singular = np.random.default_rng(0).random((2, 3, 2, 500))
        singular[0, 0, 0, 0] = 100.0
        arrays = dict(tiny.arrays) | {"singular_J": singular}
        ax = figures(TINY, replace(tiny, arrays=arrays))["jacobians"].axes[0]
        assert ax.get_xlim()[1] < 1.5


@pytest.mark.parametrize(
    ("depth", "shown"), [(2, [0, 1]), (5, [0, 1, 2, 3, 4]), (9, [0, 2, 4, 6, 8])]
)
def test_at_most_five_layers_are_shown(depth, shown):
    assert shown_layers(depth).tolist() == shown
    assert shown_layers(1000)[[0, -1]].tolist() == [0, 999]


class TestTables:
    def rendered(self, settings, result, width):
        console = Console(width=width)
        with console.capture() as capture:
            for made in tables(settings, result):
                console.print(made)
        return capture.get()

    @pytest.mark.parametrize("width", [80, 100])
    def test_they_fit_and_nothing_is_cut(self, part, width):
        settings, result, _ = part
        text = self.rendered(settings, result, width)
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width
        assert "nan" not in text

    def test_numbers_are_what_was_measured(self, tiny):
        start, training, _ = tables(TINY, tiny)
        rows = list(zip(*(column.cells for column in start.columns), strict=True))
        assert [row[:2] for row in rows[:3]] == [("standard", str(k)) for k in (3, 2, 1)]
        measured = np.exp(np.log(tiny.arrays["init_x_std"][1]).mean(axis=0))[0]
        assert float(rows[-1][2]) == pytest.approx(measured, rel=6e-3)
        mean = tiny.arrays["singular_J"][0, :, 1].mean()
        assert float(rows[0][8]) == pytest.approx(mean, rel=6e-3)
        assert rows[2][8] == "–"
        last = [list(column.cells)[-1] for column in training.columns]
        assert last[0] == "40"
        dW = tiny.arrays["training_dL_dW"][1, :, -1]
        ratio = np.exp(np.log(dW[:, 0] / dW[:, -1]).mean())
        assert float(last[2]) == pytest.approx(ratio, rel=6e-3)
