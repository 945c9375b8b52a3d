"""The figure and the tables of `vanishing`: nothing is cut, and every axis has its words."""

import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.vanishing import figure, tables
from experiments.lab.progress import Silent
from experiments.questions.vanishing import Settings, run

TINY = Settings(depth=3, width=16, draws=3, updates=5, probe=20)
UNTRAINED = replace(TINY, updates=0, activations=("tanh", "sigmoid"), inits=("standard",))


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


@pytest.fixture(scope="module")
def untrained():
    return run(UNTRAINED, Silent())


def words(made):
    return [text.get_text() for text in made.legends[0].get_texts()]


class TestFigure:
    def test_it_saves_without_a_warning_as_png_and_svg(self, tiny, tmp_path):
        # Warnings are errors here: a missing glyph or a layout that collapses would be one.
        made = figure(TINY, tiny)
        made.savefig(tmp_path / "figure.png", format="png", dpi=150)
        made.savefig(tmp_path / "figure.svg", format="svg", metadata={"Date": None})
        assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "figure.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")

    def test_legend_and_labels(self, tiny):
        made = figure(TINY, tiny)
        assert words(made) == [
            "standard", "Xavier", "Kaiming", "at initialisation", "theory", "after 5 updates",
        ]  # fmt: skip
        axes = np.array(made.axes).reshape(3, 4)
        assert all(ax.get_title() for ax in axes[0])
        assert [ax.get_xlabel() for ax in axes[2]] == ["hidden layer"] * 3 + ["update"]
        assert [ax.get_ylabel() for ax in axes[:, 0]] == ["sigmoid", "tanh", "relu"]
        assert {ax.get_yscale() for ax in axes[:, :3].flat} == {"log"}
        assert "3 hidden layers of 16, Shapeset" in made.get_suptitle()

    def test_without_training(self, untrained, tmp_path):
        made = figure(UNTRAINED, untrained)
        made.savefig(tmp_path / "figure.png", format="png")
        assert len(made.axes) == 2 * 3
        assert words(made) == ["standard", "at initialisation", "theory"]

    def test_lines_are_what_was_measured_and_predicted(self, tiny):
        axes = np.array(figure(TINY, tiny).axes).reshape(3, 4)
        for column, name in enumerate(("x_std", "dL_ds", "dL_dW")):
            lines = axes[1, column].lines
            assert len(lines) == 3 * 3
            measured, theory, after = (line.get_ydata() for line in lines[3:6])
            start = np.exp(np.log(tiny.arrays[f"init_{name}"][1, 1]).mean(axis=0))
            np.testing.assert_allclose(measured, start)
            predicted = tiny.arrays[f"predicted_{name}"][1, 1]
            scale = 1.0 if name == "x_std" else start[-1]
            np.testing.assert_allclose(theory, predicted * scale)
            np.testing.assert_array_equal(after, tiny.arrays[f"after_{name}"][1, 1])
            assert list(lines[3].get_xdata()) == [1, 2, 3]
        curves = [line.get_ydata() for line in axes[1, 3].lines]
        np.testing.assert_allclose(curves, tiny.arrays["losses"][1])

    def test_nothing_of_pyplot_is_touched(self, tiny):
        import matplotlib.pyplot as plt

        figure(TINY, tiny)
        assert plt.get_fignums() == []


def rendered(settings, result, width):
    console = Console(width=width)
    with console.capture() as capture:
        for made in tables(settings, result):
            console.print(made)
    return capture.get()


class TestTables:
    @pytest.mark.parametrize("width", [80, 100])
    def test_they_fit_and_nothing_is_cut(self, tiny, width):
        text = rendered(TINY, tiny, width)
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        for heading in ("std s", "rms ∂L/∂W", "trained", "error", "expected", "measured"):
            assert heading in text

    def test_nets_of_the_default_depth_fit_too(self):
        settings = Settings(width=32, draws=2, updates=2, probe=5)
        text = rendered(settings, run(settings, Silent()), 80)
        assert "…" not in text

    def test_without_training(self, untrained):
        text = rendered(UNTRAINED, untrained, 80)
        assert "…" not in text
        assert "–" in text and "nan" not in text

    def test_deep_nets_fit_too(self):
        settings = Settings(depth=20, width=32, draws=2, updates=2, probe=5)
        text = rendered(settings, run(settings, Silent()), 80)
        assert "…" not in text

    def test_long_names_fit_too(self):
        settings = Settings(depth=12, width=16, draws=2, updates=2, probe=5)
        settings = replace(
            settings, activations=("leaky_relu", "sigmoid"), inits=("kaiming_uniform", "standard")
        )
        text = rendered(settings, run(settings, Silent()), 80)
        assert "…" not in text

    def test_a_training_that_diverges(self, tiny):
        m = dict(tiny.measurements)
        m["loss_at_end"] = np.full((3, 3), 1.5e30)
        text = rendered(TINY, replace(tiny, measurements=m), 80)
        assert "…" not in text

    def test_a_dead_net(self, tiny):
        arrays = {name: array.copy() for name, array in tiny.arrays.items()}
        arrays["init_dL_ds"][2, 0] = np.nan
        m = dict(tiny.measurements)
        m["factor_per_layer"] = np.array(m["factor_per_layer"])
        m["factor_per_layer"][2, 0] = math.nan
        rendered(TINY, replace(tiny, arrays=arrays, measurements=m), 80)

    def test_the_first_shows_the_net_that_vanishes_most_from_the_top_down(self, tiny):
        first = tables(TINY, tiny)[0]
        assert "sigmoid, standard initialisation" in str(first.title)
        layers = list(first.columns[0].cells)
        assert layers == ["3", "2", "1"]
        bars = [len(cell) for cell in first.columns[-1].cells]
        assert bars[0] == 20 and bars[-1] == 1 and bars == sorted(bars, reverse=True)
        other = dict(tiny.measurements) | {"factor_per_layer": np.ones((3, 3))}
        other["factor_per_layer"][2, 1] = 0.1
        made = tables(TINY, replace(tiny, measurements=other))[0]
        assert "relu, Xavier initialisation" in str(made.title)

    def test_a_row_for_each_kind_of_net(self, tiny):
        second = tables(TINY, tiny)[1]
        kinds = zip(second.columns[0].cells, second.columns[1].cells, strict=True)
        assert list(kinds) == [
            (f, init)
            for f in ("sigmoid", "tanh", "relu")
            for init in ("standard", "Xavier", "Kaiming")
        ]
        start = [float(cell) for cell in second.columns[2].cells]
        np.testing.assert_allclose(start, tiny.measurements["factor_per_layer"].flat, rtol=6e-3)
