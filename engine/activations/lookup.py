"""`find_activation`: an activation by its name, or by the file that defines it."""

from __future__ import annotations

import os

from engine.activations.record import ACTIVATIONS, Activation
from engine.errors import ActivationError
from engine.names import meant
from engine.user_files import run_file


def find_activation(f: Activation | str) -> Activation:
    """The activation with this name, or swish of file.py for "file.py:swish"; f if an Activation.

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
            f"no activation is named {f!r}; the names are {', '.join(ACTIVATIONS)}, and "
            f"FILE.py:NAME for an activation in a file{meant(f, ACTIVATIONS)}"
        )
    raise TypeError(
        f"an activation must be an Activation or a name, not {type(f).__name__}; write @activation "
        "above a function to make it an Activation"
    )


def _from_file(path: str, name: str) -> Activation:
    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises for long names
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
