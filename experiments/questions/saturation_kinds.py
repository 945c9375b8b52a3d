"""The kinds of nets that `saturation` trains, and what it measures of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import engine
import nn
from experiments.data import load
from experiments.lab.training import Trained, Training

Array = npt.NDArray[np.float64]

BINS = 40
"""Of the histograms of activations, over the range of f."""
LAST = 0.05
"""The share of a run whose losses make the loss at its end."""


@dataclass(frozen=True)
class Kind:
    """Nets that differ in nothing but their seed.

    `normalized`, in titles N, is the paper's word for Xavier's initialisation. In a net that is
    `frozen`, in titles b=0, the biases of the output layer stay 0.
    """

    activation: str
    depth: int
    normalized: bool = False
    frozen: bool = False

    @property
    def key(self) -> str:
        """As arrays are named: "tanh_N_5", "sigmoid_4_frozen"."""
        parts = (self.activation, "N" * self.normalized, str(self.depth), "frozen" * self.frozen)
        return "_".join(part for part in parts if part)

    @property
    def title(self) -> str:
        init = " N" if self.normalized else ""
        return f"{self.activation}{init}, {self.depth} layers{', b=0' if self.frozen else ''}"

    @property
    def range(self) -> tuple[float, float]:
        """f's, within which its histogram lies."""
        return (0.0, 1.0) if self.activation == "sigmoid" else (-1.0, 1.0)


FREE, FROZEN = Kind("sigmoid", 4), Kind("sigmoid", 4, frozen=True)
DEEP, DEEP_N = Kind("sigmoid", 5), Kind("sigmoid", 5, normalized=True)


def kinds(sigmoid_depths: tuple[int, ...], depth: int) -> Iterator[Kind]:
    """Sigmoid nets of those depths, of 5 layers N too and of 4 with frozen biases; the others."""
    for each in sigmoid_depths:
        yield Kind("sigmoid", each)
    if DEEP.depth in sigmoid_depths:
        yield DEEP_N
    if FREE.depth in sigmoid_depths:
        yield FROZEN
    for f in ("tanh", "softsign"):
        for normalized in (False, True):
            yield Kind(f, depth, normalized)


def measure(training: Training, trained: Trained) -> dict[str, Array]:
    """What one net did along its training, and its activations at the end.

    Returns: by record, the first before any update, and hidden layer:
        updates: after how many updates the record was made, (records,);
        mean, std, p98, saturated: of the activations on the probe, (records, depth); p98 is the
            98th percentile of x itself, as in the paper's figure 3; saturated is the share with
            |f′| below 5 % of its maximum;
        loss: the mean over the updates that are nearest to the record, (records,);
        last_loss, error: the loss over the last twentieth of the updates, the test error;
        histogram: of the final activations, shares in `BINS` bins, (depth, BINS).

    Raises: ValueError for a training without records.
    """
    recorder = trained.recorder
    if recorder is None:
        raise ValueError(f"every={training.every}: saturation needs records along the training")

    def series(quantity: str, statistic: str) -> Array:
        rows = [recorder.series(i, quantity, statistic)[1] for i in range(training.depth)]
        return np.array(rows).T

    losses = np.asarray(trained.losses, np.float64)
    updates = np.array(recorder.updates)
    half = max(1, training.every // 2)
    last = max(1, int(LAST * training.updates))
    return {
        "updates": updates.astype(np.float64),
        "mean": series("x_next", "mean"),
        "std": series("x_next", "std"),
        "p98": series("x_next", "p98"),
        "saturated": series("df_ds", "saturated"),
        "loss": np.array([losses[max(0, u - half) : u + half].mean() for u in updates]),
        "last_loss": np.array(losses[-last:].mean()),
        "error": np.array(trained.test_error),
        "histogram": _histograms(trained.net, training),
    }


def _histograms(net: nn.MLP, training: Training) -> Array:
    """Of the signed activations of each hidden layer; a Recorder's are of magnitudes."""
    data = load(
        training.data,
        data_dir=training.data_dir,
        n_train=1,
        n_test=training.probe,
        seed=training.seed,
    )
    bounds = Kind(training.activation, training.depth).range
    rows = []
    with engine.no_grad():
        out: engine.Tensor | npt.NDArray[np.float32] = data.x_test
        for layer in net.layers[:-1]:
            out = layer(out)
            counts, _ = np.histogram(out.numpy(), bins=BINS, range=bounds)
            rows.append(counts / out.size)
    return np.array(rows)
