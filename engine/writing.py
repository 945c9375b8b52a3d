"""`write_file`: the way by which everything that the project writes reaches its place.

A file appears whole or not at all. Its content is first written under another name in the folder
of its target, then moved.

| the target | what happens |
|---|---|
| a symbolic link | the link stays; the file that the link names gets the content, or is made |
| a file | it keeps its mode and, where that is permitted, its owner; a read-only file is refused |
| a file with several names (hard links) | this name gets the content, the others keep the old one |
| a new file | it has the mode that the umask gives |
| a FIFO, a terminal, a device such as /dev/null | the content is written into it |
| a FIFO that nobody reads for 5 s | refused |
| /dev/stdout, /dev/fd/3 | the content is written where the descriptor stands |
| a folder, a disk, a socket, an empty name | refused |
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO, TypeAlias, final

Content: TypeAlias = str | bytes | Callable[[BinaryIO], object]
UNFINISHED = ".unfinished-"
"""What the name of a file begins with until it moves to its place."""

READER_WAIT = 5.0
"""Seconds that a writer waits for the reader of a FIFO."""

_DESCRIPTORS = re.compile(r"/proc/(?P<process>\d+)(/task/\d+)?/fd|/dev/fd")


def write_file(path: str | Path, content: Content, *, make_folders: bool = False) -> None:
    """Write a text as UTF-8, bytes, or what a function writes into the stream that it is given.

    Raises: OSError of the fitting kind (FileNotFoundError, PermissionError …), which names `path`.
    """
    write_files({path: content}, make_folders=make_folders)


def write_files(
    contents: Mapping[str | Path, Content] | Mapping[Path, Content],
    *,
    make_folders: bool = False,
    moving: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Write several files; none moves to its place before all of them are written.

    Args:
        make_folders: make the folders that are missing.
        moving: a context in which the files move, in the order given.

    Raises: as `write_file`.
    """
    drafts: list[_Draft] = []
    try:
        for path, content in contents.items():
            drafts.append(_Draft(path, make_folders))
            drafts[-1].fill(content)
        with moving():
            for draft in drafts:
                draft.publish()
    finally:
        for draft in drafts:
            draft.discard()


def check_target(path: str | Path, *, make_folders: bool = False) -> None:
    """Raises: OSError if `write_file` is sure to refuse this path; to be asked before the work."""
    _Draft(path, make_folders)


