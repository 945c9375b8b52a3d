"""How every figure looks: its size, fonts, colours, names, axes, labels and legend.

    figure, [ax] = drawing("sigmoid: ∂L/∂s falls to 2·10⁻⁸", "10 layers of 256", height=3.4)
    ax.plot(x, y, color=COLOURS[0])
    finish(ax, "hidden layer", "rms ∂L/∂s")

A figure is 8 inches wide: 800 pixels at 100 dots an inch, as wide as a column of a README. No text
in it is smaller than 11 pixels at that width. Its title is a sentence that states its one message.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.figures.words import quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe & Ito's colours, which colour-blind eyes tell apart.
BLUE, VERMILION, GREEN, PINK = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
ORANGE, SKY, BLACK = "#e69f00", "#56b4e9", "#000000"
COLOURS = (BLUE, VERMILION, GREEN, PINK, ORANGE, SKY, BLACK)
LINE = "#595959"
"""Of lines that data are compared with, and of the text below the title."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
THEORY: dict[str, Any] = {"color": BLACK, "linestyle": ":", "linewidth": 1.4, "zorder": 3}
"""How a prediction is drawn."""

WIDTH = 8.0  # inches
TITLE, LABEL, SMALL = 12.5, 10.0, 9.0
"""Sizes of the fonts in points; a point is 1.39 pixels at 100 dots an inch."""
_LEADING = 1.35  # from one line to the next, in units of the font's size
_EDGE = 0.09  # inches beside the title

DATA_NAMES = {"shapeset": "Shapeset", "mnist": "MNIST", "cifar10": "CIFAR-10"}
"""Data sets as figures and tables call them."""
INIT_NAMES = {
    "standard": "standard",
    "xavier_uniform": "Xavier",
    "kaiming_normal": "Kaiming",
    "xavier_normal": "Xavier N",
    "kaiming_uniform": "Kaiming U",
    "lecun_normal": "LeCun N",
    "lecun_uniform": "LeCun U",
}
"""Schemes of initialisation as figures and tables call them."""


def init_name(scheme: str) -> str:
    return INIT_NAMES.get(scheme, scheme)


def drawing(
    title: str, about: str, height: float, rows: int = 1, columns: int = 1, **panels: Any
) -> tuple[Figure, list[Axes]]:
    """A figure with its title, a line on what is drawn below the title, and its panels.

    Args:
        title: the message, a sentence; also the figure's label, which `save_result` keeps.
        about: what was run and how it is drawn.
        height: of the panels, in inches; the title's lines come on top.
        panels: what `Figure.subplots` takes, for example `sharey=True`.
    """
    from matplotlib.figure import Figure

    lines, details = _wrapped(title, TITLE, "bold"), _wrapped(about, LABEL)
    points = [TITLE] * len(lines) + [LABEL] * len(details)
    header = _LEADING * sum(points) / 72 + 0.16
    figure = Figure(figsize=(WIDTH, height + header), layout="constrained")
    figure.set_label(title)
    engine: Any = figure.get_layout_engine()
    engine.set(rect=(0, 0, 1, height / (height + header)))
    top = height + header - 0.06
    for line, size in zip(lines + details, points, strict=True):
        weight, colour = ("bold", BLACK) if size == TITLE else ("normal", LINE)
        figure.text(
            _EDGE / WIDTH, top / (height + header), line,
            va="top", ha="left", fontsize=size, fontweight=weight, color=colour,
        )  # fmt: skip
        top -= _LEADING * size / 72
    axes = figure.subplots(rows, columns, squeeze=False, **panels) if rows else np.empty((0, 0))
    return figure, list(axes.flat)


def finish(ax: Axes, xlabel: str, ylabel: str = "", title: str = "") -> None:
    """Labels, a faint grid behind the data, and no frame at the top and on the right."""
    ax.set_xlabel(xlabel, fontsize=LABEL)
    ax.set_ylabel(ylabel, fontsize=LABEL)
    if title:
        ax.set_title(title, fontsize=LABEL, fontweight="bold", loc="left")
    ax.grid(alpha=0.25)
    ax.set_axisbelow(True)
    ax.tick_params(which="both", labelsize=SMALL)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)


def limits(values: Iterable[Any], log: bool = False) -> tuple[float, float]:
    """Ends of an axis for all of these values: their 1st and 99th percentile, and a margin.

    Where the least or the largest value lies no farther from its percentile than a quarter of what
    lies between the two, the axis reaches to that value. So an outlier is cut off, and the end of a
    line is not. On a logarithmic axis only positive values count.
    """
    found = np.concatenate([np.ravel(np.asarray(value, np.float64)) for value in values])
    found = found[np.isfinite(found) & ((found > 0) | (not log))]
    if not found.size:
        return (0.1, 10.0) if log else (0.0, 1.0)
    found = np.log10(found) if log else found
    low, high = np.percentile(found, (1, 99))
    near = 0.25 * (high - low)
    low = max(low - near, found.min())
    high = min(high + near, found.max())
    margin = 0.05 * (high - low) or (0.15 if log else 0.05 * abs(high) or 1.0)
    ends = (float(low - margin), float(high + margin))
    return (10 ** ends[0], 10 ** ends[1]) if log else ends


