"""The picture of a trace: what each layer's arrays hold, and the profile over depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from engine.arrays import Array
from engine.tracing.data import TraceData
from engine.tracing.read.estimate import estimate
from engine.tracing.show.distributions import Ridge, ridges
from engine.tracing.show.pyplot import new_figure
from engine.tracing.widths import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


# Colours that stay apart for colour-blind eyes (Okabe & Ito).
_FORWARD, _BACKWARD, _THEORY = "#0072b2", "#d55e00", "#000000"
_RIDGES = (
    ("x", "activations $x$", _FORWARD),
    ("s", "pre-activations $s$", _FORWARD),
    ("dL_ds", r"$|\partial L/\partial s|$", _BACKWARD),
    ("dL_dW", r"$|\partial L/\partial W|$", _BACKWARD),
)
_PROFILES = (
    ("s", "std", "s_std", "std of $s$", _FORWARD),
    ("x_next", "std", "x_std", "std of $x^{(i+1)} = f(s)$", _FORWARD),
    ("dL_ds", "rms", "dL_ds", r"rms of $\partial L/\partial s$", _BACKWARD),
    ("dL_dW", "rms", "dL_dW", r"rms of $\partial L/\partial W$", _BACKWARD),
)
_MOST_RIDGES = 24  # more would be lines on top of each other


def figure(trace: TraceData, theory: Any = None) -> Figure:
    """Above, the distributions of x, s, ∂L/∂s, ∂L/∂W by layer; below, the profile over depth.

    Args:
        trace: any, with arrays or statistics only, forward only too.
        theory: what to draw beside the measured profile: an object with the arrays s_std, x_std,
            dL_ds, dL_dW, an entry for each layer, or each but the last, for example
            `nn.theory.predict_profile(net, E[x²])`. Its gradients are relative, so they are drawn
            from the measured value of the last layer they have an entry for. Left out, the
            mean-field estimate from the trace's own weights is drawn: see
            `engine.tracing.read.estimate`.

    Of more than 24 layers, 24 are drawn above, evenly spaced; the title says so. Below are all.

    Returns: a matplotlib Figure, not shown. In a program that has imported pyplot, pyplot knows the
    figure, so that `plt.show()` shows it with the others; it keeps the latest of these figures, up
    to its limit (`figure.max_open_warning`, 20), until `plt.close`. Elsewhere, and in a notebook,
    which shows the figure as the value of a cell, the figure belongs to the caller alone.

    Raises: ValueError for a trace of no layer, or for a theory of another number of layers.
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine
    from matplotlib.lines import Line2D

    rows = trace.layers
    n = len(rows)
    if not n:
        raise ValueError("plot: this trace holds no layer")
    label = "mean-field estimate from the measured weights" if theory is None else "theory"
    predicted = estimate(trace) if theory is None else theory
    shown = sorted({round(i) for i in np.linspace(0, n - 1, min(n, _MOST_RIDGES))})
    height = 1.3 + 0.3 * max(3, len(shown))
    figure = new_figure(figsize=(13, height + 3.4), layout=ConstrainedLayoutEngine(w_pad=0.12))
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=[height, 3.4])[:, 0]
    tops = above.subplots(1, 4, sharey=True)
    for ax, (name, title, colour) in zip(tops, _RIDGES, strict=True):
        _draw_ridges(ax, ridges([rows[i] for i in shown], name), title, colour)
    tops[0].set_yticks(range(len(shown)), [_as_text(rows[i].label, 18) for i in shown])
    tops[0].set_ylim(len(shown) - 0.5, -1.0)
    depth = np.arange(1, n + 1)
    for ax, (name, statistic, prediction, title, colour) in zip(
        below.subplots(1, 4), _PROFILES, strict=True
    ):
        statistics = [row.statistics(name) for row in rows]
        values = np.array([np.nan if s is None else getattr(s, statistic) for s in statistics])
        curve = beside(values, np.asarray(getattr(predicted, prediction)), name)
        _draw_profile(ax, depth, values, curve, title, colour)
    handles = [
        Line2D([], [], color="0.3", marker="o", markersize=4, label="measured"),
        Line2D([], [], color=_THEORY, linestyle=":", label=label),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    first = rows[0]
    some = f" (above, {len(shown)} of them)" if len(shown) < n else ""
    figure.suptitle(
        f"{n} layer{'s' * (n > 1)}{some}, {_as_text(first.f.name, 20)}, batch {first.batch}",
        fontsize=13,
    )
    return figure


def _as_text(name: str, most: int) -> str:
    return shortened(name, most).replace("$", r"\$")  # matplotlib would read mathematics


def _draw_ridges(ax: Axes, drawn: list[Ridge], title: str, colour: str) -> None:
    for i, ridge in enumerate(drawn):
        ax.axhline(i, color="0.85", linewidth=0.8, zorder=1)
        if ridge.heights is not None:
            tops = i - 0.85 * ridge.heights
            ax.fill_between(
                ridge.edges, i, np.append(tops, i), step="post", color=colour, alpha=0.45, zorder=2
            )
            ax.step(
                [ridge.edges[0], *ridge.edges],
                [i, *tops, i],
                where="post",
                color=colour,
                linewidth=0.9,
                zorder=3,
            )
        elif ridge.interval is not None:
            low, mean, high = ridge.interval
            ax.plot([low, high], [i, i], color=colour, linewidth=4, alpha=0.6, zorder=2)
            ax.plot([mean], [i], color=colour, marker="|", markersize=9, zorder=3)
        if ridge.note:
            # Small gradients are on the left, and rarer than large ones.
            at, side = (0.01, "left") if ridge.logarithmic else (0.99, "right")
            ax.text(
                *(at, i - 0.1, ridge.note),
                ha=side,
                va="bottom",
                fontsize=8,
                transform=ax.get_yaxis_transform(),
                bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.6},
                zorder=4,
            )
    if drawn and drawn[0].logarithmic:
        ax.set_xscale("log")
        left, right = drawn[0].edges[0], drawn[0].edges[-1]
        if any(ridge.note for ridge in drawn):
            left /= (right / left) ** 0.4
        ax.set_xlim(left, right * 1.2)
    if all(ridge.heights is None and ridge.interval is None for ridge in drawn):
        ax.set_xticks([])
        ax.xaxis.set_minor_locator(_no_ticks())
    elif not drawn[0].logarithmic and any(ridge.interval is not None for ridge in drawn):
        title += "\n2nd to 98th percentile, mean"
    _finish(ax, title)
    ax.tick_params(axis="y", length=0)


