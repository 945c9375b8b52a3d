"""How every figure looks: what holds whatever is drawn."""

import numpy as np
import pytest
from matplotlib.lines import Line2D

from experiments.figures.style import (
    COLOURS,
    _spread,
    drawing,
    end_labels,
    finish,
    init_name,
    legend,
    limits,
    log_axis,
)

LONG = "sigmoid: ∂L/∂s falls to 2·10⁻⁸ of the top layer's, " * 3


def test_a_figure_is_as_wide_as_a_column_and_its_title_its_label(legible):
    figure, [ax] = drawing("One message", "how it was made", height=3)
    finish(ax, "x", "y")
    assert figure.get_label() == "One message"
    assert [text.get_text() for text in figure.texts] == ["One message", "how it was made"]
    legible(figure)


def test_long_titles_take_more_lines_and_the_panels_keep_their_height(legible):
    heights = []
    for title in ("Short", LONG):
        figure, [ax] = drawing(title, LONG, height=3)
        finish(ax, "x", "y", "a panel")
        legible(figure)
        heights.append(ax.get_window_extent().height)
    assert len(figure.texts) == 4
    assert heights[0] == pytest.approx(heights[1], abs=2)


@pytest.mark.parametrize(
    ("place", "given", "said"),
    [
        ((0.98, 0.1), {}, "is cut"),
        ((0.02, 0.95), {}, "lies on"),
        ((0.5, 0.02), {"fontsize": 7}, "is too small"),
    ],
)
def test_a_figure_that_is_not_legible_is_found_out(legible, place, given, said):
    figure, _ = drawing("One message", "how it was made", height=2, rows=0)
    figure.text(*place, "something", **given)
    with pytest.raises(AssertionError, match=said):
        legible(figure)


class TestLimits:
    def test_an_outlier_does_not_flatten_the_rest(self):
        rest = np.linspace(1, 2, 500)
        low, high = limits([rest, [1000.0]])
        assert 0.7 < low < 1 and 2 < high < 2.5

    def test_the_end_of_a_line_is_not_cut_off(self):
        line = np.linspace(0, 1, 10)
        low, high = limits([line])
        assert low < 0 and high > 1

    def test_logarithms(self):
        line = 10.0 ** -np.arange(10)
        low, high = limits([line, [0.0, np.nan, np.inf]], log=True)
        assert 1e-10 < low < 1e-9 and 1 < high < 10
        low, _ = limits([np.full(500, 1e-3), np.full(500, 1e-2), [1e-300]], log=True)
        assert low > 1e-4

    @pytest.mark.parametrize("values", [[], [np.nan], [np.inf, -np.inf]])
    def test_nothing_to_draw(self, values):
        for log in (False, True):
            low, high = limits([values], log)
            assert np.isfinite([low, high]).all() and low < high and (low > 0 or not log)

    @pytest.mark.parametrize("value", [0.0, 3.0, -2.0, 1e-12])
    def test_one_value(self, value):
        low, high = limits([[value]])
        assert low < value < high


class TestLogAxis:
    @pytest.mark.parametrize(
        ("ends", "ticks"),
        [
            ((0.3e-8, 2.0), ["10⁻⁸", "10⁻⁶", "10⁻⁴", "0.01", "1"]),
            ((0.08, 1.2), ["0.1", "0.2", "0.5", "1"]),
            ((900, 1.1e4), ["1,000", "2,000", "5,000", "10,000"]),
        ],
    )
    def test_ticks(self, ends, ticks):
        figure, [ax] = drawing("a", "b", height=3)
        log_axis(ax.yaxis, ends)
        figure.draw_without_rendering()
        assert [text.get_text() for text in ax.get_yticklabels()] == ticks
        assert ax.get_yscale() == "log" and ax.get_ylim() == ends

    @pytest.mark.parametrize("ends", [(1.01, 1.02), (1e-300, 1e-3), (3.0, 3.9)])
    def test_there_are_some_ticks_but_not_many(self, ends):
        figure, [ax] = drawing("a", "b", height=3)
        log_axis(ax.xaxis, ends)
        figure.draw_without_rendering()
        assert 2 <= len(ax.get_xticks()) <= 8


class TestEndLabels:
    def test_ends_on_one_place_have_labels_apart(self, legible):
        figure, [ax] = drawing("a", "b", height=3)
        ends = [1.0, 1.0, 1.0, 1.001, 0.5, np.nan]
        for end in ends:
            ax.plot([0, 1], [0, end])
        finish(ax, "x")
        end_labels(ax, [(end, f"line {i}", COLOURS[i]) for i, end in enumerate(ends)])
        legible(figure)
        assert [text.get_text() for text in ax.texts] == [f"line {i}" for i in range(5)]

    def test_places_move_as_little_as_needed(self):
        assert _spread([0.2, 0.8], 0.1) == pytest.approx([0.2, 0.8])
        assert _spread([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
        assert _spread([0.9, 0.5, 0.52, 0.48], 0.1) == pytest.approx([0.9, 0.5, 0.6, 0.4])
        assert _spread([], 0.1) == []

    @pytest.mark.parametrize("seed", range(5))
    def test_places_are_apart_and_keep_their_order(self, seed):
        places = np.random.default_rng(seed).random(8)
        moved = np.array(_spread(list(places), 0.1))
        order = np.argsort(places)
        assert (np.diff(moved[order]) > 0.1 - 1e-9).all()
        assert moved.mean() == pytest.approx(places.mean())


@pytest.mark.parametrize("n", [1, 3, 12])
def test_a_legend_stays_within_the_figure(legible, n):
    figure, [ax] = drawing("a", "b", height=4)
    finish(ax, "x")
    handles = [Line2D([], [], label=f"a rather long label {i}") for i in range(n)]
    legend(figure, handles)
    legible(figure)
    assert len(figure.legends) == 1 and len(figure.legends[0].get_texts()) == n


def test_names_of_schemes():
    assert (init_name("kaiming_normal"), init_name("mine")) == ("Kaiming", "mine")
