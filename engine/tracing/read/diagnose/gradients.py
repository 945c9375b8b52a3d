"""Vanishing and exploding gradients, and which part of E[f′²] · n · Var W is off."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from engine.tracing.data import TraceData
from engine.tracing.layers import MOVES, PICKS
from engine.tracing.read.diagnose.finding import Finding, named
from engine.tracing.read.diagnose.measures import Measures, mean_square, rms
from engine.tracing.read.diagnose.remedies import Remedy, best_remedy, geometric_mean
from engine.tracing.read.find import fed_by, operations_after

# See `engine.tracing.read.diagnose.judge` for the reasons.
FACTOR = 0.75
CHANGE = 0.1
FAR = 0.01
# How far a part may be from what it would be under the remedy before it is called off; and the
# least share of all that is off, in logarithms, with which it is named beside the other part.
PART = 1.5
NAMED = 0.25
# The share of the whole change, in logarithms, from which one step is named as its place.
ONE_STEP = 0.6
# A draw of n units moves the factor's logarithm by less than 2/√n, over several layers by less than
# that over √layers; the rest is room for what mean-field theory leaves out.
DRAW = 2.0
THEORY = 0.1


@dataclass(frozen=True)
class _Link:
    """The step from ∂L/∂s of layer b to that of layer a, whose output b takes.

    `others` says what else takes part: operations on a's output, and other layers that take it.
    """

    a: Measures
    b: Measures
    others: tuple[str, ...]
    skipped: bool  # a is a whole branch: its output is added to its own x

    @property
    def factor(self) -> float:
        return self.a.dL_ds / self.b.dL_ds

    @property
    def predicted(self) -> float:
        """√(E[f′²] · n Var W), for a chain of layers."""
        return math.sqrt(self.a.slope2 * self.b.n_var_W)

    @property
    def apart(self) -> float:
        """ln(measured / predicted)."""
        return math.log(self.a.dL_ds) - math.log(self.b.dL_ds) - math.log(self.predicted or 1e-300)

    @property
    def between(self) -> float:
        """The factor of what lies between the layers, 1 in a chain; NaN where b sent nothing."""
        sent = rms(self.b.row, "dL_dx") * math.sqrt(self.b.repeats)
        return rms(self.a.row, "dL_dx_next") / sent if sent else math.nan

    @property
    def width(self) -> int:
        return min(self.a.row.fan_out, self.b.row.fan_out)


def overall_factor(hidden: list[Measures]) -> float | None:
    """The factor of rms(∂L/∂s) per layer, from the last hidden layer to the first."""
    if len(hidden) < 2:
        return None
    first, last = hidden[0].dL_ds, hidden[-1].dL_ds
    if not last:
        return None
    return math.exp((math.log(first) - math.log(last)) / (len(hidden) - 1)) if first else 0.0


def gradient_finding(hidden: list[Measures], t: TraceData) -> Finding | None:
    """A finding if the gradient vanishes or explodes on its way through the hidden layers.

    The parts that are off, and a remedy, are named where a chain of layers explains what was
    measured. Where other operations lie between the layers and it does not, they are named.
    """
    factor = overall_factor(hidden)
    if not factor:
        return None
    total = max(hidden[0].dL_ds / hidden[-1].dL_ds, 5e-324)  # 1 / total is shown
    shrinks = total < FAR or (factor < FACTOR and total < CHANGE)
    if not shrinks and not (total > 1 / FAR or (factor > 1 / FACTOR and total > 1 / CHANGE)):
        return None
    fans = [(m.row.fan_in, round(m.repeats * m.row.fan_out)) for m in hidden]
    # The last layer of the table has no f′ in the product, the first no W.
    remedy = best_remedy(fans, hidden[0].row.f, hidden[0].x2, _drive(hidden))
    slope2 = geometric_mean([m.slope2 for m in hidden[:-1]])
    n_var_W = geometric_mean([m.n_var_W for m in hidden[1:]])
    links = _links(hidden, t)
    unexplained = _unexplained(links)
    table = tuple(
        _row(link, link in unexplained, bool(unexplained), shrinks, remedy) for link in links
    )
    name = "vanishing gradient" if shrinks else "exploding gradient"
    first, last = hidden[0].row.label, hidden[-1].row.label
    change = f"1/{1 / total:.3g} of" if shrinks else f"{total:.3g} times"
    names = tuple(dict.fromkeys(m.row.name for m in hidden))
    evidence = (
        f"rms(∂L/∂s) changes by a factor of {factor:.3g} per layer; in {first} it is {change} "
        f"that in {last}{_most(links, total)}."
    )
    if unexplained:
        numbers = {"factor": factor, "total": total, "slope2": slope2, "n_var_W": n_var_W}
        return Finding(name, names, evidence, *_no_chain(unexplained), numbers, table)
    return Finding(
        name,
        names,
        evidence,
        f"E[f′²]·n·Var W = {slope2:.3g} · {n_var_W:.3g} = {slope2 * n_var_W:.3g} per layer, √ = "
        f"{math.sqrt(slope2 * n_var_W):.3g}; {_off(slope2, n_var_W, shrinks, remedy)}.",
        f"{remedy} instead of {factor:.3g}{_by_chance(slope2, n_var_W, shrinks, remedy)}.",
        {
            "factor": factor,
            "total": total,
            "slope2": slope2,
            "n_var_W": n_var_W,
            "predicted_factor": remedy.factor,
        },
        table,
    )


def _most(links: list[_Link], total: float) -> str:
    """Which step alone brings most of the change, if one does."""
    if len(links) < 3:
        return ""
    largest = max(links, key=lambda link: math.log(link.factor) / math.log(total))
    if math.log(largest.factor) / math.log(total) < ONE_STEP:
        return ""
    step = f"from {largest.b.row.label} back to {largest.a.row.label}"
    return f"; most of it is the step {step}, a factor of {largest.factor:.3g}"


def _drive(hidden: list[Measures]) -> float:
    """The mean variance of s that the layers' other links bring."""
    variances = [
        sum(
            view.fan_in * mean_square(view, "W") * mean_square(view, "x")
            for view in m.row.by_link
            if view.at != m.row.at
        )
        for m in hidden
    ]
    return sum(variances) / len(variances)


