"""`new_figure`: a figure that pyplot knows, where a program has imported pyplot.

matplotlib's pyplot keeps a list of figures, which `plt.show()` shows. A figure that is not in it is
never seen by a program that calls `plt.show()`; one that is in it stays in memory until
`plt.close()`. Nothing here imports pyplot or shows a figure.
"""

from __future__ import annotations

import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ours: list[weakref.ref[Figure]] = []  # figures in pyplot's list, the earliest first


def new_figure(**options: Any) -> Figure:
    """A Figure with these options; in pyplot's list where `plt.show()` would show it.

    The figure does not become pyplot's current one if there is one already, so what the program
    draws with pyplot goes where it went before. Where the list is full, the earliest figure that
    was put there from here leaves it (its owner may still save it); if there is none, the new
    figure stays out, since pyplot would warn of figures that the program did not ask it for.
    """
    from matplotlib.figure import Figure

    plt = sys.modules.get("matplotlib.pyplot")
    # A notebook shows a figure that is a cell's value, and would show one in the list once more.
    # Windows can be made by the main thread alone.
    if (
        plt is None
        or "inline" in plt.get_backend()
        or threading.current_thread() is not threading.main_thread()
        or not _has_room(plt)
    ):
        return Figure(**options)
    current = plt.gcf().number if plt.get_fignums() else None
    try:
        figure: Figure = plt.figure(**options)
    except Exception:  # a backend that can't open a window here: that is for plt.show() to report
        return Figure(**options)
    _ours[:] = [ref for ref in _ours if ref() is not None] + [weakref.ref(figure)]
    if current is not None:
        plt.figure(current)
    return figure


def _has_room(plt: Any) -> bool:
    """Whether pyplot's list takes one more without a warning, after ours have made room."""
    most = plt.rcParams["figure.max_open_warning"]
    while most and len(plt.get_fignums()) >= most:
        if not _ours:
            return False
        figure = _ours.pop(0)()
        if figure is not None:
            plt.close(figure)
    return True
