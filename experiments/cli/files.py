"""Files that the command writes: see `engine.writing`, with errors of one line."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.writing import Content, check_target, write_file
from experiments.lab.question import SettingsError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_whole(path: Path, content: Content) -> Path:
    """Write a text, bytes, or what a function writes into the stream it is given; make folders.

    Raises: SettingsError if the place can't be written.
    """
    try:
        write_file(path, content, make_folders=True)
    except BrokenPipeError:
        pass  # the reader of a pipe has seen enough
    except OSError as error:
        raise SettingsError(str(error)) from None
    return path


def check_file(path: Path, flag: str) -> None:
    """Can that file be written? To be asked before the work. Raises: SettingsError if it can't."""
    try:
        check_target(path, make_folders=True)
    except OSError as error:
        raise SettingsError(f"{flag}: {error}") from None


def drawn(figure: Figure, kind: str, **options: Any) -> bytes:
    """A figure as the content of a file; drawn before a file is written, since drawing can fail."""
    stream = io.BytesIO()
    figure.savefig(stream, format=kind, **options)
    return stream.getvalue()
