"""`train`: one net, trained once by plain SGD on cross-entropy, the same bits every time.

    trained = train(Training("tanh", "standard", depth=5, width=100, updates=20_000, every=500))
    updates, p98 = trained.recorder.series("layer 1", "x_next", "p98")

Weights, data and the order of batches are functions of the seed and the update's number, so a run
that was interrupted continues from its checkpoint to the bits that it would have had.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
import nn
from engine.kernels import COMPILER, most_threads, use_threads
from experiments.data import DataSet
from experiments.data.dataset import Images, Labels
from experiments.lab.activations import activation_of, label
from experiments.lab.batches import Batches, batches_of, examples
from experiments.lab.checkpoints import REMEDY, Checkpoint
from experiments.lab.limits import check_limits, check_positive
from experiments.lab.progress import Progress, Silent
from experiments.lab.question import SettingsError
from experiments.lab.sources import code_digest

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
_BLOCK = 256  # examples at once; more would call for another, larger kernel of the product
_SILENT = Silent()


@dataclass(frozen=True)
class Training:
    """A net and how it is trained.

    Attributes:
        activation: a name of `engine.ACTIVATIONS`, or FILE.py:NAME.
        init: a name of `nn.init.SCHEMES`.
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
        check_limits(self, _LIMITS, flag_sign="")
        check_positive(self, "lr", flag_sign="")
        if self.n_train == 0 and self.data != "shapeset":
            raise SettingsError(
                f"n_train = 0 asks for ever new examples, and {self.data} has a limited number; "
                "say how many, or take shapeset"
            )
        activation_of(self.activation, "activation")
        if self.init not in nn.init.SCHEMES:
            known = ", ".join(nn.init.SCHEMES)
            raise SettingsError(f"init {self.init!r} is unknown; there are {known}")

    @property
    def asked(self) -> str:
        """All of this that the bits of the result depend on, as JSON."""
        return json.dumps(self._asked(), default=methodcaller("item"))  # NumPy's numbers

    @property
    def identity(self) -> str:
        """What is asked, and what else the bits depend on: the code, and versions of what runs it.

        As JSON.
        """
        f = activation_of(self.activation, "activation")
        own = (
            {"formula": f.source, "parameters": f.parameters}
            if isinstance(f, engine.OwnActivation)
            else {}
        )
        versions = {"numpy": np.__version__, "numba": COMPILER, "code": code_digest()}
        return json.dumps(self._asked() | own | versions, default=methodcaller("item"))

    def _asked(self) -> dict[str, Any]:
        return {k: v for k, v in asdict(self).items() if k not in ("data_dir", "threads")}

    @property
    def label(self) -> str:
        """A few words for progress."""
        data = "" if self.data == "shapeset" else f" {self.data}"
        f = label(self.activation)
        return f"{f} {self.init} {self.depth}×{self.width}{data}, seed {self.seed}"


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

    def checkpoint(self, t: Training) -> Checkpoint:
        """The end of that training, from which `train` makes the same again at once."""
        return _checkpoint(t, len(self.losses), self.net, self.recorder, self.losses)


def train(
    t: Training,
    progress: Progress = _SILENT,
    checkpoint: Path | None = None,
    save_every: float = 30.0,
    resume: bool = False,
) -> Trained:
    """Train a net; `t.updates` steps of progress.

    Args:
        checkpoint: a file that gets the state every `save_every` seconds (0: after each update),
            whole or not at all. A training that takes no longer writes none.
        resume: go on from that file, if it is there.

    Raises: DataError if the data can't be had or are too few; SettingsError for more threads than
        there are, and for a checkpoint that can't be written, is damaged, or of another training.
    """
    data, validation = examples(t.data, t.data_dir, t.n_train, t.n_valid, t.n_test, t.seed)
    batches = batches_of(data, t.n_train, t.n_valid, t.batch, t.seed)
    state = _State(t, data)
    if checkpoint is not None:
        code_digest()  # of the files as they are now: they may be edited while this runs
    if resume and checkpoint is not None and checkpoint.exists():
        found = Checkpoint.read(checkpoint, t.identity)
        try:
            state.go_on_from(found)
        except ValueError as error:
            raise SettingsError(f"{checkpoint}: {error}; {REMEDY}") from None
        progress.skip(state.update)
    with kernel_threads(t.threads), np.errstate(all="ignore"):
        saved = time.monotonic()
        for _ in state.descend(batches, progress):
            if checkpoint is not None and time.monotonic() - saved >= save_every:
                state.checkpoint().write(checkpoint)
                saved = time.monotonic()
        return Trained(
            state.net,
            state.losses,
            state.recorder,
            error_rate(state.net, data.x_test, data.y_test),
            error_rate(state.net, *validation) if validation else np.nan,
        )


