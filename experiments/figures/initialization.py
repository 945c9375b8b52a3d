"""The figures of `initialization`; its tables are in `initialization_tables`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.initialization_tables import SHORT, shown_layers, tables
from experiments.figures.profiles import Net, draw_nets, geometric_mean, message
from experiments.figures.style import (
    COLOURS,
    DATA_NAMES,
    LINE,
    MARKERS,
    THEORY,
    drawing,
    end_labels,
    finish,
    layer_colours,
    legend,
    limits,
    log_axis,
    thousands,
)
from experiments.figures.words import activation_name, quantity
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.initialization import Settings

__all__ = ["figures", "tables"]

Array = npt.NDArray[np.float64]

_DEPTH_OF_DENSITY = 1e3  # densities are drawn down to this part of the largest


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """Gradients by layer; distributions as in the paper's figures 6 to 8; Jacobians; training."""
    made = {
        "figure": _gradient(settings, result),
        "activations": _distributions(settings, result, "x", "x_std", "The std of x"),
        "gradients": _distributions(settings, result, "dL_ds", "dL_ds", "The rms of ∂L/∂s"),
        "weight-gradients": _distributions(settings, result, "dL_dW", "dL_dW", "The rms of ∂L/∂W"),
    }
    if settings.jacobians:
        made["jacobians"] = _jacobians(settings, result)
    if settings.updates:
        made["training"] = _training(settings, result)
        made["training-ratio"] = _training_ratio(settings, result)
    return made


def _drawn(settings: Settings) -> str:
    return (
        f"{settings.depth} hidden layers of {settings.width} {activation_name(settings.activation)}"
        f" units, {DATA_NAMES[settings.data]}, at initialisation"
    )


def _trained(settings: Settings) -> str:
    return (
        f"{settings.depth} hidden layers of {settings.train_width} "
        f"{activation_name(settings.activation)} units, {DATA_NAMES[settings.data]}, "
        f"mean of {settings.seeds} nets"
    )


def _gradient(settings: Settings, result: Result) -> Figure:
    nets = []
    for i, short in enumerate(SHORT):
        measured = geometric_mean(result.arrays["init_dL_ds"][i])
        predicted = np.asarray(result.arrays["predicted_dL_ds"][i], np.float64)
        with np.errstate(all="ignore"):  # a dead net has 0/0
            measured, predicted = measured / measured[-1], predicted / predicted[-1]
        nets.append(Net(short, measured, predicted, COLOURS[i], MARKERS[i]).reversed())
    figure, [ax] = drawing(
        message(nets, "∂L/∂s", "the top layer's"),
        f"{_drawn(settings)}, mean of {settings.draws} nets; dotted: theory. "
        "Read from left to right, as backpropagation goes.",
        height=3.4,
    )
    draw_nets(ax, nets, range(settings.depth, 0, -1))
    finish(ax, "hidden layer, from the top down", "rms ∂L/∂s, over the top layer's")
    return figure


def _distributions(settings: Settings, result: Result, name: str, size: str, words: str) -> Figure:
    """A density for each layer, a panel for each initialisation; of x theory's too."""
    layers = shown_layers(settings.depth)
    colours = layer_colours(len(layers))
    symbol = {"x": "x", "dL_ds": "∂L/∂s", "dL_dW": "∂L/∂W"}[name]
    figure, axes = drawing(
        _sizes_message(result, size, words),
        f"{_drawn(settings)}; densities of {symbol} on a logarithmic axis",
        height=3.4,
        columns=2,
    )
    edges = np.asarray(result.arrays[f"edges_{name}"], np.float64)
    density = np.asarray(result.arrays[f"distribution_{name}"], np.float64)
    predicted = result.arrays.get(f"distribution_{name}_predicted")
    for i, ax in enumerate(axes):
        middle = (edges[i, 1:] + edges[i, :-1]) / 2
        for layer, colour in zip(layers, colours, strict=True):
            ax.plot(middle, _positive(density[i, layer]), color=colour, linewidth=1.8)
            if predicted is not None:
                ax.plot(middle, _positive(predicted[i, layer]), **THEORY)
        largest = float(density[i].max()) or 1.0
        log_axis(ax.yaxis, (largest / _DEPTH_OF_DENSITY, largest * 2))
        reach = _reach(middle, density[i, layers])
        ax.set_xlim(-reach, reach)
        finish(ax, symbol, "density" if i == 0 else "", SHORT[i])
        _few_ticks(ax, reach)
    legend(figure, _layer_handles(layers, colours, theory=predicted is not None))
    return figure


def _reach(middle: Array, density: Array) -> float:
    """From the 1st to the 99th percentile of the widest layer, and half as far again for tails."""
    ends = [0.0]
    for one in density:
        share = np.cumsum(one) / (one.sum() or 1.0)
        inside = middle[(share > 0.01) & (share < 0.99)]
        ends += [float(abs(inside).max())] if inside.size else []
    return min(1.5 * max(ends), float(abs(middle).max())) or 1.0


