"""An SVG within a page: nothing but the drawing, with ids of its own."""

import re

import pytest
from matplotlib.figure import Figure

from experiments.figures.svg import inlined


@pytest.fixture
def drawn(tmp_path):
    figure = Figure(figsize=(3, 2))
    ax = figure.subplots()
    ax.plot([0, 1], [0, 1], "o-")
    ax.set_title("a title")
    figure.savefig(tmp_path / "figure.svg", metadata={"Date": None})
    return (tmp_path / "figure.svg").read_text(encoding="utf-8")


def test_nothing_but_the_drawing(drawn):
    made = inlined(drawn, 'is "x" < y?')
    assert made.startswith("<svg ") and made.rstrip().endswith("</svg>")
    assert "http" not in made and "<!" not in made and "<?" not in made
    head = made.split(">", 1)[0]
    assert 'viewBox="' in head and "width=" not in head and "height=" not in head
    assert 'aria-label="is &quot;x&quot; &lt; y?"' in head
    assert made.count("<path") == drawn.count("<path") and made.count("<use") == drawn.count("<use")


def test_every_id_and_every_use_of_one_has_the_prefix(drawn):
    made = inlined(drawn, "", "one-")
    ids = re.findall(r'\sid="([^"]*)"', made)
    used = re.findall(r'href="#([^"]*)"', made) + re.findall(r"url\(#([^)]*)\)", made)
    assert len(ids) == len(set(ids)) == len(re.findall(r'\sid="', drawn))
    assert all(id.startswith("one-") and not id.startswith("one-one-") for id in ids)
    assert used and set(used) <= set(ids)


def test_no_svg_is_an_error():
    with pytest.raises(ValueError, match="substring"):
        inlined("<html></html>", "")
