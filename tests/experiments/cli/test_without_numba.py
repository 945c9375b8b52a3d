"""The command line where Numba is not installed: kernels run in NumPy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCKED = os.pathsep.join((str(ROOT / "tests/without_numba"), str(ROOT)))
MAIN = "from experiments.cli.entry import main; raise SystemExit(main())"


def gradtrace(*arguments):
    return subprocess.run(
        [sys.executable, "-c", MAIN, *arguments],
        env={**os.environ, "PYTHONPATH": BLOCKED},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_a_run_ends_in_its_sentence(tmp_path):
    small = ("--depth", "2", "--width", "8", "--draws", "2", "--probe", "10", "--updates", "2")
    run = gradtrace("run", "vanishing", *small, "--results", str(tmp_path))
    assert run.returncode == 0, run.stderr
    assert run.stderr.count("kernels run in NumPy") == 1
    assert "Seen: At the start" in run.stdout
    assert (tmp_path / "vanishing/figure.png").exists()


@pytest.mark.parametrize("question", ["speed", "accuracy"])
def test_what_measures_compiled_kernels_says_so(question, tmp_path):
    run = gradtrace("run", question, "--quick", "--results", str(tmp_path))
    assert run.returncode == 2
    first, second = run.stderr.splitlines()
    assert "kernels run in NumPy" in first
    assert second.startswith(f"gradtrace: {question} measures compiled kernels")
    assert run.stdout == ""
