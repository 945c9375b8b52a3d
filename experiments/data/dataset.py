"""`DataSet`: training and test examples as arrays, and `DataError` for what a user can mend."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]
Labels = NDArray[np.int64]


class DataError(ValueError):
    """Data that can't be had or read. The message is one line: which file, what is wrong,
    what to do."""

    def __init__(self, message: str) -> None:
        # Paths and the messages of other libraries may hold line breaks.
        super().__init__(" ".join(message.splitlines()))


@dataclass(frozen=True, eq=False, repr=False)
class DataSet:
    """Examples for classification, split into a training and a test set.

    x_train, x_test : float32, shape (N, n_features), C-contiguous, read-only
    y_train, y_test : int64, shape (N,), labels in 0 … n_classes − 1, read-only

    Other dtypes and layouts are converted. The arrays here are read-only views: who holds
    the original array can still write to it.

    Raises ValueError when shapes don't fit each other, when a part is empty, or when a
    label lies outside 0 … n_classes − 1.
    """

    name: str
    x_train: Images
    y_train: Labels
    x_test: Images
    y_test: Labels
    n_classes: int
    description: str

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            x = np.ascontiguousarray(getattr(self, f"x_{part}"), dtype=np.float32).view()
            y = np.ascontiguousarray(getattr(self, f"y_{part}"), dtype=np.int64).view()
            self._check(part, x, y)
            x.flags.writeable = y.flags.writeable = False
            object.__setattr__(self, f"x_{part}", x)
            object.__setattr__(self, f"y_{part}", y)
        if self.x_train.shape[1] != self.x_test.shape[1]:
            raise ValueError(
                f"{self.name}: x_train has {self.x_train.shape[1]} features an example and "
                f"x_test {self.x_test.shape[1]}; they must agree"
            )

    def _check(self, part: str, x: Images, y: Labels) -> None:
        if x.ndim != 2 or y.ndim != 1 or len(x) != len(y) or len(x) == 0:
            raise ValueError(
                f"{self.name}: x_{part} has shape {x.shape} and y_{part} {y.shape}; "
                "they must be (N, n_features) and (N,) with the same N of at least 1"
            )
        if y.min() < 0 or y.max() >= self.n_classes:
            raise ValueError(
                f"{self.name}: y_{part} holds labels from {y.min()} to {y.max()}; with "
                f"n_classes = {self.n_classes} they must lie in 0 … {self.n_classes - 1}"
            )

    def __repr__(self) -> str:
        return (
            f"DataSet({self.name!r}, {len(self.x_train)} training and {len(self.x_test)} test "
            f"examples, {self.n_features} features, {self.n_classes} classes)"
        )

    @property
    def n_features(self) -> int:
        """Length of one example."""
        n_features: int = self.x_train.shape[1]
        return n_features

    def hold_out(self, n: int) -> DataSet:
        """The training set without its last n examples, and those as the test set.

        So a learning rate, say, is chosen without a look at the real test set.

        Raises ValueError when n is not a whole number from 1 to N − 1.
        """
        n = checked_count("n", n)
        if n >= len(self.x_train):
            raise ValueError(
                f"{self.name}: {n} of {len(self.x_train)} training examples can't be held out; "
                "at least one must be left to train on"
            )
        return replace(
            self,
            x_train=self.x_train[:-n],
            y_train=self.y_train[:-n],
            x_test=self.x_train[-n:],
            y_test=self.y_train[-n:],
        )

    def batches(
        self, batch: int, rng: int | np.random.Generator
    ) -> Iterator[tuple[Images, Labels]]:
        """Training examples without end: (x, y) of shapes (batch, n_features) and (batch,).

        One permutation of the training set follows another, and the sequence is cut into
        batches. So every batch is full and every epoch uses each example once; where `batch`
        does not divide N, a batch holds the end of one epoch and the start of the next.

        Raises ValueError when `batch` is not a whole number of at least 1, or `rng` is neither
        a Generator nor a seed.
        """
        batch = checked_count("batch", batch)
        if not isinstance(rng, np.random.Generator):
            rng = np.random.default_rng(checked_seed(rng))
        return self._endless(batch, rng)

    def _endless(self, batch: int, rng: np.random.Generator) -> Iterator[tuple[Images, Labels]]:
        order = np.empty(0, np.int64)
        while True:
            while len(order) < batch:
                order = np.concatenate([order, rng.permutation(len(self.x_train))])
            chosen, order = order[:batch], order[batch:]
            yield self.x_train[chosen], self.y_train[chosen]


def checked_count(name: str, value: object, least: int = 1) -> int:
    """`value` as an int; ValueError when it is not a whole number of at least `least`."""
    number = _whole(value)
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number


def checked_seed(seed: object) -> int:
    """`seed` as an int; ValueError when it is not a whole number from 0 to 2⁶⁴ − 1."""
    number = _whole(seed)
    if number is None or not 0 <= number < 2**64:
        raise ValueError(f"seed must be a whole number from 0 to 2**64 - 1, got {seed!r}")
    return number


def _whole(value: object) -> int | None:
    if isinstance(value, (bool, np.bool_)):  # True would pass for 1
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
