"""Which known name was meant by an unknown one, for error messages."""

from __future__ import annotations

from collections.abc import Iterable


def meant(name: str, known: Iterable[str]) -> str:
    """ " (did you mean 'tanh'?)" for "Tanh" or "tahn"; empty where no known name is alike.

    Capitals, spaces, hyphens and underscores don't count.
    """
    import difflib  # needed for a mistake alone

    names = {_bare(text): text for text in known}
    alike = difflib.get_close_matches(_bare(name), names, n=1, cutoff=0.7)
    return f" (did you mean {names[alike[0]]!r}?)" if alike else ""


def _bare(text: str) -> str:
    return "".join(c for c in text.lower() if c not in " -_")
