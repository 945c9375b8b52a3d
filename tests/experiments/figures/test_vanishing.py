"""The figures and the tables of `vanishing`: one message each, made from the run, nothing cut."""

import math
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.vanishing import figures, tables
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


NAMES = ["figure", "activations", "weight-gradients", "loss"]


def title(settings, result, name):
    return figures(settings, result)[name].get_label()


def changed(result, **arrays):
    return replace(result, arrays=dict(result.arrays) | arrays)


class TestFigures:
    def test_each_is_legible(self, tiny, legible):
        # Warnings are errors here: a missing glyph or a layout that collapses would be one.
        made = figures(TINY, tiny)
        assert list(made) == NAMES
        for figure in made.values():
            legible(figure)

    def test_many_kinds_of_nets_are_legible(self, legible):
        inits = ("standard", "xavier_uniform", "kaiming_normal", "lecun_normal")
        activations = ("sigmoid", "tanh", "relu", "softsign", "leaky_relu")
        settings = replace(TINY, inits=inits, activations=activations, depth=12)
        legible(figures(settings, run(settings, Silent()))["figure"])

    def test_without_training(self, untrained, legible):
        made = figures(UNTRAINED, untrained)
        assert list(made) == NAMES[:-1]
        for figure in made.values():
            legible(figure)

    def test_lines_are_what_was_measured_and_predicted_going_back(self, tiny):
        [ax] = figures(TINY, tiny)["figure"].axes
        measured, theory = ax.lines[2 * 4 : 2 * 4 + 2]  # tanh, Xavier: the fifth of nine nets
        start = np.exp(np.log(tiny.arrays["init_dL_ds"][1, 1]).mean(axis=0))
        predicted = tiny.arrays["predicted_dL_ds"][1, 1]
        np.testing.assert_allclose(measured.get_ydata(), (start / start[-1])[::-1])
        np.testing.assert_allclose(theory.get_ydata(), (predicted / predicted[-1])[::-1])
        assert list(measured.get_xdata()) == [3, 2, 1] and ax.xaxis_inverted()
        assert theory.get_linestyle() == ":" and ax.get_yscale() == "log"
        names = [text.get_text() for text in ax.texts]
        assert len(names) == 9 and names[4] == "tanh (Xavier)"

    def test_the_title_names_the_net_that_loses_most_and_the_one_that_keeps_it(self, tiny):
        dL_ds = np.full((3, 3, 3, 3), 0.4) ** np.arange(3)[::-1]
        dL_ds[0, 1] = 1e-5 ** np.arange(3)[::-1]
        dL_ds[2, 2] = 0.9 ** np.arange(3)[::-1]
        assert title(TINY, changed(tiny, init_dL_ds=dL_ds), "figure") == (
            "sigmoid (Xavier): ∂L/∂s falls to 10⁻¹⁰ of the top layer's; "
            "ReLU (Kaiming) stays level (×0.81)"
        )
        dL_ds[...] = 10.0 ** np.arange(3)[::-1]
        dL_ds[1, 0] = 4.0 ** np.arange(3)[::-1]
        assert title(TINY, changed(tiny, init_dL_ds=dL_ds), "figure") == (
            "tanh (standard): ∂L/∂s grows to 16 times the top layer's"
        )

    def test_a_dead_net_and_none_that_lives(self, tiny, legible):
        dL_ds = np.array(tiny.arrays["init_dL_ds"])
        dL_ds[2, 0] = 0.0
        for result in (
            changed(tiny, init_dL_ds=dL_ds),
            changed(tiny, init_dL_ds=np.zeros_like(dL_ds)),
            changed(tiny, init_dL_dW=np.full_like(dL_ds, np.nan)),
        ):
            legible(figures(TINY, result)["figure"])
        nothing = changed(tiny, init_dL_ds=np.zeros_like(dL_ds))
        assert title(TINY, nothing, "figure") == "∂L/∂s is 0 or not finite in every net"

    def test_activations_go_up_from_layer_1(self, tiny):
        figure = figures(TINY, tiny)["activations"]
        [ax] = figure.axes
        std = np.exp(np.log(tiny.arrays["init_x_std"][0, 0]).mean(axis=0))
        np.testing.assert_allclose(ax.lines[0].get_ydata(), std / std[0])
        assert list(ax.lines[0].get_xdata()) == [1, 2, 3] and not ax.xaxis_inverted()
        x_std = np.ones((3, 3, 3, 3))
        x_std[2, 0] = 0.1 ** np.arange(3)
        assert "ReLU (standard): the activations' std falls to 0.01 of layer 1's" in title(
            TINY, changed(tiny, init_x_std=x_std), "activations"
        )

    def test_weight_gradients_are_of_the_net_that_hides_the_vanishing(self, tiny):
        dL_ds, dL_dW = (np.ones((3, 3, 3, 3)) for _ in range(2))
        dL_ds[1, 0] = dL_ds[2, 1] = 0.1 ** np.arange(3)[::-1]
        dL_dW[2, 1] = 0.5 ** np.arange(3)[::-1]
        dL_dW[1, 0, :, 0] = 0.97
        result = changed(tiny, init_dL_ds=dL_ds, init_dL_dW=dL_dW)
        assert title(TINY, result, "weight-gradients") == (
            "tanh (standard): ∂L/∂W in layer 1 stays level (×0.97), while ∂L/∂s falls to 0.01 of "
            "its size there"
        )

    def test_losses_are_means_of_updates_on_one_scale(self, tiny):
        axes = figures(TINY, tiny)["loss"].axes
        assert [ax.get_title(loc="left") for ax in axes] == ["sigmoid", "tanh", "ReLU"]
        losses = tiny.arrays["losses"]  # five updates, all in one mean
        for ax, expected in zip(axes, losses.mean(axis=-1), strict=True):
            np.testing.assert_allclose([line.get_ydata()[0] for line in ax.lines], expected)
        assert len({ax.get_ylim() for ax in axes}) == 1

    def test_the_title_of_the_losses_has_the_numbers_of_the_run(self, tiny):
        ends = np.full((3, 3), 2.0)
        ends[2, 1], ends[0, 2] = 1.25, 2.5
        errors = np.full((3, 3), 0.5)
        errors[2, 1] = 0.125
        m = dict(tiny.measurements) | {"loss_at_end": ends, "test_error": errors}
        result = replace(tiny, measurements=m)
        assert title(TINY, result, "loss") == (
            "After 5 updates ReLU (Xavier) has the lowest loss, 1.25 (test error 12 %); "
            "sigmoid (Kaiming) is at 2.5 (test error 50 %)"
        )
        m["loss_at_end"] = np.full((3, 3), np.nan)
        nothing = replace(tiny, measurements=m)
        assert "no net has a finite loss" in title(TINY, nothing, "loss")

    def test_nothing_of_pyplot_is_touched(self, tiny):
        import matplotlib.pyplot as plt

        open_before = plt.get_fignums()
        figures(TINY, tiny)
        assert plt.get_fignums() == open_before


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
