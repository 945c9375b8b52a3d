"""What the panels of a figure have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DATA_NAMES = {"shapeset": "Shapeset", "mnist": "MNIST", "cifar10": "CIFAR-10"}
"""Data sets as figures and tables call them."""


def finish(ax: Axes, title: str, xlabel: str) -> None:
    """Title, label, a faint grid, and no frame at the top and on the right."""
    ax.set_title(title, fontsize=11)
    ax.set_xlabel(xlabel)
    ax.grid(alpha=0.25)
    ax.tick_params(labelsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
