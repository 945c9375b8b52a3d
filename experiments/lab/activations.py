"""Activations by what a flag says: a built-in name, or FILE.py:NAME for a user's own."""

from __future__ import annotations

import warnings
import zlib
from contextlib import AbstractContextManager, nullcontext
from functools import cache

from engine import ACTIVATIONS, Activation, ActivationWarning, find_activation
from engine.user_files import user_code
from experiments.lab.question import SettingsError


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
    if text in ACTIVATIONS:
        return list(ACTIVATIONS).index(text)
    return len(ACTIVATIONS) + zlib.crc32(label(text).encode())
