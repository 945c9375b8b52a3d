"""The figures and the tables of `loss_surface`."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.loss_surface import figures, tables
from experiments.figures.words import percent
from experiments.lab.progress import Silent
from experiments.questions.loss_surface import Settings, run

TINY = Settings(hidden=(3, 5), draws=3, points=9, examples=4)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


class TestFigures:
    def test_each_is_legible(self, tiny, legible):
        made = figures(TINY, tiny)
        assert list(made) == ["figure", "plateaus", "surfaces", "output-gradient"]
        for figure in made.values():
            legible(figure)

    def test_points_are_what_was_measured(self, tiny):
        [ax] = figures(TINY, tiny)["plateaus"].axes
        drawn = [line.get_ydata() for line in ax.lines if line.get_alpha() == 0.25]
        np.testing.assert_array_equal(drawn, 100 * tiny.arrays["plateau"].reshape(4, 3))
        assert [text.get_text() for text in ax.get_xticklabels()] == ["3", "5"]

    def test_titles_have_the_numbers_of_the_run(self, tiny):
        titles = {name: figure.get_label() for name, figure in figures(TINY, tiny).items()}
        shares = [percent(tiny.arrays["plateau"][c, 1, 0]) for c in (1, 0)]
        assert titles["figure"] == (
            f"The quadratic cost has a plateau on {shares[0]} of this surface, "
            f"cross-entropy on {shares[1]}"
        )
        plateau = np.full_like(tiny.arrays["plateau"], 0.125)
        plateau[0] = 0.5
        cost = tiny.arrays["quadratic_cost"] * 0
        cost[0, 0] = 0.75
        arrays = dict(tiny.arrays) | {"plateau": plateau, "quadratic_cost": cost}
        titles = {
            name: figure.get_label()
            for name, figure in figures(TINY, replace(tiny, arrays=arrays)).items()
        }
        assert "12 % of the quadratic cost's surfaces, 50 % of cross" in titles["plateaus"]
        assert titles["surfaces"].endswith("the quadratic cost by 0.75")

    def test_the_lines_of_the_output_are_the_formulas(self, tiny):
        [ax] = figures(TINY, tiny)["output-gradient"].axes
        for line, points in ((0, 1), (2, 3)):
            np.testing.assert_allclose(
                ax.lines[line].get_ydata()[::7], ax.lines[points].get_ydata(), atol=1e-12
            )

    def test_without_the_size_that_is_shown(self, legible):
        settings = replace(TINY, hidden=(4,))
        legible(figures(settings, run(settings, Silent()))["plateaus"])


class TestTables:
    @pytest.mark.parametrize("width", [80, 100])
    def test_they_fit_and_nothing_is_cut(self, tiny, width):
        console = Console(width=width)
        with console.capture() as capture:
            for made in tables(TINY, tiny):
                console.print(made)
        text = capture.get()
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width
        for words in ("hidden units", "±10", "gradient below", "∂L/∂o"):
            assert words in text

    def test_numbers_are_percentages_of_what_was_measured(self, tiny):
        sizes, choices, _ = tables(TINY, tiny)
        plateau = [float(cell.split(" ")[0]) for cell in sizes.columns[2].cells]
        np.testing.assert_allclose(
            plateau, 100 * tiny.arrays["plateau"][1].mean(axis=1), atol=0.051
        )
        at = list(zip(choices.columns[0].cells, choices.columns[1].cells, strict=True))
        row = at.index(("±10", "5 %"))
        for column, (kind, c) in enumerate(
            [("plateau", 0), ("plateau", 1), ("flat", 0), ("flat", 1)]
        ):
            cell = float(list(choices.columns[2 + column].cells)[row])
            assert cell == pytest.approx(100 * tiny.arrays[kind][c].mean(), abs=0.051)
