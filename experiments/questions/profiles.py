"""What `vanishing` and `initialization` measure: a net's layers in one pass over the probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
import nn

Array = npt.NDArray[np.float64]

QUANTITIES = ("s_std", "x_std", "x_rms", "dL_ds", "dL_dx", "dL_dW")
PREDICTED = ("s_std", "x_std", "dL_ds", "dL_dx", "dL_dW")


def traced_layers(net: nn.MLP, x: npt.ArrayLike, y: npt.ArrayLike) -> list[engine.LayerRecord]:
    """The hidden layers in one pass forward, and back from cross-entropy."""
    net.zero_grad()
    with engine.trace() as t:
        nn.cross_entropy(net(x), y).backward()
    return t.layers[:-1]


def profile(hidden: Sequence[engine.LayerRecord]) -> dict[str, Array]:
    """`QUANTITIES`, an entry for each layer: standard deviations, and root mean squares."""
    return {
        "s_std": np.array([layer.s.std(dtype=np.float64) for layer in hidden]),
        "x_std": np.array([layer.x_next.std(dtype=np.float64) for layer in hidden]),
        "x_rms": rms([layer.x_next for layer in hidden]),
        "dL_ds": rms([layer.dL_ds for layer in hidden]),
        "dL_dx": rms([layer.dL_dx_next for layer in hidden]),
        "dL_dW": rms([layer.dL_dW for layer in hidden]),
    }


def n_var_W(hidden: Sequence[engine.LayerRecord]) -> float:
    """n·Var[W], the mean over the layers that have as many inputs as units; NaN without one."""
    found = [len(layer.W) * layer.W.var() for layer in hidden if layer.fan_in == layer.fan_out]
    return float(np.mean(found)) if found else float("nan")


def rms(arrays: Sequence[npt.NDArray[Any] | None]) -> Array:
    # In float64: the square of a gradient of 1e-25 is no float32.
    return np.array([np.sqrt(np.mean(np.square(np.asarray(a, np.float64)))) for a in arrays])


def second_moments(x: npt.NDArray[np.float32], groups: int = 16) -> Array:
    """E[x²] of the examples, in groups from the faintest to the strongest: they differ widely."""
    each = np.sort(np.mean(np.square(x, dtype=np.float64), axis=1))
    # Repeated, so that the groups weigh the same whether or not their number divides the examples.
    return np.asarray(np.repeat(each, groups).reshape(groups, -1).mean(axis=1))
