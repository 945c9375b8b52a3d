"""`diagnose`: what in a traced pass keeps the net from learning, and what would mend it.

The thresholds, and why they are what they are:

    FACTOR, CHANGE   ∂L/∂s shrinks when its factor per layer is below 0.75 and the factors of all
                     hidden layers multiply to less than a tenth (grows: beyond 1/0.75 and 10).
                     tanh under Xavier and ReLU under Kaiming have 0.8 … 1.05, softsign, whose slope
                     falls fastest, 0.77 at ten layers; ReLU under Xavier has 0.71, tanh under the
                     standard initialisation 0.57, sigmoid 0.25. Two or three layers with 0.6 each
                     do no harm; that is what the product is for.
    FAR              and less than a hundredth (more than 100) in all, at whatever factor: 24 layers
                     at 0.82. tanh under Xavier, whose gradient falls as √(0.71 / layers), has a
                     tenth after 70.
    SHARE_SATURATED  half of the entries of f′(s) below 5 % of its maximum. Hardtanh on normal data
                     of variance 1 has 32 %, tanh 3 %.
    dead units       weights symmetric about 0 leave half of a layer's units without an active
                     example when the examples look alike, as they do deep in a ReLU net; so more
                     than half and three standard deviations of a coin's toss, 1.5 / √width.
    ALIKE            columns equal to 1e-4 of the largest entry, as rounding may differ by column.
    UPDATE           lr · rms(∂L/∂W) / rms(W) of one plain step: 1e-3 is usual; above 0.1 ten steps
                     replace the weights, below 1e-6 a million are needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.errors import GraphError
from engine.meanfield import slope_second_moment
from engine.tracing.diagnosis import Diagnosis, Finding, named
from engine.tracing.find import chain_to, count_passes
from engine.tracing.gradients import gradient_finding, overall_factor
from engine.tracing.measures import DEAD, SATURATED, Measures, flat_sides, mean_square, measure
from engine.tracing.nonfinite import FirstNonFinite, first_nonfinite
from engine.tracing.updates import update_finding

if TYPE_CHECKING:
    from engine.tracing.record import Trace

Array = npt.NDArray[Any]

SHARE_SATURATED = 0.5
ALIKE = 1e-4


def diagnose(t: Trace, *, lr: float | None = None) -> Diagnosis:
    """Findings with evidence, cause and remedy; none for a healthy net.

    Args:
        t: a trace of one forward and backward pass.
        lr: the learning rate; given, the size of a plain gradient step is judged too.

    Gradients are judged over the hidden layers: all but the last one of the trace, whose scale
    comes from the loss; where branches meet, along the later one. With a NaN or Inf in the pass,
    only that and the weights are judged.

    Raises: GraphError if the trace saw no backward pass of a layer, or several passes that have
        nothing to do with each other; ValueError unless lr is positive and finite.
    """
    if lr is not None and not (lr > 0 and math.isfinite(lr)):
        raise ValueError(f"diagnose: lr={lr}; a learning rate is positive and finite")
    layers = measure(t)
    if not layers:
        raise GraphError(
            "diagnose: the trace saw no backward pass of a layer; call loss.backward() inside the "
            "trace() block"
        )
    passes = count_passes(t)
    if passes > 1:
        raise GraphError(
            f"diagnose: this trace holds {passes} passes, each with layers of its own; trace each "
            "in a block of its own"
        )
    hidden = layers[:-1]
    broken = first_nonfinite(t)
    if broken is not None:
        count = f"{len(layers)} layers looked at"
        found = [
            _nonfinite(broken, t, layers),
            _symmetric([m for m in layers if _columns_alike(m)]),
        ]
        return Diagnosis([f for f in found if f], f"{count}, as far as the numbers are finite.")
    alike = [m for m in layers if _columns_alike(m)]
    others = [m for m in hidden if m not in alike]
    on_the_way = chain_to(t, layers[-1].position)
    chain = [m for m in hidden if m.position in on_the_way]
    found = [_symmetric(alike), _dead(others), _saturation(others), gradient_finding(chain)]
    found.append(update_finding(t, layers, lr, any(found)))
    return Diagnosis([f for f in found if f], _summary(layers, chain))


def _summary(layers: list[Measures], hidden: list[Measures]) -> str:
    count = f"{len(layers)} {'layer' if len(layers) == 1 else 'layers'} looked at"
    factor = overall_factor(hidden)
    if factor is None:
        return f"{count}."
    return f"{count}; ∂L/∂s changes by a factor of {factor:.3g} per hidden layer."


def _nonfinite(first: FirstNonFinite, t: Trace, layers: list[Measures]) -> Finding:
    quantity = first.quantity
    evidence = (
        f"the first NaN or Inf is in {quantity} of {first.where} ({first.node.name}), "
        f"{first.count} of {first.size} entries"
    )
    if first.kind == "data":
        cause = "the data held it before the pass."
        remedy = "look for it in the data with np.isfinite, and leave those examples out."
    elif first.kind == "parameter":
        cause = f"{quantity} of {first.where} held it before the pass, after an update or a load."
        remedy = "start again, with a smaller learning rate if it came in training."
    elif first.kind == "forward":
        cause = (
            f"{first.node.name} made it of finite operands, the largest of them "
            f"{first.largest:.3g}{_growth(t)}."
        )
        remedy = _forward_remedy(first.node.name)
    else:
        cause = (
            "the forward pass is finite, so it comes from the gradient: an overflow on the way "
            f"back, or a derivative that is infinite here ({first.node.name})."
        )
        remedy = (
            "initialise with Xavier's or Kaiming's variance if n Var W is above 2 in the rows "
            f"(largest here: {max((m.n_var_W for m in layers), default=0):.3g}); keep operands of "
            "sqrt, log, power and division away from 0."
        )
    numbers = {"count": float(first.count), "size": float(first.size)}
    return Finding("non-finite", (first.where,), f"{evidence}.", cause, remedy, numbers)


def _growth(t: Trace) -> str:
    """How the forward signal grows from layer to layer, if it does."""
    sizes = [(row, mean_square(row.s)) for row in t.layers]
    finite = [m for _, m in sizes if math.isfinite(m) and m > 0]
    if len(finite) < 2:
        return ""
    factor = math.exp(math.log(finite[-1] / finite[0]) / 2 / (len(finite) - 1))
    if factor < 2:
        return ""
    widest = max(row.W.shape[0] * mean_square(row.W) for row in t.layers)
    return f"; s grows by a factor of {factor:.3g} per layer, n Var W is up to {widest:.3g}"


def _forward_remedy(name: str) -> str:
    if name in ("log", "divide", "sqrt", "power"):
        return (
            f"keep the operand of {name} away from 0 and from below it (add a small number, or use "
            "log_softmax, cross_entropy or clip, which are safe)."
        )
    if name == "exp":
        return "use softmax, logsumexp or cross_entropy, which subtract the largest entry first."
    return "initialise with Xavier's or Kaiming's variance, or lower the learning rate."


def _symmetric(alike: list[Measures]) -> Finding | None:
    """Layers whose units are all alike and get the same gradient, so stay alike."""
    if not alike:
        return None
    names = tuple(m.row.name for m in alike)
    zero = all(not np.any(m.row.W) for m in alike)
    value = "0" if zero else "one value per input"
    return Finding(
        "symmetric weights",
        names,
        f"all units of {named(names)} have the same weights ({value}), biases and gradients.",
        "f(s) and ∂L/∂s are the same for every unit, so each update leaves them alike: the layer "
        "acts as a single unit" + (", and ∂L/∂x = ∂L/∂s Wᵀ is 0 below it." if zero else "."),
        "draw the weights at random, with Xavier's or Kaiming's variance; only biases may start "
        "at one value.",
        {"layers": float(len(alike))},
    )


def _columns_alike(m: Measures) -> bool:
    row = m.row
    same = (row.W, row.b, row.dL_ds, row.dL_dW)
    # A layer of zeros whose units get different gradients comes apart at the first step.
    return row.W.shape[1] > 1 and all(_alike(a) for a in same if a is not None)


def _alike(a: Array) -> bool:
    if not np.isfinite(a).all():
        return False
    return bool(np.abs(a - a[..., :1]).max(initial=0) <= ALIKE * np.abs(a).max(initial=0))


def _dead(hidden: list[Measures]) -> Finding | None:
    dead = [m for m in hidden if m.dead is not None and m.dead > _most_dead(m.row.W.shape[1])]
    if not dead:
        return None
    worst = max(dead, key=lambda m: m.dead or 0.0)
    row, share = worst.row, worst.dead or 0.0
    names = tuple(m.row.name for m in dead)
    b = 0.0 if row.b is None else float(np.mean(row.b))
    spread = float(np.std(row.s, axis=0).mean())
    by_bias = worst.s_bias > 0.5
    return Finding(
        "dead units",
        names,
        f"{_percent(share)} of the units of {row.name} have |f′(s)| below {_percent(DEAD)} of its "
        f"maximum for every one of the {len(row.x)} examples, from {dead[0].row.name} on "
        f"({named(names)}).",
        f"E[f′²] is {worst.slope2:.3g} there: "
        + (
            f"the biases, {b:.3g} on average, are far from what x W adds"
            if by_bias
            else "x W is on the flat side for every example"
        )
        + f" (s is {float(np.mean(row.s)):.3g} on average and varies by {spread:.3g} from example "
        f"to example; n Var W = {worst.n_var_W:.3g}).",
        "set the biases to 0 and the weights to Kaiming's variance, for which E[f′²] is "
        f"{_slope2_at_one(worst):.3g}; if they died in training, lower the learning rate or use "
        "leaky_relu, elu or gelu.",
        {"share": share, "slope2": worst.slope2, "width": float(row.W.shape[1])},
    )


def _most_dead(width: int) -> float:
    return min(0.5 + 1.5 / math.sqrt(width), 0.99)


def _slope2_at_one(m: Measures) -> float:
    return slope_second_moment(m.row.f, 1.0)


def _saturation(hidden: list[Measures]) -> Finding | None:
    flat = [m for m in hidden if m.saturated is not None and m.saturated > SHARE_SATURATED]
    if not flat:
        return None
    first, worst = flat[0], max(flat, key=lambda m: m.saturated or 0.0)
    largest = flat_sides(first.row.f)[2]
    names = tuple(m.row.name for m in flat)
    size = math.sqrt(mean_square(first.row.s))
    most = ""
    if len(flat) > 1:
        share = _percent(worst.saturated or 0)
        most = f"; most, {share}, in {worst.row.name} ({named(names)})"
    if first.s_bias > 0.5:
        b2 = math.sqrt(mean_square(first.row.b))
        cause = f"the biases of {first.row.name}, rms {b2:.3g}, push s to rms {size:.3g}"
    elif first.x2 * first.forward > 4 and first.x2 > 4 * first.forward:
        cause = f"the input of {first.row.name} is large, rms {math.sqrt(first.x2):.3g}"
    else:
        cause = f"fan_in Var W = {first.forward:.3g} in {first.row.name} takes s to rms {size:.3g}"
    return Finding(
        "saturation",
        names,
        f"it starts in {first.row.name}: {_percent(first.saturated or 0)} of its f′(s) are below "
        f"{_percent(SATURATED)} of the maximum {largest:.3g}{most}.",
        f"{cause}, so E[f′²] is {first.slope2:.3g} where it could be {largest**2:.3g}.",
        "scale the data to mean 0 and variance 1, set the biases to 0 and the weights to Xavier's "
        f"variance: then E[f′²] is {_slope2_at_one(first):.3g} or more; if it came in training, "
        "lower the learning rate.",
        {
            "share": first.saturated or 0.0,
            "slope2": first.slope2,
            "forward": first.forward,
            "s_rms": size,
        },
    )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
