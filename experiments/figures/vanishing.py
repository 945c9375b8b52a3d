"""The figures of `vanishing`; its tables are in `vanishing_tables`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.figures.profiles import Net, draw_nets, geometric_mean, message, most_level
from experiments.figures.style import (
    COLOURS,
    DATA_NAMES,
    MARKERS,
    THEORY,
    drawing,
    end_labels,
    finish,
    init_name,
    legend,
    limits,
    log_axis,
    whole_numbers,
)
from experiments.figures.vanishing_tables import tables
from experiments.figures.words import activation_name, change, is_level, percent, quantity
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.questions.vanishing import Settings

__all__ = ["figures", "tables"]

Array = npt.NDArray[np.float64]


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """The gradient by layer, the activations, what hides in ∂L/∂W, and the loss in training."""
    made: dict[str, Callable[[Settings, Result], Figure]] = {
        "figure": _gradient,
        "activations": _activations,
        "weight-gradients": _weight_gradients,
    }
    if settings.updates:
        made["loss"] = _loss
    return {name: draw(settings, result) for name, draw in made.items()}


def _nets(settings: Settings, result: Result, quantity: str, base: int) -> list[Net]:
    """Every kind of net: a size in each layer over that in layer `base`, as drawn and predicted."""
    nets = []
    for a, i, f, scheme in settings.kinds():
        measured = geometric_mean(result.arrays[f"init_{quantity}"][a, i])
        predicted = np.asarray(result.arrays[f"predicted_{quantity}"][a, i], np.float64)
        with np.errstate(all="ignore"):  # a dead net has 0/0
            measured, predicted = measured / measured[base], predicted / predicted[base]
        nets.append(
            Net(
                f"{activation_name(f)} ({init_name(scheme)})",
                measured,
                predicted,
                COLOURS[a % len(COLOURS)],
                MARKERS[i % len(MARKERS)],
            )
        )
    return nets


def _set_up(settings: Settings) -> str:
    return (
        f"{settings.depth} hidden layers of {settings.width} units, {DATA_NAMES[settings.data]}, "
        f"at initialisation, mean of {settings.draws} nets"
    )


def _gradient(settings: Settings, result: Result) -> Figure:
    """∂L/∂s over the top layer's, going back: the way that the gradient takes."""
    nets = [net.reversed() for net in _nets(settings, result, "dL_ds", -1)]
    figure, [ax] = drawing(
        message(nets, "∂L/∂s", "the top layer's"),
        f"{_set_up(settings)}; dotted: theory. Read from left to right, as backpropagation goes.",
        height=3.9,
    )
    draw_nets(ax, nets, range(settings.depth, 0, -1))
    finish(ax, "hidden layer, from the top down", "rms ∂L/∂s, over the top layer's")
    return figure


def _activations(settings: Settings, result: Result) -> Figure:
    nets = _nets(settings, result, "x_std", 0)
    figure, [ax] = drawing(
        message(nets, "the activations' std", "layer 1's"),
        f"{_set_up(settings)}; dotted: theory",
        height=3.9,
    )
    draw_nets(ax, nets, range(1, settings.depth + 1))
    finish(ax, "hidden layer", "std of x, over layer 1's")
    return figure


