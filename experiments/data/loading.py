"""`load`: a data set by its name."""

from __future__ import annotations

import os

from experiments.data.dataset import DataError, DataSet
from experiments.data.mnist_files import mnist
from experiments.data.shapes import shapeset_split

NAMES = ("shapeset", "mnist")


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> DataSet:
    """The data set "shapeset" or "mnist".

    n_train, n_test : how many examples. None: for mnist all there are, for shapeset 50,000 and
        10,000 (250 MB).
    data_dir : a folder that holds the MNIST files; shapeset needs none and ignores it.
    seed : of shapeset's images; mnist has no randomness and ignores it.

    Raises DataError for an unknown name, and for files as `mnist` does; ValueError for numbers
    and seeds as `mnist` and `shapeset` do.
    """
    if name == "shapeset":
        return shapeset_split(n_train, n_test, seed)
    if name == "mnist":
        return mnist(data_dir, n_train=n_train, n_test=n_test)
    raise DataError(f"there is no data set {name!r}; take one of {', '.join(NAMES)}")
