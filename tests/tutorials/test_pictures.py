"""pictures.show hands a figure of the engine's to pyplot, as it is."""

import matplotlib.pyplot as plt
import numpy as np
import pictures
import pytest
from matplotlib.figure import Figure


@pytest.fixture(autouse=True)
def headless():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


def test_pyplot_shows_this_figure(monkeypatch):
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gcf()))
    figure = Figure(figsize=(3, 2), layout="constrained")
    figure.add_subplot().plot([1, 2, 3])
    pictures.show(figure)
    assert shown == [figure]
    figure.canvas.draw()
    assert np.asarray(figure.canvas.buffer_rgba()).std() > 0


def test_two_figures_are_two(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    first, second = Figure(), Figure()
    pictures.show(first)
    pictures.show(second)
    assert [plt.figure(i) for i in plt.get_fignums()] == [first, second]


def test_a_figure_that_pyplot_knows_is_shown_once(monkeypatch):
    monkeypatch.setattr(plt, "show", lambda: None)
    figure = plt.figure()
    pictures.show(figure)
    assert [plt.figure(i) for i in plt.get_fignums()] == [figure]
