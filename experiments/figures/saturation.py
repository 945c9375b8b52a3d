"""The figures of `saturation`; its tables are in `saturation_tables`.

Where lines over the updates are drawn, the first net of a kind is shown: the others escape at other
times, and a mean over nets would show none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.saturation_tables import tables
from experiments.figures.style import (
    COLOURS,
    DATA_NAMES,
    LINE,
    drawing,
    end_labels,
    finish,
    layer_colours,
    legend,
    limits,
    thousands,
)
from experiments.figures.words import listed, percent, quantity
from experiments.lab.question import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from experiments.questions.saturation import Settings
    from experiments.questions.saturation_kinds import Kind

__all__ = ["figures", "tables"]

Array = npt.NDArray[np.float64]

_MEAN_OF = 4  # hidden layers of the sigmoid net of the first figure, as in the paper's figure 2
_LEFT = 0.1  # nats below the entropy of the classes: a net has left the plateau
_AT_THE_END = 0.95  # |x| beyond which a unit of tanh or softsign counts as saturated
_MOST_LAYERS = 8  # named in a legend; of deeper nets the first and the last


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """The top layer of a sigmoid net, losses, tanh against softsign twice, and the errors.

    Without sigmoid nets the percentiles of the others are the first figure.
    """
    sigmoids = [kind for kind in settings.kinds() if kind.activation == "sigmoid"]
    others = [kind for kind in settings.kinds() if kind.activation != "sigmoid"]
    percentiles = _percentiles(settings, result, others)
    made = {"figure": percentiles}
    if sigmoids:
        made = {
            "figure": _means(settings, result, sigmoids),
            "loss": _losses(settings, result, sigmoids),
            "percentiles": percentiles,
        }
    made["histograms"] = _histograms(settings, result, others)
    made["errors"] = _errors(settings, result)
    return made


def _set_up(settings: Settings) -> str:
    return f"Layers of {settings.width} units, {DATA_NAMES[settings.data]}"


_N = "N: normalized (Xavier's) initialisation"


def _of(result: Result, kind: Kind, name: str) -> Array:
    return np.asarray(result.arrays[f"{kind.key}_{name}"], np.float64)


def _means(settings: Settings, result: Result, sigmoids: Sequence[Kind]) -> Figure:
    """The mean activation of each layer along training, of one net."""
    plain = [kind for kind in sigmoids if not (kind.normalized or kind.frozen)]
    kind = min(plain, key=lambda kind: abs(kind.depth - _MEAN_OF))
    updates, means = _of(result, kind, "updates")[0], _of(result, kind, "mean")[0]
    top = means[:, -1]
    lowest = int(np.nanargmin(top)) if np.isfinite(top).any() else 0
    later = "" if lowest == len(top) - 1 else f", and ends at {quantity(top[-1])}"
    figure, [ax] = drawing(
        f"{kind.title}: the top layer's mean activation goes from {quantity(top[0])} to "
        f"{quantity(top[lowest])} at update {int(updates[lowest]):,}{later}",
        f"{_set_up(settings)}; mean of x over units and test examples, first net",
        height=3.6,
    )
    colours = layer_colours(kind.depth)
    labels = []
    for layer in range(kind.depth):
        ax.plot(updates, means[:, layer], color=colours[layer], linewidth=2)
        name = f"layer {layer + 1}" + (", top" if layer == kind.depth - 1 else "")
        labels.append((float(means[-1, layer]), name, colours[layer][:3]))
    ax.set_ylim(limits([means]))
    thousands(ax.xaxis)
    finish(ax, "update", "mean of x")
    shown = labels if kind.depth <= _MOST_LAYERS else [labels[0], labels[-1]]
    end_labels(ax, shown)
    return figure


def _left_at(loss: Array, updates: Array, entropy: float) -> float | None:
    """The first update from which on the loss stays clearly below that of a constant guess."""
    above = np.flatnonzero(~(loss < entropy - _LEFT))
    first = int(above[-1]) + 1 if above.size else 0
    return float(updates[first]) if first < len(loss) else None


def _losses(settings: Settings, result: Result, sigmoids: Sequence[Kind]) -> Figure:
    """The sigmoid nets' losses; each point is a mean over the updates around it."""
    entropy = float(result.measurements["entropy_of_classes"])
    parts: list[str] = []
    for kind in sigmoids:
        if kind.normalized or kind.frozen:
            continue
        updates = _of(result, kind, "updates")[0]
        left = _left_at(_of(result, kind, "loss")[0], updates, entropy)
        span = f"all {int(updates[-1]):,}" if left is None else f"{int(left):,}"
        parts.append(f"{kind.depth} layers for {span}{'' if parts else ' updates'}")
    figure, [ax] = drawing(
        f"Sigmoid nets stay on the plateau: {listed(parts)}",
        f"{_set_up(settings)}; loss of the first net. {_N}; b=0: output biases frozen at 0. "
        "Dotted: the loss of a constant guess, the entropy of the classes",
        height=3.6,
    )
    ax.axhline(entropy, color=LINE, linestyle=":", linewidth=1.6)
    handles, shown = [], []
    for kind, colour in zip(sigmoids, COLOURS * len(sigmoids), strict=False):
        updates, loss = _of(result, kind, "updates")[0], _of(result, kind, "loss")[0]
        handles += ax.plot(updates, loss, color=colour, linewidth=2, label=kind.title)
        shown.append(loss)
    ax.set_ylim(limits([*shown, [entropy]]))
    thousands(ax.xaxis)
    finish(ax, "update", "loss, nats")
    legend(figure, handles)
    return figure


