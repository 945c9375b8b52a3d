"""Named arrays in an .npz file, written whole or not at all, read without pickles."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.arrays import Array
from engine.writing import write_file

_ENDING = ".npy"  # of each array's file in the archive, after the array's name
_LONGEST = 0xFFFF  # bytes of a name in a zip file


def write_arrays(path: str | Path, arrays: Mapping[str, Array]) -> None:
    """Write an .npz file of that exact name; a reader never sees half of it.

    `read_arrays` gives the same names, dtypes, shapes and bits. What stands at the path is treated
    as in `engine.writing`: links are followed, modes kept.

    Raises, before anything is written: ValueError for a name that a zip file can't hold; TypeError
        for an array of Python objects, which would be pickled, or of a dtype that NumPy's format
        can't hold; OSError naming the path, for example FileNotFoundError if its folder isn't
        there.
    """
    write_file(path, archive(path, arrays))


def archive(
    path: str | Path, arrays: Mapping[str, Array], *, compressed: bool = False
) -> Callable[[BinaryIO], None]:
    """What writes the arrays into a stream, once all of them are seen to be fit for that.

    Raises: ValueError and TypeError as `write_arrays`; `path` is for the message.
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
        if not _kept(array.dtype):
            raise TypeError(
                f"{path}: {shown} holds {_cut(str(array.dtype), 60)}, which the .npz format can't "
                "keep; convert it to a dtype of NumPy's own"
            )
        members[f"{name}{_ENDING}"] = array
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED

    def write(stream: BinaryIO) -> None:
        # Written member by member: np.savez takes names as keywords, and its own are "file" and
        # "allow_pickle".
        with zipfile.ZipFile(stream, "w", method) as file:
            for name, array in members.items():
                with file.open(name, "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, array, allow_pickle=False)

    return write


def _problem_of_name(name: object) -> str:
    """Why no member of a zip file can have that name, "" if one can."""
    if not isinstance(name, str):
        return f"it is of type {type(name).__name__}; names are text"
    try:
        size = len(f"{name}{_ENDING}".encode())
    except UnicodeEncodeError:
        return "it has half of a surrogate pair, which no file can hold"
    if size > _LONGEST:
        return f"its {size:,} bytes are more than a zip file's {_LONGEST:,}"
    if zipfile.ZipInfo(name).filename != name:  # a null character; on Windows a backslash
        return "a zip file would shorten or change it"
    return ""


def _kept(dtype: np.dtype[Any]) -> bool:
    """Whether an array of that dtype is read as it was written."""
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

    Raises: ValueError in one line if the file is not one, is damaged, or holds Python objects;
        FileNotFoundError if it isn't there.
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
    # A damaged file can make zipfile, its decompressors and NumPy's reader raise nearly anything.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"{path}: not a readable .npz file of arrays ({_cut(reason, 200)})"
        ) from None


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]} …"