@final
class _Draft:
    """A file on its way: what stands at its path is looked at, then `fill`, `publish`, `discard`.

    Attributes:
        path: the user's, for errors.
        file: the regular file to be written, links followed; None for a device or FIFO.
        status: of what is there, None if nothing is.
        descriptor: the number of this process's open file that the path is another name of.
    """

    def __init__(self, path: str | Path, make_folders: bool) -> None:
        self.path = path
        self.file: Path | None = None
        self.status: os.stat_result | None = None
        self._temporary: Path | None = None
        self._content = b""
        if not os.fspath(path):
            raise _refusal(path, errno.ENOENT, "the name is empty; name a file")
        try:
            self.descriptor = _descriptor(Path(path))
            with contextlib.suppress(FileNotFoundError):  # a new file, or a link to one
                self.status = Path(path).stat()
            self._look(Path(path), make_folders)
        except (OSError, ValueError) as error:  # ValueError: a null character
            raise _told(path, error) from None

    def _look(self, path: Path, make_folders: bool) -> None:
        mode = stat.S_IFREG if self.status is None else self.status.st_mode
        if stat.S_ISDIR(mode) or (self.status is None and os.fspath(self.path).endswith(os.sep)):
            raise _refusal(self.path, errno.EISDIR, "it is a folder; name a file")
        if self.descriptor is not None:
            return
        if self.status is not None and not os.access(path, os.W_OK):
            raise _refusal(self.path, errno.EACCES, "no permission to write into it")
        if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
            return
        if not stat.S_ISREG(mode):
            raise _refusal(self.path, errno.ENXIO, "it is a disk or a socket; name a file")
        self.file = Path(os.path.realpath(path))
        nearest = next(folder for folder in self.file.parents if os.path.lexists(folder))
        if not nearest.is_dir():
            raise _refusal(self.path, errno.ENOTDIR, f"{_shown(nearest)} is no folder")
        if nearest != self.file.parent and not make_folders:
            # In the user's own words, unless a link leads elsewhere.
            missing = self.file.parent if path.is_symlink() else path.parent
            reason = f"there is no folder {_shown(missing)}; make it first"
            raise _refusal(self.path, errno.ENOENT, reason)
        if not os.access(nearest, os.W_OK | os.X_OK):
            reason = f"no permission to write into the folder {_shown(nearest)}"
            raise _refusal(self.path, errno.EACCES, reason)

    def fill(self, content: Content) -> None:
        """Write the content beside the target; for a device or FIFO, into memory."""
        if self.file is None:
            memory = io.BytesIO()
            _put(content, memory)
            self._content = memory.getvalue()
            return
        # Nobody who may not read the target reads its content under the other name.
        mode = 0o666 if self.status is None else 0o600
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = self.file.with_name(f"{UNFINISHED}{os.urandom(8).hex()}")
            with os.fdopen(os.open(self._temporary, flags, mode), "wb") as stream:
                _put(content, stream)
                stream.flush()
                os.fsync(stream.fileno())  # or the name may be there empty after a power cut
            if self.status is not None:
                self._take_over(self._temporary, self.status)
        except OSError as error:
            raise _told(self.path, error) from None

    @staticmethod
    def _take_over(file: Path, status: os.stat_result) -> None:
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):  # only root gives files away
                os.chown(file, status.st_uid, status.st_gid)
        file.chmod(stat.S_IMODE(status.st_mode))

    def publish(self) -> None:
        """Move the file to its place, or write the content into the device or FIFO."""
        try:
            if self.file is not None and self._temporary is not None:
                self._temporary.replace(self.file)
                self._temporary = None
                return
            if self.descriptor is None:
                number = _opened(self.path, self.status)
            else:
                for printed in (sys.stdout, sys.stderr):
                    if printed is not None:
                        printed.flush()
                # A copy has the same position, so nothing overwrites what was printed before.
                number = os.dup(self.descriptor)
            with os.fdopen(number, "wb") as stream:
                stream.write(self._content)
        except OSError as error:
            raise _told(self.path, error) from None

    def discard(self) -> None:
        """Remove what was not published."""
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def _put(content: Content, stream: BinaryIO) -> None:
    if isinstance(content, str):
        # UTF-8 has no lone surrogates, which JSON and undecodable file names can hold.
        content = content.encode("utf-8", "backslashreplace")
    if isinstance(content, bytes):
        stream.write(content)
    else:
        content(stream)


def _opened(path: str | Path, status: os.stat_result | None) -> int:
    """The number of the device or FIFO, opened without O_CREAT: never a new file."""
    if status is None or not stat.S_ISFIFO(status.st_mode):
        return os.open(path, os.O_WRONLY)
    deadline = time.monotonic() + READER_WAIT
    while True:
        try:
            number = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() > deadline:
                reason = "it is a FIFO that nobody reads; start the reader first"
                raise _refusal(path, errno.ENXIO, reason) from None
            time.sleep(0.01)
        else:
            os.set_blocking(number, True)
            return number


def _descriptor(path: Path) -> int | None:
    """The number of this process's open file that the path is another name of."""
    for _ in range(40):  # links to links; stat refuses a loop
        path = Path(os.path.realpath(path.parent), path.name)
        place = _DESCRIPTORS.fullmatch(str(path.parent))
        if place and path.name.isdecimal():
            return int(path.name) if place["process"] in (None, str(os.getpid())) else None
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _refusal(path: str | Path, number: int, reason: str) -> OSError:
    """The built-in error of that number, for example PermissionError, with a message of ours."""
    error = type(OSError(number, ""))(f"{_shown(path)} can't be written: {reason}")
    error.errno = number
    return error


def _told(path: str | Path, error: OSError | ValueError) -> OSError:
    """The error with the user's path in place of the temporary file's."""
    if not isinstance(error, OSError):
        return _refusal(path, errno.EINVAL, str(error))
    return error if error.strerror is None else _refusal(path, error.errno or 0, error.strerror)


def _shown(path: str | Path) -> str:
    """On one line."""
    name = os.fspath(path)
    return name if name.isprintable() else repr(name)
