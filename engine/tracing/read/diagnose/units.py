"""Units that can't learn: those that stay alike, are never on, or are saturated."""

from __future__ import annotations

import math

from engine.meanfield import slope_second_moment
from engine.tracing.read.diagnose.finding import Finding, named
from engine.tracing.read.diagnose.measures import (
    DEAD,
    SATURATED,
    Measures,
    all_zero,
    flat_sides,
    mean_square,
    rms,
    spread,
    units_alike,
)

# See `engine.tracing.read.diagnose.judge` for the reasons.
SHARE_SATURATED = 0.5


def columns_alike(m: Measures) -> bool:
    """Whether all units of a layer compute the same."""
    if m.row.fan_out == 1 or (m.row.statistics("b") is not None and not units_alike(m.row, "b")):
        return False
    return all(units_alike(view, "W") for view in m.row.by_link)


def stays_alike(m: Measures) -> bool:
    """Whether the units get the same gradient too."""
    given = [name for name in ("dL_ds", "dL_dW") if m.row.statistics(name) is not None]
    return all(units_alike(m.row, name) for name in given)


def symmetric_finding(alike: list[Measures]) -> Finding | None:
    """Layers whose units are all alike, of which some get the same gradient, so stay alike."""
    if not alike:
        return None
    staying = [m for m in alike if stays_alike(m)]
    alike = staying or alike
    names = tuple(dict.fromkeys(m.row.name for m in alike))
    zero = all(all_zero(m.row, "W") for m in alike)
    value = "0" if zero else "one value per input"
    below = ", and ∂L/∂x = ∂L/∂s Wᵀ is 0 below it." if zero else "."
    if staying:
        what = f"weights ({value}), biases and gradients"
        cause = (
            "f(s) and ∂L/∂s are the same for every unit, so each update leaves them alike: the "
            "layer acts as a single unit" + below
        )
    else:
        what = f"weights ({value}) and biases"
        cause = (
            "f(s) is the same for every unit: the layer acts as a single unit until its gradients, "
            "which differ, have brought the units apart" + below
        )
    return Finding(
        "symmetric weights",
        names,
        f"all units of {named(names)} have the same {what}.",
        cause,
        "draw the weights at random, with Xavier's or Kaiming's variance; only biases may start "
        "at one value.",
        {"layers": float(len(alike))},
    )


def dead_finding(hidden: list[Measures]) -> Finding | None:
    """Layers with more dead units than a draw leaves, where f is flat on one side."""
    dead = [m for m in hidden if m.dead is not None and m.dead > _most_dead(m.row.fan_out)]
    if not dead:
        return None
    worst = max(dead, key=lambda m: m.dead or 0.0)
    row, share = worst.row, worst.dead or 0.0
    names = tuple(dict.fromkeys(m.row.name for m in dead))
    b, s = row.statistics("b"), row.statistics("s")
    by_bias = worst.s_bias > 0.5
    mean = 0.0 if s is None else s.mean
    examples = "the only example" if row.batch == 1 else f"every one of the {row.batch} examples"
    apart = spread(row, "s")
    varies = "" if math.isnan(apart) else f" and varies by {apart:.3g} from example to example"
    return Finding(
        "dead units",
        names,
        f"{percent(share)} of the units of {row.name} have |f′(s)| below {percent(DEAD)} of its "
        f"maximum for {examples}, from {dead[0].row.name} on ({named(names)}).",
        f"E[f′²] is {worst.slope2:.3g} there: "
        + (
            f"the biases, {0.0 if b is None else b.mean:.3g} on average, are far from what x W adds"
            if by_bias
            else "x W is on the flat side for every example"
        )
        + f" (s is {mean:.3g} on average{varies}; n Var W = {worst.n_var_W:.3g}).",
        "set the biases to 0 and the weights to Kaiming's variance, for which E[f′²] is "
        f"{_slope2_at_one(worst):.3g}; if they died in training, lower the learning rate or use "
        "leaky_relu, elu or gelu.",
        {"share": share, "slope2": worst.slope2, "width": float(row.fan_out)},
    )


def _most_dead(width: int) -> float:
    return min(0.5 + 1.5 / math.sqrt(width), 0.99)


def _slope2_at_one(m: Measures) -> float:
    return slope_second_moment(m.row.f, 1.0)


def saturation_finding(hidden: list[Measures]) -> Finding | None:
    """Layers with most of f′(s) near 0, where f is flat on both sides."""
    flat = [m for m in hidden if m.saturated is not None and m.saturated > SHARE_SATURATED]
    if not flat:
        return None
    first, worst = flat[0], max(flat, key=lambda m: m.saturated or 0.0)
    largest = flat_sides(first.row.f)[2]
    names = tuple(dict.fromkeys(m.row.name for m in flat))
    size = rms(first.row, "s")
    most = ""
    if len(flat) > 1:
        share = percent(worst.saturated or 0)
        most = f"; most, {share}, in {worst.row.name} ({named(names)})"
    numbers = {
        "share": first.saturated or 0.0,
        "slope2": first.slope2,
        "forward": first.forward,
        "s_rms": size,
    }
    if first.s_bias > 0.5:
        b2 = math.sqrt(mean_square(first.row, "b"))
        cause = f"the biases of {first.row.name}, rms {b2:.3g}, push s to rms {size:.3g}"
    elif first.x2 * first.forward > 4 and first.x2 > 4 * first.forward:
        numbers["x_rms"] = math.sqrt(first.x2)
        cause = f"the input of {first.row.name} is large, rms {math.sqrt(first.x2):.3g}"
    else:
        cause = f"fan_in Var W = {first.forward:.3g} in {first.row.name} takes s to rms {size:.3g}"
    return Finding(
        "saturation",
        names,
        f"it starts in {first.row.name}: {percent(first.saturated or 0)} of its f′(s) are below "
        f"{percent(SATURATED)} of the maximum {largest:.3g}{most}.",
        f"{cause}, so E[f′²] is {first.slope2:.3g} where it could be {largest**2:.3g}.",
        "scale the data to mean 0 and variance 1, set the biases to 0 and the weights to Xavier's "
        f"variance: then E[f′²] is {_slope2_at_one(first):.3g} or more; if it came in training, "
        "lower the learning rate.",
        numbers,
    )


def percent(share: float) -> str:
    return f"{100 * share:.3g} %"
