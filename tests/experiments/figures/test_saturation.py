"""The figure and the tables of `saturation`: nothing is cut, and lines are what was measured."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.saturation import figure, tables
from experiments.lab.progress import Silent
from experiments.questions.saturation import Settings, run

TINY = Settings(
    width=12, sigmoid_updates=60, updates=30, n_train=60, seeds=2, records=5, probe=20, workers=1
)
TITLES = [
    *("sigmoid, 3 layers", "sigmoid, 4 layers", "sigmoid, 5 layers"),
    *("sigmoid N, 5 layers", "sigmoid, 4 layers, b=0"),
    *("tanh, 5 layers", "tanh N, 5 layers"),
    *("softsign, 5 layers", "softsign N, 5 layers"),
]
LOSS = "loss of the first net, colours as on the right"


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


@pytest.fixture(scope="module")
def made(tiny):
    return figure(TINY, tiny)


def panel(made, title):
    return next(ax for ax in made.axes if ax.get_title() == title)


class TestFigure:
    def test_it_saves_without_a_warning_as_png_and_svg(self, made, tmp_path):
        made.savefig(tmp_path / "figure.png", format="png", dpi=100)
        made.savefig(tmp_path / "figure.svg", format="svg", metadata={"Date": None})
        assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "figure.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")

    def test_panels_and_legend(self, made):
        assert len(made.axes) == 5 + 4 + 4 + 2
        titles = [ax.get_title() for ax in made.axes]
        assert [title for title in titles if title in TITLES] == TITLES
        assert [t.get_text() for t in made.subfigs[0].legends[0].get_texts()] == [
            f"layer {i}" for i in range(1, 6)
        ]
        assert "layers of 12, Shapeset" in made.get_suptitle()

    def test_the_title_names_the_data(self, tiny):
        assert ", MNIST (" in figure(replace(TINY, data="mnist"), tiny).get_suptitle()

    def test_a_layer_has_one_colour_in_every_panel(self, made):
        legend = [handle.get_color() for handle in made.subfigs[0].legends[0].get_lines()]
        for depth in (3, 4, 5):
            lines = panel(made, f"sigmoid, {depth} layers").lines
            assert [line.get_color() for line in lines] == legend[:depth]
        assert [line.get_color() for line in panel(made, "tanh, 5 layers").lines[::2]] == legend

    def test_means_and_bands_are_the_first_nets(self, made, tiny):
        ax = panel(made, "sigmoid, 4 layers")
        mean, std = tiny.arrays["sigmoid_4_mean"][0], tiny.arrays["sigmoid_4_std"][0]
        assert len(ax.lines) == len(ax.collections) == 4
        for i, (line, band) in enumerate(zip(ax.lines, ax.collections, strict=True)):
            np.testing.assert_allclose(line.get_ydata(), mean[:, i])
            np.testing.assert_allclose(line.get_xdata(), np.arange(0, 61, 12) / 1000)
            y = band.get_paths()[0].vertices[:, 1]
            assert y.max() == pytest.approx((mean + std)[:, i].max())
            assert y.min() == pytest.approx((mean - std)[:, i].min())

    def test_percentiles_are_dots_and_deviations_lines(self, made, tiny):
        ax = panel(made, "tanh N, 5 layers")
        for i in range(5):
            std, p98 = ax.lines[2 * i], ax.lines[2 * i + 1]
            np.testing.assert_array_equal(std.get_ydata(), tiny.arrays["tanh_N_5_std"][0, :, i])
            np.testing.assert_array_equal(p98.get_ydata(), tiny.arrays["tanh_N_5_p98"][0, :, i])
            assert (std.get_linestyle(), p98.get_linestyle()) == ("-", "None")

    def test_histograms_are_densities(self, made):
        ax = next(ax for ax in made.axes if ax.get_xlabel() == "activation $x$")
        for stairs in ax.patches:
            values, edges, _ = stairs.get_data()
            assert (values * np.diff(edges)).sum() == pytest.approx(1)
            assert (edges[0], edges[-1]) == (-1, 1)

    def test_losses_and_errors_of_every_kind(self, made, tiny):
        ax = panel(made, LOSS)
        labels = [line.get_label() for line in ax.lines]
        assert labels == [*TITLES, "entropy of the classes"]
        np.testing.assert_array_equal(ax.lines[5].get_ydata(), tiny.arrays["tanh_5_loss"][0])
        assert ax.lines[-1].get_ydata()[0] == pytest.approx(2.11, abs=1e-3)
        ax = panel(made, "test error of each net at the end")
        assert [t.get_text() for t in ax.get_yticklabels()] == TITLES
        np.testing.assert_allclose(ax.lines[7].get_xdata(), 100 * tiny.arrays["softsign_5_error"])

    def test_a_kinds_curve_and_its_errors_have_one_colour(self, made):
        curves, errors = panel(made, LOSS).lines, panel(made, "test error of each net at the end")
        for curve, dots in zip(curves[:-1], errors.lines, strict=True):
            assert curve.get_color() == dots.get_color()

    def test_curves_tell_kinds_apart(self, made):
        ax = panel(made, LOSS)
        looks = {(line.get_color(), line.get_linestyle()) for line in ax.lines}
        assert len(looks) == len(ax.lines)

    @pytest.mark.parametrize("depths", [(), (2,)])
    def test_fewer_sigmoid_nets(self, depths, tmp_path):
        settings = replace(TINY, sigmoid_depths=depths, depth=9)
        made = figure(settings, run(settings, Silent()))
        made.savefig(tmp_path / "figure.png", format="png")
        assert len(made.axes) == len(depths) + 4 + 4 + 2

    def test_nothing_of_pyplot_is_touched(self, tiny):
        import matplotlib.pyplot as plt

        figure(TINY, tiny)
        assert plt.get_fignums() == []


class TestTables:
    @pytest.mark.parametrize("width", [80, 100])
    def test_they_fit_and_nothing_is_cut(self, tiny, width):
        console = Console(width=width)
        with console.capture() as capture:
            for made in tables(TINY, tiny):
                console.print(made)
        text = capture.get()
        assert max(map(len, text.splitlines())) <= width
        assert "…" not in text
        for words in ("mean of x", "p98 of x", "error", "expected", "measured", "2.110"):
            assert words in text

    def test_a_row_for_each_kind_and_a_line_for_each_layer(self, tiny):
        first = tables(TINY, tiny)[0]
        assert list(first.columns[0].cells) == TITLES
        assert [len(str(cell).splitlines()) for cell in first.columns[1].cells] == [
            3, 4, 5, 5, 4, 5, 5, 5, 5,
        ]  # fmt: skip
        shown = [float(v) for v in list(first.columns[3].cells)[5].splitlines()]
        np.testing.assert_allclose(shown, tiny.arrays["tanh_5_p98"][0, -1], rtol=6e-3)
