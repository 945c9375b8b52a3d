"""`mnist`: the MNIST digits, from a folder of the user's or from a public mirror.

Source: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data.dataset import DataError, DataSet, Images, Labels, checked_count
from experiments.data.idx_files import read_idx

ENVIRONMENT_VARIABLE = "GRADTRACE_DATA"

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)

# The MD5 sums of the official gzip files.
FILES = {
    "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
}

_WAYS_OUT = (
    f"name a folder that holds the four MNIST files with --data-dir or {ENVIRONMENT_VARIABLE}, "
    "or take --data shapeset, which needs no files"
)


def mnist(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    n_train: int | None = None,
    n_test: int | None = None,
) -> DataSet:
    """MNIST: x = pixel/255 in [0, 1], float32 (N, 784); y the digit, 0 … 9. E[x²] ≈ .112.

    The four files are looked for in `data_dir`, else in the folder that the environment variable
    GRADTRACE_DATA names, each time in the folder itself and in its subfolder `mnist`, plain or
    gzip. With neither given they are downloaded once into the user's cache folder and compared
    with the official checksums. Files from a folder are checked for shapes and labels only,
    since a user's copy may differ.

    `n_train` and `n_test` take the first so many examples; None takes all (60,000 and 10,000
    in the official files).

    Raises DataError when files are missing, damaged or can't be downloaded, or hold fewer
    examples than asked for; ValueError when a number asked for is not a whole one ≥ 1.
    """
    for name, value in (("n_train", n_train), ("n_test", n_test)):
        if value is not None:
            checked_count(name, value)
    paths = _paths(data_dir)
    x_train, y_train = _read_pair(paths, "train", "n_train", n_train)
    x_test, y_test = _read_pair(paths, "t10k", "n_test", n_test)
    return DataSet(
        name="mnist",
        x_train=x_train,
        y_train=y_train,
        x_test=x_test,
        y_test=y_test,
        n_classes=10,
        description="MNIST handwritten digits, 28×28 pixels in [0, 1]",
    )


def _paths(data_dir: str | os.PathLike[str] | None) -> dict[str, Path]:
    """Where each of the four files is."""
    if data_dir is not None:
        return _in_folder(Path(data_dir).expanduser())
    from_environment = os.environ.get(ENVIRONMENT_VARIABLE)
    if from_environment:
        return _in_folder(Path(from_environment).expanduser())
    return _download()


def _in_folder(folder: Path) -> dict[str, Path]:
    found, missing = _search(folder)
    if missing and (folder / "mnist").is_dir():
        found_below, missing_below = _search(folder / "mnist")
        if len(missing_below) <= len(missing):
            folder, found, missing = folder / "mnist", found_below, missing_below
    if missing:
        raise DataError(
            f"{folder} lacks {', '.join(missing)} (plain or with .gz); put the four MNIST files "
            f"there, or {_WAYS_OUT}"
        )
    return found


def _search(folder: Path) -> tuple[dict[str, Path], list[str]]:
    try:
        present = {path.name for path in folder.iterdir()}
    except OSError as error:
        raise DataError(
            f"{folder} can't be read as a folder of MNIST files ({error.strerror}); {_WAYS_OUT}"
        ) from None
    found, missing = {}, []
    for name in FILES:
        if name in present:
            found[name] = folder / name
        elif f"{name}.gz" in present:
            found[name] = folder / f"{name}.gz"
        else:
            missing.append(name)
    return found, missing


def _read_pair(
    paths: dict[str, Path], part: str, argument: str, n: int | None
) -> tuple[Images, Labels]:
    """The first n images and labels of a part, "train" or "t10k"."""
    image_path = paths[f"{part}-images-idx3-ubyte"]
    label_path = paths[f"{part}-labels-idx1-ubyte"]
    images, labels = read_idx(image_path), read_idx(label_path)
    if images.ndim != 3 or images.shape[1:] != (28, 28) or len(images) == 0:
        raise DataError(
            f"{image_path}: MNIST images have shape (N, 28, 28) with N ≥ 1, "
            f"these have {images.shape}; put the MNIST file there"
        )
    if labels.shape != (len(images),):
        raise DataError(
            f"{label_path}: {len(images)} images need labels of shape ({len(images)},), "
            f"these have {labels.shape}; take both files from one source"
        )
    if labels.max() > 9:
        raise DataError(
            f"{label_path}: labels must lie in 0 … 9, the largest is {labels.max()}; "
            "put the MNIST file there"
        )
    if n is not None and n > len(images):
        raise DataError(
            f"{image_path} holds {len(images)} images, {argument} asks for {n}; "
            f"ask for at most {len(images)}"
        )
    pixels = images[:n].reshape(-1, 28 * 28)
    return np.divide(pixels, 255, dtype=np.float32), labels[:n].astype(np.int64)


def _download() -> dict[str, Path]:
    """Fetch what the cache lacks, from the first mirror that gives it."""
    import pooch  # brings its network libraries along, which only a download needs

    cache = Path(pooch.os_cache("gradtrace"))
    if not all((cache / f"{name}.gz").exists() for name in FILES):
        _say(f"downloading MNIST (11 MB) to {cache}; needed once")
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        return {name: _fetch(pooch, cache, name) for name in FILES}
    finally:
        logger.setLevel(level)


def _fetch(pooch: Any, cache: Path, name: str) -> Path:
    reasons = []
    for mirror in MIRRORS:
        source = pooch.create(
            path=cache,
            base_url=mirror,
            registry={f"{name}.gz": f"md5:{FILES[name]}"},
            retry_if_failed=1,
        )
        try:
            # Seconds to connect and between two packets: without them a network that
            # swallows packets would hold the program for minutes.
            waiting = pooch.HTTPDownloader(timeout=(10, 30))
            return Path(source.fetch(f"{name}.gz", downloader=waiting))
        except (OSError, ValueError) as error:
            host = mirror.split("/")[2]
            reasons.append(f"{host}: {_reason(error)}")
    raise DataError(
        f"MNIST: the download of {name}.gz to {cache} failed ({'; '.join(reasons)}); {_WAYS_OUT}"
    )


def _reason(error: OSError | ValueError) -> str:
    # The errors of requests are OSErrors, some are ValueErrors as well, and their text can
    # be a page long; a ValueError that is nothing else is pooch's word on a checksum.
    if not isinstance(error, OSError):
        return "the file received is not the official one, by its MD5"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status is not None:
        return f"HTTP status {status}"
    return error.strerror or type(error).__name__


def _say(message: str) -> None:
    if sys.stderr is not None:
        print(f"gradtrace: {message}", file=sys.stderr, flush=True)
