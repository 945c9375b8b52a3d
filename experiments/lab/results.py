"""Results on disk: `results/NAME/` with result.json, arrays.npz, figure.png and figure.svg.

A question may have several figures, each with a name of its own, and add texts, such as a table
for the docs.

Everything is first written beside its place under another name; only when all of it is there
do the files move into place, result.json last. An interruption leaves the earlier result.
"""

from __future__ import annotations

import json
import platform
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.checkpoints import discard_checkpoints
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.records import RecordError, read_record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_VERSIONED = ("gradtrace", "numpy", "numba", "matplotlib")


def check_folder(folder: Path) -> None:
    """Can results be written there? To be asked before an hour's work is done for them.

    Nothing is left behind: what is tried is the nearest folder that exists.

    Raises: SettingsError if it can't be written.
    """
    try:
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise _unwritable(folder, error) from None


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
    writers: dict[str, Callable[[Path], object]] = {
        "arrays.npz": lambda path: _write_npz(path, result),
        **{
            f"{name}.{kind}": partial(_write_figure, figure=figure, kind=kind)
            for name, figure in figures.items()
            for kind in ("png", "svg")
        },
        **{
            name: partial(Path.write_text, data=text, encoding="utf-8")
            for name, text in question.texts(settings, result).items()
        },
        "result.json": lambda path: path.write_text(
            json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        ),
    }
    earlier = _figures_of(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as scratch:
            for name, write in writers.items():
                write(Path(scratch) / name)
            with _uninterrupted():
                for name in writers:
                    (Path(scratch) / name).replace(folder / name)
                for name in earlier - set(writers):
                    (folder / name).unlink(missing_ok=True)
        discard_checkpoints(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return [folder / name for name in reversed(writers)]


def _unwritable(folder: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"--results: {folder} can't be written ({error.strerror or error}); name another folder"
    )


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


def _write_figure(path: Path, figure: Figure, kind: str) -> None:
    # Dots an inch: half as many again as the width that a figure is laid out for, 800 pixels.
    figure.savefig(path, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)


def _write_npz(path: Path, result: Result) -> None:
    with path.open("wb") as file:
        np.savez_compressed(file, **result.arrays)  # type: ignore[arg-type]


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
