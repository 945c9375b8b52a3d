"""Each tutorial runs from top to bottom in a process of its own, its asserts included."""

import ast
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from experiments.data import load

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tutorials"
TUTORIALS = sorted(FOLDER.glob("[0-9]*.py"))
each_tutorial = pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)

# The line that begins a cell in the percent format.
CELL = re.compile(r"^# %%( \[markdown\])?$", re.M)
LONGEST_CELL = 16


def run(path, folder):
    environment = {
        **{k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")},
        "MPLBACKEND": "Agg",
        "PYTHONIOENCODING": "utf-8",
        "GRADTRACE_SMALL": "1",
    }
    # Where there is a screen, showing a picture without one is a warning of matplotlib's.
    warnings = ["-W", "error", "-W", "ignore:FigureCanvasAgg is non-interactive"]
    return subprocess.run(
        [sys.executable, *warnings, str(path)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=240,
        check=False,
    )


def test_there_are_tutorials():
    assert TUTORIALS


@each_tutorial
def test_runs_from_top_to_bottom(path, tmp_path):
    done = run(path, tmp_path)
    assert done.returncode == 0, done.stderr
    verdicts = re.findall(r"^(\w+): (not yet: replace the|right)", done.stdout, re.M)
    asked = [name for name, verdict in verdicts if verdict != "right"]
    solved = [name for name, verdict in verdicts if verdict == "right"]
    assert 2 <= len(asked) <= 3, "two or three exercises, still open"
    assert asked == solved, "and a worked solution of each"
    assert list(tmp_path.iterdir()) == [], "a tutorial leaves no files"


@pytest.mark.parametrize("line", ["assert 1 > 2", "import warnings; warnings.warn('a warning')"])
def test_what_goes_wrong_in_a_tutorial_is_seen(line, tmp_path):
    broken = tmp_path / "00_broken.py"
    broken.write_text(f"{line}\n", encoding="utf-8")
    assert run(broken, tmp_path).returncode != 0


@each_tutorial
def test_is_listed_in_the_folders_readme(path):
    assert f"]({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


@each_tutorial
def test_begins_with_a_question_and_the_time_it_takes(path):
    opening = CELL.split(path.read_text(encoding="utf-8"))[2]
    assert re.match(rf"\n# # {int(path.stem[:2])} · \w", opening)
    assert "**Question.**" in opening
    assert "to read" in opening
    assert "to run" in opening


@each_tutorial
def test_cells_are_short(path):
    text = path.read_text(encoding="utf-8")
    long = []
    for kind, cell in zip(CELL.findall(text), CELL.split(text)[2::2], strict=True):
        lines = [line for line in cell.strip().splitlines() if line.strip()]
        if not kind and len(lines) > LONGEST_CELL:
            long.append((lines[0], len(lines)))
    assert not long


@each_tutorial
def test_cells_are_cells_in_vs_code_and_jupyter_too(path):
    text = path.read_text(encoding="utf-8")
    marked = [line for line in text.splitlines() if line.lstrip(" #").startswith("%%")]
    assert marked == [match.group() for match in CELL.finditer(text)]
    assert text.startswith("# %% [markdown]\n"), "what comes before a marker is a cell of its own"
    kinds, cells = CELL.findall(text), CELL.split(text)[2::2]
    for kind, cell in zip(kinds, cells, strict=True):
        lines = [line for line in cell.splitlines() if line.strip()]
        assert lines, "an empty cell"
        if kind:
            assert all(line.startswith("#") for line in lines), cell
    assert not any(a and b for a, b in pairwise(kinds)), "two cells of text in a row"


@each_tutorial
def test_exercises_stand_before_their_solutions(path):
    names = [node.name for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, ast.FunctionDef)]  # fmt: skip
    solutions = [name for name in names if name.endswith("_solution")]
    for name in solutions:
        exercise = name.removesuffix("_solution")
        assert exercise in names
        assert names.index(exercise) < names.index(solutions[0])


@pytest.mark.skipif(not os.environ.get("GRADTRACE_DATA"), reason="GRADTRACE_DATA is not set")
def test_the_size_of_mnists_images_is_what_tutorial_7_says():
    images = load("mnist").x_train
    text = (FOLDER / "07_xavier.py").read_text(encoding="utf-8")
    assert f"# MNIST's is {np.mean(np.square(images, dtype=np.float64)):.3f}" in text