def _percentiles(settings: Settings, result: Result, kinds: Sequence[Kind]) -> Figure:
    """How near the ends of f a layer's activations are, along training; a panel for each kind."""
    figure, axes = _panels(
        settings,
        kinds,
        _beyond_message(result, kinds),
        "98th percentile of x by layer, first net",
    )
    colours = layer_colours(settings.depth)
    for i, (ax, kind) in enumerate(zip(axes, kinds, strict=True)):
        updates, p98 = _of(result, kind, "updates")[0], _of(result, kind, "p98")[0]
        for layer in range(kind.depth):
            ax.plot(updates, p98[:, layer], color=colours[layer], linewidth=1.8)
        ax.set_ylim(limits([_of(result, kind, "p98")[0] for kind in kinds]))
        thousands(ax.xaxis)
        finish(ax, "update" if i > 1 else "", "98th percentile" if i % 2 == 0 else "", kind.title)
    _layer_legend(figure, colours)
    return figure


def _panels(
    settings: Settings, kinds: Sequence[Kind], title: str, about: str
) -> tuple[Figure, list[Axes]]:
    rows = -(-len(kinds) // 2)
    return drawing(
        title, f"{_set_up(settings)}; {about}. {_N}", 2.1 * rows + 0.6, rows, 2, sharex=True
    )


def _beyond_message(result: Result, kinds: Sequence[Kind]) -> str:
    """The lowest and the highest layer of tanh and of softsign, where they end."""
    parts = []
    for kind in kinds:
        ends = _of(result, kind, "p98")[0][-1]
        parts.append((float(np.max(ends)), kind))
    most, least = max(parts, key=lambda p: p[0]), min(parts, key=lambda p: p[0])
    return (
        f"{most[1].title}: the activations' 98th percentile reaches {quantity(most[0])} in a layer;"
        f" {least[1].title}: no layer's ends above {quantity(least[0])}"
    )


def _histograms(settings: Settings, result: Result, kinds: Sequence[Kind]) -> Figure:
    """The densities of x at the end, over all nets of a kind."""
    shares = {kind: _of(result, kind, "histogram").mean(axis=0) for kind in kinds}
    saturated = {kind: _saturated(kind, shares[kind][0]) for kind in kinds}
    most, least = (pick(kinds, key=lambda kind: saturated[kind]) for pick in (max, min))
    figure, axes = _panels(
        settings,
        kinds,
        f"At the end {percent(saturated[most])} of layer 1 lie beyond ±{_AT_THE_END} in "
        f"{most.title}, {percent(saturated[least])} in {least.title}",
        f"density of x by layer, all {settings.seeds} nets",
    )
    colours = layer_colours(settings.depth)
    for i, (ax, kind) in enumerate(zip(axes, kinds, strict=True)):
        edges = np.linspace(*kind.range, shares[kind].shape[1] + 1)
        density = shares[kind] / np.diff(edges)
        for layer, row in enumerate(density):
            ax.stairs(row, edges, color=colours[layer], linewidth=1.6, baseline=None)
        ax.set_xlim(*kind.range)
        ax.set_ylim(0, max(limits([density])[1], 1e-9))
        finish(ax, "activation x" if i > 1 else "", "density" if i % 2 == 0 else "", kind.title)
    _layer_legend(figure, colours)
    return figure


def _saturated(kind: Kind, shares: Array) -> float:
    """The share of activations in the bins beyond ±.95."""
    edges = np.linspace(*kind.range, len(shares) + 1)
    middle = (edges[1:] + edges[:-1]) / 2
    return float(shares[np.abs(middle) > _AT_THE_END].sum())


def _errors(settings: Settings, result: Result) -> Figure:
    kinds = settings.kinds()
    errors = [100 * _of(result, kind, "error") for kind in kinds]
    means = [float(each.mean()) for each in errors]
    best, worst = int(np.argmin(means)), int(np.argmax(means))
    figure, [ax] = drawing(
        f"{kinds[best].title} ends with the lowest test error, {quantity(means[best])} %; "
        f"{kinds[worst].title} with {quantity(means[worst])} %",
        f"{_set_up(settings)}; {settings.seeds} nets of each kind. {_N}; b=0: output biases "
        "frozen at 0. Sigmoid nets and the others take different numbers of updates",
        height=0.32 * len(kinds) + 0.7,
    )
    colours = dict(zip(dict.fromkeys(kind.activation for kind in kinds), COLOURS, strict=False))
    for i, (kind, each) in enumerate(zip(kinds, errors, strict=True)):
        colour = colours[kind.activation]
        ax.plot(each, np.full(len(each), i), "o", color=colour, markersize=7, alpha=0.75)
    ax.set_yticks(range(len(kinds)), [kind.title for kind in kinds])
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    ax.set_xlim(limits(errors))
    finish(ax, "test error, per cent")
    return figure


def _layer_legend(figure: Figure, colours: Any) -> None:
    from matplotlib.lines import Line2D

    depth = len(colours)
    shown = range(depth) if depth <= _MOST_LAYERS else (0, depth - 1)
    legend(
        figure,
        [Line2D([], [], color=colours[i], linewidth=3, label=f"layer {i + 1}") for i in shown],
    )