def _weight_gradients(settings: Settings, result: Result) -> Figure:
    """The net in which ∂L/∂W tells least about ∂L/∂s: where the one is level and the other not.

    Among the nets whose ∂L/∂s is not level, if there are any, it is the one with the most level
    ∂L/∂W.
    """
    by_quantity = {
        name: _nets(settings, result, name, base)
        for name, base in (("x_std", 0), ("dL_ds", -1), ("dL_dW", -1))
    }
    nets = list(zip(*by_quantity.values(), strict=True))
    vanishing = [net for net in nets if not is_level(float(net[1].measured[0]))] or nets
    level = most_level([W.reversed() for *_, W in vanishing])
    x, s, W = next(net for net in vanishing if net[2].name == level.name)
    figure, [ax] = drawing(
        f"{W.name}: ∂L/∂W in layer 1 {change(W.measured[0], 'its size at the top')}, "
        f"while ∂L/∂s {change(s.measured[0], 'its size there')}",
        f"{_set_up(settings)}; dotted: theory. ∂L/∂W is made of x from below and ∂L/∂s from above.",
        height=3.5,
    )
    labels = []
    layers = np.arange(1, settings.depth + 1)
    lines = ((x, "std of x"), (s, "rms ∂L/∂s"), (W, "rms ∂L/∂W"))
    for (net, name), colour, marker in zip(lines, COLOURS, MARKERS, strict=False):
        ax.plot(layers, net.measured, color=colour, marker=marker, markersize=5, linewidth=2)
        ax.plot(layers, net.predicted, **THEORY)
        labels.append((float(net.measured[-1]), name, colour))
    log_axis(ax.yaxis, limits([net.measured for net, _ in lines], log=True))
    whole_numbers(ax.xaxis)
    finish(ax, "hidden layer", "over layer 1's (x), the top layer's (gradients)")
    end_labels(ax, labels)
    return figure


def _loss(settings: Settings, result: Result) -> Figure:
    """The loss along the training, a panel for each activation, all on one scale."""
    from matplotlib.lines import Line2D

    window = min(settings.updates, max(5, settings.updates // 20))
    kernel = np.ones(window) / window
    losses = np.asarray(result.arrays["losses"], np.float64)
    smooth = np.apply_along_axis(lambda one: np.convolve(one, kernel, mode="valid"), -1, losses)
    n = len(settings.activations)
    columns = min(n, 4)
    rows = -(-n // columns)
    figure, axes = drawing(
        _loss_message(settings, result),
        f"{settings.depth} hidden layers of {settings.width} units, {DATA_NAMES[settings.data]}, "
        f"SGD with lr {settings.lr:g}; each point is the mean of {window} updates",
        height=2.6 * rows,
        rows=rows,
        columns=columns,
        sharey=True,
        sharex=True,
    )
    updates = np.arange(smooth.shape[-1]) + window
    for a, f in enumerate(settings.activations):
        for i in range(len(settings.inits)):
            axes[a].plot(updates, smooth[a, i], color=COLOURS[i % len(COLOURS)], linewidth=1.8)
        finish(axes[a], "update", "loss" if a % columns == 0 else "", activation_name(f))
        axes[a].set_ylim(limits([smooth]))
        whole_numbers(axes[a].xaxis, 4)
    for ax in axes[n:]:
        ax.set_axis_off()
    legend(
        figure,
        [
            Line2D([], [], color=COLOURS[i % len(COLOURS)], linewidth=2, label=init_name(scheme))
            for i, scheme in enumerate(settings.inits)
        ],
    )
    return figure


def _loss_message(settings: Settings, result: Result) -> str:
    errors = np.asarray(result.measurements["test_error"], np.float64)
    ends = np.asarray(result.measurements["loss_at_end"], np.float64)
    kinds = list(settings.kinds())
    known = [kind for kind in kinds if np.isfinite(ends[kind[0], kind[1]])]
    if not known:
        return f"After {settings.updates:,} updates no net has a finite loss"
    best = min(known, key=lambda kind: ends[kind[0], kind[1]])
    worst = max(known, key=lambda kind: ends[kind[0], kind[1]])

    def said(kind: tuple[int, int, str, str]) -> str:
        *_, f, scheme = kind
        return f"{activation_name(f)} ({init_name(scheme)})"

    def numbers(kind: tuple[int, int, str, str]) -> str:
        a, i, *_ = kind
        return f"{quantity(ends[a, i], 3)} (test error {percent(errors[a, i])})"

    first = f"After {settings.updates:,} updates {said(best)} has the lowest loss, {numbers(best)}"
    return first if len(known) == 1 else f"{first}; {said(worst)} is at {numbers(worst)}"
