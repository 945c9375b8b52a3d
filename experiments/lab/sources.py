"""`code_digest`: whether the code that decides a training's bits is still the same."""

from __future__ import annotations

import ast
import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import engine
import experiments.data
import nn

_WITH_DOCSTRINGS = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def code_digest() -> str:
    """A digest of engine, nn, experiments.data and what trains; comments and docstrings left out.

    The digest covers more files than affect a net's bits, because no program can compute which
    ones do.
    """
    here = Path(__file__).parent
    files = [here / "training.py", here / "batches.py"]
    for package in (engine, nn, experiments.data):
        for folder in package.__path__:
            files += Path(folder).rglob("*.py")
    return digest(files)


def digest(files: Iterable[Path]) -> str:
    """Of what Python files say to Python, whatever their order."""
    found = hashlib.sha256()
    for text in sorted(_read(files)):
        found.update(ast.dump(_without_docstrings(ast.parse(text))).encode())
    return found.hexdigest()[:16]


def _read(files: Iterable[Path]) -> Iterator[bytes]:
    for file in files:
        with contextlib.suppress(OSError):  # in a zip or a frozen program nobody edits
            yield file.read_bytes()


def _without_docstrings(tree: ast.AST) -> ast.AST:
    for node in ast.walk(tree):
        if isinstance(node, _WITH_DOCSTRINGS) and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return tree