def _few_ticks(ax: Axes, reach: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter

    step = float(f"{reach / 2.2:.0e}")
    ax.xaxis.set_major_locator(FixedLocator([step * k for k in (-2, -1, 0, 1, 2)]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))


def _sizes_message(result: Result, name: str, words: str) -> str:
    folds = [_fold(geometric_mean(sizes)) for sizes in result.arrays[f"init_{name}"]]
    return (
        f"{words} differs {folds[0]} from layer to layer under {SHORT[0]} initialisation, "
        f"{folds[1]} under {SHORT[1]}'s"
    )


def _fold(sizes: Array) -> str:
    """The largest over the smallest: "by a factor of 10"."""
    with np.errstate(all="ignore"):  # a dead net has 0/0
        return f"by a factor of {quantity(float(sizes.max() / sizes.min()), 3)}"


def _positive(values: Any) -> Array:
    found = np.asarray(values, np.float64)
    return np.where(found > 0, found, np.nan)


def _layer_handles(layers: Any, colours: Array, theory: bool) -> list[Any]:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linewidth=2.5, label=f"layer {layer + 1}")
        for layer, colour in zip(layers, colours, strict=True)
    ]
    return [*handles, Line2D([], [], **THEORY, label="theory")] if theory else handles


def _jacobians(settings: Settings, result: Result) -> Figure:
    from matplotlib.lines import Line2D

    sigma = np.asarray(result.arrays["sigma"], np.float64)
    singular = np.asarray(result.arrays["singular_J"], np.float64)
    means = singular.mean(axis=(1, 2, 3))
    figure, axes = drawing(
        f"The mean singular value of a layer's Jacobian is {quantity(means[0])} under "
        f"{SHORT[0]} initialisation and {quantity(means[1])} under {SHORT[1]}'s",
        f"{_drawn(settings)}; the singular values of ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾ from layer 2 on",
        height=3.4,
        columns=2,
        sharex=True,
    )
    layers = [layer for layer in shown_layers(settings.depth) if layer > 0]  # 1 is not square
    colours = layer_colours(len(layers))
    edges = np.linspace(0, sigma[-1], 40)
    for i, ax in enumerate(axes):
        for layer, colour in zip(layers, colours, strict=True):
            values = singular[i, :, layer - 1].reshape(-1)
            counts, _ = np.histogram(values, edges)
            ax.stairs(
                counts / (values.size * np.diff(edges)), edges, baseline=None, color=colour,
                linewidth=1.6,
            )  # fmt: skip
            ax.plot(sigma, result.arrays["singular_J_density"][i, layer - 1], **THEORY)
        circle = _positive(result.arrays["quarter_circle"][i])
        ax.plot(sigma, circle, "--", color=LINE, linewidth=1.4)
        shown = np.asarray(result.arrays["singular_J_density"][i], np.float64)
        ax.set_ylim(0, 1.15 * max(limits([shown, circle])[1], 1e-9))
        ax.set_xlim(0, limits([singular])[1])
        finish(ax, "singular value", "density" if i == 0 else "", SHORT[i])
    handles = _layer_handles(layers, colours, theory=True)
    dashed = Line2D([], [], color=LINE, linestyle="--", label="W alone")
    legend(figure, [*handles, dashed])
    return figure


def _ratios(result: Result, name: str) -> Array:
    """The first hidden layer over the last, along training: (inits, records)."""
    values = np.asarray(result.arrays[f"training_{name}"], np.float64)
    with np.errstate(all="ignore"):  # a net that diverged has no gradient
        ratio = values[..., 0] / values[..., -1]
    return np.stack([geometric_mean(each) for each in ratio])


def _training(settings: Settings, result: Result) -> Figure:
    layers = shown_layers(settings.depth)
    colours = layer_colours(len(layers))
    updates = np.asarray(result.arrays["training_updates"], np.float64)
    curves = [geometric_mean(one) for one in result.arrays["training_dL_dW"]]
    folds = [_fold(curve[-1]) for curve in curves]
    figure, axes = drawing(
        f"After {int(updates[-1]):,} updates ∂L/∂W differs {folds[0]} from layer "
        f"to layer under {SHORT[0]} initialisation, {folds[1]} under {SHORT[1]}'s",
        f"{_trained(settings)}; std of ∂L/∂W",
        height=3.2,
        columns=2,
        sharey=True,
    )
    for i, ax in enumerate(axes):
        for layer, colour in zip(layers, colours, strict=True):
            ax.plot(updates, curves[i][:, layer], color=colour, linewidth=1.8)
        thousands(ax.xaxis)
        finish(ax, "update", "std of ∂L/∂W" if i == 0 else "", SHORT[i])
    log_axis(axes[0].yaxis, limits(curves, log=True))
    legend(figure, _layer_handles(layers, colours, theory=False))
    return figure


def _training_ratio(settings: Settings, result: Result) -> Figure:
    """Does the gradient that vanished grow in training until it is largest below?"""
    updates = np.asarray(result.arrays["training_updates"], np.float64)
    ratios = {name: _ratios(result, name) for name in ("dL_ds", "dL_dW")}
    start, end = (float(ratios["dL_ds"][0, at]) for at in (0, -1))
    figure, [ax] = drawing(
        f"{SHORT[0]}: ∂L/∂s of layer 1 goes from {quantity(start)} of the top layer's at the start "
        f"to {quantity(end)} in {int(updates[-1]):,} updates",
        f"{_trained(settings)}; solid: ∂L/∂W, dashed: ∂L/∂s",
        height=3.4,
    )
    labels = []
    for name, style in (("dL_dW", "-"), ("dL_ds", "--")):
        for i, short in enumerate(SHORT):
            curve = ratios[name][i]
            ax.plot(updates, curve, style, color=COLOURS[i], linewidth=2)
            labels.append((float(curve[-1]), f"{short}, ∂L/∂{name[-1]}", COLOURS[i]))
    ax.axhline(1, color=LINE, linewidth=1)
    log_axis(ax.yaxis, limits([*ratios.values(), [1.0]], log=True))
    thousands(ax.xaxis)
    finish(ax, "update", "layer 1 over the top layer")
    end_labels(ax, labels)
    return figure
