"""The claims of `table1`: which of its numbers and orderings this run shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured
from experiments.questions.table1_statements import (
    CONSTANT_ERROR,
    G4,
    G17,
    G17_INIT,
    G17_SIGMOID,
    G18,
    G18_EQUAL,
    KINDS,
    PAPER,
)

if TYPE_CHECKING:
    from experiments.questions.table1 import Settings

Array = npt.NDArray[np.float64]

PAPERS_UPDATES = 5_000_000
PAPERS_DATA = ("shapeset", "mnist")  # as many examples as the paper's; CIFAR-10 has fewer here


def claims(settings: Settings, data: Sequence[str], errors: Array) -> list[Claim]:
    """Every claim; those about data that this run doesn't have stay "not yet measured".

    Args:
        data: the names of the data sets.
        errors: test errors as shares, (data, kinds, seeds). Nets of one seed see the same
            examples, so differences are taken seed by seed.
    """
    found = {
        name: {kind: 100 * errors[d, k] for k, kind in enumerate(KINDS)}
        for d, name in enumerate(data)
    }
    by_id = [_g4(found), _g17(settings, found)]
    for statement, worse, better in (
        (G17_SIGMOID, "sigmoid", "tanh"),
        (G17_INIT, "tanh", "tanh N"),
    ):
        values = [Measured.of(each[worse] - each[better]) for each in found.values()]
        papers = [PAPER[name][worse] - PAPER[name][better] for name in found]
        by_id.append(statement.measured(papers, values, tuple(found)))
    if "shapeset" not in found:
        return [*by_id, Claim(G18), Claim(G18_EQUAL)]
    shapes, papers_shapes = found["shapeset"], PAPER["shapeset"]
    pairs = (("sigmoid", "tanh"), ("tanh", "softsign"), ("tanh", "tanh N"))
    by_id.append(
        G18.measured(
            [papers_shapes[a] - papers_shapes[b] for a, b in pairs],
            [Measured.of(shapes[a] - shapes[b]) for a, b in pairs],
            [f"{a}–{b}" for a, b in pairs],
        )
    )
    ratio = Measured.of(shapes["softsign"] / shapes["tanh N"], log=True)
    by_id.append(G18_EQUAL.measured((1.0,), (ratio,)))
    return by_id


def _g4(found: dict[str, dict[str, Array]]) -> Claim:
    if "shapeset" not in found:
        return Claim(G4)
    papers = PAPER["shapeset"]["sigmoid"]
    values = (Measured(papers, papers, papers), Measured.of(found["shapeset"]["sigmoid"]))
    return G4.measured((CONSTANT_ERROR,) * 2, values, ("Table 1", "here"))


def _g17(settings: Settings, found: dict[str, dict[str, Array]]) -> Claim:
    """The table's own numbers, which nets of another size or training need not reach."""
    size = settings.plan.width, settings.depth, settings.plan.updates
    if size[:2] != (1000, 5) or size[2] < PAPERS_UPDATES:
        return Claim(G17)
    cells = [(name, kind) for name in found if name in PAPERS_DATA for kind in KINDS]
    return G17.measured(
        [PAPER[name][kind] for name, kind in cells],
        [Measured.of(found[name][kind]) for name, kind in cells],
        [f"{name} {kind}" for name, kind in cells],
    )
