"""Files that appear whole or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from experiments.lab.question import SettingsError


def write_whole(path: Path, write: str | Callable[[Path], object]) -> Path:
    """Write a text, or what a function writes to the path it is given; folders are made.

    Raises: SettingsError if the place can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as scratch:
            made = Path(scratch) / path.name
            if isinstance(write, str):
                made.write_text(write, encoding="utf-8")
            else:
                write(made)
            made.replace(path)
    except OSError as error:
        raise SettingsError(f"{path} can't be written: {error.strerror or error}") from None
    return path
