"""`show`: a figure that was made without pyplot, in a window or in a notebook."""

from __future__ import annotations

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


def show(figure: Figure) -> None:
    """Show a finished figure, as that of `t.plot()`, the way `plt.show()` shows pyplot's own.

    The engine's figures belong to whoever asked for them and are unknown to pyplot, which alone
    opens windows, and without which a notebook may show no more of a figure than its name.
    """
    # pyplot adopts a figure only through one that it has made itself.
    manager = plt.figure(figsize=figure.get_size_inches(), dpi=figure.dpi).canvas.manager
    if manager is None:
        raise RuntimeError("pyplot made a figure without a manager; choose another backend")
    manager.canvas.figure = figure
    figure.set_canvas(manager.canvas)
    plt.show()
