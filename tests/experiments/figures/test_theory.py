"""The figure and the tables of `theory`: nothing is cut, and what is drawn is what was measured."""

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.theory import figure, tables
from experiments.lab.progress import Silent
from experiments.questions.theory import Settings, run

TINY = Settings(width=20, depth=11, relu_depth=5, draws=2, tail_draws=4, pairs=2)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


def test_it_saves_without_a_warning(tiny, tmp_path):
    made = figure(TINY, tiny)
    made.savefig(tmp_path / "figure.png", format="png", dpi=100)
    made.savefig(tmp_path / "figure.svg", format="svg", metadata={"Date": None})
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert len(made.axes) == 6 and all(ax.get_title() for ax in made.axes)
    assert "2 nets of width 20" in made.get_suptitle()


def test_lines_and_points(tiny):
    gains, chi, _, pairs, critical, _ = figure(TINY, tiny).axes
    heights = [bar.get_height() for bar in gains.patches]
    np.testing.assert_allclose(heights, tiny.arrays["curve_gains"].T.reshape(-1))
    np.testing.assert_allclose(
        [bar.get_height() for bar in chi.patches], tiny.arrays["curve_gain_chi_1"]
    )
    points = pairs.lines[-1]
    mean = tiny.arrays["relu_c"].mean(axis=0)
    np.testing.assert_allclose(points.get_xdata(), mean[:-1])
    np.testing.assert_allclose(points.get_ydata(), mean[1:])
    np.testing.assert_allclose(critical.lines[0].get_xdata(), tiny.arrays["curve_critical"][0])


@pytest.mark.parametrize("width", [80, 100])
def test_tables_fit_and_nothing_is_cut(tiny, width):
    console = Console(width=width)
    with console.capture() as capture:
        for made in tables(TINY, tiny):
            console.print(made)
    text = capture.get()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text and "nan" not in text
    for word in ("softsign", "E[x²]", "ξ_c", "expected", "not yet", "recalled"):
        assert word in text
