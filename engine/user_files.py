"""Run Python files of users, and report every failure in one line."""

from __future__ import annotations

import ast
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_LONGEST = 300  # the most characters of a quoted message


def run_file(path: str | Path, failure: type[ValueError]) -> dict[str, Any]:
    """Run a file and return the names that it defines.

    Raises: `failure`, as `user_code`.
    """
    with user_code(path, failure):
        return runpy.run_path(str(path))


@contextmanager
def user_code(path: str | Path, failure: type[ValueError], name: str = "") -> Iterator[None]:
    """A block in which code of a user's file runs, or objects of the file are used.

    In the block, modules next to the file can be imported and `sys.argv` contains only the file;
    after the block, the working folder is restored. An error names the last line of the file in its
    traceback or, without such a line, the line that defines `name`.

    Raises: `failure`, with file and line, for any exception in the block, SystemExit included;
        KeyboardInterrupt, MemoryError and `failure` itself are not changed.
    """
    before = sys.argv, list(sys.path)
    folder = _working_folder()
    sys.argv = [str(path)]
    sys.path.insert(0, str(Path(path).absolute().parent))
    try:
        yield
    except (failure, KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        raise failure(f"{_where(Path(path), error, name)}: {_said(error)}") from error
    finally:
        sys.argv, sys.path[:] = before
        if folder and folder != _working_folder():
            os.chdir(folder)


def _working_folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except FileNotFoundError:  # the working folder was deleted
        return ""


def _where(path: Path, error: BaseException, name: str) -> str:
    """The file and its last line in the error's traceback."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{error.filename}, line {error.lineno}"
    lines = [
        line
        for frame, line in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).absolute() == path.absolute()
    ]
    line = lines[-1] if lines else _definition(path, name)
    return f"{path}, line {line}" if line else str(path)


def _definition(path: Path, name: str) -> int | None:
    """The line that defines a name at the top level of a file."""
    try:
        statements = ast.parse(path.read_bytes()).body
    except (OSError, ValueError, SyntaxError):
        return None
    for statement in statements:
        targets = getattr(statement, "targets", [statement])
        if name in [getattr(target, "id", getattr(target, "name", None)) for target in targets]:
            return statement.lineno
    return None


def _said(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        code = "" if error.code is None else f": {_line(error.code)}"
        return f"the file ended the program (SystemExit{code})"
    text = _line(error.msg if isinstance(error, SyntaxError) else error)
    return f"{_line(type(error).__name__)}: {text}".rstrip(": ")


def _line(value: object) -> str:
    """The value's text in one line; "" if its class raises."""
    try:
        text = " ".join(str(value).split())
    except KeyboardInterrupt:
        raise
    except BaseException:
        return ""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
