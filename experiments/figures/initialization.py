"""The figure of `initialization`; its tables are in `initialization_tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.initialization_tables import SHORT, shown_layers, tables
from experiments.figures.panels import DATA_NAMES, finish
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.initialization import Settings

__all__ = ["figure", "tables"]

Array = npt.NDArray[Any]

_COLOURS = ("#d55e00", "#0072b2")  # of standard and Xavier's, Okabe & Ito
_DISTRIBUTIONS = (
    ("x", "activations $x$", "$x$"),
    ("dL_ds", r"$\partial L/\partial s$", r"$\partial L/\partial s$"),
    ("dL_dW", r"$\partial L/\partial W$", r"$\partial L/\partial W$"),
)
_PROFILES = (
    ("x_std", "std of $x$"),
    ("dL_ds", r"rms of $\partial L/\partial s$"),
    ("dL_dW", r"rms of $\partial L/\partial W$"),
)
_PAPER_SINGULAR = (0.5, 0.8)


def figure(settings: Settings, result: Result) -> Figure:
    """Columns as the paper's figures 6 to 9, with the Jacobians' singular values between.

    Above, standard initialisation; in the middle Xavier's; below, both by layer. Dotted and black:
    theory, which for gradients starts from the measured last layer.
    """
    from matplotlib.figure import Figure

    columns = 3 + bool(settings.jacobians) + bool(settings.updates)
    made = Figure(figsize=(3.3 * columns + 0.6, 8.8), layout="constrained")
    axes = made.subplots(3, columns, squeeze=False)
    layers = shown_layers(settings.depth)
    colours = _layer_colours(len(layers))
    for column, (name, title, label) in enumerate(_DISTRIBUTIONS):
        _distributions(axes[:2, column], result, name, layers, colours)
        _finish_column(axes[:, column], title, label)
        _profile(axes[2, column], settings, result, *_PROFILES[column])
    column = 3
    if settings.jacobians:
        _singular_values(axes[:2, column], result, layers, colours)
        _finish_column(axes[:, column], "singular values of ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾", "singular value")
        _mean_singular_values(axes[2, column], settings, result)
        column += 1
    if settings.updates:
        _training(axes[:2, column], result, layers, colours)
        title = rf"std of $\partial L/\partial W$, {settings.train_width} units"
        _finish_column(axes[:, column], title, "update")
        _ratios(axes[2, column], result)
    for row, short in enumerate(SHORT):
        axes[row, 0].set_ylabel(f"{short}\ndensity", fontsize=11)
    _legend(made, settings, layers, colours)
    made.suptitle(
        f"{settings.depth} hidden layers of {settings.width} {settings.activation} units, "
        f"{DATA_NAMES[settings.data]}: standard initialisation (top), Xavier's (middle), both "
        "(bottom)",
        fontsize=13,
    )
    return made


def _layer_colours(n: int) -> Array:
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis"](np.linspace(0.0, 0.88, n)))


def _finish_column(axes: Array, title: str, xlabel: str) -> None:
    for row, ax in enumerate(axes[:2]):
        finish(ax, title if row == 0 else "", xlabel if row == 1 else "")


def _distributions(axes: Array, result: Result, name: str, layers: Array, colours: Array) -> None:
    from matplotlib.ticker import MaxNLocator

    edges = np.asarray(result.arrays[f"edges_{name}"])
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    density = np.asarray(result.arrays[f"distribution_{name}"])
    predicted = result.arrays.get(f"distribution_{name}_predicted")
    for i, ax in enumerate(axes):
        for layer, colour in zip(layers, colours, strict=True):
            ax.plot(middle[i], _positive(density[i, layer]), color=colour, linewidth=1.4)
            if predicted is not None:
                ax.plot(middle[i], _positive(predicted[i, layer]), ":", color="black", linewidth=1)
        ax.set_yscale("log")
        ax.set_ylim(float(density[i].max()) / 3e3, float(density[i].max()) * 2)
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
        ax.ticklabel_format(axis="x", scilimits=(-2, 3))


def _positive(values: Array) -> Array:
    return np.where(values > 0, values, np.nan)


def _profile(ax: Axes, settings: Settings, result: Result, name: str, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    layers = np.arange(1, settings.depth + 1)
    for i, colour in enumerate(_COLOURS):
        with np.errstate(all="ignore"):  # a dead net's gradients are 0
            start = np.exp(np.log(np.asarray(result.arrays[f"init_{name}"][i])).mean(axis=0))
        theory = np.asarray(result.arrays[f"predicted_{name}"][i])
        theory = theory if name == "x_std" else theory * start[-1]
        ax.plot(layers, start, color=colour, marker="o", markersize=4, linewidth=1.6)
        ax.plot(layers, theory, ":", color="black", linewidth=1.4, zorder=3)
    ax.set_yscale("log")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    finish(ax, title, "hidden layer")
    ax.tick_params(axis="y", which="minor", labelsize=7)


def _singular_values(axes: Array, result: Result, layers: Array, colours: Array) -> None:
    sigma = np.asarray(result.arrays["sigma"])
    edges = np.linspace(0, sigma[-1], 50)
    for i, ax in enumerate(axes):
        for layer, colour in zip(layers, colours, strict=True):
            if layer == 0:  # not square
                continue
            found = np.asarray(result.arrays["singular_J"][i, :, layer - 1]).reshape(-1)
            counts, _ = np.histogram(found, edges)
            ax.stairs(
                counts / (found.size * np.diff(edges)),
                edges,
                baseline=None,
                color=colour,
                linewidth=1.3,
            )
            theory = result.arrays["singular_J_density"][i, layer - 1]
            ax.plot(sigma, theory, ":", color="black", linewidth=1)
        ax.plot(sigma, _positive(result.arrays["quarter_circle"][i]), "--", color="0.45")
        ax.set_ylim(bottom=0)


def _mean_singular_values(ax: Axes, settings: Settings, result: Result) -> None:
    from matplotlib.ticker import MaxNLocator

    layers = np.arange(2, settings.depth + 1)
    for i, colour in enumerate(_COLOURS):
        found = np.asarray(result.arrays["singular_J"][i]).mean(axis=(0, 2))
        theory = np.asarray(result.arrays["singular_J_predicted"][i]).mean(axis=0)
        ax.plot(layers, found, color=colour, marker="o", markersize=4, linewidth=1.6)
        ax.plot(layers, theory, ":", color="black", linewidth=1.4, zorder=3)
        if settings.activation == "tanh":
            ax.axhline(_PAPER_SINGULAR[i], color=colour, linewidth=0.8, alpha=0.6)
    ax.set_ylim(0, 1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    finish(ax, "their mean (thin: the paper's)", "hidden layer")


def _training(axes: Array, result: Result, layers: Array, colours: Array) -> None:
    updates = result.arrays["training_updates"]
    for i, ax in enumerate(axes):
        curves = _geometric_mean(result.arrays["training_dL_dW"][i])
        for layer, colour in zip(layers, colours, strict=True):
            ax.plot(updates, curves[:, layer], color=colour, linewidth=1.4)
        ax.set_yscale("log")
    limits = [ax.get_ylim() for ax in axes]
    for ax in axes:
        ax.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
        _thousands(ax)


def _ratios(ax: Axes, result: Result) -> None:
    """First hidden layer over last, along training."""
    updates = result.arrays["training_updates"]
    for name, style in (("dL_dW", "-"), ("dL_ds", "--")):
        for i, colour in enumerate(_COLOURS):
            values = np.asarray(result.arrays[f"training_{name}"][i])
            with np.errstate(all="ignore"):
                ratio = _geometric_mean(values[..., 0] / values[..., -1])
            ax.plot(updates, ratio, style, color=colour, linewidth=1.6)
    ax.axhline(1, color="0.4", linewidth=0.8)
    ax.set_yscale("log")
    _thousands(ax)
    finish(
        ax, r"layer 1 over last: — $\partial L/\partial W$, - - $\partial L/\partial s$", "update"
    )


def _thousands(ax: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(nbins=5))
    ax.xaxis.set_major_formatter(
        FuncFormatter(lambda v, _: f"{v / 1000:g}k" if abs(v) >= 1000 else f"{v:g}")
    )


def _geometric_mean(values: Array) -> Array:
    with np.errstate(all="ignore"):  # a net that diverged has no gradient
        return np.asarray(np.exp(np.log(np.asarray(values)).mean(axis=0)))


def _legend(made: Figure, settings: Settings, layers: Array, colours: Array) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, label=f"layer {layer + 1}")
        for layer, colour in zip(layers, colours, strict=True)
    ]
    handles += [
        Line2D([], [], color=colour, marker="o", markersize=4, label=short)
        for colour, short in zip(_COLOURS, SHORT, strict=True)
    ]
    handles.append(Line2D([], [], color="black", linestyle=":", label="theory"))
    if settings.jacobians:
        handles.append(Line2D([], [], color="0.45", linestyle="--", label="W alone"))
    made.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
