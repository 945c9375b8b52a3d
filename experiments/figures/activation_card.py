"""The card of an activation, as tables and as a picture."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

import engine
from engine import Activation, OwnActivation
from experiments.cards.activation import Card
from experiments.figures.profiles import Net, draw_nets, message
from experiments.figures.style import (
    BLACK,
    COLOURS,
    MARKERS,
    drawing,
    finish,
    init_name,
    legend,
    limits,
)
from experiments.lab.tables import number, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LONGEST = 30  # letters of a name in the picture
_KNOWN = ("tanh", "relu", "silu")


def tables(card: Card) -> list[Table]:
    """The function, its gains, and what deep nets do with it."""
    f = card.f
    about = table(f"{f.name}: {_first_sentence(f)}", ("", ""), left=2)
    low, high = f.range
    kinks = ", ".join(f"{kink:g}" for kink in f.kinks) or "none"
    about.add_row("range", f"{low:.4g} … {high:.4g}")
    about.add_row("kinks", kinks)
    about.add_row("|f′| below 5 % of its most", _saturated(card))
    if f.parameters:
        about.add_row("parameters", ", ".join(f"{k} = {v:g}" for k, v in f.parameters.items()))
    for name, (forward, backward) in card.speed.items():
        about.add_row(
            f"speed of {escape(name)}",
            f"{forward:.2f} ns forward, {backward:.2f} ns backward an entry",
        )
    for finding in f.findings if isinstance(f, OwnActivation) else ():
        about.add_row("beware", escape(str(finding)))
    for mode, reason in card.missing.items():
        about.add_row(f"no {mode} gain", escape(reason))
    headings = ("forward, 1/√E[f²]", "variance, 1/√Var f", "backward, 1/√E[f′²]")
    gains = table("gains", [escape(heading) for heading in headings], 0)
    gains.add_row(*(_or_dash(card.gains[mode]) for mode in ("forward", "variance", "backward")))
    depth = len(card.schemes[0].predicted)
    nets = table(
        f"deep nets: fixed point and depth scales by theory, and ∂L/∂s of {depth} layers",
        ("initialisation", "n·Var W", "q*", "χ₁", "ξ_q", "ξ_c", "predicted", "measured"),
    )
    for scheme in card.schemes:
        nets.add_row(
            scheme.name,
            number(scheme.var_w),
            *map(_or_dash, (scheme.q_star, scheme.chi_1, scheme.xi_q, scheme.xi_c)),
            *(_or_dash(_factor(profile)) for profile in (scheme.predicted, scheme.measured)),
        )
    nets.caption = "predicted, measured: the factor on rms ∂L/∂s per layer, going back"
    return [about, gains, nets]


def _factor(profile: Any) -> float:
    with np.errstate(all="ignore"):
        return float(np.power(profile[0] / profile[-1], 1 / (len(profile) - 1)))


def _or_dash(value: float | None) -> str:
    return "–" if value is None or np.isnan(value) else number(value)


def _first_sentence(f: Activation) -> str:
    return (f.__doc__ or "").split(";")[0].split(". ")[0].strip()


def _saturated(card: Card) -> str:
    low, high = card.saturated_from
    parts = [f"s < {low:.3g}"] if low is not None else []
    parts += [f"s > {high:.3g}"] if high is not None else []
    return " and ".join(parts) or "nowhere within ±20"


def figure(card: Card) -> Figure:
    """f, f′ and f″ beside known ones, and the gradient through a deep net under each scheme."""
    nets = [
        Net(init_name(scheme.name), scheme.measured, scheme.predicted, colour, marker).reversed()
        for scheme, colour, marker in zip(card.schemes, COLOURS, cycle(MARKERS), strict=False)
    ]
    said = message(nets, "∂L/∂s", "the last layer's")
    figure, _ = drawing(
        f"{_as_text(card.f.name)}, {said}",
        f"Above: {_as_text(card.f.name)} beside known activations. Below: rms ∂L/∂s by layer, "
        "over the last layer's; dotted: theory",
        height=5.4,
        rows=0,
    )
    grid = figure.add_gridspec(2, 3, height_ratios=(1, 1.35))
    shown = [card.f, *(engine.ACTIVATIONS[n] for n in _KNOWN if n != card.f.name)]
    s = np.linspace(-6, 6, 601)
    lines: list[Any] = []
    for order, name in enumerate(("f", "f′", "f″")):
        panel = figure.add_subplot(grid[0, order])
        values = [_order(f, order, s) for f in shown]
        looks = zip(shown, values, (BLACK, *COLOURS), ("-", "--", ":", "-."), strict=False)
        lines = [
            panel.plot(
                s,
                value,
                style,
                color=colour,
                linewidth=2.4 if f is card.f else 1.4,
                label=_as_text(f.name),
            )[0]
            for f, value, colour, style in looks
        ]
        own = values[0][np.isfinite(values[0])]
        if own.size:
            low, high = limits([own])
            margin = 0.1 * max(1e-3, high - low)
            panel.set_ylim(max(-4, low - margin), min(4, high + margin))
        finish(panel, "s", title=name)
    net = figure.add_subplot(grid[1, :])
    depth = len(card.schemes[0].predicted)
    legend(figure, lines)
    draw_nets(net, nets, range(depth, 0, -1))
    finish(net, "hidden layer, from the top down", "rms ∂L/∂s")
    return figure


def _as_text(name: str) -> str:
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return short.replace("$", r"\$")  # matplotlib would read mathematics


def _order(f: Activation, order: int, s: Any) -> Any:
    with np.errstate(all="ignore"):
        if order == 0:
            return f.value(s)
        return f.slope(s) if order == 1 else f.derivative.slope(s)
