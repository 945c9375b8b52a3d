"""Named arrays in an .npz file, written whole or not at all, read without pickles."""

from __future__ import annotations

import os
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

# What NumPy, zipfile and zlib raise for damaged files.
_UNREADABLE = (
    *(ValueError, EOFError, OSError, KeyError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)
_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUM")  # .npz, an empty one, .npy


def write_arrays(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz file of that exact name; a reader never sees half of it.

    Raises: TypeError for an array of Python objects, which would be pickled; FileNotFoundError if
        its folder isn't there.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first")
    objects = [name for name, array in arrays.items() if array.dtype.hasobject]
    if objects:
        raise TypeError(f"{path}: {', '.join(objects)} holds Python objects; give numbers")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)  # mkstemp's own are for the owner alone
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def read_arrays(path: str | Path) -> dict[str, Array]:
    """The arrays of an .npz file.

    Raises: ValueError in one line if the file is not one, is damaged, or holds Python objects;
        FileNotFoundError if it isn't there.
    """
    try:
        # Opened here, because np.load leaves a file open that begins as a zip and is none.
        with Path(path).open("rb") as stream:
            # NumPy takes what is neither for a pickle, and advises to load it without safety.
            if stream.read(len(_MAGIC[0])) not in _MAGIC:
                raise ValueError("its first bytes are not those of one")
            stream.seek(0)
            file = np.load(stream, allow_pickle=False)
            if not isinstance(file, np.lib.npyio.NpzFile):
                raise ValueError("it holds a single array")
            with file:
                return {name: file[name] for name in file.files}
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: not a readable .npz file of arrays ({reason})") from None
