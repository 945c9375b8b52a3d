"""Where the gradient stops: layers whose ∂L/∂s is exactly 0, and those that no sweep reached."""

from __future__ import annotations

import math

import numpy as np

from engine.tracing.data import TraceData
from engine.tracing.nodes import NodeRecord
from engine.tracing.read.diagnose.finding import Finding, named
from engine.tracing.read.diagnose.measures import Measures, all_zero, mean_square, rms
from engine.tracing.read.find import fed_by, operations_to_the_end, same_weights
from engine.tracing.read.formulas import formula, is_activation
from engine.tracing.rows import LayerRecord
from engine.tracing.statistics import largest_slope

KIND = "no gradient"
MOST = 3  # findings of branches in which the gradient stops
_SHOWS = 'look at the step with t.walk(), on a trace with keep="arrays".'
_DEAD = (
    "set the biases to 0 and the weights to Kaiming's variance, or Xavier's where f is flat on "
    "both sides; if the units died in training, lower the learning rate or use leaky_relu, elu or "
    "gelu."
)
_FLAT = (
    "use a function with a slope, such as tanh or relu, or give this one the derivative of a "
    "smooth function with @custom_vjp."
)
_UNDERFLOW = "mend what makes the gradient shrink; float64 only moves the layer where it becomes 0."


def stop_findings(t: TraceData, swept: list[Measures]) -> list[Finding]:
    """A finding for each layer at which the gradient has become exactly 0, the last layer first."""
    # Another use of the same W may have a gradient, as another step of a recurrence.
    learning = {m.row.weights for m in swept if m.dL_ds > 0} - {None}
    silent = {
        m.position for m in swept if all_zero(m.row, "dL_ds") and m.row.weights not in learning
    }
    if not silent:
        return []
    feeds = fed_by(t)
    by_position = {m.position: m for m in swept}
    findings: dict[str, Finding] = {}
    for position in sorted(silent, reverse=True):
        takers = [by_position[i] for i in by_position if position in feeds[i]]
        if takers and all(m.position in silent for m in takers):
            continue
        m = by_position[position]
        if m.row.name not in findings:  # a layer that is called again and again stops once
            below = [t.layers[i].name for i in sorted(_below(position, feeds, silent))]
            off = t.layers[_never_on(t, position, feeds)]
            findings[m.row.name] = _stopped(
                m.row, off, below, takers, operations_to_the_end(t, position)
            )
    return _at_most(list(findings.values()))


def _at_most(findings: list[Finding]) -> list[Finding]:
    """The first findings, and a last one that names the layers of the rest."""
    if len(findings) <= MOST:
        return findings
    shown = {name for finding in findings[: MOST - 1] for name in finding.layers}
    rest = (name for finding in findings[MOST - 1 :] for name in finding.layers)
    names = tuple(name for name in dict.fromkeys(rest) if name not in shown)
    if not names:
        return findings[: MOST - 1]
    last = Finding(
        KIND,
        names,
        f"∂L/∂s is exactly 0 in {len(names)} layers more: {named(names)}.",
        "the gradient stops in more branches of the net.",
        f"mend what is found above, which may be what stops it there too; {_SHOWS}",
        {"layers": float(len(names))},
    )
    return [*findings[: MOST - 1], last]


def _never_on(t: TraceData, position: int, feeds: list[frozenset[int]]) -> int:
    """The layer itself; if it takes in nothing but 0, the layer that these zeros come from."""
    while feeds[position] and all_zero(t.layers[position], "x"):
        position = max(feeds[position])
    return position


def _below(position: int, feeds: list[frozenset[int]], silent: set[int]) -> set[int]:
    """The layer and those without a gradient that it takes its input from."""
    below, waiting = {position}, [position]
    while waiting:
        silent_before = (feeds[waiting.pop()] & silent) - below
        below |= silent_before
        waiting += silent_before
    return below


