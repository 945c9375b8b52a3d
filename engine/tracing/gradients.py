"""Vanishing and exploding gradients, and which part of E[f′²] · n · Var W is off."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

from engine.tracing.diagnosis import Finding
from engine.tracing.measures import Measures
from engine.tracing.remedies import Remedy, best_remedy, geometric_mean

# See `engine.tracing.diagnose` for the reasons.
FACTOR = 0.75
CHANGE = 0.1
FAR = 0.01
# How far a part may be from what it would be under the remedy before it is called off; and the
# least share of all that is off, in logarithms, with which it is named beside the other part.
PART = 1.5
NAMED = 0.25


def overall_factor(hidden: list[Measures]) -> float | None:
    """The factor of rms(∂L/∂s) per layer, from the last hidden layer to the first."""
    if len(hidden) < 2:
        return None
    first, last = hidden[0].dL_ds, hidden[-1].dL_ds
    if not last:
        return None
    return math.exp(math.log(first / last) / (len(hidden) - 1)) if first else 0.0


def gradient_finding(hidden: list[Measures]) -> Finding | None:
    """A finding if the gradient vanishes or explodes on its way through the hidden layers."""
    factor = overall_factor(hidden)
    if factor is None:
        return None
    total = hidden[0].dL_ds / hidden[-1].dL_ds
    shrinks = total < FAR or (factor < FACTOR and total < CHANGE)
    if not shrinks and not (total > 1 / FAR or (factor > 1 / FACTOR and total > 1 / CHANGE)):
        return None
    if factor == 0:
        return _nothing_left(hidden)
    fans = [m.row.W.shape for m in hidden]
    # The last layer of the table has no f′ in the product, the first no W.
    remedy = best_remedy(fans, hidden[0].row.f, hidden[0].x2)
    slope2 = geometric_mean([m.slope2 for m in hidden[:-1]])
    n_var_W = geometric_mean([m.n_var_W for m in hidden[1:]])
    table = tuple(_row(a, b, shrinks, remedy) for a, b in pairwise(hidden))
    name = "vanishing gradient" if shrinks else "exploding gradient"
    first, last = hidden[0].row.name, hidden[-1].row.name
    change = f"1/{1 / total:.3g} of" if shrinks else f"{total:.3g} times"
    return Finding(
        name,
        tuple(m.row.name for m in hidden),
        f"rms(∂L/∂s) changes by a factor of {factor:.3g} per layer; in {first} it is {change} "
        f"that in {last}.",
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


def _row(
    a: Measures, b: Measures, shrinks: bool, remedy: Remedy
) -> tuple[str, float, float, float, str]:
    """The step from b's ∂L/∂s to a's: E[f′²] is a's, n Var W is b's."""
    factor = a.dL_ds / b.dL_ds if b.dL_ds else math.nan
    return a.row.name, a.slope2, b.n_var_W, factor, _which(a.slope2, b.n_var_W, shrinks, remedy)


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


def _nothing_left(hidden: list[Measures]) -> Finding:
    """∂L/∂s is exactly 0 in the first hidden layer and not in the last."""
    at = max(i for i, m in enumerate(hidden) if m.dL_ds == 0)
    here, above = hidden[at], hidden[at + 1]
    numbers: dict[str, Any] = {
        "factor": 0.0,
        "total": 0.0,
        "slope2": here.slope2,
        "n_var_W": above.n_var_W,
    }
    if above.n_var_W == 0:
        cause = f"the weights of {above.row.name} are all 0, so ∂L/∂x = ∂L/∂s Wᵀ is 0."
    elif here.slope2 == 0:
        cause = f"E[f′²] is 0 in {here.row.name}: f′(s) is 0 for every unit and example."
    else:
        cause = (
            f"E[f′²]·n·Var W = {here.slope2:.3g} · {above.n_var_W:.3g}; what is left is below the "
            f"smallest number of {here.row.W.dtype}, or falls on units of f′ = 0."
        )
    fans = [m.row.W.shape for m in hidden]
    remedy = best_remedy(fans, hidden[0].row.f, hidden[0].x2)
    return Finding(
        "vanishing gradient",
        tuple(m.row.name for m in hidden[: at + 1]),
        f"∂L/∂s is exactly 0 in {here.row.name} and below it, and {above.dL_ds:.3g} (rms) in "
        f"{above.row.name}.",
        cause,
        f"{remedy}.",
        {**numbers, "predicted_factor": remedy.factor},
    )
