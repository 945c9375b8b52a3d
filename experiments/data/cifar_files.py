"""`cifar10`: the CIFAR-10 pictures in their binary format, from a folder of the user's.

A file is records of 3073 bytes: the label, then 1024 bytes each of red, green and blue, row by row.
Source: A. Krizhevsky, "Learning multiple layers of features from tiny images" (2009), and the data
set's page.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.dataset import DataError, DataSet, Images, Labels, checked_count
from experiments.data.mnist_files import ENVIRONMENT_VARIABLE

PIXELS = 3 * 32 * 32
RECORD = 1 + PIXELS
TRAIN_FILES = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
TEST_FILES = ("test_batch.bin", "test_batch_first_1000.bin")
SUBFOLDERS = ("cifar10", "cifar-10-batches-bin")

_PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
_WAYS_OUT = (
    f"name a folder with {TRAIN_FILES[0]} and {TEST_FILES[0]} (CIFAR-10 binary version, {_PAGE}) "
    f"with --data-dir or {ENVIRONMENT_VARIABLE}, or take --data shapeset, which needs no files"
)


def cifar10(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    n_train: int | None = None,
    n_test: int | None = None,
) -> DataSet:
    """CIFAR-10: x = pixel/127.5 − 1 in [−1, 1], float32 (N, 3072), red then green then blue.

    y is 0 … 9: airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck. Over the
    training pictures the mean of x is −.05 and E[x²] = .26.

    The files are looked for in `data_dir`, else in the folder that the environment variable
    GRADTRACE_DATA names, each time in the folder itself, in `cifar10` and in
    `cifar-10-batches-bin`: as many of data_batch_1.bin … data_batch_5.bin as follow each other
    there, and test_batch.bin, or else its first 1000 pictures in test_batch_first_1000.bin.
    Nothing is downloaded.

    `n_train` and `n_test` take the first so many pictures; None takes all there are.

    Raises DataError when files are missing or damaged, or hold fewer pictures than asked for;
    ValueError when a number asked for is not a whole one ≥ 1.
    """
    for name, value in (("n_train", n_train), ("n_test", n_test)):
        if value is not None:
            checked_count(name, value)
    train, test = _paths(data_dir)
    x_train, y_train = _read(train, "n_train", n_train)
    x_test, y_test = _read([test], "n_test", n_test)
    return DataSet(
        name="cifar10",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        n_classes=10,
        description="CIFAR-10 pictures, 3×32×32 in [−1, 1]",
    )


def _paths(data_dir: str | os.PathLike[str] | None) -> tuple[list[Path], Path]:
    """The files of training and test pictures."""
    named = data_dir or os.environ.get(ENVIRONMENT_VARIABLE)
    if not named:
        raise DataError(f"CIFAR-10 is not downloaded: {_WAYS_OUT}")
    folder = Path(named).expanduser()
    try:
        present = {path.name for path in folder.iterdir()}
        for name in SUBFOLDERS:
            if TRAIN_FILES[0] not in present and name in present and (folder / name).is_dir():
                folder = folder / name
                present = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise DataError(
            f"{folder} can't be read as a folder of CIFAR-10 files ({error.strerror}); {_WAYS_OUT}"
        ) from None
    # Without the ones in between, a missing file would go unnoticed.
    n = next((i for i, name in enumerate(TRAIN_FILES) if name not in present), len(TRAIN_FILES))
    test = next((name for name in TEST_FILES if name in present), None)
    if n == 0 or test is None:
        lacks = [TRAIN_FILES[0]] * (n == 0) + [" or ".join(TEST_FILES)] * (test is None)
        raise DataError(f"{folder} lacks {' and '.join(lacks)}; {_WAYS_OUT}")
    return [folder / name for name in TRAIN_FILES[:n]], folder / test


def _read(paths: list[Path], argument: str, n: int | None) -> tuple[Images, Labels]:
    """The first n pictures of these files together, and their labels."""
    parts: list[NDArray[np.uint8]] = []
    found = 0
    for path in paths:
        if n is not None and found >= n:
            break
        parts.append(_records(path, None if n is None else n - found))
        found += len(parts[-1])
    if n is not None and found < n:
        names = ", ".join(path.name for path in paths)
        more = (
            " or put the other training files there"
            if argument == "n_train" and len(paths) < len(TRAIN_FILES)
            else ""
        )
        raise DataError(
            f"{paths[0].parent}: {names} hold {found} pictures, {argument} asks for {n}; ask for "
            f"at most {found}{more}"
        )
    records = np.concatenate(parts)
    x = records[:, 1:].astype(np.float32)
    x /= np.float32(127.5)
    x -= 1
    return x, records[:, 0].astype(np.int64)


def _records(path: Path, n: int | None) -> NDArray[np.uint8]:
    """The first n records of a file, all for None: uint8 (n, 3073)."""
    again = "fetch the file again"
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for a writer
            raise DataError(f"{path} is not a regular file; put the CIFAR-10 file there")
        there, rest = divmod(status.st_size, RECORD)
        if rest or not there:
            raise DataError(
                f"{path} has {status.st_size} bytes, which is not a whole number of records of "
                f"{RECORD}; {again}"
            )
        wanted = there if n is None else min(n, there)
        content = np.fromfile(path, np.uint8, wanted * RECORD)
    except OSError as error:
        raise DataError(
            f"{path} can't be read ({error.strerror or error}); check its permissions and the disk"
        ) from None
    if content.size < wanted * RECORD:
        raise DataError(f"{path} ended while it was read; {again}")
    records = content.reshape(wanted, RECORD)
    if records[:, 0].max() > 9:
        i = int(np.argmax(records[:, 0] > 9))
        raise DataError(
            f"{path}: labels must lie in 0 … 9, picture {i} has {records[i, 0]}; it is not the "
            f"binary version of CIFAR-10 (CIFAR-100 has two labels a picture); {again}"
        )
    return records