def _stopped(
    row: LayerRecord,
    off: LayerRecord,
    below: list[str],
    takers: list[Measures],
    after: list[NodeRecord],
) -> Finding:
    names = tuple(dict.fromkeys(below))
    lively = [m for m in takers if m.dL_ds]
    beyond = f", and {lively[0].dL_ds:.3g} (rms) in {lively[0].row.name}" if lively else ""
    at = f"in {row.name}" if len(names) == 1 else f"in {row.name} and below it ({named(names)})"
    if not all_zero(row, "dL_dx_next"):
        cause, remedy = _within(row, off)
    else:
        cause, remedy = _between(row, off, takers, lively, after)
    return Finding(
        KIND,
        names,
        f"∂L/∂s is exactly 0 {at}{beyond}; so is ∂L/∂W, and this pass changes none of these "
        "weights.",
        cause,
        remedy,
        {"layers": float(len(names))},
    )


def _within(row: LayerRecord, off: LayerRecord) -> tuple[str, str]:
    """A gradient arrives at x⁽ⁱ⁺¹⁾, and f′ lets nothing of it through."""
    arrives = f"∂L/∂x⁽ⁱ⁺¹⁾ arrives with rms {rms(row, 'dL_dx_next'):.3g}"
    if not largest_slope(row.f):
        return f"{arrives}, and f′ of {row.f.name} is 0 everywhere.", _FLAT
    if all_zero(row, "df_ds"):
        if all_zero(row, "W") and all_zero(row, "s"):
            return (
                f"the weights of {row.name} are all 0, so s is 0, where f′ of {row.f.name} is 0.",
                _drawn(row),
            )
        return (
            f"{arrives} at {row.name}, where f′(s) is 0 throughout: no unit of {off.name} is on "
            f"for any example, with s {_ends(off, 's')}{_zeros_after(row, off)}.",
            _DEAD,
        )
    return (
        f"{arrives}, and E[f′²] is {mean_square(row, 'df_ds'):.3g}: it falls on units of f′ = 0, "
        "or the product is below the smallest number of its precision.",
        _UNDERFLOW,
    )


def _between(
    row: LayerRecord,
    off: LayerRecord,
    takers: list[Measures],
    lively: list[Measures],
    after: list[NodeRecord],
) -> tuple[str, str]:
    """Nothing arrives at the layer's output: what takes it sends nothing back."""
    sending = [m for m in lively if not all_zero(m.row, "dL_dx")]
    if takers and not sending:
        return _of_weights((lively or takers)[0].row)
    above = sending[0].row.name if sending else "the loss"
    stop = _stopping(after) if row.kept else _only_possible(row, after)
    if stop is None:
        operations = named(tuple(dict.fromkeys(node.name for node in after))) or "no operation"
        return (
            f"between {row.name} and {above} lies {operations}, and nothing comes back from there.",
            _SHOWS,
        )
    return _of_operation(row, off, above, stop)


def _of_weights(row: LayerRecord) -> tuple[str, str]:
    """The layer that takes the output sends back ∂L/∂s Wᵀ = 0."""
    if not all_zero(row, "W"):
        return (
            f"∂L/∂x = ∂L/∂s Wᵀ of {row.name} is 0: ∂L/∂s is {rms(row, 'dL_ds'):.3g} there, and the "
            "products are below the smallest number of its precision or meet weights of 0.",
            _UNDERFLOW,
        )
    return f"the weights of {row.name} are all 0, so ∂L/∂x = ∂L/∂s Wᵀ is 0.", _drawn(row)


def _drawn(row: LayerRecord) -> str:
    """The remedy for weights of 0."""
    remedy = f"draw the weights of {row.name} at random, with Xavier's or Kaiming's variance"
    step = rms(row, "dL_dW")
    if step:
        remedy += (
            f"; if they are 0 on purpose, as at the end of a branch, their ∂L/∂W of {step:.3g} "
            "(rms) changes that at the first update: trace again after it"
        )
    return f"{remedy}."


def _zeros_after(row: LayerRecord, off: LayerRecord) -> str:
    return "" if row is off else f", so that all that comes after it, to {row.name}, is 0"


def _stopping(after: list[NodeRecord]) -> NodeRecord | None:
    """The operation that gets a gradient and sends back 0."""
    for node in reversed(after):
        sent = [g for g, source in zip(node.dL_dx, node.sources, strict=True) if source is not None]
        if not any(g is not None and np.any(g) for g in sent):
            return node
    return None


