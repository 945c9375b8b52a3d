"""The figure and the tables of `saturation`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from experiments.figures.panels import DATA_NAMES, finish
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

    from experiments.questions.saturation import Settings
    from experiments.questions.saturation_kinds import Kind

Array = npt.NDArray[Any]
Colour = tuple[float, float, float, float]
Colours = list[Colour]

# Colours that stay apart for colour-blind eyes (Okabe & Ito), grey and brown.
_COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"),
    *("#8c8c8c", "#7a3b10"),
)


def figure(settings: Settings, result: Result) -> Figure:
    """Activations by layer over the updates, as in the paper's figures 2, 3, 10 and 4, and losses.

    Of each kind the first net is shown: others escape at other times, and a mean over nets would
    show none of them. First row: the mean of the sigmoid nets' activations, a band of one standard
    deviation. Second: 98th percentile (dots) and standard deviation (lines) of the other nets'.
    Third: their distribution at the end, over all nets of a kind. Fourth: the loss of the first net
    of each kind, and the test errors of all.
    """
    from matplotlib.figure import Figure

    sigmoids = [kind for kind in settings.kinds() if kind.activation == "sigmoid"]
    others = [kind for kind in settings.kinds() if kind.activation != "sigmoid"]
    # Columns that both rows can be cut into: 20 for five panels above four.
    n_columns = math.lcm(max(1, len(sigmoids)), len(others))
    above_each, below_each = n_columns // max(1, len(sigmoids)), n_columns // len(others)
    rows = 2 + bool(sigmoids)
    made = Figure(figsize=(3.3 * len(others) + 0.5, 2.75 * (rows + 1) + 0.9), layout="constrained")
    above, below = made.subfigures(2, 1, squeeze=False, height_ratios=(rows, 1))[:, 0]
    grid = above.add_gridspec(rows, n_columns)
    deepest = max(kind.depth for kind in settings.kinds())
    colours = [_colour(layer, deepest) for layer in range(deepest)]
    for i, kind in enumerate(sigmoids):
        columns = slice(i * above_each, (i + 1) * above_each)
        _means(above.add_subplot(grid[0, columns]), result, kind, colours, i == 0)
    for i, kind in enumerate(others):
        columns = slice(i * below_each, (i + 1) * below_each)
        _percentiles(above.add_subplot(grid[rows - 2, columns]), result, kind, colours, i == 0)
        _histogram(above.add_subplot(grid[rows - 1, columns]), result, kind, colours, i == 0)
    left, right = below.subplots(1, 2)
    _losses(left, settings, result)
    _errors(right, settings, result)
    _legend(above, colours)
    made.suptitle(
        f"Activations along the training: layers of {settings.width}, {DATA_NAMES[settings.data]} "
        "(N: normalized initialisation; b=0: output biases frozen)",
        fontsize=13,
    )
    return made


def _colour(layer: int, depth: int) -> Colour:
    """Layers are in an order, and so are their colours: dark below, light above."""
    from matplotlib import colormaps

    return colormaps["viridis"](0.92 * layer / max(1, depth - 1))


def _thousands(result: Result, kind: Kind) -> Array:
    return np.asarray(result.arrays[f"{kind.key}_updates"][0], np.float64) / 1000


def _means(ax: Axes, result: Result, kind: Kind, colours: Colours, first: bool) -> None:
    x = _thousands(result, kind)
    means, stds = (np.asarray(result.arrays[f"{kind.key}_{n}"][0]) for n in ("mean", "std"))
    for layer in range(kind.depth):
        colour = colours[layer]
        mean, std = means[:, layer], stds[:, layer]
        ax.fill_between(x, mean - std, mean + std, color=colour, alpha=0.15, linewidth=0)
        ax.plot(x, mean, color=colour, linewidth=1.6)
    ax.set_ylim(-0.05, 1.05)
    if first:
        ax.set_ylabel("mean of $x$ ± std")
    finish(ax, kind.title, "thousand updates")


def _percentiles(ax: Axes, result: Result, kind: Kind, colours: Colours, first: bool) -> None:
    x = _thousands(result, kind)
    p98, stds = (np.asarray(result.arrays[f"{kind.key}_{n}"][0]) for n in ("p98", "std"))
    thin = max(1, len(x) // 40)
    for layer in range(kind.depth):
        colour = colours[layer]
        ax.plot(x, stds[:, layer], color=colour, linewidth=1.4)
        ax.plot(x[::thin], p98[::thin, layer], "o", color=colour, markersize=2.6)
    ax.set_ylim(0, 1.05)
    if first:
        ax.set_ylabel("p98 (dots), std (lines)")
    finish(ax, kind.title, "thousand updates")


def _histogram(ax: Axes, result: Result, kind: Kind, colours: Colours, first: bool) -> None:
    shares = np.asarray(result.arrays[f"{kind.key}_histogram"]).mean(axis=0)
    edges = np.linspace(*kind.range, shares.shape[1] + 1)
    for layer, row in enumerate(shares):
        density = row / np.diff(edges)
        ax.stairs(density, edges, color=colours[layer], linewidth=1.4)
    ax.set_xlim(*kind.range)
    ax.set_ylim(0, None)
    if first:
        ax.set_ylabel("density at the end")
    finish(ax, "", "activation $x$")


def _losses(ax: Axes, settings: Settings, result: Result) -> None:
    """The first net's, each point a mean over the updates around it."""
    for i, kind in enumerate(settings.kinds()):
        colour = _COLOURS[i % len(_COLOURS)]
        style = "-" if i < len(_COLOURS) else "--"
        loss = result.arrays[f"{kind.key}_loss"][0]
        ax.plot(
            _thousands(result, kind), loss, color=colour, linestyle=style, linewidth=1.3,
            label=kind.title,
        )  # fmt: skip
    entropy = float(result.measurements["entropy_of_classes"])
    line = ax.axhline(entropy, color="black", linestyle=":", linewidth=1.3)
    line.set_label("entropy of the classes")
    ax.legend(handles=[line], fontsize=9, frameon=False, loc="best")
    ax.set_ylabel("loss (nats)")
    finish(ax, "loss of the first net, colours as on the right", "thousand updates")


