"""`train`: one net, trained once by plain SGD on cross-entropy, the same bits every time.

    trained = train(Training("tanh", "standard", depth=5, width=100, updates=20_000, every=500))
    updates, p98 = trained.recorder.series("layer 1", "x_next", "p98")

Weights, data and the order of batches are functions of the seed and the update's number, so a run
that was interrupted continues from its checkpoint to the bits that it would have had.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt

import engine
import nn
from experiments.data import DataSet, load
from experiments.data.dataset import Images, Labels
from experiments.lab.batches import Batches, EverNew, Reshuffled
from experiments.lab.progress import Progress, Silent
from experiments.lab.question import SettingsError

_LIMITS = {
    "depth": (1, 1000),
    "width": (1, 20_000),
    "n_train": (0, 2**40),
    "n_valid": (0, 10**6),
    "n_test": (1, 10**6),
    "updates": (0, 10**9),
    "batch": (1, 10_000),
    "seed": (0, 2**63 - 1),
    "probe": (1, 10_000),
    "every": (0, 10**9),
    "threads": (1, 1024),
}
_WEIGHTS = 0  # tells the stream of weights from other streams of the same seed
_SAY = 0.2  # seconds between two reports of progress
_BLOCK = 1000
_SILENT = Silent()


@dataclass(frozen=True)
class Training:
    """A net and how it is trained.

    Attributes:
        activation, init: names, of `engine.ACTIVATIONS` and `nn.init.SCHEMES`.
        depth, width: hidden layers and units in each; biases start at 0.
        data, data_dir: as `experiments.data.load` takes them.
        n_train: training examples; 0 takes ever new ones (Shapeset alone has so many).
        n_valid: further ones, which follow those, for the validation error.
        n_test: test examples, the first.
        updates, batch, lr: of plain SGD.
        seed: of images, weights and order. Nets of one seed see the same examples in the same
            order whatever else differs.
        probe, every: an `nn.Recorder` looks at the first `probe` test examples every so many
            updates, from update 0 to the end; 0 leaves it out.
        freeze_top_bias: the output layer's b stays 0.
        threads: of the kernels; the result has the same bits with any number.

    Raises: SettingsError for numbers and names that can't be.
    """

    activation: str
    init: str
    depth: int
    width: int
    data: str = "shapeset"
    data_dir: Path | None = None
    n_train: int = 20_000
    n_test: int = 2_000
    updates: int = 1000
    batch: int = 10
    lr: float = 0.05
    seed: int = 0
    probe: int = 300
    every: int = 0
    freeze_top_bias: bool = False
    threads: int = 1
    n_valid: int = 0

    def __post_init__(self) -> None:
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                bound = f"least {low}" if value < low else f"most {high}"
                raise SettingsError(f"{name} must be at {bound}, got {value}")
        if not (self.lr > 0 and np.isfinite(self.lr)):
            raise SettingsError(f"lr must be positive and finite, got {self.lr}")
        if self.n_train == 0 and self.data != "shapeset":
            raise SettingsError(
                f"n_train = 0 asks for ever new examples, and {self.data} has a limited number; "
                "say how many, or take shapeset"
            )
        for what, name, known in (
            ("activation", self.activation, engine.ACTIVATIONS),
            ("init", self.init, nn.init.SCHEMES),
        ):
            if name not in known:
                raise SettingsError(f"{what} {name!r} is unknown; there are {', '.join(known)}")

    @property
    def label(self) -> str:
        """A few words for progress."""
        data = "" if self.data == "shapeset" else f" {self.data}"
        return f"{self.activation} {self.init} {self.depth}×{self.width}{data}, seed {self.seed}"


@dataclass
class Trained:
    """What became of it.

    Attributes:
        net: as it is after the last update.
        losses: of each update's batch before that update, float32 (updates,). NaN from the update
            on at which the net diverged; it is left alone from there.
        recorder: None for every = 0.
        test_error: the share of test examples to which the net gives another class, or none.
        valid_error: the same of the validation examples, NaN without any.
    """

    net: nn.MLP
    losses: npt.NDArray[np.float32]
    recorder: nn.Recorder | None
    test_error: float
    valid_error: float = np.nan


def train(
    t: Training,
    progress: Progress = _SILENT,
    checkpoint: Path | None = None,
    save_every: float = 30.0,
    resume: bool = False,
) -> Trained:
    """Train a net; `t.updates` steps of progress.

    Raises: DataError if the data can't be had or are too few; SettingsError for more threads than
        there are.
    """
    training, validation = _data(
        t.data,
        t.data_dir,
        t.n_train,
        t.n_valid,
        t.n_test,
        t.seed if t.data == "shapeset" else 0,  # the others are as they are
    )
    net = _net(t, training)
    recorder = None
    if t.every:
        probe = training.x_test[: t.probe], training.y_test[: t.probe]
        recorder = nn.Recorder(net, probe, every=t.every)
    losses = np.full(t.updates, np.nan, np.float32)
    with _threads(t.threads), np.errstate(all="ignore"):
        _descend(t, net, recorder, losses, _batches(t, training), progress)
        return Trained(
            net,
            losses,
            recorder,
            error_rate(net, training.x_test, training.y_test),
            error_rate(net, *validation) if validation else np.nan,
        )


def _descend(
    t: Training,
    net: nn.MLP,
    recorder: nn.Recorder | None,
    losses: npt.NDArray[np.float32],
    batches: Batches,
    progress: Progress,
) -> None:
    top_bias = net.layers[-1].b
    moving = [p for p in net.parameters() if not (t.freeze_top_bias and p is top_bias)]
    optimiser = nn.SGD(moving, lr=t.lr, fused=True)
    told, said = 0, time.monotonic()
    diverged = False
    for update in range(t.updates):
        if recorder is not None:
            recorder(update)
        if not diverged:
            x, y = batches.at(update)
            loss = nn.cross_entropy(net(x), y)
            net.zero_grad()
            loss.backward()
            optimiser.step()
            losses[update] = loss.item()
            diverged = bool(np.isnan(losses[update]))  # and so are all weights from here on
        now = time.monotonic()
        if now - said >= _SAY:
            progress.step(t.label, update + 1 - told)
            told, said = update + 1, now
    if recorder is not None:
        recorder(t.updates)
    net.zero_grad()
    progress.step(t.label, t.updates - told)


def error_rate(net: nn.Layer, x: Images, y: Labels) -> float:
    """The share of examples to which the net gives another class than y, or, by NaN, none."""
    wrong = 0
    with engine.no_grad():
        for start in range(0, len(y), _BLOCK):
            logits = net(x[start : start + _BLOCK]).numpy()
            other = logits.argmax(axis=1) != y[start : start + _BLOCK]
            wrong += int(np.count_nonzero(other | np.isnan(logits).any(axis=1)))
    return wrong / len(y)


def _net(t: Training, data: DataSet) -> nn.MLP:
    sizes = [data.n_features, *[t.width] * t.depth, data.n_classes]
    return nn.MLP(sizes, t.activation, t.init, rng=np.random.default_rng([t.seed, _WEIGHTS]))


def _batches(t: Training, data: DataSet) -> Batches:
    if t.n_train == 0:
        return EverNew(t.batch, t.seed, start=max(1, t.n_valid))
    return Reshuffled(data.x_train, data.y_train, t.batch, t.seed)


@lru_cache(maxsize=1)  # the nets of a question mostly share their data
def _data(
    name: str, data_dir: Path | None, n_train: int, n_valid: int, n_test: int, seed: int
) -> tuple[DataSet, tuple[Images, Labels] | None]:
    """The data without the validation examples, and those."""
    # Ever new images come after the validation examples, which are all that is made here.
    data = load(
        name, data_dir=data_dir, n_train=max(1, n_train + n_valid), n_test=n_test, seed=seed
    )
    if not n_valid:
        return data, None
    if not n_train:
        return data, (data.x_train, data.y_train)
    apart = data.hold_out(n_valid)
    training = DataSet(
        data.name,
        *(apart.x_train, apart.y_train, data.x_test, data.y_test),
        data.n_classes,
        data.description,
    )
    return training, (apart.x_test, apart.y_test)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    limit = numba.config.NUMBA_NUM_THREADS
    if n > limit:
        raise SettingsError(f"threads must be at most {limit} here, got {n}")
    before = numba.get_num_threads()
    numba.set_num_threads(n)
    try:
        yield
    finally:
        numba.set_num_threads(before)
