"""The figure and the tables of `initialization`."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.initialization import figure, tables
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
PARTS = [
    ({}, 5),
    ({"updates": 0}, 4),
    ({"jacobians": 0}, 4),
    ({"updates": 0, "jacobians": 0, "depth": 7}, 3),
]


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


@pytest.fixture(scope="module", params=PARTS, ids=str)
def part(request):
    """Settings, their result and the columns of the figure, with parts left out."""
    changed, columns = request.param
    settings = replace(TINY, **changed)
    return settings, run(settings, Silent()), columns


class TestFigure:
    def test_it_saves_without_a_warning(self, part, tmp_path):
        settings, result, columns = part
        made = figure(settings, result)
        made.savefig(tmp_path / "figure.svg", format="svg", metadata={"Date": None})
        axes = np.array(made.axes).reshape(3, columns)
        assert all(ax.get_title() for ax in axes[0])
        assert all(ax.get_xlabel() for row in axes[1:] for ax in row)
        assert [ax.get_ylabel() for ax in axes[:2, 0]] == ["standard\ndensity", "Xavier\ndensity"]

    def test_another_activation(self, tmp_path):
        settings = replace(TINY, activation="relu", updates=0)
        figure(settings, run(settings, Silent())).savefig(tmp_path / "figure.png", dpi=80)

    def test_legend(self, tiny):
        words = [text.get_text() for text in figure(TINY, tiny).legends[0].get_texts()]
        assert words == [
            "layer 1", "layer 2", "layer 3", "standard", "Xavier", "theory", "W alone",
        ]  # fmt: skip

    def test_lines_are_what_was_measured_and_predicted(self, tiny):
        axes = np.array(figure(TINY, tiny).axes).reshape(3, 5)
        for column, name in enumerate(("x_std", "dL_ds", "dL_dW")):
            for i in range(2):
                measured, theory = axes[2, column].lines[2 * i : 2 * i + 2]
                start = np.exp(np.log(tiny.arrays[f"init_{name}"][i]).mean(axis=0))
                np.testing.assert_allclose(measured.get_ydata(), start)
                scale = 1.0 if name == "x_std" else start[-1]
                predicted = tiny.arrays[f"predicted_{name}"][i]
                np.testing.assert_allclose(theory.get_ydata(), predicted * scale)
        density = tiny.arrays["distribution_dL_dW"][1, 2]
        line = axes[1, 2].lines[2].get_ydata()
        np.testing.assert_array_equal(np.nan_to_num(line), density)
        means = axes[2, 3].lines[0].get_ydata()
        np.testing.assert_allclose(means, tiny.arrays["singular_J"][0].mean(axis=(0, 2)))
        dW = tiny.arrays["training_dL_dW"][0]
        ratio = np.exp(np.log(dW[:, :, 0] / dW[:, :, 2]).mean(axis=0))
        np.testing.assert_allclose(axes[2, 4].lines[0].get_ydata(), ratio)


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
