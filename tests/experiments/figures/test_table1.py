"""The figure and the table of `table1`: means, intervals, the paper's numbers, what is missing."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.table1 import figures, tables
from experiments.lab.claims import Measured
from experiments.lab.question import Result
from experiments.questions.table1 import Settings
from experiments.questions.table1_claims import claims
from experiments.questions.table1_statements import KINDS, PAPER

SETTINGS = Settings(width=64, updates=12_000, lrs=(0.01, 0.1, 0.3))


def made_up(data=("shapeset", "mnist", "cifar10"), missing=None):
    rng = np.random.default_rng(0)
    rows = np.array([[PAPER[name][kind] for kind in KINDS] for name in data]) / 100
    errors = rows[:, :, None] * (1.2 + 0.05 * rng.normal(size=(*rows.shape, 3)))
    errors = errors.clip(0, 1)
    arrays = {
        "test_error": errors,
        "valid_error": errors / 2,
        "lr": np.where(rows > 0.5, 0.3, 0.1),
        "search_valid_error": np.ones((*rows.shape, 3)),
    }
    measurements = {
        "data": list(data),
        "missing": missing or {},
        "kinds": list(KINDS),
        "paper_percent": {name: PAPER[name] for name in data},
    }
    return Result(measurements, arrays, claims(SETTINGS, data, errors))


def figure(settings, result):
    made = figures(settings, result)
    assert list(made) == ["figure"]
    return made["figure"]


class TestFigures:
    def test_it_is_legible(self, legible):
        for data in (("shapeset", "mnist", "cifar10"), ("mnist",)):
            made = figure(SETTINGS, made_up(data))
            legible(made)
            assert len(made.axes) == len(data)

    def test_the_title_names_the_best_and_the_worst_of_each_data_set(self):
        result = made_up(("shapeset", "mnist"))
        errors = np.full_like(result.arrays["test_error"], 0.5)
        errors[0, 1], errors[0, 4] = 0.25, 0.75
        errors[1, 3], errors[1, 0] = 0.125, 0.875
        arrays = dict(result.arrays) | {"test_error": errors}
        assert figure(SETTINGS, replace(result, arrays=arrays)).get_label() == (
            "softsign N is best (25 %) and sigmoid worst (75 %) on Shapeset-3×2; "
            "tanh N is best (12 %) and softsign worst (88 %) on MNIST"
        )

    def test_points_are_means_with_intervals_and_the_papers_numbers(self):
        result = made_up()
        ax = figure(SETTINGS, result).axes[1]
        assert ax.get_title(loc="left") == "MNIST"
        errors = 100 * result.arrays["test_error"][1]
        for k, container in enumerate(ax.containers):
            point, _, (bar,) = container.lines
            m = Measured.of(errors[k])
            assert point.get_xdata()[0] == pytest.approx(m.value)
            ends = bar.get_segments()[0][:, 0]
            assert tuple(ends) == pytest.approx((m.low, m.high))
        diamonds = next(line for line in ax.lines if line.get_marker() == "D")
        assert list(diamonds.get_xdata()) == list(PAPER["mnist"].values())
        low, high = ax.get_xlim()
        assert low <= min(PAPER["mnist"].values()) and errors.max() <= high

    def test_no_net_is_cut_off(self):
        result = made_up()
        result.arrays["test_error"][1, 4, 2] = 0.2
        axes = figure(SETTINGS, result).axes
        assert axes[1].get_xlim()[1] > 20
        assert axes[1].get_xscale() == "log" and "per cent, log" in axes[1].get_xlabel()
        assert [tick.get_text() for tick in axes[1].get_xticklabels()] == ["2", "5", "10", "20"]
        assert axes[0].get_xscale() == "linear" and axes[0].get_xlabel() == "test error, per cent"

    def test_words(self):
        made = figure(SETTINGS, made_up())
        assert [t.get_text() for t in made.axes[0].get_yticklabels()] == list(KINDS)
        assert any("5 layers of 64, 12,000 updates, 3 nets" in t.get_text() for t in made.texts)
        assert len(made.legends[0].get_texts()) == 3

    def test_nothing_of_pyplot_is_touched(self):
        import matplotlib.pyplot as plt

        open_before = plt.get_fignums()
        figure(SETTINGS, made_up())
        assert plt.get_fignums() == open_before


class TestTables:
    @pytest.mark.parametrize("width", [80, 100])
    def test_they_fit_and_nothing_is_cut(self, width):
        console = Console(width=width)
        with console.capture() as capture:
            for made in tables(SETTINGS, made_up()):
                console.print(made)
        text = capture.get()
        assert max(map(len, text.splitlines())) <= width
        for words in ("softsign N", "validation", "Table 1", "27.15", "expected"):
            assert words in text

    def test_rows(self):
        result = made_up()
        made = tables(SETTINGS, result)[0]
        assert list(made.columns[1].cells) == 3 * list(KINDS)
        shown = [float(cell) for cell in made.columns[4].cells]
        means = 100 * result.arrays["test_error"].mean(axis=2).reshape(-1)
        np.testing.assert_allclose(shown, means, atol=0.0051)
        assert [float(cell) for cell in made.columns[6].cells][:5] == list(
            PAPER["shapeset"].values()
        )

    def test_rates_at_the_end_of_those_tried_are_marked(self):
        made = tables(SETTINGS, made_up())[0]
        marked = [cell.endswith("*") for cell in made.columns[2].cells]
        assert marked == [False] * 4 + [True] + [False] * 5 + [True] * 5
        assert "end of the learning rates tried" in str(made.caption)

    def test_missing_data_are_named_with_their_reason(self):
        why = {"cifar10": "[folder] lacks data_batch_1.bin"}
        console = Console(width=100)
        with console.capture() as capture:
            console.print(tables(SETTINGS, made_up(("shapeset",), why))[0])
        assert "cifar10 is left out: [folder] lacks data_batch_1.bin" in capture.get()
