"""The tables of `vanishing`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from experiments.figures.profiles import geometric_mean
from experiments.figures.style import init_name
from experiments.lab.activations import label
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from experiments.questions.vanishing import Settings


def tables(settings: Settings, result: Result) -> list[Table]:
    """One net layer by layer, all nets in a row each, and the claims."""
    return [_layers(settings, result), _nets(settings, result), claims_table(result.claims)]


def _layers(settings: Settings, result: Result) -> Table:
    """The net whose gradient vanishes most, layer by layer."""
    factors = np.asarray(result.measurements["factor_per_layer"])
    at = np.unravel_index(int(np.argmin(np.nan_to_num(factors, nan=np.inf))), factors.shape)
    f, scheme = settings.activations[at[0]], settings.inits[at[1]]
    made = table(
        f"{label(f)}, {init_name(scheme)} initialisation, at the start",
        ("layer", "std s", "std x", "rms ∂L/∂x", "rms ∂L/∂s", "rms ∂L/∂W"),
    )
    made.add_column("∂L/∂s, log scale", justify="left", min_width=20)
    names = ("s_std", "x_std", "dL_dx", "dL_ds", "dL_dW")
    means = [geometric_mean(result.arrays[f"init_{q}"][at]) for q in names]
    logs = np.log(np.maximum(means[3], 1e-300))
    lowest, span = float(np.nanmin(logs)), max(float(np.nanmax(logs) - np.nanmin(logs)), 1e-9)
    for layer in reversed(range(settings.depth)):
        height = (float(logs[layer]) - lowest) / span
        bar = "█" * round(1 + 19 * height) if np.isfinite(height) else ""
        made.add_row(str(layer + 1), *[number(float(m[layer])) for m in means], bar)
    return made


def _nets(settings: Settings, result: Result) -> Table:
    """A row for each kind of net: what a layer does to ∂L/∂s, and what training achieved."""
    made = table(
        "the factor that each layer puts on ∂L/∂s going back",
        ("", "init", "start", "theory", "trained", "∂L/∂s", "∂L/∂W", "loss", "error"),
        left=2,
    )
    m, arrays = result.measurements, result.arrays
    for a, i, f, scheme in settings.kinds():
        ratio = [
            number(float(geometric_mean(v[:, 0] / v[:, -1])))
            for v in (arrays["init_dL_ds"][a, i], arrays["init_dL_dW"][a, i])
        ]
        trained = ["–", "–", "–"]
        if settings.updates:
            trained = [
                number(float(m["factor_per_layer_after"][a, i])),
                "→".join(number(float(m[f"loss_at_{end}"][a, i])) for end in ("start", "end")),
                f"{100 * m['test_error'][a, i]:.0f} %",
            ]
        made.add_row(
            label(f),
            init_name(scheme),
            number(float(m["factor_per_layer"][a, i])),
            number(float(m["factor_per_layer_predicted"][a, i])),
            trained[0],
            *ratio,
            *trained[1:],
        )
    made.caption = (
        f"start, theory, trained: factor per layer; ∂L/∂s, ∂L/∂W: rms in layer 1 over layer "
        f"{settings.depth}, at the start; loss of the probe before and after {settings.updates} "
        "updates; test error"
    )
    made.caption_justify = "left"
    return made
