"""`load`: a data set by its name."""

from __future__ import annotations

import os

from experiments.data.cifar_files import cifar10
from experiments.data.dataset import DataError, DataSet
from experiments.data.mnist_files import mnist
from experiments.data.shapes import shapeset_split

NAMES = ("shapeset", "mnist", "cifar10")


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    n_train: int | None = None,
    n_test: int | None = None,
    seed: int = 0,
) -> DataSet:
    """The data set "shapeset", "mnist" or "cifar10".

    n_train, n_test : how many examples. None: for shapeset 50,000 and 10,000 (250 MB), for the
        others all there are.
    data_dir : a folder that holds the files; shapeset needs none and ignores it.
    seed : of shapeset's images; the others have no randomness and ignore it.

    Raises DataError for an unknown name, and for files as `mnist` and `cifar10` do; ValueError for
    numbers and seeds as they and `shapeset` do.
    """
    if name == "shapeset":
        return shapeset_split(n_train, n_test, seed)
    if name == "mnist":
        return mnist(data_dir, n_train=n_train, n_test=n_test)
    if name == "cifar10":
        return cifar10(data_dir, n_train=n_train, n_test=n_test)
    raise DataError(f"there is no data set {name!r}; take one of {', '.join(NAMES)}")
