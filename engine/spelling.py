"""Signs that an output's encoding lacks, spelled in ASCII: "∂L/∂s⁽ⁱ⁾" becomes "dL/ds^(i)".

Python raises UnicodeEncodeError where a text is printed that holds such a sign: on Windows with
the output redirected (cp1252), or with PYTHONIOENCODING=ascii. A library leaves `sys.stdout` as
it is. So the engine's objects, when asked for their text, give one that `sys.stdout` can show.
Programs can set `sys.stdout.reconfigure(errors=SPELLED)`.
"""

from __future__ import annotations

import codecs
import functools
import sys
import unicodedata
from collections.abc import Callable
from typing import Any, TypeVar

SPELLED = "gradtrace.spelled"
"""The name of a way to handle errors of encoding, for `errors=` of streams and of `str.encode`."""

_SPELLINGS = {
    "∂": "d", "′": "'", "″": "''", "‴": "'''", "∇": "grad ", "√": "sqrt ", "∫": "int ",
    "Σ": "sum ", "∑": "sum ", "∏": "prod ", "Π": "prod ", "∞": "inf", "±": "+-", "−": "-",
    "·": "*", "×": "x", "⊙": "*", "‖": "||", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "∝": "~",
    "λ": "lambda", "→": "->", "←": "<-", "↦": "->", "…": "...", "–": "-", "—": "-", "•": "*",
    "“": '"', "”": '"', "‘": "'", "’": "'", "µ": "u", "─": "-", "│": "|", "█": "#",
}  # fmt: skip
_RAISED = {"<super>": "^", "<sub>": "_"}

_Class = TypeVar("_Class", bound=type[Any])


def printable(cls: _Class) -> _Class:
    """A class whose `__repr__` and `__str__` give what `sys.stdout` can show."""
    for name in ("__repr__", "__str__"):
        if name in vars(cls):
            setattr(cls, name, _printable(vars(cls)[name]))
    return cls


def _printable(method: Callable[[Any], str]) -> Callable[[Any], str]:
    @functools.wraps(method)
    def spelled(self: Any) -> str:
        return for_output(method(self))

    return spelled


def for_output(text: str) -> str:
    """The text as `sys.stdout` can show it: the same, or spelled where the encoding lacks signs."""
    encoding = getattr(sys.stdout, "encoding", None)
    if text.isascii() or not isinstance(encoding, str) or encoding.lower().startswith("utf"):
        return text
    try:
        return text.encode(encoding, SPELLED).decode(encoding)
    except LookupError:  # an output of somebody's own, with an encoding that Python doesn't know
        return text


def _spelled(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object
    signs = ""
    for i in range(error.start, error.end):
        word = _spelling(text[i], text[i - 1 : i])
        # "√2" is "sqrt 2", and "Σ_n" is "sum_n".
        signs += word if text[i + 1 : i + 2].isalnum() else word.rstrip()
    return signs, error.end


def _spelling(sign: str, before: str) -> str:
    if sign in _SPELLINGS:
        return _SPELLINGS[sign]
    if unicodedata.category(sign) == "Mn":  # an accent of its own, as in "ŝ" taken apart
        return ""
    kind = _kind(sign)
    plain = unicodedata.normalize("NFKD", sign)
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn").replace("\u2044", "/")
    if len(plain) == 1 and not plain.isascii():
        plain = _SPELLINGS.get(plain) or _greek(plain)
    if not plain.isascii():
        plain = ""
    mark = _RAISED.get(kind, "") if _kind(before) != kind else ""
    return mark + plain if plain else ascii(sign)[1:-1]


def _kind(sign: str) -> str:
    return unicodedata.decomposition(sign).partition(" ")[0] if sign else ""


def _greek(letter: str) -> str:
    """The name of a Greek letter: "sigma", "Phi"."""
    name = unicodedata.name(letter, "")
    if not name.startswith("GREEK "):
        return ""
    word = name.split()[-1].lower()
    return word.capitalize() if "CAPITAL" in name else word


codecs.register_error(SPELLED, _spelled)
