"""Flags from an experiment's dataclass: a preset first, then the flags that override it."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Sequence
from typing import Any

from experiments.lab.question import Question, SettingsError

_PRESETS = ("quick", "default", "paper")
_FLAGS = tuple(f"--{name}" for name in _PRESETS)
# tyro draws its messages as boxes, in ASCII where the terminal has no more.
_BORDER = re.compile(r"─{2}|-{4}|^\s*\+")


class FlagError(ValueError):
    """A command line that can't be understood: one line for the user."""


def read_settings(question: Question, flags: Sequence[str]) -> Any:
    """The settings that the flags name, or None when they asked for help (then it was printed).

    Raises: FlagError for unknown flags and unreadable values, SettingsError for values that
        can't be run.
    """
    chosen = [flag[2:] for flag in flags if flag in _FLAGS]
    if len(set(chosen)) > 1:
        raise FlagError(f"--{' and --'.join(chosen)} are two presets; choose one")
    default = question.preset(chosen[0] if chosen else "default")
    rest = [flag for flag in flags if flag not in _FLAGS]
    presets = "; ".join(
        f"--{name}: " + (", ".join(f"{k} {v}" for k, v in question.presets.get(name, {}).items()))
        for name in _PRESETS
        if name in question.presets
    )
    return read_flags(
        question.settings,
        rest,
        f"gradtrace run {question.name}",
        f"{question.asks}\n\nPresets, which flags override: {presets}.",
        default,
    )


def read_flags(
    settings: type[Any],
    flags: Sequence[str],
    command: str,
    description: str | None = None,
    default: Any = None,
) -> Any:
    """An object of a dataclass of settings as the flags say, or None when they asked for help.

    Raises: FlagError for what can't be understood or run.
    """
    import tyro

    said = io.StringIO()
    start = {} if default is None else {"default": default}
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(
                settings, prog=command, description=description, args=list(flags), **start
            )
    except SettingsError as error:
        raise FlagError(str(error)) from None
    except SystemExit as end:
        if not end.code:
            return None
        raise FlagError(_one_line(said.getvalue(), settings.__name__)) from None


def _one_line(box: str, settings: str) -> str:
    """What tyro drew as a box, as a sentence: its first paragraph and its suggestion."""
    paragraphs: list[list[str]] = [[]]
    for line in box.splitlines():
        text = line.strip("│| \t")
        if _BORDER.search(line):
            paragraphs.append([])
        elif text:
            paragraphs[-1].append(text)
    texts = [" ".join(paragraph) for paragraph in paragraphs if paragraph]
    if not texts:
        return "these flags can't be read; --help lists them"
    texts[0] = texts[0].removeprefix(f"Error parsing {settings}: ").rstrip(".")
    hint = next((t for t in texts[1:] if t.startswith("Perhaps you meant")), "")
    hint = f" ({hint.split(':', 1)[1].strip().split()[0]}?)" if ":" in hint else ""
    return f"{texts[0]}{hint}; --help lists the flags"
