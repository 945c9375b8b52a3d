"""`inlined`: an SVG file of Matplotlib's as a part of a page."""

from __future__ import annotations

import re
from html import escape


def inlined(text: str, label: str, prefix: str = "") -> str:
    """The `<svg>` alone: no declarations, no addresses, no size, and a label for who can't see it.

    `prefix` goes before every id and every use of one: Matplotlib gives the same ids to the parts
    of every figure, and a page may hold several.

    Raises: ValueError where there is no `<svg>`.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text, flags=re.S)
    head, tail = text.split(">", 1)
    head = re.sub(r'\s(xmlns(:\w+)?|version|width|height)="[^"]*"', "", head)
    made = f'{head} role="img" aria-label="{escape(label)}">{_short(tail)}'
    return re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{prefix}", made) if prefix else made


def _short(text: str) -> str:
    """In paths without the digits that nobody can see."""
    return re.sub(r' d="[^"]*"', lambda d: re.sub(r"(\.\d)\d+", r"\1", d[0]), text)
