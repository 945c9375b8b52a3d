"""The last lines of every command: what was seen, which file to open, what to read next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text


def say(console: Console, seen: str, files: Sequence[Path], read_next: str, **more: str) -> None:
    """Print the ending of a command; a line whose text is empty is left out.

    Args:
        seen: a sentence with numbers.
        files: what was written; the first picture or page is the file to open.
        read_next: a file of the project, or a command.
        more: further lines between `seen` and the file: Verdicts="8 claims: 8 hold."
    """
    _line(console, "Seen", seen)
    for what, text in more.items():
        _line(console, what, text)
    opened = [path for path in files if path.suffix in (".png", ".html")] or list(files)
    if opened:
        beside = [p.name for p in [*opened, *files] if p.suffix != ".svg" and p != opened[0]]
        # A path stays in one piece, to be copied.
        _line(console, "Open", str(opened[0]), soft_wrap=True)
        if beside:
            _line(console, "See also", ", ".join(dict.fromkeys(beside)))
    _line(console, "Read next", read_next)


def _line(console: Console, what: str, text: str, soft_wrap: bool = False) -> None:
    if not text:
        return
    console.print()
    console.print(Text.assemble((f"{what}: ", "bold"), text), soft_wrap=soft_wrap)
