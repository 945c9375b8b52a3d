"""The claims of `saturation`, with their sources, and what a run measured for them.

Some claims are of what happens late in training. A run shorter than the paper's may show them,
but it can't refute them: where it hasn't come so far, their interval stays open to what a longer
run would give, and the verdict is "not shown".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured, Statement
from experiments.questions.saturation_kinds import DEEP, FREE, FROZEN, Kind
from experiments.questions.saturation_statements import (
    EARLY,
    END,
    ESCAPE_BY,
    G1,
    G1_ORDER,
    G1_OTHERS,
    G2,
    G2_LAYERS,
    G3,
    G3_SOONER,
    G5,
    G5_FROZEN,
    G5_LESS,
    G5_TANH,
    G6,
    G7,
    G7_TOGETHER,
    G8,
    G8_SOFTSIGN,
    G16,
    LEFT,
    SATURATED,
)
from experiments.questions.table1_statements import CONSTANT_ERROR, G4, G18, G18_EQUAL, PAPER

if TYPE_CHECKING:
    from experiments.questions.saturation import Settings

Array = npt.NDArray[np.float64]
Arrays = Mapping[str, npt.NDArray[np.generic]]


@np.errstate(all="ignore")  # layers that stand still give 0/0, and that is "not shown"
def claims(settings: Settings, arrays: Arrays) -> list[Claim]:
    """Every claim, with what this run measured; those it can't measure stay "not yet measured"."""
    run = _Run(settings, arrays)
    makers: list[tuple[Statement, Callable[[_Run], Claim]]] = [
        *((G1, _g1), (G1_OTHERS, _g1_others), (G1_ORDER, _g1_order)),
        *((G2, _g2), (G2_LAYERS, _g2_layers), (G3, _g3), (G3_SOONER, _g3_sooner), (G4, _g4)),
        *((G5, _g5), (G5_FROZEN, _g5_frozen), (G5_LESS, _g5_less), (G5_TANH, _g5_tanh)),
        *((G6, _g6), (G7, _g7), (G7_TOGETHER, _g7_together)),
        *((G8, _g8), (G8_SOFTSIGN, _g8_softsign), (G16, _g16)),
        *((G18, _g18), (G18_EQUAL, _g18_equal)),
    ]
    found = []
    for statement, make in makers:
        try:
            found.append(make(run))
        except _NotRunError:
            found.append(Claim(statement))
    return found


class _NotRunError(Exception):
    """This run has no such nets, or data that the claim is not about."""


class _Run:
    """The arrays of a run by kind of net, each with an axis of seeds first."""

    def __init__(self, settings: Settings, arrays: Arrays) -> None:
        self.settings, self._arrays = settings, arrays
        self.entropy = float(np.asarray(arrays["entropy"], np.float64))

    def get(self, kind: Kind, name: str) -> Array:
        if f"{kind.key}_{name}" not in self._arrays:
            raise _NotRunError
        return np.asarray(self._arrays[f"{kind.key}_{name}"], np.float64)

    def hidden(self, activation: str, normalized: bool = False) -> Kind:
        return Kind(activation, self.settings.depth, normalized)

    def updates(self, kind: Kind) -> int:
        return self.settings.updates_of(kind)

    def below_entropy(self, kind: Kind) -> Array:
        """How far the loss at the end is below what the class priors alone give, by seed."""
        return self.entropy - self.get(kind, "last_loss")

    def early(self, kind: Kind, name: str) -> Array:
        """At the first record that is not before `EARLY`, by seed and layer."""
        after = self.get(kind, "updates")[0] >= min(EARLY, self.updates(FROZEN))
        return np.asarray(self.get(kind, name)[:, np.argmax(after) if after.any() else -1])

    @property
    def too_early(self) -> bool:
        """What happens "almost at once" may not have happened yet: the control is too short."""
        return self.updates(FROZEN) < EARLY

    def when_lowest(self, kind: Kind, series: Array) -> Array:
        """A series' value when the top layer's mean is at its least, by seed."""
        top = self.get(kind, "mean")[:, :, -1]
        return np.asarray(series[np.arange(len(top)), np.argmin(top, axis=1)])

    def until_left(self, kind: Kind) -> Array:
        """Updates until the loss has left the plateau, by seed; ∞ where it hasn't."""
        return self.first(kind, self.get(kind, "loss") < self.entropy - LEFT)

    def first(self, kind: Kind, reached: npt.NDArray[np.bool_]) -> Array:
        """Updates until a condition first holds, along the axis of records; ∞ if it never does."""
        at = self.get(kind, "updates")[0, np.argmax(reached, axis=1)]
        # What holds from the start on has been reached by the first record after it, at most.
        at = np.maximum(at, self.get(kind, "updates")[0, 1])
        return np.where(reached.any(axis=1), at, math.inf)