def _no_ticks() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def beside(measured: Array, predicted: Array, name: str) -> Array:
    """The prediction at the layers' positions; of gradients, scaled to the measured last one."""
    n, k = len(measured), len(predicted)
    if k not in (n, n - 1):
        raise ValueError(
            f"plot: the theory is of {k} layers and the trace has {n}; it must have an entry for "
            "each layer, or for each but the output layer"
        )
    curve = np.full(n, np.nan)
    if k:
        curve[:k] = predicted
        if name.startswith("dL_"):
            curve *= measured[k - 1]
    return curve


def _draw_profile(
    ax: Axes, depth: Array, measured: Array, theory: Array, title: str, colour: str
) -> None:
    from matplotlib.ticker import MaxNLocator

    def drawable(values: Array) -> Array:
        return np.where(np.isfinite(values) & (values > 0), values, np.nan)

    measured, theory = drawable(measured), drawable(theory)
    ax.plot(depth, measured, color=colour, marker="o", markersize=4, linewidth=1.6)
    ax.plot(depth, theory, color=_THEORY, linestyle=":", linewidth=1.6, zorder=3)
    both = np.concatenate([measured, theory])
    if np.isfinite(both).any():
        ax.set_yscale("log")
        low, high = np.nanmin(both), np.nanmax(both)
        if high < 10 * low:  # a flat profile should look flat
            middle = np.sqrt(low) * np.sqrt(high)
            ax.set_ylim(middle / 4, middle * 4)
    else:
        ax.text(0.5, 0.5, "no finite value", ha="center", va="center", transform=ax.transAxes)
        ax.set_yticks([])
    ax.set_xlim(0.5, depth[-1] + 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))
    ax.set_xlabel("layer")
    _finish(ax, title)


def _finish(ax: Axes, title: str) -> None:
    ax.set_title(title, fontsize=11)
    ax.grid(alpha=0.25, axis="x" if "rms" not in title and "std" not in title else "both")
    ax.tick_params(labelsize=9)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
