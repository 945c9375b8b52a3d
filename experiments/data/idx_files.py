"""`read_idx`: arrays of bytes in the IDX format, in which MNIST is distributed.

An IDX file is two zero bytes, a type code, the number of dimensions d, then d sizes of four
bytes each, most significant byte first, then the values in C order. Source: "The MNIST database
of handwritten digits" (LeCun, Cortes, Burges), section "The IDX file format".
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from experiments.data.dataset import DataError

UNSIGNED_BYTE = 0x08
MAX_BYTES = 256 * 2**20
_CHUNK = 2**20
_AGAIN = "fetch the file again"


def read_idx(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """The array in an IDX file of unsigned bytes (type code 0x08), 1 to 4 dimensions.

    The file may be plain or gzip; its first two bytes tell, not its name. No more is
    decompressed than the header announces and one byte, and a header that announces more than
    256 MiB is refused.

    Raises DataError when the file is missing, not a regular file or not readable, when header
    and contents don't agree, or when gzip finds it damaged.
    """
    path = Path(path)
    try:
        # Opening a named pipe would wait for a writer, perhaps for ever.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise DataError(f"{path} is a folder; name the IDX file itself")
        if not stat.S_ISREG(mode):
            raise DataError(f"{path} is not a regular file; name an IDX file")
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if not is_gzip:
                return _parse(path, file)
            with gzip.GzipFile(fileobj=file) as unpacked:
                return _parse(path, cast(BinaryIO, unpacked))
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{path} does not exist; check the name and the folder") from None
    except PermissionError:
        raise DataError(f"{path} may not be read by this user; change its permissions") from None
    except EOFError:
        raise DataError(f"{path}: its gzip data end too early; {_AGAIN}") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: its gzip data are damaged ({error}); {_AGAIN}") from None
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{path} can't be read ({reason}); check the path and disk") from None
    except ValueError as error:  # a zero byte in the path
        raise DataError(f"{str(path)!r} is not a file name ({error}); check it") from None


def _parse(path: Path, file: BinaryIO) -> NDArray[np.uint8]:
    shape = _read_header(path, file)
    expected = math.prod(shape)
    if expected > MAX_BYTES:
        raise DataError(
            f"{path}: the header announces {_times(shape)} = {expected} bytes, more than the "
            f"{MAX_BYTES} that are read; {_AGAIN}"
        )
    # One byte beyond the end tells that a file is too long; for gzip it also makes the
    # checksum at the end be read and compared.
    body = _read_up_to(file, expected + 1)
    if len(body) != expected:
        got = f"{len(body)}" if len(body) < expected else "more"
        raise DataError(
            f"{path}: the header announces {_times(shape)} = {expected} bytes of data, "
            f"the file has {got}; {_AGAIN}"
        )
    return np.frombuffer(body, np.uint8).reshape(shape)


def _read_header(path: Path, file: BinaryIO) -> tuple[int, ...]:
    magic = _read_up_to(file, 4)
    if len(magic) < 4:
        raise DataError(f"{path}: the header needs 4 bytes, the file has {len(magic)}; {_AGAIN}")
    zeros, type_code, n_dims = magic[:2], magic[2], magic[3]
    if zeros != b"\0\0":
        raise DataError(
            f"{path} is not an IDX file: it must start with the bytes 00 00, "
            f"it starts with {zeros.hex(' ')}; name an IDX file"
        )
    if type_code != UNSIGNED_BYTE:
        raise DataError(
            f"{path}: the type code must be 0x{UNSIGNED_BYTE:02x} (unsigned byte), "
            f"it is 0x{type_code:02x}; name an IDX file of unsigned bytes"
        )
    if not 1 <= n_dims <= 4:
        raise DataError(
            f"{path}: the number of dimensions must be 1 to 4, it is {n_dims}; {_AGAIN}"
        )
    sizes = _read_up_to(file, 4 * n_dims)
    if len(sizes) < 4 * n_dims:
        raise DataError(
            f"{path}: a header of {n_dims} dimensions needs {4 + 4 * n_dims} bytes, "
            f"the file has {4 + len(sizes)}; {_AGAIN}"
        )
    return struct.unpack(f">{n_dims}I", sizes)


def _read_up_to(file: BinaryIO, limit: int) -> bytearray:
    """The next `limit` bytes, or fewer where the file ends. A chunk at a time, so that memory
    follows what the file holds and not what its header announces."""
    data = bytearray()
    while len(data) < limit:
        chunk = file.read(min(_CHUNK, limit - len(data)))
        if not chunk:
            break
        data += chunk
    return data


def _times(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))
