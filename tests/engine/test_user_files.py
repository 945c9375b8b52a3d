"""Users' Python files: whatever such a file does, its failure is one line with file and line."""

import io
import sys
from pathlib import Path

import pytest

from engine import ActivationError, find_activation
from engine.user_files import run_file, user_code

ACTIVATION = "from engine import activation\n@activation\ndef f(s): return s * 2.0\n"

# What a file does after it has defined an activation, and what is said of line 4.
FAILS = {
    "raise SystemExit": "the file ended the program (SystemExit)",
    "raise SystemExit(0)": "the file ended the program (SystemExit: 0)",
    "import sys; sys.exit(3)": "the file ended the program (SystemExit: 3)",
    "raise SystemExit('a\\n\\nb')": "the file ended the program (SystemExit: a b)",
    "exit('x')": "the file ended the program (SystemExit: x)",
    "class Own(BaseException): pass\nraise Own('a\\nb')": "Own: a b",
    "raise GeneratorExit": "GeneratorExit",
    "raise StopIteration(3)": "StopIteration: 3",
    "import asyncio; raise asyncio.CancelledError": "CancelledError",
    "raise ExceptionGroup('g', [ValueError(1)])": "ExceptionGroup: g (1 sub-exception)",
    "class Own(Exception):\n def __str__(self): raise SystemExit(4)\nraise Own": "Own",
    "class Own(Exception):\n def __str__(self): return 3\nraise Own": "Own",
    "raise type('a\\nb', (Exception,), {})('c')": "a b: c",
    "def g(): g()\ng()": "RecursionError: maximum recursion depth exceeded",
    "raise SyntaxError('mine')": "SyntaxError: mine",
    "x = (": "SyntaxError: '(' was never closed",
    "raise ValueError('y' * 10_000)": "ValueError: " + "y" * 300 + " …",
    "import nowhere": "ModuleNotFoundError: No module named 'nowhere'",
}


def written(tmp_path, text):
    path = tmp_path / "own.py"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("code", FAILS)
def test_each_failure_is_one_line(tmp_path, code):
    path = written(tmp_path, f"{ACTIVATION}{code}\n")
    lines = code.count("\n") if not code.startswith("def g") else 0
    with pytest.raises(ActivationError) as told:
        find_activation(f"{path}:f")
    assert str(told.value) == f"{path}, line {4 + lines}: {FAILS[code]}"


def test_a_function_that_exits_while_it_is_read(tmp_path):
    text = "from engine import activation\n@activation\ndef f(s):\n    raise SystemExit(7)\n"
    with pytest.raises(ActivationError) as told:
        find_activation(f"{written(tmp_path, text)}:f")
    assert str(told.value) == "f, line 4 of own.py, `raise SystemExit(7)`: SystemExit: 7"


@pytest.mark.parametrize("content", [b"# \xff\nx = '\xff'\n", b"x = 1\0\n"])
def test_files_that_are_no_text(tmp_path, content):
    (tmp_path / "own.py").write_bytes(content)
    with pytest.raises(ActivationError, match=r"own\.py.*: (SyntaxError|ValueError): ") as told:
        find_activation(f"{tmp_path / 'own.py'}:f")
    assert "\n" not in str(told.value) and "None" not in str(told.value)


def test_no_input_is_there_to_be_read(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ActivationError, match="line 4: EOFError"):
        find_activation(f"{written(tmp_path, ACTIVATION + 'input()')}:f")


def test_a_file_sees_a_command_line_of_its_own_and_leaves_no_trace(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gradtrace", "activation", "own.py:f"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "beside.py").write_text("VALUE = 3\n")
    code = (
        "import argparse, os, sys, beside\n"
        "argv = list(sys.argv)\n"
        "argparse.ArgumentParser().parse_args()\n"
        "sys.argv.append('--more'); sys.path.append('more'); os.chdir('/')\n"
    )
    path = written(tmp_path, code)
    before = list(sys.path)
    try:
        found = run_file(path, ValueError)
    finally:
        sys.modules.pop("beside", None)
    assert found["argv"] == [str(path)]
    assert (sys.argv, sys.path) == (["gradtrace", "activation", "own.py:f"], before)
    assert Path.cwd() == tmp_path


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_what_no_file_is_to_blame_for_passes(tmp_path, error):
    path = written(tmp_path, f"raise {error.__name__}")
    with pytest.raises(error):
        run_file(path, ValueError)


@pytest.mark.parametrize(
    "definition", ["def make(): ...", "class make: ...", "make = print", "a = make = 3"]
)
def test_where_no_line_had_a_part_in_it_the_definition_is_named(tmp_path, definition):
    path = written(tmp_path, f"import os\n\n{definition}\n")
    what = r"own\.py, line 3: KeyError: 3$"
    with pytest.raises(ValueError, match=what), user_code(path, ValueError, "make"):
        raise KeyError(3)


@pytest.mark.parametrize("name", ["x" * 5000 + ".py:f", "a\0b.py:f", "nowhere.py:f"])
def test_a_file_that_is_not_there(name):
    with pytest.raises(ValueError, match="there is no file"):
        find_activation(name)
