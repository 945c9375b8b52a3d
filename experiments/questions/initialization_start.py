"""What `initialization` measures on nets as they are drawn: profiles and distributions by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import engine
import nn
from experiments.data import DataSet
from experiments.lab.progress import Progress
from experiments.questions.initialization_claims import INITS
from experiments.questions.profiles import (
    PREDICTED,
    QUANTITIES,
    n_var_W,
    profile,
    second_moments,
    traced_layers,
)
from nn import theory

if TYPE_CHECKING:
    from experiments.questions.initialization import Settings

Array = npt.NDArray[np.float64]

BINS = 120
_QUANTILES = 4001  # of the normal distribution, for what is predicted of x
_REACH = 3.0  # times the widest layer's rms: how far the distributions of gradients are shown


def net_at_start(settings: Settings, data: DataSet, init: str, draw: int) -> nn.MLP:
    """One of the nets that are measured as they are drawn."""
    sizes = [data.n_features, *[settings.width] * settings.depth, data.n_classes]
    rng = np.random.default_rng([settings.seed, INITS.index(init), draw])
    return nn.MLP(sizes, settings.activation, init, rng=rng)


def start(settings: Settings, data: DataSet, progress: Progress, steps: int) -> dict[str, Array]:
    """Profiles of all draws, theory's, and the distributions of the first draw.

    Args:
        steps: of progress, for each net.

    Returns: init_NAME (inits, draws, layers) and predicted_NAME (inits, layers) as
        `vanishing` has them; distribution_NAME (inits, layers, BINS) and edges_NAME
        (inits, BINS + 1) for x, dL_ds and dL_dW; distribution_x_predicted; n_var_W (inits, draws);
        second_moments.
    """
    x, y = data.x_test[: settings.probe], data.y_test[: settings.probe]
    moments = second_moments(x)
    shape = len(INITS), settings.draws
    found = {f"init_{q}": np.zeros((*shape, settings.depth)) for q in QUANTITIES}
    found |= {f"predicted_{q}": np.zeros((len(INITS), settings.depth)) for q in PREDICTED}
    found |= {"n_var_W": np.zeros(shape), "second_moments": moments}
    first = []
    for i, init in enumerate(INITS):
        for draw in range(settings.draws):
            net = net_at_start(settings, data, init, draw)
            hidden = traced_layers(net, x, y)
            for name, values in profile(hidden).items():
                found[f"init_{name}"][i, draw] = values
            found["n_var_W"][i, draw] = n_var_W(hidden)
            if draw == 0:
                first.append(hidden)
            progress.step(f"{init}: at the start", steps)
        predicted = theory.predict_profile(net, moments)
        for name in PREDICTED:
            found[f"predicted_{name}"][i] = getattr(predicted, name)
    low, high = engine.find_activation(settings.activation).range
    reach = (low, high) if np.isfinite([low, high]).all() else None
    for name, quantity in (("x", "x_next"), ("dL_ds", "dL_ds"), ("dL_dW", "dL_dW")):
        arrays = [[np.asarray(getattr(row, quantity)) for row in rows] for rows in first]
        shown = [distributions(net, reach if name == "x" else None) for net in arrays]
        found[f"distribution_{name}"] = np.stack([one.density for one in shown])
        found[f"edges_{name}"] = np.stack([one.edges for one in shown])
    found["distribution_x_predicted"] = np.stack(
        [
            predicted_activations(net_at_start(settings, data, init, 0), moments, edges)
            for init, edges in zip(INITS, found["edges_x"], strict=True)
        ]
    )
    return found


@dataclass(frozen=True)
class Distributions:
    """Densities between `edges` (bins + 1,), by layer: (layers, bins).

    What lies beyond the edges is in no bin, but the densities are those of all of it.
    """

    edges: Array
    density: Array


def distributions(
    arrays: Sequence[npt.NDArray[np.generic]],
    reach: tuple[float, float] | None = None,
) -> Distributions:
    """The distributions of a net's layers on one axis.

    Args:
        arrays: an array for each layer.
        reach: the ends of the axis; None takes ±3 times the largest root mean square.
    """
    if reach is None:
        rms = [np.sqrt(np.mean(np.square(a, dtype=np.float64))) for a in arrays]
        most = _REACH * float(np.nanmax(rms))
        reach = (-most, most) if 0 < most < np.inf else (-1.0, 1.0)
    edges = np.linspace(*reach, BINS + 1)
    return Distributions(edges, np.stack([_density(values, edges) for values in arrays]))


def predicted_activations(net: nn.MLP, moments: Array, edges: Array) -> Array:
    """What theory says of the distribution of x⁽ⁱ⁺¹⁾ in each hidden layer: (layers, bins).

    x⁽ⁱ⁺¹⁾ = f(s), s ~ N(0, q) for one example, and over examples a mixture by their E[x²].
    """
    normal = NormalDist()
    z = np.array([normal.inv_cdf((i + 0.5) / _QUANTILES) for i in range(_QUANTILES)])
    q = np.stack([theory.predict_profile(net, [moment]).s_std ** 2 for moment in moments])
    x = [
        layer.f.value(np.outer(np.sqrt(q[:, i]), z).reshape(-1))
        for i, layer in enumerate(net.layers[:-1])
    ]
    return np.stack([_density(values, edges) for values in x])


def _density(values: npt.NDArray[np.generic], edges: Array) -> Array:
    counts, _ = np.histogram(values, edges)
    return np.asarray(counts / (values.size * np.diff(edges)))
