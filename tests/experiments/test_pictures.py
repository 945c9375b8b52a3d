"""The pictures in the docs: small enough, and all of them shown."""

import re
from pathlib import Path

import pytest
from PIL import Image

from experiments.questions import QUESTIONS

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PICTURES = sorted((EXPERIMENTS / "pictures").iterdir())


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_is_small_and_as_wide_as_two_columns_at_most(path):
    assert path.suffix == ".png" and path.stat().st_size <= 300 * 1024
    with Image.open(path) as picture:
        assert 800 <= picture.width <= 2560


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_has_the_name_of_its_question_and_is_shown(path):
    assert any(path.stem == name or path.stem.startswith(f"{name}-") for name in QUESTIONS)
    text = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    assert f"](pictures/{path.name})" in text


def test_every_picture_that_is_shown_is_there_and_has_words():
    text = (EXPERIMENTS / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[([^]]*)\]\(pictures/([^)]*)\)", text)
    assert {name for _, name in shown} == {path.name for path in PICTURES}
    assert all(len(words.split()) > 3 for words, _ in shown)