def _passed(b: Measures) -> frozenset[str]:
    """Operations through which a root mean square goes as it is, but for the repeats of b."""
    return MOVES | PICKS if b.repeats > 1 else MOVES


def _links(hidden: list[Measures], t: TraceData) -> list[_Link]:
    feeds, after = fed_by(t), operations_after(t)
    links = []
    for a, b in pairwise(hidden):
        others = [node.name for node in after[a.position] if node.built_in not in _passed(b)]
        if not others:
            takers = [i for i, before in enumerate(feeds) if a.position in before]
            others = [
                t.layers[i].label for i in takers if i != b.position and t.layers[i].node.sweeps
            ]
        source = a.row.source
        sums = [node for node in after[a.position] if node.built_in == "add"]
        skipped = isinstance(source, int) and any(source in node.sources for node in sums)
        links.append(_Link(a, b, tuple(dict.fromkeys(others)), skipped))
    return links


def _unexplained(links: list[_Link]) -> list[_Link]:
    """The links with other operations, if their factors are not those that a chain would have."""
    with_others = [link for link in links if link.others]
    if not with_others:
        return []
    width = min(link.width for link in with_others)
    mean = sum(link.apart for link in with_others) / len(with_others)
    if abs(mean) > THEORY + DRAW / math.sqrt(width * len(with_others)):
        return with_others
    return [link for link in with_others if abs(link.apart) > THEORY + DRAW / math.sqrt(link.width)]


def _no_chain(links: Sequence[_Link]) -> tuple[str, str]:
    """Cause and remedy where the prediction for a chain does not hold."""
    first, last = links[0], links[-1]
    others = named(tuple(dict.fromkeys(name for link in links for name in link.others)))
    measured, predicted = (
        geometric_mean([getattr(link, name) for link in links]) for name in ("factor", "predicted")
    )
    cause = (
        f"between {first.a.row.label} and {first.b.row.label}"
        + (f" (and so on, to {last.b.row.label})" if len(links) > 1 else "")
        + f" the output goes through {others} too, so the prediction for a chain of layers, "
        f"√(E[f′²]·n·Var W) = {predicted:.3g}, does not hold there: the factor is {measured:.3g}"
    )
    remedy = "see in t.walk() what each operation between the layers does to the gradient."
    if "add" not in others:
        return f"{cause}.", remedy
    skip = math.sqrt(1 + predicted**2)
    if all(link.skipped for link in links[1:]) and any(link.skipped for link in links):
        cause += (
            ", as where a branch is added to what skips the branch: √(1 + E[f′²]·n·Var W) = "
            f"{skip:.3g}"
        )
        remedy = ""
    scale = "scale the branch: by 1/√(number of branches), or with a last layer that starts at 0."
    return (
        f"{cause}.",
        f"{remedy} If add joins a branch to what it skips, {scale}" if remedy else scale,
    )


def _row(
    link: _Link, unexplained: bool, is_chain_off: bool, shrinks: bool, remedy: Remedy
) -> tuple[str, float, float, float, str]:
    """The step from b's ∂L/∂s to a's: E[f′²] is a's, n Var W is b's.

    Where operations between other layers are the cause, no part of this step is called off.
    """
    slope2, n_var_W = link.a.slope2, link.b.n_var_W
    off = f"× {link.between:.3g} between: {', '.join(link.others)}" if unexplained else ""
    if not off and not is_chain_off:
        off = _which(slope2, n_var_W, shrinks, remedy)
    return link.a.row.label, slope2, n_var_W, link.factor, off


def _which(slope2: float, n_var_W: float, shrinks: bool, remedy: Remedy) -> str:
    parts = [("E[f′²]", slope2, remedy.slope2), ("n Var W", n_var_W, remedy.n_var_W)]
    sign = -1.0 if shrinks else 1.0
    apart = {
        name: sign * math.log(max(value, 1e-300) / max(wanted, 1e-300))
        for name, value, wanted in parts
    }
    total = sum(d for d in apart.values() if d > 0)
    off = [name for name, d in apart.items() if d > math.log(PART) and d > NAMED * total]
    return " and ".join(off)


def _off(slope2: float, n_var_W: float, shrinks: bool, remedy: Remedy) -> str:
    which = _which(slope2, n_var_W, shrinks, remedy)
    word = "small" if shrinks else "large"
    wanted = f"under the remedy they are {remedy.slope2:.3g} and {remedy.n_var_W:.3g}"
    if not which:
        return f"neither part alone is far off ({wanted})"
    return f"{which} {'are' if ' and ' in which else 'is'} too {word} ({wanted})"


def _by_chance(slope2: float, n_var_W: float, shrinks: bool, remedy: Remedy) -> str:
    """What to add where the parts are about those of the remedy already."""
    if _which(slope2, n_var_W, shrinks, remedy):
        return ""
    return (
        "; where the weights have that variance already, it is this draw: take wider layers, whose "
        "draws differ less, or fewer"
    )
