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
    DRAW, THEORY     operations between the layers, such as an addition, are named as a cause where
                     the factor per layer is farther from √(E[f′²]·n·Var W) than a draw of n units
                     takes it.
    LARGE, SMALL     rms of the inputs: standardised ones have 1, pixels in [0, 1] about 0.3,
                     one-hot rows less, but a largest entry of 1; small is below 0.02 with a
                     largest entry below 0.1.
    OFF_CENTRE       rms of the inputs over their standard deviation from example to example: 1 for
                     standardised ones, 2 for bright pictures.
    FAR_ABOVE        nats of cross-entropy above ln K. Logits of variance 2, which Kaiming's weights
                     give, have 1.
"""

from __future__ import annotations

import math

from engine.errors import GraphError
from engine.tracing.data import TraceData
from engine.tracing.read.diagnose.finding import Diagnosis, Finding
from engine.tracing.read.diagnose.gradients import gradient_finding, overall_factor
from engine.tracing.read.diagnose.measures import Measures, all_zero, measure
from engine.tracing.read.diagnose.nonfinite import first_nonfinite, nonfinite_finding
from engine.tracing.read.diagnose.scales import (
    equal_examples_finding,
    equal_logits_finding,
    guesses,
    input_finding,
    loss_finding,
)
from engine.tracing.read.diagnose.stops import stop_findings, unreached_finding
from engine.tracing.read.diagnose.units import (
    columns_alike,
    dead_finding,
    saturation_finding,
    stays_alike,
    symmetric_finding,
)
from engine.tracing.read.diagnose.updates import update_finding
from engine.tracing.read.find import chain_to, count_passes

_LOSSES = ("cross_entropy", "squared_error")


def diagnose(t: TraceData, *, lr: float | None = None) -> Diagnosis:
    """Findings with evidence, cause and remedy; none for a healthy net.

    Args:
        t: a trace of one forward and backward pass, with arrays or with statistics. Of statistics
            of more than 4,096 entries, what concerns single units or examples is judged by a
            sample of that many.
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
        raise GraphError(f"diagnose: {_nothing_to_judge(t)}")
    passes = count_passes(t)
    if passes > 1:
        raise GraphError(
            f"diagnose: this trace holds {passes} passes, each with layers of its own; trace each "
            "in a block of its own"
        )
    hidden = layers[:-1]
    alike = [m for m in hidden if columns_alike(m) and (stays_alike(m) or not all_zero(m.row, "W"))]
    alike += [m for m in layers[-1:] if columns_alike(m) and stays_alike(m)]
    broken = first_nonfinite(t)
    if broken is not None:
        first = nonfinite_finding(broken, t, layers)
        rest = symmetric_finding([m for m in alike if stays_alike(m)])
        looked = f"{_count(layers)}, as far as the numbers are finite."
        return Diagnosis([first, rest] if rest else [first], looked)
    others = [m for m in hidden if m not in alike]
    on_the_way = chain_to(t, layers[-1].position)
    chain = [m for m in layers if m.position in on_the_way]
    hidden_chain = _with_gradient([m for m in chain if m in hidden])
    on_gradients = [
        symmetric_finding(alike),
        *stop_findings(t, layers),
        unreached_finding(t, layers),
        dead_finding(others),
        saturation_finding(others),
        gradient_finding(hidden_chain, t),
    ]
    findings = [finding for finding in on_gradients if finding]
    findings += _of_scales(t, layers, chain, findings)
    update = update_finding(layers, lr, bool(findings))
    judged = len(layers) > 1 or any(
        n.name in _LOSSES and n.kind == "built-in" and n.sweeps for n in t.nodes
    )
    summary = _summary(layers, hidden_chain, judged) + _unrecorded(t)
    return Diagnosis([*findings, update] if update else findings, summary, judged)


def _of_scales(
    t: TraceData, layers: list[Measures], chain: list[Measures], findings: list[Finding]
) -> list[Finding]:
    """Findings about inputs, logits and loss, as far as those on gradients do not explain them."""
    kinds = {finding.kind for finding in findings}
    losses = guesses(t)
    inputs = None
    if not any("x_rms" in finding.numbers for finding in findings):
        inputs = input_finding(layers, losses)
    scales = [inputs, equal_examples_finding(chain, only_data=True)]
    if inputs is None and "exploding gradient" not in kinds:
        scales.append(loss_finding(t, layers, chain, losses))
    if not findings and not any(scales):
        examples = equal_examples_finding(chain, only_data=False)
        at_the_end = examples is None or examples.layers == (chain[-1].row.name,)
        logits = equal_logits_finding(t, losses) if at_the_end else None
        scales.append(logits or examples)
    return [finding for finding in scales if finding]


def _with_gradient(chain: list[Measures]) -> list[Measures]:
    """The layers above the last one whose ∂L/∂s is 0, which is a finding of its own."""
    silent = [i for i, m in enumerate(chain) if m.dL_ds == 0]
    return chain[silent[-1] + 1 :] if silent else chain


def _nothing_to_judge(t: TraceData) -> str:
    if not t.layers:
        return (
            "this trace holds no layer, and layers are what is judged; build the net of Dense, or "
            "of dense or x @ W with a variable as W"
        )
    return (
        "the trace saw no backward pass of a layer; call loss.backward() inside the trace() block"
    )


def _summary(layers: list[Measures], hidden: list[Measures], judged: bool) -> str:
    if not judged:
        return (
            f"{_count(layers)}, which is no hidden layer, and no loss that is known "
            "(cross_entropy, quadratic, mse): nothing tells whether this net can learn."
        )
    factor = overall_factor(hidden)
    if factor is None:
        return f"{_count(layers)}."
    return f"{_count(layers)}; ∂L/∂s changes by a factor of {factor:.3g} per hidden layer."


def _unrecorded(t: TraceData) -> str:
    n = t.unrecorded
    if not n:
        return ""
    return f" Not judged: {n} operation{'s' * (n > 1)} on variables under no_grad()."


def _count(layers: list[Measures]) -> str:
    return f"{len(layers)} {'layer' if len(layers) == 1 else 'layers'} looked at"