def _open_above(measured: Measured, longer: bool) -> Measured:
    """More would have come with more updates, if the run was too short to tell."""
    return replace(measured, high=math.inf) if longer else measured


def _g1(run: _Run) -> Claim:
    top = Measured.of(run.early(FREE, "mean")[:, -1])
    if run.too_early:
        top = replace(top, low=-math.inf)
    return G1.measured((0.0,), (top,), ("top layer",))


def _g1_others(run: _Run) -> Claim:
    means = run.early(FREE, "mean")[:, :-1].T
    labels = [f"layer {i + 1}" for i in range(len(means))]
    return G1_OTHERS.measured([0.5] * len(means), [Measured.of(m) for m in means], labels)


def _g1_order(run: _Run) -> Claim:
    means = run.early(FREE, "mean")[:, :-1].T
    rises = np.diff(means, axis=0)
    labels = [f"{i + 2} over {i + 1}" for i in range(len(rises))]
    values = [_open_above(Measured.of(rise), run.too_early) for rise in rises]
    return G1_ORDER.measured([0.0] * len(rises), values, labels)


def _escaped(run: _Run, kind: Kind) -> bool:
    return bool((run.below_entropy(kind) >= LEFT).all())


def _may_escape(run: _Run, kind: Kind) -> bool:
    """Not every net has escaped yet, and the paper's took longer than this run."""
    return not _escaped(run, kind) and run.updates(kind) < ESCAPE_BY


def _g2(run: _Run) -> Claim:
    left = Measured.of(run.below_entropy(FREE))
    return G2.measured((LEFT,), (_open_above(left, _may_escape(run, FREE)),), (_after(run, FREE),))


def _g2_layers(run: _Run) -> Claim:
    values = []
    for name, layer in (("mean", -1), ("std", 0)):
        series = run.get(FREE, name)[:, :, layer]
        growth = Measured.of(series[:, -1] / run.when_lowest(FREE, series), log=True)
        values.append(_open_above(growth, _may_escape(run, FREE)))
    return G2_LAYERS.measured((2.0, 2.0), values, ("top, mean", "1, std"))


def _g3(run: _Run) -> Claim:
    if run.settings.data != "shapeset":  # in Table 1 the paper's have escaped on MNIST
        raise _NotRunError
    return G3.measured((0.0,), (Measured.of(run.below_entropy(DEEP)),), (_after(run, DEEP),))


def _g3_sooner(run: _Run) -> Claim:
    three, four = Kind("sigmoid", 3), FREE
    t3, t4 = run.until_left(three), run.until_left(four)
    # Where 4 layers are still on the plateau, the true ratio is below the one with the run's end.
    ratio = Measured.of(t3 / np.minimum(t4, run.updates(four)), log=True)
    return G3_SOONER.measured((1.0,), (ratio,), ("3 over 4",))


def _g4(run: _Run) -> Claim:
    if run.settings.data != "shapeset":
        raise _NotRunError
    papers = PAPER["shapeset"]["sigmoid"]
    error = 100 * run.get(DEEP, "error")
    values = (Measured(papers, papers, papers), Measured.of(error))
    return G4.measured((CONSTANT_ERROR,) * 2, values, ("Table 1", "here"))


def _g5(run: _Run) -> Claim:
    loss = run.when_lowest(FREE, run.get(FREE, "loss"))
    return G5.measured((1.0,), (Measured.of(loss / run.entropy, log=True),))


def _g5_frozen(run: _Run) -> Claim:
    top = Measured.of(run.early(FROZEN, "mean")[:, -1])
    if run.too_early:
        top = replace(top, low=-math.inf)
    return G5_FROZEN.measured((0.1,), (top,))


def _g5_less(run: _Run) -> Claim:
    frozen, free = (run.early(kind, "mean")[:, -1] for kind in (FROZEN, FREE))
    ratio = _open_above(Measured.of(frozen / free, log=True), run.too_early)
    return G5_LESS.measured((2.0,), (ratio,))


def _g5_tanh(run: _Run) -> Claim:
    tanh = run.hidden("tanh")
    left = _open_above(Measured.of(run.below_entropy(tanh)), _may_escape(run, tanh))
    return G5_TANH.measured((LEFT,), (left,), (_after(run, tanh),))


