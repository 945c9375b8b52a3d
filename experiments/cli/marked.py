"""What stands between two marks of a Markdown file, made anew from results.

<!-- verdicts -->            … <!-- end of verdicts -->            the table of verdicts
<!-- counts -->              … <!-- end of counts -->              how many claims hold, and so on
<!-- speed/steps.md -->      … <!-- end of speed/steps.md -->      a text that a run has written
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from experiments.lab.question import SettingsError

VERDICTS = "verdicts"
COUNTS = "counts"
_NAMES = rf"{VERDICTS}|{COUNTS}|[\w-]+/[\w.-]+\.md"
_BETWEEN = re.compile(rf"<!-- ({_NAMES}) -->.*?<!-- end of \1 -->", re.S)


def marks(name: str) -> tuple[str, str]:
    """The mark before a part of that name, and the one after it."""
    return f"<!-- {name} -->", f"<!-- end of {name} -->"


def filled(path: Path, results: Path, texts: Mapping[str, str]) -> str:
    """The file's text with every marked part replaced: by `texts`, else from a file of a result.

    Raises: SettingsError if the file can't be read, has no marked part, has one twice, or one that
        is not among the results.
    """
    text = _text(path, "--markdown: ")
    names = _BETWEEN.findall(text)
    if not names or len(set(names)) < len(names):
        first, last = marks(VERDICTS)
        raise SettingsError(
            f"--markdown: {path} must hold {first} and, below it, {last}, once, or marks around "
            "the name of a text in the results, for example speed/steps.md; what was made goes "
            "between them"
        )
    parts = dict(texts)
    for name in names:
        if name not in parts:
            parts[name] = _text(results / name, f"--markdown: {path} names {name}, and ")

    def made(found: re.Match[str]) -> str:
        first, last = marks(found[1])
        return f"{first}\n\n{parts[found[1]].rstrip()}\n\n{last}"

    return _BETWEEN.sub(made, text)


def _text(path: Path, about: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"{about}{path} can't be read: {why}") from None
