"""The card of an activation, as tables and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.markup import escape
from rich.table import Table

import engine
from engine import Activation, OwnActivation
from experiments.cards.activation import Card
from experiments.lab.tables import number, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(12, 6.6), layout="constrained")
    axes = drawn.subplot_mosaic([["f", "f′", "f″"], ["net", "net", "net"]])
    s = np.linspace(-6, 6, 601)
    shown = [card.f, *(engine.ACTIVATIONS[n] for n in _KNOWN if n != card.f.name)]
    for name, order in (("f", 0), ("f′", 1), ("f″", 2)):
        panel = axes[name]
        values = [_order(f, order, s) for f in shown]
        for f, value, style in zip(
            reversed(shown), reversed(values), _styles(len(shown)), strict=True
        ):
            panel.plot(s, value, label=_as_text(f.name), **style)
        own = values[0][np.isfinite(values[0])]
        if own.size:
            margin = 0.15 * max(1e-3, float(np.ptp(own)))
            panel.set_ylim(max(-4, own.min() - margin), min(4, own.max() + margin))
        panel.set_title(name, loc="left")
        panel.axhline(0, color="0.8", lw=0.8, zorder=0)
        panel.set_xlabel("s")
    axes["f"].legend(fontsize=9)
    _net(axes["net"], card)
    drawn.suptitle(_as_text(card.f.name), x=0.01, ha="left", weight="bold")
    return drawn


def _as_text(name: str) -> str:
    return name.replace("$", r"\$")  # matplotlib would read mathematics


def _order(f: Activation, order: int, s: Any) -> Any:
    with np.errstate(all="ignore"):
        if order == 0:
            return f.value(s)
        return f.slope(s) if order == 1 else f.derivative.slope(s)


def _styles(count: int) -> Sequence[dict[str, Any]]:
    grey = [
        {"color": c, "lw": 1.2, "ls": ls}
        for c, ls in (("0.45", ":"), ("0.55", "--"), ("0.65", "-."))
    ]
    return [*grey[: count - 1], {"color": "C3", "lw": 2.2, "ls": "-"}]


def _net(panel: Any, card: Card) -> None:
    from matplotlib.ticker import MaxNLocator

    depth = np.arange(1, len(card.schemes[0].predicted) + 1)
    for i, scheme in enumerate(card.schemes):
        panel.semilogy(depth, scheme.measured, "o", ms=4, color=f"C{i}", label=scheme.name)
        panel.semilogy(depth, scheme.predicted, "-", lw=1, color=f"C{i}")
    panel.set_title(
        "rms ∂L/∂s by layer, over the last layer's: measured (dots), theory (lines)", loc="left"
    )
    panel.set_xlabel("layer")
    panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    panel.legend(fontsize=9)
    panel.grid(alpha=0.3)
