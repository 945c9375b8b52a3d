"""`find_activation`: an activation by its name, or by the file that defines it."""

from __future__ import annotations

import os

from engine.activations.record import ACTIVATIONS, Activation
from engine.errors import ActivationError
from engine.names import meant
from engine.user_files import run_file


def find_activation(f: Activation | str) -> Activation:
    """The activation of that name, or swish of a file for "file.py:swish"; an Activation itself.

    Raises: ValueError with the known names for an unknown name; TypeError for a plain function.
    """
    if isinstance(f, Activation):
        return f
    if isinstance(f, str):
        if f in ACTIVATIONS:
            return ACTIVATIONS[f]
        if ".py:" in f:
            return _from_file(*f.rsplit(":", 1))
        raise ValueError(
            f"no activation is named {f!r}; there are {', '.join(ACTIVATIONS)}, and FILE.py:NAME "
            f"for one in a file{meant(f, ACTIVATIONS)}"
        )
    raise TypeError(
        f"an activation must be an Activation or the name of one, not {type(f).__name__}; make one "
        "of a function of your own with @activation"
    )


def _from_file(path: str, name: str) -> Activation:
    if not os.path.isfile(path):  # noqa: PTH113 - Path's raises for a name that is too long
        raise ValueError(f"activation {path}:{name}: there is no file {path}")
    names = run_file(path, ActivationError)
    f = names.get(name)
    if not isinstance(f, Activation):
        known = [key for key, value in names.items() if isinstance(value, Activation)]
        raise ValueError(
            f"{path} defines no activation {name}; write @activation above its def"
            f"{meant(name, known)}"
        )
    return f
