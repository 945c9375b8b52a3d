"""The figures and the tables of `saturation`: nothing is cut, and lines are what was measured."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.saturation import figures, tables
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
NAMES = ["figure", "loss", "percentiles", "histograms", "errors"]


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


@pytest.fixture(scope="module")
def made(tiny):
    return figures(TINY, tiny)


def changed(result, **arrays):
    return replace(result, arrays=dict(result.arrays) | arrays)


def title(result, name):
    return figures(TINY, result)[name].get_label()


class TestFigures:
    def test_each_is_legible(self, made, legible):
        assert list(made) == NAMES
        for figure in made.values():
            legible(figure)

    def test_the_set_up_names_the_data(self, tiny):
        figure = figures(replace(TINY, data="mnist"), tiny)["figure"]
        assert any("Layers of 12 units, MNIST" in text.get_text() for text in figure.texts)

    def test_means_are_the_first_nets_of_four_layers(self, made, tiny):
        [ax] = made["figure"].axes
        means = tiny.arrays["sigmoid_4_mean"][0]
        for i in range(4):
            np.testing.assert_allclose(ax.lines[i].get_ydata(), means[:, i])
            np.testing.assert_allclose(ax.lines[i].get_xdata(), np.arange(0, 61, 12))
        assert [text.get_text() for text in ax.texts] == [
            "layer 1", "layer 2", "layer 3", "layer 4, top",
        ]  # fmt: skip

    def test_the_title_follows_the_top_layer(self, tiny):
        means = np.full_like(tiny.arrays["sigmoid_4_mean"], 0.5)
        means[0, 2, 3], means[0, -1, 3] = 0.004, 0.25
        assert title(changed(tiny, sigmoid_4_mean=means), "figure") == (
            "sigmoid, 4 layers: the top layer's mean activation goes from 0.5 to 0.004 at update "
            "24, and ends at 0.25"
        )
        means[0, -1, 3] = 0.001
        assert title(changed(tiny, sigmoid_4_mean=means), "figure").endswith(
            "0.5 to 0.001 at update 60"
        )

    def test_the_title_says_when_each_net_leaves_the_plateau(self, tiny):
        entropy = tiny.measurements["entropy_of_classes"]
        on, left = np.full((2, 6), entropy), np.full((2, 6), entropy)
        left[0, 3:] -= 0.2
        left[0, 1] -= 0.2  # a moment below is no escape
        result = changed(tiny, sigmoid_3_loss=left, sigmoid_4_loss=on, sigmoid_5_loss=on)
        every = tiny.arrays["sigmoid_3_updates"][0]
        assert title(result, "loss") == (
            f"Sigmoid nets stay on the plateau: 3 layers for {int(every[3])} updates, "
            "4 layers for all 60 and 5 layers for all 60"
        )

    def test_losses_are_the_first_nets_of_every_sigmoid_kind(self, made, tiny):
        [ax] = made["loss"].axes
        entropy, *curves = ax.lines
        assert [line.get_label() for line in curves] == TITLES[:5]
        assert len({line.get_color() for line in curves}) == 5
        np.testing.assert_array_equal(curves[2].get_ydata(), tiny.arrays["sigmoid_5_loss"][0])
        assert entropy.get_ydata()[0] == pytest.approx(2.11, abs=1e-3)

    def test_percentiles_have_one_scale_and_a_layer_one_colour(self, made, tiny):
        figure = made["percentiles"]
        assert [ax.get_title(loc="left") for ax in figure.axes] == TITLES[5:]
        assert len({ax.get_ylim() for ax in figure.axes}) == 1
        legend = [handle.get_color() for handle in figure.legends[0].get_lines()]
        for ax in figure.axes:
            for line, colour in zip(ax.lines, legend, strict=True):
                np.testing.assert_array_equal(line.get_color(), colour)
        p98 = tiny.arrays["tanh_N_5_p98"][0]
        np.testing.assert_array_equal(figure.axes[1].lines[4].get_ydata(), p98[:, 4])

    def test_the_title_names_the_most_and_the_least_saturated(self, tiny):
        few, many = (np.full_like(tiny.arrays["tanh_5_p98"], share) for share in (0.5, 0.98))
        others = {f"{kind}_5_p98": few + 0.2 for kind in ("tanh", "softsign_N")}
        result = changed(tiny, tanh_N_5_p98=many, softsign_5_p98=few, **others)
        assert title(result, "percentiles") == (
            "tanh N, 5 layers: the activations' 98th percentile reaches 0.98 in a layer; "
            "softsign, 5 layers: no layer's ends above 0.5"
        )

    def test_histograms_are_densities(self, made):
        for ax in made["histograms"].axes:
            for stairs in ax.patches:
                values, edges, _ = stairs.get_data()
                assert (values * np.diff(edges)).sum() == pytest.approx(1)
                assert (edges[0], edges[-1]) == (-1, 1)

    def test_a_spike_does_not_flatten_the_histograms(self, tiny):
        shares = np.full_like(tiny.arrays["tanh_5_histogram"], 1 / 40)
        shares[:, 0] = 0.5 / 39
        shares[:, 0, 0] = 0.5
        result = changed(tiny, tanh_5_histogram=shares)
        assert figures(TINY, result)["histograms"].axes[0].get_ylim()[1] < 2  # the spike has 10
        spread = np.full_like(shares, 1 / 40)
        others = {f"{kind}_5_histogram": spread for kind in ("tanh_N", "softsign", "softsign_N")}
        assert title(changed(result, **others), "histograms") == (
            "At the end 51 % of layer 1 lie beyond ±0.95 in tanh, 5 layers, 5 % in tanh N, 5 layers"
        )

    def test_errors_of_every_kind(self, made, tiny):
        [ax] = made["errors"].axes
        assert [t.get_text() for t in ax.get_yticklabels()] == TITLES
        np.testing.assert_allclose(ax.lines[7].get_xdata(), 100 * tiny.arrays["softsign_5_error"])
        errors = {f"{key}_error": np.array([0.5, 0.7]) for key in ("tanh_5", "sigmoid_3")}
        assert title(changed(tiny, **errors), "errors").startswith("sigmoid, 3 layers ends with")

    @pytest.mark.parametrize("depths", [(), (2,)])
    def test_fewer_sigmoid_nets(self, depths, legible):
        settings = replace(TINY, sigmoid_depths=depths, depth=9)
        made = figures(settings, run(settings, Silent()))
        assert list(made) == (NAMES if depths else ["figure", "histograms", "errors"])
        for figure in made.values():
            legible(figure)

    def test_nothing_of_pyplot_is_touched(self, tiny):
        import matplotlib.pyplot as plt

        open_before = plt.get_fignums()
        figures(TINY, tiny)
        assert plt.get_fignums() == open_before


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
