"""The claims that `loss_surface` tests, each with its source and its tolerance.

How flat is flat? Glorot & Bengio show one surface and say what is seen: "clearly more severe
plateaus". A small gradient alone is no measure of that, because the floor of a valley has one too:
there the net has learnt its examples. A plateau is where the gradient is small and the cost is
still high: ‖∇L‖ below 5 % of its maximum, and L in the upper half of its range, each on the surface
in question.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured, Statement, Tolerance

if TYPE_CHECKING:
    from experiments.questions.loss_surface import Settings

Arrays = Mapping[str, npt.NDArray[np.generic]]

_GLOROT = "Glorot & Bengio 2010"

G9 = Statement(
    "G9",
    "the quadratic cost has more plateaus than cross-entropy: the share of the surface over two "
    "weights where the gradient is small and the cost high, quadratic minus cross-entropy, by "
    "hidden units",
    f"{_GLOROT}, section 4.1 and figure 5; the smallest difference that counts is this project's",
    Tolerance("at least", 0.005),
)
G9_GRADIENT = Statement(
    "G9 gradient",
    "a small gradient alone would say the opposite: its share of the surface, cross-entropy minus "
    "quadratic",
    "a pilot run of this project; the paper has no measure",
    Tolerance("at least", 0.0),
)
G9_OUTPUT = Statement(
    "G9 ∂L/∂o",
    "with softmax outputs ∂L/∂o is p − y under cross-entropy; under the quadratic cost it carries "
    "p, and 4p(1−p)(p − y) is all of it for two classes (largest deviation from the formulas)",
    "differentiation by hand",
    Tolerance("at most", 1e-12),
    exact=True,
)
G9_FACTOR = Statement(
    "G9 p(1−p)",
    "so where a net of two classes is surely wrong, the quadratic's gradient is gone: |∂L/∂o| "
    "over cross-entropy's, by the p of the right class",
    "4p(1−p)",
    Tolerance("relative", 1e-9),
    exact=True,
)

SURELY_WRONG = (0.5, 0.1, 0.01, 0.001)  # p of the right class


def claims(settings: Settings, arrays: Arrays) -> list[Claim]:
    """All of them, from the shares by (hidden, draw) and the deviations of ∂L/∂o."""
    shares = {name: np.asarray(arrays[name], np.float64) for name in ("plateau", "flat")}
    labels = [f"{hidden} units" for hidden in settings.hidden]
    more = shares["plateau"][1] - shares["plateau"][0]
    opposite = shares["flat"][0] - shares["flat"][1]
    deviations = np.asarray(arrays["deviation"], np.float64)
    factors = np.asarray(arrays["factor"], np.float64)
    return [
        G9.measured([0.0] * len(more), [Measured.of(row) for row in more], labels),
        G9_GRADIENT.measured([0.0] * len(more), [Measured.of(row) for row in opposite], labels),
        G9_OUTPUT.measured(
            [0.0] * deviations.size,
            [_exactly(float(value)) for value in deviations.flat],
            [
                f"{cost}, {classes}"
                for cost in ("CE", "quadr.")
                for classes in ("2 cl.", f"{settings.classes} cl.")
            ],
        ),
        G9_FACTOR.measured(
            [4 * p * (1 - p) for p in SURELY_WRONG],
            [_exactly(float(value)) for value in factors],
            [f"p = {p:g}" for p in SURELY_WRONG],
        ),
    ]


def _exactly(value: float) -> Measured:
    """A number that has no spread: nothing in it was drawn, or it is the worst of all draws."""
    return Measured(value, value, value)
