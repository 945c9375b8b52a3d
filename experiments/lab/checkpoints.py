"""Checkpoints: all that a training must know to go on, in one .npz file, whole or not there at all.

A process may be killed at any moment: what is read then is the last checkpoint that was complete.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import read_arrays
from engine.files import archive
from engine.writing import UNFINISHED, write_file
from experiments.lab.question import SettingsError

Array = npt.NDArray[Any]

FOLDER = "checkpoints"
REMEDY = "delete it, and that net is trained anew"
_VERSION = 1
_KINDS = {"checkpoint_version": "iu", "identity": "U", "update": "iu", "losses": "f"}


@dataclass(frozen=True)
class Checkpoint:
    """A training after so many updates.

    Attributes:
        identity: what is being trained, as a text; only the same training may go on from here.
        update: updates that are done.
        losses: of those updates, float32 (update,).
        net, recorder: `state_dict` of each; the recorder's is empty for a training without one.
    """

    identity: str
    update: int
    losses: npt.NDArray[np.float32]
    net: Mapping[str, Array]
    recorder: Mapping[str, Array]

    def write(self, path: Path) -> None:
        """Raises: SettingsError if the file can't be written."""
        arrays = {
            "checkpoint_version": np.array(_VERSION),
            "identity": np.array(self.identity),
            "update": np.array(self.update),
            "losses": self.losses,
            **{f"net {name}": array for name, array in self.net.items()},
            **{f"recorder {name}": array for name, array in self.recorder.items()},
        }
        try:
            write_file(path, archive(path, arrays), make_folders=True)
        except OSError as error:
            raise SettingsError(
                f"the checkpoint {error}; make room, or name another folder with --results"
            ) from None

    @classmethod
    def read(cls, path: Path, identity: str) -> Checkpoint:
        """The checkpoint in a file.

        Raises: SettingsError if it is damaged, or of another training; FileNotFoundError if it
            isn't there.
        """
        try:
            arrays = read_arrays(path)
        except ValueError as error:
            raise SettingsError(f"{error}; {REMEDY}") from None
        problem = _problem(arrays)
        if problem:
            raise SettingsError(f"{path} is no checkpoint of this program: {problem}; {REMEDY}")
        if str(arrays["identity"]) != identity:
            raise SettingsError(_other(path, str(arrays["identity"]), identity))
        return cls(
            identity,
            int(arrays["update"]),
            arrays["losses"],
            _part("net ", arrays),
            _part("recorder ", arrays),
        )


def discard_checkpoints(results: Path) -> None:
    """To be called when a question's results are in their folder: nothing is left to resume."""
    shutil.rmtree(results / FOLDER, ignore_errors=True)


def discard_unfinished(folder: Path) -> None:
    """Remove what processes that were killed while they wrote a checkpoint have left there."""
    for left in folder.glob(f"{UNFINISHED}*"):
        left.unlink(missing_ok=True)


def _part(prefix: str, arrays: dict[str, Array]) -> dict[str, Array]:
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }


def _other(path: Path, there: str, here: str) -> str:
    """What keeps a checkpoint of one identity from being continued as another."""
    try:
        theirs, ours = json.loads(there), json.loads(here)
    except ValueError:
        return f"{path} was written by another training: {there} there, {here} here; {REMEDY}"
    different = [k for k in theirs | ours if theirs.get(k) != ours.get(k)]
    if different == ["code"]:
        return (
            f"{path} was written by other code of engine, nn or experiments than there is now, and "
            "a net may not be trained by both; go back to that code, or start anew without --resume"
        )
    values = [f"{k} {theirs.get(k)} there, {ours.get(k)} here" for k in different]
    values = [" ".join(value.split()) for value in values]  # formulas have lines
    return (
        f"{path} was written by another training or other versions: {'; '.join(values)}. Go back "
        "to those, or start anew without --resume"
    )


def _problem(arrays: dict[str, Array]) -> str:
    """What is wrong with the arrays of a file, "" if nothing is."""
    for name, kinds in _KINDS.items():
        if name not in arrays:
            return f"{name} is missing"
        if arrays[name].dtype.kind not in kinds or arrays[name].ndim != (name == "losses"):
            return f"{name} is {arrays[name].dtype} of shape {arrays[name].shape}"
    if arrays["checkpoint_version"] != _VERSION:
        return f"version {arrays['checkpoint_version']}, and this program reads {_VERSION}"
    if len(arrays["losses"]) != arrays["update"]:
        return f"{arrays['update']} updates and {len(arrays['losses'])} losses"
    return ""
