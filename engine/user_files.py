"""Python files of users: run with a command line of their own, each failure told in one line."""

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

_LONGEST = 300  # characters of a message


def run_file(path: str | Path, failure: type[ValueError]) -> dict[str, Any]:
    """The names that a file defines, once it has run.

    Raises: `failure`, as `user_code`.
    """
    with user_code(path, failure):
        return runpy.run_path(str(path))


@contextmanager
def user_code(path: str | Path, failure: type[ValueError], name: str = "") -> Iterator[None]:
    """Where code of a user's file runs, or what it made is worked on.

    Modules beside the file are found, `sys.argv` holds the file alone, and a change of the working
    folder ends with the block. `name` is what is used of the file; its definition is named where no
    line of the file had a part in an error.

    Raises: `failure` in place of whatever the code raises, SystemExit included, with file and
        line; KeyboardInterrupt, MemoryError and `failure` itself pass.
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
    except FileNotFoundError:  # it was deleted
        return ""


def _where(path: Path, error: BaseException, name: str) -> str:
    """The file, and the last line of it that the error came through."""
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
    """The line that defines a name at the top of a file."""
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
    """The value's text in one line, however its class answers."""
    try:
        text = " ".join(str(value).split())
    except KeyboardInterrupt:
        raise
    except BaseException:
        return ""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
