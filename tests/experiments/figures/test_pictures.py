"""The pictures in the docs: small enough, all of them shown, and taken from results."""

import json
import re
from pathlib import Path

import pytest
from PIL import Image

from experiments.figures import pictures
from experiments.figures.pictures import PICTURES, main, take_pictures
from experiments.questions import QUESTIONS

README = (PICTURES.parent / "README.md").read_text(encoding="utf-8")
COMMITTED = sorted(PICTURES.iterdir())


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_picture_is_small_and_as_wide_as_the_column(path):
    assert path.suffix == ".png" and path.stat().st_size <= 300 * 1024
    with Image.open(path) as picture:
        assert 800 <= picture.width <= 2400


@pytest.mark.parametrize("path", COMMITTED, ids=lambda path: path.name)
def test_a_picture_has_the_name_of_its_question_and_is_shown(path):
    assert path.stem.partition("-")[0] in QUESTIONS
    assert f"](pictures/{path.name})" in README


def test_every_picture_that_is_shown_is_there_and_has_words():
    shown = re.findall(r"!\[([^]]*)\]\(pictures/([^)]*)\)", README)
    assert {name for _, name in shown} == {path.name for path in COMMITTED}
    assert all(len(words.split()) > 3 for words, _ in shown)


@pytest.fixture
def folders(tmp_path):
    """Results of two questions, one of them on other data too, and a folder of old pictures."""

    def result(name, question, *figures):
        folder = tmp_path / "results" / name
        folder.mkdir(parents=True)
        found = {
            "question": question, "asks": "?", "settings": {}, "seconds": 1, "claims": [],
            "measurements": {}, "figures": dict.fromkeys(figures, "a message"),
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(found), encoding="utf-8")
        for figure in figures:
            Image.effect_noise((1200, 300), 50).convert("RGBA").save(folder / f"{figure}.png")

    result("vanishing", "vanishing", "figure", "loss")
    result("theory", "theory", "figure")
    result("theory-mnist", "theory", "other")
    old = tmp_path / "pictures"
    old.mkdir()
    for name in ("vanishing.png", "vanishing-old.png", "speed.png", "speed-steps.png"):
        (old / name).write_bytes(b"old")
    return tmp_path / "results", old


def test_pictures_are_taken_and_old_ones_of_these_questions_go(folders):
    results, folder = folders
    taken = take_pictures(results, folder)
    names = ["theory.png", "vanishing-loss.png", "vanishing.png"]
    assert sorted(path.name for path in taken) == names
    left = sorted(path.name for path in folder.iterdir())
    assert left == sorted([*names, "speed.png", "speed-steps.png"])
    for path in taken:
        with Image.open(path) as picture:
            assert picture.mode == "P" and picture.size == (1200, 300)
    assert (folder / "speed.png").read_bytes() == b"old"


def test_a_result_that_cannot_be_read_is_named_and_changes_no_picture(folders, capsys, monkeypatch):
    results, folder = folders
    monkeypatch.setattr(pictures, "PICTURES", folder)
    (results / "theory/result.json").write_text("{")
    assert main([str(results)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and str(Path("theory/result.json")) in err
    assert all(path.read_bytes() == b"old" for path in folder.iterdir())
