"""No tutorial leaves a picture or a value to a notebook alone: run as a program, it shows both."""

import ast
from pathlib import Path

import pytest

TUTORIALS = sorted((Path(__file__).parents[2] / "tutorials").glob("[0-9]*.py"))


def left_to_a_notebook(source):
    """Expressions at a cell's top level whose value only a notebook would show.

    What stands alone must do something by itself: `print`, a function of the tutorial's own, or a
    method (`plt.show()`). A function that was imported by its name, like `figure(card)`, is called
    for what it returns.
    """
    module = ast.parse(source)
    imported = {
        alias.asname or alias.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    alone = [node.value for node in module.body if isinstance(node, ast.Expr)]
    return [ast.unparse(value) for value in alone if _does_nothing(value, imported)]


def _does_nothing(value, imported):
    if not isinstance(value, ast.Call):
        return True
    if isinstance(value.func, ast.Name):
        return value.func.id in imported
    of_pyplot = isinstance(value.func.value, ast.Name) and value.func.value.id == "plt"
    return value.func.attr in ("plot", "diagnose") and not of_pyplot


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_nothing_is_left_to_a_notebook(path):
    assert left_to_a_notebook(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from a import figure\nfigure(1)", ["figure(1)"]),
        ("t.plot()", ["t.plot()"]),
        ("t.diagnose()", ["t.diagnose()"]),
        ("t", ["t"]),
        ("import pictures\npictures.show(t.plot())", []),
        ("plt.plot(x)\nplt.show()", []),
        ("def f(): pass\nf()\nprint(t)", []),
    ],
)
def test_it_is_seen(source, found):
    assert left_to_a_notebook(source) == found
