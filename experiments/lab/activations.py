"""Activations by what a flag says: a built-in name, or FILE.py:NAME for a user's own."""

from __future__ import annotations

import re
import warnings
import zlib
from contextlib import AbstractContextManager, nullcontext
from functools import cache

from engine import ACTIVATIONS, Activation, ActivationWarning, OwnActivation, find_activation
from engine.user_files import user_code
from experiments.lab.question import SettingsError

_LONGEST = 100  # bytes of a file's name; the limit of most file systems is 255


def activation_of(text: str, flag: str) -> Activation:
    """The activation that the flag names; a file is run once in a process.

    Raises: SettingsError in one line for a name that isn't there or a file that fails.
    """
    try:
        return _found(text)
    except ValueError as error:  # ActivationError is one
        raise SettingsError(" ".join(f"--{flag}: {error}".split())) from None


@cache
def _found(text: str) -> Activation:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ActivationWarning)  # for the activation's card
        return find_activation(text)


def at_work(text: str) -> AbstractContextManager[None]:
    """Where an activation is worked on: an error in what a user's file defines becomes one line.

    Raises: SettingsError naming file and line.
    """
    path, _, name = text.rpartition(":")
    return user_code(path, SettingsError, name) if path.endswith(".py") else nullcontext()


def label(text: str) -> str:
    """What figures and tables call it: "swish" for "my_file.py:swish"."""
    return text.rpartition(":")[2]


def stream(text: str) -> int:
    """A number for its random streams, the same in every run, whatever else is run beside it."""
    # What users have defined must not count: its number depends on what was run before.
    built_in = [name for name, f in ACTIVATIONS.items() if not isinstance(f, OwnActivation)]
    if text in built_in:
        return built_in.index(text)
    return len(built_in) + zlib.crc32(label(text).encode())


def file_name(title: str) -> str:
    """A title as a file's name: the same text, or one that no other title has.

    Letters, digits, hyphens, dots, spaces and underscores are kept, others become underscores,
    and then, or if the title is long or begins with a dot, a checksum follows.
    """
    kept = re.sub(r"[^\w\-. ]", "_", title)
    if kept == title and not title.startswith(".") and len(title.encode()) <= _LONGEST:
        return title
    short = kept.encode()[:_LONGEST].decode(errors="ignore").lstrip(".")
    return f"{short}-{zlib.crc32(title.encode()):08x}"
