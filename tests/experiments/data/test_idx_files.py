"""IDX files: what is read, and one clear line for each way in which a file can be wrong."""

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from experiments.data import DataError, read_idx


def idx_bytes(array):
    return (
        bytes([0, 0, 8, array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
        + (array.astype(np.uint8).tobytes())
    )


CUBE = np.arange(24).reshape(2, 3, 4)
GOOD = idx_bytes(CUBE)


def refusal(path):
    """The message with which `path` is refused: one line that names it."""
    with pytest.raises(DataError) as caught:
        read_idx(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert path.name in message
    return message


def written(folder, content):
    path = folder / "some-idx3-ubyte"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4), (2, 1, 3, 2), (0, 28, 28)])
def test_reads_back_what_was_written(tmp_path, pack, shape):
    array = np.arange(np.prod(shape)).reshape(shape)
    read = read_idx(written(tmp_path, pack(idx_bytes(array))))
    assert read.dtype == np.uint8
    assert np.array_equal(read, array) and read.shape == shape


def test_sizes_are_big_endian(tmp_path):
    array = np.arange(300) % 251
    assert read_idx(written(tmp_path, idx_bytes(array))).shape == (300,)


def test_gzip_is_known_by_its_first_bytes_not_its_name(tmp_path):
    plain_in_disguise = tmp_path / "images.gz"
    plain_in_disguise.write_bytes(GOOD)
    assert np.array_equal(read_idx(plain_in_disguise), CUBE)
    assert np.array_equal(read_idx(str(written(tmp_path, gzip.compress(GOOD)))), CUBE)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "needs 4 bytes, the file has 0"),
        (GOOD[:3], "needs 4 bytes, the file has 3"),
        (GOOD[:9], "3 dimensions needs 16 bytes, the file has 9"),
        (b"PK" + GOOD[2:], "starts with 50 4b"),
        (b"\0\0\x0d" + GOOD[3:], "must be 0x08 (unsigned byte), it is 0x0d"),
        (b"\0\0\x08\0" + GOOD[4:], "must be 1 to 4, it is 0"),
        (b"\0\0\x08\x05" + GOOD[4:], "must be 1 to 4, it is 5"),
        (GOOD[:-1], "2×3×4 = 24 bytes of data, the file has 23"),
        (GOOD + b"!", "2×3×4 = 24 bytes of data, the file has more"),
        (b"\0\0\x08\x02" + b"\xff" * 8, "more than the 268435456 that are read"),
        (b"\0\0\x08\x01" + struct.pack(">I", 2**28 + 1), "more than the 268435456"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} bytes",
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_header_and_contents_must_agree(tmp_path, content, words, pack):
    assert words in refusal(written(tmp_path, pack(content)))


@pytest.mark.parametrize("cut", [3, 12, 20, -9, -1])
def test_gzip_that_ends_too_early(tmp_path, cut):
    message = refusal(written(tmp_path, gzip.compress(GOOD)[:cut]))
    assert "gzip data end too early" in message


@pytest.mark.parametrize("at", [2, 14, -7, -2], ids=["method", "body", "checksum", "length"])
def test_damaged_gzip(tmp_path, at):
    packed = bytearray(gzip.compress(GOOD))
    packed[at] ^= 0xFF
    assert "gzip data are damaged" in refusal(written(tmp_path, bytes(packed)))


def peak_memory(path):
    tracemalloc.start()
    try:
        message = refusal(path)
        return message, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_gzip_bomb_is_not_unpacked(tmp_path):
    bomb = gzip.compress(idx_bytes(np.zeros(10)) + bytes(64 * 2**20), compresslevel=1)
    message, peak = peak_memory(written(tmp_path, bomb))
    assert "10 = 10 bytes of data, the file has more" in message
    assert peak < 4 * 2**20


def test_a_short_file_is_given_no_more_memory_than_it_fills(tmp_path):
    header = b"\0\0\x08\x01" + struct.pack(">I", 2**28)
    message, peak = peak_memory(written(tmp_path, header + b"abc"))
    assert "the file has 3" in message
    assert peak < 4 * 2**20


def test_missing_file(tmp_path):
    assert "does not exist" in refusal(tmp_path / "absent")


def test_folder(tmp_path):
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_named_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in refusal(tmp_path / "pipe")


@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), OSError(5, "I/O")])
def test_file_that_may_not_be_read(tmp_path, monkeypatch, error):
    # By a fake: root may read everything, and tests run as root in containers.
    def refuse(*_args, **_kwargs):
        raise error

    path = written(tmp_path, GOOD)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    message = refusal(path)
    assert ("permissions" if error.errno == 13 else "I/O") in message


def test_a_line_break_in_a_name_stays_out_of_the_message(tmp_path):
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path / "two\nlines")
    assert "two lines does not exist" in str(caught.value)


def test_a_zero_byte_in_a_name(tmp_path):
    with pytest.raises(DataError, match="not a file name"):
        read_idx(tmp_path / "a\0b")
