"""`write_file`, with which the project writes all of its files.

A file appears whole or not at all: the content is first written to a temporary file in the folder
of the target, and the temporary file is then renamed.

| target | behaviour |
|---|---|
| symbolic link | the link stays; the file that it points to is replaced, or created |
| file | mode and, if permitted, owner are kept; a read-only file is refused |
| file with several hard links | this name gets the new content, the other names keep the old |
| new file | the mode follows the umask |
| FIFO, terminal, device such as /dev/null | the content is written into it |
| FIFO without a reader for 5 s | refused |
| /dev/stdout, /dev/fd/3 | the content is written at the descriptor's position |
| folder, disk, socket, empty name | refused |
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
"""The prefix of a temporary file's name."""

READER_WAIT = 5.0
"""Seconds to wait for a reader of a FIFO."""

_DESCRIPTORS = re.compile(r"/proc/(?P<process>\d+)(/task/\d+)?/fd|/dev/fd")


def write_file(path: str | Path, content: Content, *, make_folders: bool = False) -> None:
    """Write `content`: text as UTF-8, bytes, or a function that writes to the stream it gets.

    Raises: a subclass of OSError (FileNotFoundError, PermissionError …) that names `path`.
    """
    write_files({path: content}, make_folders=make_folders)


def write_files(
    contents: Mapping[str | Path, Content] | Mapping[Path, Content],
    *,
    make_folders: bool = False,
    moving: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> None:
    """Write several files; no file appears before the contents of all files are written.

    Args:
        make_folders: create missing folders.
        moving: a context in which the temporary files are renamed, in the given order.

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
    """Raise OSError if `write_file` would refuse this path; call it before a long computation."""
    _Draft(path, make_folders)


@final
class _Draft:
    """A file to be written: the constructor checks the path; then `fill`, `publish`, `discard`.

    Attributes:
        path: the path as the user gave it, for errors.
        file: the regular file to write, with links resolved; None for a device or FIFO.
        status: the status of the existing target, None for a new file.
        descriptor: the number of this process's open file, for a path such as /dev/stdout.
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
            # Name the folder as the user did, unless the path is a link.
            missing = self.file.parent if path.is_symlink() else path.parent
            reason = f"there is no folder {_shown(missing)}; make it first"
            raise _refusal(self.path, errno.ENOENT, reason)
        if not os.access(nearest, os.W_OK | os.X_OK):
            reason = f"no permission to write into the folder {_shown(nearest)}"
            raise _refusal(self.path, errno.EACCES, reason)

    def fill(self, content: Content) -> None:
        """Write the content to a temporary file; for a device or FIFO, to memory."""
        if self.file is None:
            memory = io.BytesIO()
            _put(content, memory)
            self._content = memory.getvalue()
            return
        # The temporary file must not be readable by users who can't read the target.
        mode = 0o666 if self.status is None else 0o600
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._temporary = self.file.with_name(f"{UNFINISHED}{os.urandom(8).hex()}")
            with os.fdopen(os.open(self._temporary, flags, mode), "wb") as stream:
                _put(content, stream)
                stream.flush()
                os.fsync(stream.fileno())  # without it, a power cut may leave an empty file
            if self.status is not None:
                self._take_over(self._temporary, self.status)
        except OSError as error:
            raise _told(self.path, error) from None

    @staticmethod
    def _take_over(file: Path, status: os.stat_result) -> None:
        if hasattr(os, "chown"):
            with contextlib.suppress(PermissionError):  # only root may change the owner
                os.chown(file, status.st_uid, status.st_gid)
        file.chmod(stat.S_IMODE(status.st_mode))

    def publish(self) -> None:
        """Rename the temporary file to its target, or write the content to the device or FIFO."""
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
                # A duplicate shares the position, so earlier output is not overwritten.
                number = os.dup(self.descriptor)
            with os.fdopen(number, "wb") as stream:
                stream.write(self._content)
        except OSError as error:
            raise _told(self.path, error) from None

    def discard(self) -> None:
        """Remove the temporary file, unless it was published."""
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)


def _put(content: Content, stream: BinaryIO) -> None:
    if isinstance(content, str):
        # UTF-8 can't encode lone surrogates, which JSON and undecodable file names may contain.
        content = content.encode("utf-8", "backslashreplace")
    if isinstance(content, bytes):
        stream.write(content)
    else:
        content(stream)


def _opened(path: str | Path, status: os.stat_result | None) -> int:
    """The descriptor of the device or FIFO, opened without O_CREAT, so never a new file."""
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
    """The number of this process's open file, for a path such as /dev/stdout; otherwise None."""
    for _ in range(40):  # follow links to links; stat refuses loops
        path = Path(os.path.realpath(path.parent), path.name)
        place = _DESCRIPTORS.fullmatch(str(path.parent))
        if place and path.name.isdecimal():
            return int(path.name) if place["process"] in (None, str(os.getpid())) else None
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


def _refusal(path: str | Path, number: int, reason: str) -> OSError:
    """The built-in error for an errno, for example PermissionError, with the path and reason."""
    error = type(OSError(number, ""))(f"{_shown(path)} can't be written: {reason}")
    error.errno = number
    return error


def _told(path: str | Path, error: OSError | ValueError) -> OSError:
    """The error with the user's path instead of the temporary file's."""
    if not isinstance(error, OSError):
        return _refusal(path, errno.EINVAL, str(error))
    return error if error.strerror is None else _refusal(path, error.errno or 0, error.strerror)


def _shown(path: str | Path) -> str:
    """The path on one line."""
    name = os.fspath(path)
    return name if name.isprintable() else repr(name)
