"""Which examples an update sees: a function of the seed and the update's number alone.

So a run that was interrupted goes on with the batches that it would have had.
"""

from __future__ import annotations

from typing import Protocol, final

import numpy as np
import numpy.typing as npt

from experiments.data import shapeset
from experiments.data.dataset import Images, Labels

_ORDER = 1  # tells the stream of orders from other streams of the same seed
_BLOCK = 1000


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
