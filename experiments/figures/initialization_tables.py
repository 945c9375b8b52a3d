"""The tables of `initialization`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from rich.table import Table

from experiments.lab.claims import Measured
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from experiments.questions.initialization import Settings

Array = npt.NDArray[np.float64]

SHORT = ("standard", "Xavier")
_MOST = 5  # layers that are shown


def shown_layers(depth: int) -> npt.NDArray[np.int64]:
    """Positions of at most five layers, first and last among them."""
    chosen = np.linspace(0, depth - 1, min(depth, _MOST)).round()
    return np.unique(chosen).astype(np.int64)


def tables(settings: Settings, result: Result) -> list[Table]:
    """Layers at the start, gradients along training, and the claims."""
    made = [_start(settings, result)]
    if settings.updates:
        made.append(_training(settings, result))
    return [*made, claims_table(result.claims)]


def _start(settings: Settings, result: Result) -> Table:
    made = table(
        f"at the start, mean of {settings.draws} nets, and theory",
        ("init", "layer", "std x", "", "rms ∂L/∂s", "", "rms ∂L/∂W", "", "mean σ", ""),
    )
    for i, short in enumerate(SHORT):
        for layer in reversed(shown_layers(settings.depth)):
            cells = []
            for name in ("x_std", "dL_ds", "dL_dW"):
                found = _geometric_mean(result.arrays[f"init_{name}"][i])
                theory = np.asarray(result.arrays[f"predicted_{name}"][i], np.float64)
                theory = theory if name == "x_std" else theory * found[-1]
                cells += [number(float(found[layer])), number(float(theory[layer]))]
            cells += _singular(settings, result, i, layer)
            made.add_row(short, str(layer + 1), *cells)
    made.caption = (
        "σ: the singular values of ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾; beside each number theory's, which for gradients "
        "starts from the last layer"
    )
    made.caption_justify = "left"
    return made


def _singular(settings: Settings, result: Result, i: int, layer: int) -> list[str]:
    if not settings.jacobians or layer == 0:
        return ["–", "–"]
    found = np.asarray(result.arrays["singular_J"][i, :, layer - 1], np.float64)
    theory = np.asarray(result.arrays["singular_J_predicted"][i, :, layer - 1], np.float64)
    return [number(float(found.mean())), number(float(theory.mean()))]


def _training(settings: Settings, result: Result) -> Table:
    """Ratios, first hidden layer over last, at a few records."""
    made = table(
        f"along training, {settings.seeds} nets of {settings.depth}×{settings.train_width} each: "
        f"layer 1 over layer {settings.depth}",
        ("update", "∂L/∂W: standard", "Xavier", "∂L/∂s: standard", "Xavier", "loss", "Xavier"),
        left=0,
    )
    updates = np.asarray(result.arrays["training_updates"])
    for at in np.unique(np.linspace(0, len(updates) - 1, 6).round().astype(int)):
        cells = []
        for name in ("dL_dW", "dL_ds"):
            for i in range(len(SHORT)):
                values = np.asarray(result.arrays[f"training_{name}"][i, :, at], np.float64)
                with np.errstate(all="ignore"):
                    found = Measured.of(values[:, 0] / values[:, -1], log=True)
                cells.append(number(found.value))
        losses = np.asarray(result.arrays["training_losses"][:, :, at], np.float64).mean(axis=1)
        cells += [number(float(loss)) for loss in losses]
        made.add_row(str(int(updates[at])), *cells)
    errors = 100 * np.asarray(result.arrays["training_test_error"], np.float64).mean(axis=1)
    made.caption = (
        "∂L/∂W: std, ∂L/∂s: rms, geometric means; loss of the probe; test error at the end "
        f"{errors[0]:.1f} % (standard), {errors[1]:.1f} % (Xavier)"
    )
    made.caption_justify = "left"
    return made


def _geometric_mean(draws: npt.NDArray[np.generic]) -> Array:
    with np.errstate(all="ignore"):  # a dead net's gradients are 0
        return np.asarray(np.exp(np.log(np.asarray(draws, np.float64)).mean(axis=0)))
