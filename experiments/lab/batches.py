"""Which examples a training sees: `examples`, and the batch of each update.

A batch is a function of the seed and the update's number alone, so a run that was interrupted goes
on with the batches that it would have had.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from experiments.data import DataSet, load, shapeset
from experiments.data.dataset import Images, Labels

_ORDER = 1  # tells the stream of orders from other streams of the same seed
_BLOCK = 1000


Validation = tuple[Images, Labels]


def examples(
    name: str, data_dir: Path | None, n_train: int, n_valid: int, n_test: int, seed: int
) -> tuple[DataSet, Validation | None]:
    """The training and test examples, and apart from them those for validation.

    They are the first n_train, the n_valid after those, and the first n_test test examples. For
    n_train = 0, ever new images, the data set's own training examples are not to be used.

    Raises: as `experiments.data.load` does.
    """
    # Only Shapeset is made from a seed; for the others one entry in the cache is enough.
    return _examples(name, data_dir, n_train, n_valid, n_test, seed if name == "shapeset" else 0)


@lru_cache(maxsize=1)  # the trainings of a question mostly share their data
def _examples(
    name: str, data_dir: Path | None, n_train: int, n_valid: int, n_test: int, seed: int
) -> tuple[DataSet, Validation | None]:
    n = max(1, n_train + n_valid)
    data = load(name, data_dir=data_dir, n_train=n, n_test=n_test, seed=seed)
    if not n_valid:
        return data, None
    if not n_train:
        return data, (data.x_train, data.y_train)
    apart = data.hold_out(n_valid)
    training = replace(apart, x_test=data.x_test, y_test=data.y_test)
    return training, (apart.x_test, apart.y_test)


def batches_of(data: DataSet, n_train: int, n_valid: int, batch: int, seed: int) -> Batches:
    """The batches of data that `examples` gave for these numbers."""
    if n_train == 0:  # ever new images begin after those for validation
        return EverNew(batch, seed, start=n_valid)
    return Reshuffled(data.x_train, data.y_train, batch, seed)


class Batches(Protocol):
    """Batches by number."""

    def at(self, update: int) -> tuple[Images, Labels]:
        """The examples of update number `update`, from 0: x (batch, n_features), y (batch,)."""


@final
class Reshuffled:
    """A training set in one permutation after another, cut into batches.

    Every batch is full and every epoch uses each example once; where `batch` does not divide N, a
    batch holds the end of one epoch and the start of the next.
    """

    def __init__(self, x: Images, y: Labels, batch: int, seed: int) -> None:
        self._x, self._y, self._batch, self._seed = x, y, batch, seed
        self._epoch, self._order = -1, np.empty(0, np.int64)

    def at(self, update: int) -> tuple[Images, Labels]:
        chosen = self.numbers(update)
        return self._x[chosen], self._y[chosen]

    def numbers(self, update: int) -> npt.NDArray[np.int64]:
        """The positions of the update's examples in the training set."""
        epoch, start = divmod(update * self._batch, len(self._y))
        parts = [self._permutation(epoch)[start : start + self._batch]]
        while (missing := self._batch - sum(map(len, parts))) > 0:
            epoch += 1
            parts.append(self._permutation(epoch)[:missing])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _permutation(self, epoch: int) -> npt.NDArray[np.int64]:
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, _ORDER, epoch])
            self._epoch, self._order = epoch, rng.permutation(len(self._y))
        return self._order


@final
class EverNew:
    """Shapeset images of which none comes twice: number `start` and those after it."""

    def __init__(self, batch: int, seed: int, start: int) -> None:
        self._batch, self._seed, self._start = batch, seed, start
        self._updates = max(1, _BLOCK // batch)  # in a block
        self._block = -1
        self._x, self._y = np.empty((0, 0), np.float32), np.empty(0, np.int64)

    def at(self, update: int) -> tuple[Images, Labels]:
        block, within = divmod(update, self._updates)
        if block != self._block:
            size = self._updates * self._batch
            self._x, self._y = shapeset(size, seed=self._seed, start=self._start + block * size)
            self._block = block
        part = slice(within * self._batch, (within + 1) * self._batch)
        return self._x[part], self._y[part]
