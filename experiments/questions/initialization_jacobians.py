"""The singular values of the layers' Jacobians, as `initialization` measures and predicts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

import engine
import nn
from experiments.data import DataSet
from experiments.lab.progress import Progress
from experiments.questions.initialization_claims import INITS, N_VAR_W
from experiments.questions.initialization_spectrum import (
    density,
    mean_singular_value,
    quarter_circle,
    squared_slopes,
)
from experiments.questions.initialization_start import net_at_start
from nn import theory

if TYPE_CHECKING:
    from experiments.questions.initialization import Settings

Array = npt.NDArray[np.float64]

_POINTS = 80  # at which densities are predicted


@dataclass(frozen=True)
class Spectra:
    """Singular values of the square hidden layers, from the second on, for one example.

    `W` are those of layer 2's weights, (width,); `J` those of ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾, (layers − 1, width);
    `end_to_end` those of ∂x⁽ᵈ⁺¹⁾/∂x⁽²⁾, d the number of hidden layers, (width,).
    """

    W: Array
    J: Array
    end_to_end: Array


def jacobians(
    settings: Settings, data: DataSet, progress: Progress, steps: int
) -> dict[str, Array]:
    """Of --jacobians nets for each initialisation; net number k has example number k.

    Args:
        steps: of progress, for each net.

    Returns: singular_W, singular_J and singular_end_to_end, (inits, draws, …) as `Spectra` has
        them; singular_J_predicted, the means, (inits, draws, layers − 1); at `sigma`, (points,):
        singular_J_density (inits, layers − 1, points), which is that of an example of mean E[x²],
        and quarter_circle (inits, points). Of size 0 without draws.
    """
    n = settings.jacobians
    examples = data.x_test[:n]
    moments = np.mean(np.square(examples, dtype=np.float64), axis=1)
    found: list[list[Spectra]] = []
    means: list[list[list[float]]] = []
    for init in INITS:
        found.append([])
        means.append([])
        for k in range(n):
            net = net_at_start(settings, data, init, k)
            found[-1].append(spectra(net, examples[k : k + 1]))
            tau = predicted_slopes(net, float(moments[k]))
            means[-1].append([mean_singular_value(t) for t in tau])
            progress.step(f"{init}: singular values", steps)
    made = {
        f"singular_{name}": np.array([[getattr(one, name) for one in row] for row in found])
        for name in ("W", "J", "end_to_end")
    }
    made["singular_J_predicted"] = np.array(means)
    shown = [made[name] for name in ("singular_W", "singular_J") if made[name].size]
    top = max((float(np.nanmax(values)) for values in shown), default=1.0)
    sigma = np.linspace(0, 1.05 * (top or 1.0), _POINTS + 1)[1:]
    made["sigma"] = sigma
    made["quarter_circle"] = np.stack([quarter_circle(sigma, N_VAR_W[init]) for init in INITS])
    made["singular_J_density"] = np.zeros(0)
    if n:
        nets = [net_at_start(settings, data, init, 0) for init in INITS]
        slopes = [predicted_slopes(net, float(moments.mean())) for net in nets]
        made["singular_J_density"] = np.array(
            [[density(sigma, tau) for tau in layers] for layers in slopes]
        )
    return made


def spectra(net: nn.MLP, x: npt.NDArray[np.float32]) -> Spectra:
    """Of one example x, (1, n). It takes a decomposition for each hidden layer, and one more."""
    first, *others = net.layers[:-1]
    with engine.no_grad():
        h = first(x).detach()
    with engine.trace() as t:
        for layer in others:
            h = layer(h)
    found = t.jacobians(1)
    assert found.end_to_end is not None  # each layer's x is the x⁽ⁱ⁺¹⁾ of the one before
    W = others[0].W.numpy().astype(np.float64)
    return Spectra(
        W=np.asarray(np.linalg.svd(W, compute_uv=False), np.float64),
        J=np.stack([values[0] for values in found.layers]),
        end_to_end=found.end_to_end[0],
    )


def predicted_slopes(net: nn.MLP, second_moment: float) -> list[Array]:
    """τ (see `initialization_spectrum`) of each of these layers, for an example of that E[x²].

    The net's weights are not looked at, only how they were drawn.
    """
    q = theory.predict_profile(net, [second_moment]).s_std ** 2
    made = []
    for layer, variance in zip(net.layers[1:-1], q[1:], strict=True):
        n_in, n_out = layer.W.shape
        g2 = n_in * layer.weight_init.variance(n_in, n_out)
        made.append(squared_slopes(layer.f, float(variance), g2))
    return made
