"""Named arrays in an .npz file, which is written whole or not at all and read without pickles."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.arrays import Array
from engine.writing import write_file

_ENDING = ".npy"  # a member of the archive is named after its array, with this suffix
_LONGEST = 0xFFFF  # the most bytes of a name in a zip file


def write_arrays(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz file at exactly this path; no reader ever sees a part of the file.

    `read_arrays` returns the same names, dtypes, shapes and bits. An existing file is replaced as
    in `engine.writing`: links are followed, modes kept.

    Raises, before the file is written: ValueError for a name that a zip file can't store;
        TypeError for an array of Python objects, which would be pickled, or of a dtype that NumPy's
        format can't store; OSError with the path, for example FileNotFoundError if the folder does
        not exist.
    """
    write_file(path, archive(path, arrays))


def archive(
    path: str | Path, arrays: Mapping[str, Array], *, compressed: bool = False
) -> Callable[[BinaryIO], None]:
    """Check the arrays, and return a function that writes them to a stream.

    Raises: ValueError and TypeError as `write_arrays`, with `path` in the message.
    """
    members: dict[str, Array] = {}
    for name, array in arrays.items():
        problem = _problem_of_name(name)
        if problem:
            raise ValueError(f"{path}: an array can't be named {_cut(repr(name), 60)}: {problem}")
        shown = _cut(repr(name), 60)
        if isinstance(array, np.ma.MaskedArray):
            raise TypeError(f"{path}: {shown} is a masked array; give its data and its mask, apart")
        array = np.asarray(array)
        if array.dtype.hasobject:
            raise TypeError(f"{path}: {shown} holds Python objects; give numbers")
        if not _storable(array.dtype):
            raise TypeError(
                f"{path}: {shown} holds {_cut(str(array.dtype), 60)}, which the .npz format can't "
                "store; convert it to a built-in dtype of NumPy"
            )
        members[f"{name}{_ENDING}"] = array
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED

    def write(stream: BinaryIO) -> None:
        # Not np.savez, which takes names as keywords, so that no array could be named "file" or
        # "allow_pickle".
        with zipfile.ZipFile(stream, "w", method) as file:
            for name, array in members.items():
                with file.open(name, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    return write


def _problem_of_name(name: object) -> str:
    """The reason why a zip file can't store this name; "" if it can."""
    if not isinstance(name, str):
        return f"it is of type {type(name).__name__}; names are text"
    try:
        size = len(f"{name}{_ENDING}".encode())
    except UnicodeEncodeError:
        return "it has half of a surrogate pair, which UTF-8 can't encode"
    if size > _LONGEST:
        return f"its {size:,} bytes are more than a zip file's {_LONGEST:,}"
    if zipfile.ZipInfo(name).filename != name:  # a null character; on Windows a backslash
        return "a zip file would shorten or change it"
    return ""


def _storable(dtype: np.dtype[Any]) -> bool:
    """Whether NumPy's format stores this dtype without a change."""
    if dtype.isbuiltin == 1:
        return True
    stream = io.BytesIO()
    try:
        np.lib.format.write_array(stream, np.empty(0, dtype), allow_pickle=False)
        stream.seek(0)
        return bool(np.lib.format.read_array(stream, allow_pickle=False).dtype == dtype)
    except (ValueError, TypeError):  # overlapping fields, or a description that is too long
        return False


def read_arrays(path: str | Path) -> dict[str, Array]:
    """The arrays of an .npz file.

    Raises: ValueError, with a message of one line, if the file is no .npz file, is damaged, or
        holds Python objects; FileNotFoundError if it does not exist.
    """
    try:
        with Path(path).open("rb") as stream, zipfile.ZipFile(stream) as file:
            arrays = {}
            for member in file.infolist():
                name = member.filename.removesuffix(_ENDING)
                if name in arrays:
                    raise ValueError(f"it holds {name!r} twice")
                with file.open(member) as content:
                    arrays[name] = np.lib.format.read_array(content, allow_pickle=False)
            return arrays
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file") from None
    # For a damaged file, zipfile, the decompressors and NumPy's reader raise many kinds of errors.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path}: not a readable .npz file of arrays ({_cut(reason, 200)})"
        ) from None


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]} …"