def _only_possible(row: LayerRecord, after: list[NodeRecord]) -> NodeRecord | None:
    """The same without arrays: the only operation, or an f that is flat wherever s is."""
    if len(after) == 1:
        return after[0]
    first, values = (after[0], row.statistics("x_next")) if after else (None, None)
    if first is None or values is None or first.activation is None:
        return next((node for node in after if node.number == 0), None)
    flat = first.activation.slope(np.linspace(values.min, values.max, 1001)) == 0
    return first if flat.all() else next((node for node in after if node.number == 0), None)


def _of_operation(
    row: LayerRecord, off: LayerRecord, above: str, node: NodeRecord
) -> tuple[str, str]:
    name = node.name
    where = f"{name} in {node.place}" if node.place else name
    if name in ("cross_entropy", "squared_error") and node.kind == "built-in":
        if name == "cross_entropy" and node.input_shapes[0][1] == 1:
            return (
                "cross_entropy over K = 1 class is 0 for every logit, and so is its gradient.",
                "give the net two outputs or more; for one output, use a loss of one number.",
            )
        if node.number == 0:
            return (
                f"the loss ({name}) is exactly 0: these examples are fitted, and nothing is left "
                "to learn from them.",
                "trace other examples; if the loss should not be 0, look at the labels.",
            )
        return (
            f"nothing arrives at {where}, whose value is {_number(node)}: what comes after it "
            "multiplies its gradient by 0.",
            "look at what is computed from the loss before backward(); t.walk() shows it.",
        )
    if is_activation(node):
        if node.activation is not None and not largest_slope(node.activation):
            return (
                f"between {row.name} and {above} lies {where}, whose f′ is 0 everywhere.",
                _FLAT,
            )
        return (
            f"between {row.name} and {above} lies {where}, and no unit of {off.name} is on for "
            f"any example, with s {_ends(off, 's')}{_zeros_after(row, off)}.",
            _DEAD,
        )
    return (
        f"between {row.name} and {above} lies {where}, which sends back 0 ({formula(node)}).",
        f"look at the operands of {name}; t.walk() shows the step with its numbers.",
    )


def _number(node: NodeRecord) -> str:
    return "unknown" if node.number is None else f"{node.number:.3g}"


def _ends(row: LayerRecord, name: str) -> str:
    values = row.statistics(name)
    if values is None or math.isnan(values.min):
        return "not finite"
    return f"between {values.min:.3g} and {values.max:.3g}"


def unreached_finding(t: TraceData, swept: list[Measures]) -> Finding | None:
    """Layers of the forward pass from which no operation leads to the loss."""
    reached = [m.row for m in swept]
    rows = [
        row
        for row in t.layers
        if not row.sweeps and not any(same_weights(row, other) for other in reached)
    ]
    if not rows:
        return None
    names = tuple(dict.fromkeys(row.name for row in rows))
    cut = next(((a, b) for a in reversed(rows) for b in reached if _cut_between(t, a, b)), None)
    if cut is None:
        cause = (
            "no operation leads from there to the loss: the output isn't used in it, or was made a "
            "constant on the way, as detach(), .numpy() and no_grad() do."
        )
    else:
        cause = (
            f"what {cut[1].name} takes in has the values of the output of {cut[0].name}, but is a "
            "constant: detach(), .numpy() or no_grad() between the two has cut the graph."
        )
    return Finding(
        KIND,
        names,
        f"the backward pass did not reach {named(names)}, whose weights get no gradient.",
        cause,
        "pass the tensor itself on to what follows; where the cut is meant, as for frozen layers, "
        "nothing is wrong.",
        {"layers": float(len(names))},
    )


def _cut_between(t: TraceData, a: LayerRecord, b: LayerRecord) -> bool:
    """Whether b's x is a constant, with the values of a's output or of a result made from it."""
    if b.source is not None:
        return False
    if not a.node.kept:
        return b.statistics("x") == a.statistics("x_next")
    outputs, reached = [a.x_next], {id(a.node)}
    for node in t.nodes:
        if any(isinstance(s, int) and id(t.nodes[s]) in reached for s in node.sources):
            reached.add(id(node))
            outputs.append(node.output)
    return any(y.shape == b.x.shape and np.array_equal(y, b.x) for y in outputs)
