"""How wide tables may be, and how names are made to fit."""

from __future__ import annotations

import shutil


def terminal_width() -> int:
    """COLUMNS, or the width of the terminal; 80 where there is none, as in a pipe or a file."""
    return shutil.get_terminal_size((80, 24)).columns


def shortened(name: str, most: int) -> str:
    """A name of at most that many characters, without its middle if it is longer."""
    if len(name) <= most:
        return name
    tail = (most - 1) // 2
    return f"{name[: most - 1 - tail]}…{name[len(name) - tail :]}"
