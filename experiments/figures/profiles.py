"""Lines over the layers of several nets: a size relative to one layer's, and theory's beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.figures.style import THEORY, end_labels, limits, log_axis, whole_numbers
from experiments.figures.words import change

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]

_MOST = 9  # labels beside a panel; of more nets only those with the least and the largest are named


@dataclass(frozen=True)
class Net:
    """One kind of net: its name, a size in each layer as measured and as predicted, and its look.

    The sizes are relative to the layer in which the line starts, and end in its last entry.
    """

    name: str
    measured: Array
    predicted: Array
    colour: str
    marker: str

    def reversed(self) -> Net:
        return replace(self, measured=self.measured[::-1], predicted=self.predicted[::-1])

    @property
    def end(self) -> float:
        return float(self.measured[-1])


def geometric_mean(draws: npt.ArrayLike) -> Array:
    """Over the first axis, the draws."""
    with np.errstate(all="ignore"):  # a dead net's gradients are 0
        return np.asarray(np.exp(np.log(np.asarray(draws, np.float64)).mean(axis=0)))


def most_level(nets: Sequence[Net]) -> Net:
    """The net whose line ends nearest to where it starts."""
    with np.errstate(all="ignore"):
        return min(nets, key=lambda net: abs(np.log(net.end)) if net.end > 0 else np.inf)


def message(nets: Sequence[Net], what: str, of: str) -> str:
    """What becomes of a size in the net that loses most, and in the net that keeps it best."""
    known = [net for net in nets if np.isfinite(net.end)]
    if not known:
        return f"{what[0].upper()}{what[1:]} is 0 or not finite in every net"
    least, level = min(known, key=lambda net: net.end), most_level(known)
    first = f"{least.name}: {what} {change(least.end, of)}"
    return first if level is least else f"{first}; {level.name} {change(level.end, 'it')}"


def draw_nets(ax: Axes, nets: Sequence[Net], layers: Sequence[int]) -> None:
    """A line for each net, labelled at its end; the two that the message names are bold."""
    known = [net for net in nets if np.isfinite(net.end)]
    named = [min(known, key=lambda net: net.end), most_level(known)] if known else []
    for net in nets:
        bold = net in named
        ax.plot(
            layers, net.measured, color=net.colour, marker=net.marker,
            markersize=6 if bold else 3.5, linewidth=2.6 if bold else 1.1,
        )  # fmt: skip
        ax.plot(layers, net.predicted, **THEORY)
    log_axis(ax.yaxis, limits([net.measured for net in nets], log=True))
    if len(layers) > 1 and layers[0] > layers[-1]:
        ax.invert_xaxis()
    whole_numbers(ax.xaxis)
    shown = nets if len(nets) <= _MOST else named
    end_labels(ax, [(net.end, net.name, net.colour) for net in shown])
