"""What settings may be: checks that several questions share, each with an error of one line.

`flag_sign` is what stands before a setting's name in the error: "--" where it is a flag.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.kernels import COMPILED
from engine.names import meant
from experiments.lab.question import SettingsError


def check_limits(
    settings: object, limits: Mapping[str, tuple[float, float]], flag_sign: str = "--"
) -> None:
    """Each named setting lies within its limits, or is None.

    Raises: SettingsError naming the setting, the limit it passes and its value.
    """
    for name, (low, high) in limits.items():
        value = getattr(settings, name)
        if value is not None and not low <= value <= high:
            bound = f"least {_shown(low)}" if value < low else f"most {_shown(high)}"
            called = _called(name, flag_sign)
            raise SettingsError(f"{called} must be at {bound}, got {_shown(value)}")


def check_positive(settings: object, *names: str, flag_sign: str = "--") -> None:
    """Each named setting is a positive and finite number, or None. Raises: SettingsError."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not (value > 0 and math.isfinite(value)):
            called = _called(name, flag_sign)
            raise SettingsError(f"{called} must be positive and finite, got {value}")


def check_known(flag: str, name: str, known: Iterable[str]) -> None:
    """Raises: SettingsError for a name that is not among those known."""
    names = list(known)
    if name not in names:
        raise SettingsError(
            f"--{flag}: {name!r} is unknown; there are {', '.join(names)}{meant(name, names)}"
        )


def check_data_dir(data: str, data_dir: Path | None) -> None:
    """Raises: SettingsError for a folder of data files with data that have none."""
    if data_dir is not None and data != "mnist":
        raise SettingsError("--data-dir is for --data mnist; add that, or leave it out")


def _called(name: str, flag_sign: str) -> str:
    return flag_sign + name.replace("_", "-") if flag_sign else name


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def check_compiled(what: str) -> None:
    """Raise SettingsError unless kernels are compiled here."""
    if not COMPILED:
        raise SettingsError(
            f"{what} measures compiled kernels, and here they run in NumPy; install Numba, and "
            "unset NUMBA_DISABLE_JIT"
        )
