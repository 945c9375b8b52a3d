"""The patients of tutorial 10, and its exercises.

This file tells what ails them: do the exercises first.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import nn
from engine import Finding, Trace, trace
from experiments.data import shapeset

from .verdict import Array, NotYet, Verdict, exercise

EXAMPLES = 100
CLASSES = 9
AILMENTS = (
    *("vanishing gradient", "exploding gradient", "saturation"),
    *("dead units", "symmetric weights"),
)

Patient = tuple[nn.MLP, Array, Array]


def patient(name: str) -> Patient:
    """The sick net "A", "B" or "C" as (net, x, y), the same each time.

    x are images of Shapeset-3×2, y their classes.

    Raises: ValueError for another name.
    """
    if name not in _PATIENTS:
        raise ValueError(f"there is no patient {name!r}; there are {', '.join(_PATIENTS)}")
    x, y = shapeset(EXAMPLES, seed=10)
    return _PATIENTS[name](x, y)


def _a(x: Array, y: Array) -> Patient:
    net = nn.MLP([1024, *[64] * 5, CLASSES], "tanh", "xavier_uniform", rng=1)
    grey = np.round((x + 1) * 127.5)  # as an image file holds it, 0 … 255
    return net, grey.astype(np.float32), y


def _b(x: Array, y: Array) -> Patient:
    net = nn.MLP([1024, *[64] * 6, CLASSES], "relu", "kaiming_normal", rng=2)
    net.layers[2].b.assign(np.full(64, -2.0, np.float32))  # as one step too large leaves it
    return net, x, y


def _c(x: Array, y: Array) -> Patient:
    fixed = nn.init.normal(0.3)  # one standard deviation, whatever the width
    return nn.MLP([1024, *[64] * 8, CLASSES], "relu", fixed, rng=3), x, y


_PATIENTS: dict[str, Callable[[Array, Array], Patient]] = {"A": _a, "B": _b, "C": _c}


def _traced(name: str) -> Trace:
    net, x, y = patient(name)
    with trace() as t:
        nn.cross_entropy(net(x), y).backward()
    return t


def _diagnosis(name: str) -> Callable[[Any], Verdict]:
    def check(answer: Any) -> str:
        if not isinstance(answer, tuple | list) or len(answer) != 2:
            raise NotYet(
                "give two things with a comma between them, the ailment and the layer where it "
                "begins; for example: 'symmetric weights', 'layer 2'"
            )
        kind, layer = answer
        if kind not in AILMENTS:
            raise NotYet(f"{kind!r} is none of the ailments: {', '.join(AILMENTS)}")
        t = _traced(name)
        names = [row.name for row in t.layers]
        if layer not in names:
            raise NotYet(f"there is no {layer!r}; its layers are {', '.join(names)}")
        right: Finding = t.diagnose()[0]
        if kind != right.kind:
            raise NotYet(f"were it {kind}, {_against(kind, t)}")
        if layer != right.layers[0]:
            sooner = names.index(right.layers[0]) < names.index(layer)
            raise NotYet(
                f"{kind} it is, but it begins nearer to the {'in' if sooner else 'out'}put"
            )
        return f"{kind}, from {layer} on"

    check.__name__ = f"patient_{name.lower()}"
    check.__doc__ = f"What ails patient {name}, and the first layer concerned, from the input."
    return exercise(check)


patient_a, patient_b, patient_c = (_diagnosis(name) for name in _PATIENTS)


def _against(kind: str, t: Trace) -> str:
    """What in the trace speaks against that ailment."""
    hidden = t.layers[:-1]
    if kind in ("vanishing gradient", "exploding gradient"):
        rms = [_rms(row.dL_ds) for row in hidden]
        factors = ", ".join(f"{a / b:.2g}" if b else "–" for a, b in pairwise(rms))
        way = "shrink" if kind.startswith("v") else "grow"
        return (
            f"rms ∂L/∂s would {way} by a similar factor from every layer to the one below; its "
            f"factors are, from layer 1 on, {factors}"
        )
    if kind == "saturation":
        return "f′(s) would be close to 0 on both sides of f; look at f, and at f′(s)"
    if kind == "dead units":
        most = max(row.dead().share for row in hidden)
        return (
            f"most units of a layer would have f′(s) = 0 for every example; at most {most:.0%} do"
        )
    apart = min(np.ptp(row.W, axis=1).max() for row in t.layers)
    return (
        "a layer's W would have equal columns; in every layer of this net the entries of a row "
        f"lie as much as {apart:.2g} apart"
    )


def _rms(a: Array | None) -> float:
    return 0.0 if a is None else float(np.sqrt(np.square(a, dtype=np.float64).mean()))