class _State:
    """A training between two updates."""

    def __init__(self, t: Training, data: DataSet) -> None:
        self.t = t
        sizes = [data.n_features, *[t.width] * t.depth, data.n_classes]
        f = activation_of(t.activation, "activation")
        rng = np.random.default_rng([t.seed, _WEIGHTS])
        self.net = nn.MLP(sizes, f, t.init, rng=rng)
        probe = data.x_test[: t.probe], data.y_test[: t.probe]
        self.recorder = nn.Recorder(self.net, probe, every=t.every) if t.every else None
        self.losses = np.full(t.updates, np.nan, np.float32)
        self.update = 0

    def checkpoint(self) -> Checkpoint:
        losses = self.losses[: self.update]
        return _checkpoint(self.t, self.update, self.net, self.recorder, losses)

    def go_on_from(self, checkpoint: Checkpoint) -> None:
        self.update = checkpoint.update
        self.losses[: self.update] = checkpoint.losses
        self.net.load_state_dict(checkpoint.net)
        if self.recorder is not None:
            self.recorder.load_state_dict(checkpoint.recorder)

    def descend(self, batches: Batches, progress: Progress) -> Iterator[None]:
        """The updates that are left; stops after each, where `checkpoint` may be asked for."""
        t, net, losses = self.t, self.net, self.losses
        frozen = net.layers[-1].b if t.freeze_top_bias else None
        moving = [p for p in net.parameters() if p is not frozen]
        optimiser = nn.SGD(moving, lr=t.lr, fused=True)
        told, said = self.update, time.monotonic()
        while self.update < t.updates:
            self._record()
            # Once a loss is NaN all weights are, and nothing changes any more.
            if not (self.update and np.isnan(losses[self.update - 1])):
                x, y = batches.at(self.update)
                loss = nn.cross_entropy(net(x), y)
                net.zero_grad()
                loss.backward()
                optimiser.step()
                losses[self.update] = loss.item()
            self.update += 1
            now = time.monotonic()
            if now - said >= _SAY:
                progress.step(t.label, self.update - told)
                told, said = self.update, now
            yield
        self._record()
        net.zero_grad()
        progress.step(t.label, self.update - told)

    def _record(self) -> None:
        recorder = self.recorder
        if recorder is not None and (not recorder.updates or recorder.updates[-1] < self.update):
            recorder(self.update)


def _checkpoint(
    t: Training,
    update: int,
    net: nn.MLP,
    recorder: nn.Recorder | None,
    losses: npt.NDArray[np.float32],
) -> Checkpoint:
    records = {} if recorder is None else recorder.state_dict()
    return Checkpoint(t.identity, update, losses, net.state_dict(), records)


def error_rate(net: nn.Module, x: Images, y: Labels) -> float:
    """The share of examples to which the net gives another class than y, or, by NaN, none."""
    wrong = 0
    with engine.no_grad():
        for start in range(0, len(y), _BLOCK):
            logits = net(x[start : start + _BLOCK]).numpy()
            other = logits.argmax(axis=1) != y[start : start + _BLOCK]
            wrong += int(np.count_nonzero(other | np.isnan(logits).any(axis=1)))
    return wrong / len(y)


@contextmanager
def kernel_threads(n: int) -> Iterator[None]:
    """Let kernels have n threads while the block runs.

    Raises: SettingsError if n is more than Numba has here.
    """
    limit = most_threads()
    if n > limit:
        raise SettingsError(f"threads must be at most {limit} here, got {n}")
    before = use_threads(n)
    try:
        yield
    finally:
        use_threads(before)
