"""What a net is given and what it gives: the inputs, the logits and the loss."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from engine.tracing.data import TraceData
from engine.tracing.nodes import NodeRecord
from engine.tracing.read.diagnose.finding import Finding, named
from engine.tracing.read.diagnose.measures import (
    ALIKE,
    Measures,
    all_zero,
    examples_alike,
    rms,
    spread,
    units_alike,
)
from engine.tracing.read.find import operations_after
from engine.tracing.rows import LayerRecord
from engine.tracing.statistics import Statistics

# See `engine.tracing.read.diagnose.judge` for the reasons.
LARGE = 10.0
SMALL = 0.02
OFF_CENTRE = 5.0
FAR_ABOVE = 5.0
_STANDARDISE = (
    "standardise the inputs: subtract from each column its mean over the training examples, and "
    "divide by its standard deviation."
)


@dataclass(frozen=True)
class Guess:
    """A cross-entropy of the pass, beside that of a uniform guess over its K classes, ln K."""

    node: NodeRecord
    loss: float
    classes: int

    @property
    def uniform(self) -> float:
        return math.log(self.classes)

    @property
    def far_above(self) -> bool:
        return self.loss > self.uniform + FAR_ABOVE

    def __str__(self) -> str:
        return (
            f"the loss, {self.loss:.3g}, is far above ln K = {self.uniform:.3g}, which a uniform "
            f"guess over K = {self.classes} classes has"
        )


def guesses(t: TraceData) -> list[Guess]:
    """The cross-entropies that the backward pass came through, the largest loss first."""
    guessed = [
        Guess(node, node.number, node.input_shapes[0][1])
        for node in t.nodes
        if node.name == "cross_entropy" and node.kind == "built-in" and node.sweeps
        if node.number is not None and math.isfinite(node.number) and node.input_shapes[0][1] > 1
    ]
    return sorted(guessed, key=lambda guess: guess.uniform - guess.loss)


def input_finding(layers: list[Measures], guessed: list[Guess]) -> Finding | None:
    """A finding if data come in at a scale that the weights are not made for."""
    for row in (view for m in layers for view in m.row.by_link):
        x = row.statistics("x")
        if isinstance(row.source, int) or x is None or not x.rms > 0:
            continue  # a first state of zeros is no data
        off = _off(row, x)
        if off:
            return _of_inputs(row, x, *off, [guess for guess in guessed if guess.far_above])
    return None


def _off(row: LayerRecord, x: Statistics) -> tuple[str, str] | None:
    """What is wrong with the data, and what comes of it."""
    apart = spread(row, "x")
    if apart <= 1e-6 * x.rms:
        return None  # examples that are equal are another finding
    if x.rms > LARGE:
        return (
            "large",
            "weights of Xavier's or Kaiming's variance keep the size of what comes in, so s and "
            "the output are as large",
        )
    if x.rms < SMALL and max(abs(x.min), abs(x.max)) < 5 * SMALL:
        return (
            "small",
            "s and ∂L/∂W = xᵀ ∂L/∂s are as small as x, so the biases alone learn at an ordinary "
            "learning rate",
        )
    if x.rms > OFF_CENTRE * apart:
        return (
            "far from centred",
            f"from example to example x varies by {apart:.3g} only, 1/{x.rms / apart:.3g} of its "
            "size: each unit gets nearly the same s for every example",
        )
    return None


def _of_inputs(
    row: LayerRecord, x: Statistics, word: str, effect: str, far: list[Guess]
) -> Finding:
    loss = f"; {far[0]}" if far else ""
    numbers = {"mean": x.mean, "std": x.std, "x_rms": x.rms, "s_rms": rms(row, "s")}
    if far:
        numbers |= {"loss": far[0].loss, "uniform": far[0].uniform}
    return Finding(
        "input scale",
        (row.name,),
        f"the input of {row.name} is {word}: mean {x.mean:.3g}, std {x.std:.3g}, rms {x.rms:.3g}; "
        f"s has rms {rms(row, 's'):.3g} there{loss}.",
        f"{effect}.",
        _STANDARDISE,
        numbers,
    )


def loss_finding(
    t: TraceData, layers: list[Measures], chain: list[Measures], guessed: list[Guess]
) -> Finding | None:
    """A finding if a cross-entropy is far above that of a guess, and the inputs are not why.

    `chain` are the layers on the way to the last one.
    """
    if not guessed or not guessed[0].far_above:
        return None
    guess = guessed[0]
    last, widest = layers[-1].row, max(layers, key=lambda m: m.forward)
    biased = max(layers, key=lambda m: m.s_bias * rms(m.row, "s"))
    names: tuple[str, ...] = (last.name,)
    if widest.forward > 4:
        names = (widest.row.name,)
        cause = (
            f"fan_in Var W = {widest.forward:.3g} in {widest.row.name} takes its input of rms "
            f"{math.sqrt(widest.x2):.3g} to s of rms {rms(widest.row, 's'):.3g}."
        )
        remedy = "initialise with Xavier's or Kaiming's variance; if the weights grew in training, "
        remedy += "lower the learning rate."
    elif biased.s_bias > 0.5 and rms(biased.row, "b") > 1:
        names = (biased.row.name,)
        cause = (
            f"the biases of {biased.row.name} have rms {rms(biased.row, 'b'):.3g}, and s has rms "
            f"{rms(biased.row, 's'):.3g}."
        )
        remedy = "set the biases to 0."
    elif between := _growth_between(t, chain):
        names = tuple(dict.fromkeys(m.row.name for m in chain))
        cause = f"{between}, which the weights do not explain."
        remedy = (
            "make the operations between the layers keep the signal's size: scale the branch that "
            "an addition joins to what it skips by 1/√(number of branches)."
        )
    else:
        cause = "the net is sure of its answers, and they are wrong."
        remedy = (
            "see whether labels and examples belong together; in training, lower the learning rate."
        )
    return Finding(
        "high loss",
        names,
        f"{guess}; the output of {last.name} has rms {rms(last, 'x_next'):.3g}.",
        cause,
        remedy,
        {"loss": guess.loss, "uniform": guess.uniform, "logits_rms": rms(last, "x_next")},
    )


def _growth_between(t: TraceData, chain: list[Measures]) -> str:
    """How the signal grows between the layers, by what operations; "" unless it does."""
    after, factor, names = operations_after(t), 1.0, []
    for a, b in pairwise(chain):
        left, comes = rms(a.row, "x_next"), rms(b.row, "x")
        if left and comes > left:
            factor *= comes / left
            names += [node.name for node in after[a.position]]
    if factor < 2:
        return ""
    operations = named(tuple(dict.fromkeys(names)))
    return f"between the layers the signal grows by a factor of {factor:.3g}, in {operations}"


def equal_examples_finding(chain: list[Measures], only_data: bool) -> Finding | None:
    """A finding if the last layer can't tell the examples apart; `chain` ends with it.

    Args:
        only_data: leave out examples that the layers have made equal.
    """
    last = chain[-1].row
    if not examples_alike(last, "x_next"):
        return None
    first = next((m.row for m in chain if examples_alike(m.row, "x")), None)
    if first is not None and not isinstance(first.source, int):
        cause = f"the {first.batch} examples that come in at {first.name} are all the same."
        remedy = (
            "look at how the batch is made: x[i] taken once for all, a column of constants, data "
            "that were lost or clipped on the way."
        )
        name, quantity = first.name, "x"
    elif only_data:
        return None
    else:
        row = next(m.row for m in chain if examples_alike(m.row, "x_next"))
        name, quantity = row.name, "x⁽ⁱ⁺¹⁾"
        size, b = rms(row, "s"), rms(row, "b")
        if all_zero(row, "W"):
            cause = f"the weights of {name} are all 0."
        elif examples_alike(row, "s"):
            cause = f"x W of {name} adds nothing to the biases that is not the same for all: "
            cause += f"b has rms {b:.3g}, s has rms {size:.3g}."
        else:
            cause = f"s of {name}, of rms {size:.3g}, lies where {row.f.name} is flat."
        remedy = f"draw the weights of {name} with Xavier's or Kaiming's variance, biases 0."
    return Finding(
        "equal examples",
        (name,),
        f"{quantity} of {name} is the same for each of the {last.batch} examples, so no layer from "
        "there on sees a difference between them, nor does the loss.",
        cause,
        remedy,
        {"examples": float(last.batch)},
    )


def equal_logits_finding(t: TraceData, guessed: list[Guess]) -> Finding | None:
    """A finding if the logits of each example are all equal: the net gives a uniform guess."""
    rows = {id(row.node): row for row in t.layers}
    for guess in guessed:
        source = guess.node.sources[0]
        row = rows.get(id(t.nodes[source])) if isinstance(source, int) else None
        if guess.node.kept:
            logits = guess.node.inputs[0]
            largest = np.abs(logits).max(initial=0)
            alike = bool(np.ptp(logits, axis=1).max(initial=0) <= ALIKE * largest)
        else:
            alike = row is not None and units_alike(row, "x_next")
        if not alike:
            continue
        where = "the output" if row is None else row.name
        step = 0.0 if row is None else rms(row, "dL_dW")
        zero = row is not None and all_zero(row, "W")
        return Finding(
            "equal logits",
            (where,),
            f"the {guess.classes} logits of each example, from {where}, are equal; the loss is "
            f"{guess.loss:.3g}, ln K = {guess.uniform:.3g} of a uniform guess.",
            f"the weights of {where} are all 0."
            if zero
            else f"nothing that {where} takes in makes a difference between its units.",
            "draw its weights at random, with Xavier's or Kaiming's variance"
            + (
                f"; at the start of training, its ∂L/∂W of {step:.3g} (rms) changes that at the "
                "first update."
                if step
                else "."
            ),
            {"loss": guess.loss, "uniform": guess.uniform},
        )
    return None
