"""Results on disk: `results/NAME/` with result.json, arrays.npz, figure.png and figure.svg.

A question may have several figures, each with a name of its own, and add texts, such as a table
for the docs.

No file moves to its place before all are written, and result.json moves last. An interruption
leaves the earlier result. What stands at a place already is treated as in `engine.writing`.
"""

from __future__ import annotations

import json
import platform
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from engine.files import archive
from engine.writing import Content, check_target, write_files
from experiments.lab.checkpoints import discard_checkpoints
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.records import RecordError, read_record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FILES = ("figure.png", "figure.svg", "arrays.npz", "result.json")
_VERSIONED = ("gradtrace", "numpy", "numba", "matplotlib")


def check_folder(folder: Path) -> None:
    """Can results be written there? To be asked before an hour's work is done for them.

    Raises: SettingsError if they can't.
    """
    try:
        for name in _FILES:
            check_target(folder / name, make_folders=True)
    except OSError as error:
        raise _unwritable(error) from None


def save_result(
    folder: Path,
    question: Question,
    settings: Any,
    result: Result,
    figures: Mapping[str, Figure],
    seconds: float,
) -> list[Path]:
    """Write a run's files into `folder`, replacing an earlier run's.

    Figures that only the earlier run had are removed.

    Returns: the files, result.json first. Raises: SettingsError if the folder can't be written.
    """
    record = {
        "question": question.name,
        "asks": question.asks,
        "settings": plain(asdict(settings)),
        "seed": settings.seed,
        "versions": versions(),
        "seconds": round(seconds, 2),
        "figures": {name: figure.get_label() for name, figure in figures.items()},
        "claims": [claim.as_json() for claim in result.claims],
        "measurements": plain(result.measurements),
    }
    contents: dict[str, Content] = {
        "arrays.npz": archive(folder / "arrays.npz", result.arrays, compressed=True),
        **{
            f"{name}.{kind}": partial(_draw, figure=figure, kind=kind)
            for name, figure in figures.items()
            for kind in ("png", "svg")
        },
        **question.texts(settings, result),
        "result.json": json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
    }
    files = {folder / name: content for name, content in contents.items()}
    earlier = _figures_of(folder)
    try:
        write_files(files, make_folders=True, moving=_uninterrupted)
        for name in earlier - set(contents):
            (folder / name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(error) from None
    discard_checkpoints(folder)
    return list(reversed(files))


def _unwritable(error: OSError) -> SettingsError:
    return SettingsError(f"--results: {error}; name another folder")


def versions() -> dict[str, str]:
    """Versions of Python, the platform, and what the numbers depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform(terse=True)}
    for name in _VERSIONED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # run from a checkout that isn't installed
            found[name] = "unknown"
    return found


def _figures_of(folder: Path) -> set[str]:
    """The files of the figures of a result that is there already."""
    try:
        names = read_record(folder).figures
    except RecordError:
        return set()
    return {f"{name}.{kind}" for name in names for kind in ("png", "svg")}


def _draw(stream: BinaryIO, figure: Figure, kind: str) -> None:
    # Dots an inch: half as many again as the width that a figure is laid out for, 800 pixels.
    metadata = {"Date": None} if kind == "svg" else None
    figure.savefig(stream, format=kind, dpi=150, metadata=metadata)
    figure.set_layout_engine("none")  # what the first file has laid out serves the second


def plain(value: Any) -> Any:
    """The value in what JSON knows; NaN and Inf become null, paths become strings."""
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return str(value) if isinstance(value, Path) else value


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold back Ctrl-C for the moment in which the files move into place."""
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
