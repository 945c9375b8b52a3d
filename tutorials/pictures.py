"""`show`: a figure that was made without pyplot, in a window or in a notebook."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def show(figure: Figure) -> None:
    """Show a finished figure the way `plt.show()` shows pyplot's own.

    A figure that pyplot does not know belongs to whoever asked for it. pyplot alone opens windows,
    and without it a notebook may show no more of a figure than its name. (In a program that has
    imported pyplot, it knows those of `t.plot()`; in a notebook it does not.)
    """
    if figure.canvas.manager is None:
        # pyplot adopts a figure only through one that it has made itself.
        manager = plt.figure(figsize=figure.get_size_inches(), dpi=figure.dpi).canvas.manager
        if manager is None:
            raise RuntimeError("pyplot made a figure without a manager; choose another backend")
        manager.canvas.figure = figure
        figure.set_canvas(manager.canvas)
    plt.show()