def log_axis(axis: Axis, ends: tuple[float, float]) -> None:
    """A logarithmic axis between these ends, with ticks in digits or in powers of ten."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axis.axes.set(**{f"{axis.axis_name}scale": "log", f"{axis.axis_name}lim": ends})  # type: ignore[attr-defined]
    decades = math.log10(ends[1] / ends[0])
    digits = (1, 1.5, 2, 3, 5, 7) if decades < 0.8 else (1, 2, 5) if decades < 2.2 else (1,)
    step = max(1, math.ceil(decades / 7))
    powers = range(math.floor(math.log10(ends[0])), math.ceil(math.log10(ends[1])) + 1)
    ticks = [d * 10.0**p for p in powers if p % step == 0 for d in digits]
    ticks = [tick for tick in ticks if ends[0] <= tick <= ends[1]]
    if len(ticks) < 2:  # less than a step between two digits
        ticks = list(np.geomspace(*ends, 4))
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: quantity(value)))


def whole_numbers(axis: Axis, most: int = 10) -> None:
    """Ticks at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True, nbins=most))


def thousands(axis: Axis) -> None:
    """Ticks as "5k" where they are thousands."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=6))
    axis.set_major_formatter(
        FuncFormatter(lambda v, _: f"{v / 1000:g}k" if abs(v) >= 1000 else f"{v:g}")
    )


def layer_colours(n: int) -> npt.NDArray[np.float64]:
    """Layers are in an order, and so are their colours: dark below, light above."""
    from matplotlib import colormaps

    return np.asarray(colormaps["viridis"](np.linspace(0.0, 0.85, n)))


def ink(colour: Any) -> tuple[float, float, float]:
    """A colour for text about what is drawn in that colour: darker, so that it is legible."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(colour)
    return 0.72 * red, 0.72 * green, 0.72 * blue


def end_labels(ax: Axes, labels: Sequence[tuple[float, str, Any]]) -> None:
    """(y, text, colour) of lines that end on the right: each text beside its end, none on another.

    To be called when the axis' limits and the other panels are as they will be.
    """
    figure: Any = ax.get_figure(root=True)
    known = [label for label in labels if np.isfinite(label[0])]
    if not known:
        return
    figure.draw_without_rendering()  # the layout decides how high the panel is
    gap = 1.2 * SMALL / 72 * figure.dpi / ax.get_window_extent().height
    to_axes = ax.transData + ax.transAxes.inverted()
    ends = [float(np.clip(to_axes.transform((1, y))[1], 0, 1)) for y, *_ in known]
    for end, at, (_, text, colour) in zip(ends, _spread(ends, gap), known, strict=True):
        ax.plot(
            [1.005, 1.025], [end, at], transform=ax.transAxes, clip_on=False, color=ink(colour),
            linewidth=0.8, label="_",
        )  # fmt: skip
        ax.text(
            1.03, at, text, transform=ax.transAxes, va="center", fontsize=SMALL, color=ink(colour)
        )


def _spread(places: Sequence[float], gap: float) -> list[float]:
    """The places, moved as little as needed to be `gap` apart, in the same order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    # Without the gaps, places must not fall: neighbours that do are moved to their mean.
    blocks: list[list[float]] = []
    for rank, i in enumerate(order):
        blocks.append([places[i] - rank * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) >= np.mean(blocks[-1]):
            last = blocks.pop()
            blocks[-1] += last
    flat = [float(np.mean(block)) for block in blocks for _ in block]
    moved = dict(zip(order, (at + rank * gap for rank, at in enumerate(flat)), strict=True))
    return [moved[i] for i in range(len(places))]


def legend(figure: Figure, handles: Sequence[Any]) -> None:
    """One legend below all panels, in as many columns as fit."""
    widths = [_text_width(str(handle.get_label()), LABEL) + 0.55 for handle in handles]
    columns = next(
        n
        for n in range(len(handles), 0, -1)
        if n == 1 or sum(max(widths[i::n]) for i in range(n)) < WIDTH - 0.3
    )
    figure.legend(
        handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=LABEL,
        handlelength=1.8, columnspacing=1.4,
    )  # fmt: skip


def _text_width(text: str, points: float, weight: str = "normal") -> float:
    """In inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=points, weight=weight)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]) / 72


def _wrapped(text: str, points: float, weight: str = "normal") -> list[str]:
    """Its lines, none wider than the figure."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else ""
        if longer and _text_width(longer, points, weight) <= WIDTH - 2.5 * _EDGE:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines
