"""The figure and the tables of `vanishing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from experiments.figures.panels import DATA_NAMES
from experiments.lab.activations import label
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.vanishing import Settings

Array = npt.NDArray[Any]

# Colours that stay apart for colour-blind eyes (Okabe & Ito).
_COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_COLUMNS = (
    ("x_std", "std of activations $x$"),
    ("dL_ds", r"rms of $\partial L/\partial s$"),
    ("dL_dW", r"rms of $\partial L/\partial W$"),
)
_SHORT = {
    "standard": "standard",
    "xavier_uniform": "Xavier",
    "kaiming_normal": "Kaiming",
    "xavier_normal": "Xavier N",
    "kaiming_uniform": "Kaiming U",
    "lecun_normal": "LeCun N",
    "lecun_uniform": "LeCun U",
}


def figure(settings: Settings, result: Result) -> Figure:
    """A row for each activation: activations, ∂L/∂s and ∂L/∂W over depth, and the loss.

    Solid: at initialisation, the geometric mean of the draws. Dotted and black: theory, which
    for gradients starts from the measured last layer. Dashed: after training.
    """
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    rows = len(settings.activations)
    n_columns = len(_COLUMNS) + bool(settings.updates)
    made = Figure(figsize=(3.2 * n_columns + 0.4, 2.5 * rows + 1.3), layout="constrained")
    axes = made.subplots(rows, n_columns, squeeze=False)
    layers = np.arange(1, settings.depth + 1)
    for a, f in enumerate(settings.activations):
        for column, (name, title) in enumerate(_COLUMNS):
            ax = axes[a, column]
            for i in range(len(settings.inits)):
                _profile(ax, layers, result, name, (a, i))
            ax.set_yscale("log")
            ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
            _finish(ax, title if a == 0 else "", "hidden layer" if a == rows - 1 else "")
        axes[a, 0].set_ylabel(label(f), fontsize=13, fontweight="bold")
        if settings.updates:
            _losses(axes[a, -1], result.arrays["losses"][a])
            _finish(
                axes[a, -1],
                f"loss, mean of {_window(settings.updates)} updates" if a == 0 else "",
                "update" if a == rows - 1 else "",
            )
    made.align_ylabels(axes[:, 0])
    if settings.updates:  # one scale for all losses: a flat one should look flat
        limits = [ax.get_ylim() for ax in axes[:, -1]]
        for ax in axes[:, -1]:
            ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
    handles = [
        Line2D([], [], color=_COLOURS[i % len(_COLOURS)], label=_SHORT.get(scheme, scheme))
        for i, scheme in enumerate(settings.inits)
    ]
    handles += [
        Line2D([], [], color="0.3", marker="o", markersize=3.5, label="at initialisation"),
        Line2D([], [], color="black", linestyle=":", label="theory"),
    ]
    if settings.updates:
        handles.append(
            Line2D([], [], color="0.3", linestyle="--", label=f"after {settings.updates} updates")
        )
    made.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    made.suptitle(
        f"{settings.depth} hidden layers of {settings.width}, {DATA_NAMES[settings.data]}: "
        "activations, gradients and loss",
        fontsize=13,
    )
    return made


def _profile(ax: Axes, layers: Array, result: Result, name: str, at: tuple[int, int]) -> None:
    colour = _COLOURS[at[1] % len(_COLOURS)]
    start = _geometric_mean(result.arrays[f"init_{name}"][at])
    theory = result.arrays[f"predicted_{name}"][at]
    if name != "x_std":
        theory = theory * start[-1]
    ax.plot(layers, start, color=colour, marker="o", markersize=3.5, linewidth=1.6)
    ax.plot(layers, theory, color="black", linestyle=":", linewidth=1.3, zorder=3)
    ax.plot(layers, result.arrays[f"after_{name}"][at], color=colour, linestyle="--", linewidth=1.2)


def _geometric_mean(draws: Array) -> Array:
    with np.errstate(all="ignore"):  # a dead net's gradients are 0
        return np.asarray(np.exp(np.log(draws).mean(axis=0)))


def _window(updates: int) -> int:
    return max(1, updates // 30)


def _losses(ax: Axes, losses: Array) -> None:
    window = _window(losses.shape[-1])
    for i, curve in enumerate(losses):
        smooth = np.convolve(curve, np.ones(window) / window, mode="valid")
        colour = _COLOURS[i % len(_COLOURS)]
        ax.plot(np.arange(len(smooth)) + window, smooth, color=colour, linewidth=1.4)


def _finish(ax: Axes, title: str, xlabel: str) -> None:
    ax.set_title(title, fontsize=11)
    ax.set_xlabel(xlabel)
    ax.grid(alpha=0.25)
    ax.tick_params(labelsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def tables(settings: Settings, result: Result) -> list[Table]:
    """One net layer by layer, all nets in a row each, and the claims."""
    return [_layers(settings, result), _nets(settings, result), claims_table(result.claims)]


def _layers(settings: Settings, result: Result) -> Table:
    """The net whose gradient vanishes most, layer by layer."""
    factors = np.asarray(result.measurements["factor_per_layer"])
    at = np.unravel_index(int(np.argmin(np.nan_to_num(factors, nan=np.inf))), factors.shape)
    f, scheme = settings.activations[at[0]], settings.inits[at[1]]
    made = table(
        f"{label(f)}, {_SHORT.get(scheme, scheme)} initialisation, at the start",
        ("layer", "std s", "std x", "rms ∂L/∂x", "rms ∂L/∂s", "rms ∂L/∂W"),
    )
    made.add_column("∂L/∂s, log scale", justify="left", min_width=20)
    names = ("s_std", "x_std", "dL_dx", "dL_ds", "dL_dW")
    means = [_geometric_mean(result.arrays[f"init_{q}"][at]) for q in names]
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
            number(float(_geometric_mean(v[:, 0] / v[:, -1])))
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
            _SHORT.get(scheme, scheme),
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