def _g6(run: _Run) -> Claim:
    tanh = run.hidden("tanh")
    saturated = run.get(tanh, "p98") >= SATURATED
    t = np.array([run.first(tanh, saturated[:, :, i]) for i in range(saturated.shape[2])])
    values, labels = [], []
    for i, (below, above) in enumerate(itertools.pairwise(t)):
        decided = np.isfinite(below).all()
        if not decided and i >= 2:
            break
        # A layer that hasn't saturated by the end would do so later still. Where the one below
        # hasn't either, the ratio is 0, which has no logarithm: nothing is measured.
        ratio = Measured.of(np.minimum(above, run.updates(tanh)) / below, log=True)
        values.append(_open_above(ratio, not np.isfinite(above).all()))
        labels.append(f"{i + 2} over {i + 1}")
    return G6.measured([1.0] * len(values), values, labels)


def _g7(run: _Run) -> Claim:
    ends = [run.get(run.hidden(f), "p98")[:, -1].mean(axis=1) for f in ("tanh", "softsign")]
    return G7.measured((0.0,), (Measured.of(ends[0] - ends[1]),))


def _g7_together(run: _Run) -> Claim:
    spreads = []
    for f in ("tanh", "softsign"):
        kind = run.hidden(f)
        p98 = run.get(kind, "p98")
        way = (p98 - p98[:, :1]) / (p98[:, -1:] - p98[:, :1])
        t = np.array([run.first(kind, way[:, :, i] >= 0.5) for i in range(p98.shape[2])])
        spreads.append(t.max(axis=0) / t.min(axis=0))
    return G7_TOGETHER.measured((1.0,), (Measured.of(spreads[0] / spreads[1], log=True),))


def densities(histogram: Array) -> Array:
    """Of |x| in its fifths, from histograms (…, bins) over [−1, 1]: 1 where x is uniform."""
    bins = histogram.shape[-1]
    folded = histogram[..., bins // 2 :] + histogram[..., : bins // 2][..., ::-1]
    return np.asarray(5 * folded.reshape(*folded.shape[:-1], 5, -1).sum(axis=-1))


def _peak(run: _Run, activation: str, fifths: tuple[int, ...]) -> Measured:
    """The highest density in those fifths over the highest in the others, layers together."""
    kind = run.hidden(activation)
    found = densities(run.get(kind, "histogram").mean(axis=1))
    there = found[:, fifths].max(axis=1)
    ratio = Measured.of(there / np.delete(found, fifths, axis=1).max(axis=1), log=True)
    return _open_above(ratio, run.updates(kind) < END)


def _g8(run: _Run) -> Claim:
    tanh = run.hidden("tanh")
    return G8.measured((1.0,), (_peak(run, "tanh", (0, 4)),), (_after(run, tanh),))


def _g8_softsign(run: _Run) -> Claim:
    softsign = run.hidden("softsign")
    return G8_SOFTSIGN.measured((1.0,), (_peak(run, "softsign", (3,)),), (_after(run, softsign),))


def _g16(run: _Run) -> Claim:
    values = []
    for name in ("p98", "std"):
        goal = run.get(run.hidden("softsign"), name)
        distances = [
            np.sqrt(np.mean((run.get(run.hidden("tanh", init), name) - goal) ** 2, axis=(1, 2)))
            for init in (True, False)
        ]
        values.append(Measured.of(distances[0] / distances[1], log=True))
    return G16.measured((1.0, 1.0), values, ("p98", "std"))


def _g18(run: _Run) -> Claim:
    sigmoid, tanh, softsign, tanh_n = _errors(run)
    differences = (sigmoid - tanh, tanh - softsign, tanh - tanh_n)
    labels = ("sigmoid–tanh", "tanh–softsign", "tanh–tanh N")
    return G18.measured((0.0,) * 3, [Measured.of(d) for d in differences], labels)


def _g18_equal(run: _Run) -> Claim:
    _, _, softsign, tanh_n = _errors(run)
    return G18_EQUAL.measured((1.0,), (Measured.of(softsign / tanh_n, log=True),))


def _errors(run: _Run) -> list[Array]:
    """Per cent: sigmoid, tanh, softsign, tanh N, of the same depth on Shapeset."""
    if run.settings.data != "shapeset":
        raise _NotRunError
    names = (("sigmoid", False), ("tanh", False), ("softsign", False), ("tanh", True))
    return [100 * run.get(run.hidden(f, init), "error") for f, init in names]


def _after(run: _Run, kind: Kind) -> str:
    """How long a run it was, in thousands of updates."""
    return f"{run.updates(kind) / 1000:g}k updates"
