"""The figures and the tables of `theory`: nothing is cut, and what is drawn was measured."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from experiments.figures.theory import figures, tables
from experiments.lab.progress import Silent
from experiments.questions.theory import Settings, run

TINY = Settings(width=20, depth=11, relu_depth=5, draws=2, tail_draws=4, pairs=2)


@pytest.fixture(scope="module")
def tiny():
    return run(TINY, Silent())


def test_each_is_legible(tiny, legible):
    made = figures(TINY, tiny)
    assert list(made) == [
        "figure", "gains", "variance-map", "correlation-map", "critical-lines", "phases",
    ]  # fmt: skip
    for figure in made.values():
        legible(figure)
        assert any("2 nets of width 20" in t.get_text() for t in figure.texts) or (
            figure is made["variance-map"]
        )


def test_lines_and_points(tiny):
    made = figures(TINY, tiny)
    axes = {name: figure.axes[0] for name, figure in made.items()}
    for i in range(3):
        theory = axes["gains"].lines[2 * i]
        np.testing.assert_allclose(theory.get_xdata(), tiny.arrays["curve_gains"][:, i])
    np.testing.assert_allclose(
        [bar.get_width() for bar in axes["figure"].patches], tiny.arrays["curve_gain_chi_1"]
    )
    points = axes["correlation-map"].lines[-1]
    mean = tiny.arrays["relu_c"].mean(axis=0)
    np.testing.assert_allclose(points.get_xdata(), mean[:-1])
    np.testing.assert_allclose(points.get_ydata(), mean[1:])
    line = axes["critical-lines"].lines[0]
    np.testing.assert_allclose(line.get_xdata(), tiny.arrays["curve_critical"][0])


def test_titles_have_the_numbers_of_the_run(tiny):
    gains = np.full_like(tiny.arrays["gains_measured"], 2.0)
    gains[:, 4, 0] = 0.5  # ELU's forward gain: χ₁ is 1/16
    relu_c = np.array([[0.0, 0.25, 0.5, 0.75]] * 2)
    rows = [i for i, row in enumerate(tiny.measurements["tanh"]) if row["var_b"] > 0]
    c = np.array(tiny.arrays["tanh_c"])
    c[:, rows[-1]] = 0.125
    arrays = dict(tiny.arrays) | {"gains_measured": gains, "relu_c": relu_c, "tanh_c": c}
    made = figures(TINY, replace(tiny, arrays=arrays))
    titles = {name: figure.get_label() for name, figure in made.items()}
    assert "mean square by 0.0625 (ELU) to 1 (tanh)" in titles["figure"]
    assert titles["gains"].endswith("ELU needs 0.5 (E[x²]), 2 (Var x), 2 (the gradient)")
    assert titles["correlation-map"].endswith("from 0 to 0.25 in one layer and to 0.75 in 3")
    assert "to 0.12, and χ₁" in titles["phases"]


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