def _errors(ax: Axes, settings: Settings, result: Result) -> None:
    kinds = settings.kinds()
    for i, kind in enumerate(kinds):
        errors = 100 * np.asarray(result.arrays[f"{kind.key}_error"])
        colour = _COLOURS[i % len(_COLOURS)]
        ax.plot(errors, np.full(len(errors), i), "o", color=colour, markersize=5, alpha=0.75)
    ax.set_yticks(range(len(kinds)), [kind.title for kind in kinds])
    ax.set_ylim(len(kinds) - 0.5, -0.5)
    finish(ax, "test error of each net at the end", "per cent")


def _legend(above: SubFigure, colours: Colours) -> None:
    from matplotlib.lines import Line2D

    depth = len(colours)
    handles = [
        Line2D([], [], color=colours[i], linewidth=3, label=f"layer {i + 1}")
        for i in (range(depth) if depth <= 8 else (0, depth - 1))
    ]
    above.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)


def tables(settings: Settings, result: Result) -> list[Table]:
    """The last layers of every kind, and the claims."""
    return [_kinds(settings, result), claims_table(result.claims)]


def _kinds(settings: Settings, result: Result) -> Table:
    made = table(
        "at the end of training",
        ("", "mean of x", "std of x", "p98 of x", "f′ < 5 %", "loss", "error"),
    )
    for kind in settings.kinds():
        found = result.measurements[kind.key]
        layers = [
            "\n".join(number(float(v)) for v in found[f"{name}_at_end"][0])
            for name in ("mean", "std", "p98", "saturated")
        ]
        loss, error = (float(np.mean(found[name])) for name in ("loss_at_end", "test_error"))
        made.add_row(kind.title, *layers, f"{loss:.3f}", f"{100 * error:.1f} %", end_section=True)
    made.caption = (
        "N: normalized initialisation; b=0: output biases frozen; x and f′ of the first net, "
        "layer 1 first, the top layer last; f′ < 5 %: share of the activations at which f′ is "
        "below 5 % of its maximum; loss of the last twentieth of the updates and test error, means "
        f"of {settings.seeds} nets; loss of a constant guess: "
        f"{result.measurements['entropy_of_classes']:.3f}"
    )
    made.caption_justify = "left"
    return made
