"""What `initialization` measures along training: gradients by layer, from a `Recorder`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from experiments.lab.training import Trained

Array = npt.NDArray[np.float64]

# The recorder's quantity and statistic.
_SERIES = {"x_std": ("x_next", "std"), "dL_ds": ("dL_ds", "rms"), "dL_dW": ("dL_dW", "std")}


@dataclass(frozen=True)
class Course:
    """One net's training: by record and hidden layer, (records, layers).

    The standard deviation of x⁽ⁱ⁺¹⁾, the root mean square of ∂L/∂s, and the standard deviation of
    ∂L/∂W over the weights of a layer (for the mean cross-entropy of the probe); `losses` is the
    probe's.
    """

    updates: npt.NDArray[np.int64]
    x_std: Array
    dL_ds: Array
    dL_dW: Array
    losses: Array
    test_error: float


def course(trained: Trained) -> Course:
    """What the recorder of a net that was trained has seen of its hidden layers."""
    recorder = trained.recorder
    assert recorder is not None, "course: Training(every=0) has no records"
    layers = recorder.layers[:-1]
    found = {
        name: np.stack([recorder.series(layer, *key)[1] for layer in layers], axis=1)
        for name, key in _SERIES.items()
    }
    return Course(
        updates=np.array(recorder.updates, np.int64),
        losses=np.array(recorder.losses, np.float64),
        test_error=trained.test_error,
        **found,
    )
