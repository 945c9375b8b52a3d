"""The figure and the tables of `loss_surface`."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.loss_surface import figure, tables
from experiments.lab.progress import Silent
from experiments.questions.loss_surface import Settings, run

TINY = Settings(hidden=(3, 5), draws=3, points=9, examples=4)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


class TestFigure:
    def test_it_saves_without_a_warning_as_png_and_svg(self, tiny, tmp_path):
        made = figure(TINY, tiny)
        made.savefig(tmp_path / "figure.png", format="png", dpi=100)
        made.savefig(tmp_path / "figure.svg", format="svg", metadata={"Date": None})
        assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
        assert (tmp_path / "figure.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")

    def test_points_are_what_was_measured(self, tiny):
        axes = [ax for ax in figure(TINY, tiny).axes if ax.get_xlabel() == "hidden units"]
        assert len(axes) == 2
        for ax, kind in zip(axes, ("plateau", "flat"), strict=True):
            drawn = [line.get_ydata() for line in ax.lines if line.get_alpha() == 0.18]
            measured = tiny.arrays[kind].reshape(4, 3)
            np.testing.assert_array_equal(drawn, measured)
            ticks = [text.get_text() for text in ax.get_xticklabels()]
            assert ticks == ["3", "5"]

    def test_the_contours_say_how_much_is_plateau(self, tiny):
        titles = [ax.get_title() for ax in figure(TINY, tiny).axes]
        for c, name in enumerate(("cross-entropy", "quadratic cost")):
            share = 100 * tiny.arrays["plateau"][c, 1, 0]
            assert f"{name}: {share:.1f} % plateau" in titles

    def test_the_lines_of_the_output_are_the_formulas(self, tiny):
        ax = next(a for a in figure(TINY, tiny).axes if a.get_xlabel() == "p of the right class")
        for line, points in ((0, 1), (2, 3)):
            np.testing.assert_allclose(
                ax.lines[line].get_ydata()[::7], ax.lines[points].get_ydata(), atol=1e-12
            )

    def test_without_the_size_that_is_shown(self, tmp_path):
        settings = replace(TINY, hidden=(4,))
        figure(settings, run(settings, Silent())).savefig(tmp_path / "figure.png")


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
        for words in ("hidden units", "±10", "gradient below", "p = 0.001"):
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
