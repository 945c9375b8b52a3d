"""Claims G10 to G13, about the layers of tanh nets at their start.

`vanishing` and `initialization` both test them.

Numbers of Glorot & Bengio's are for 5 layers of 1000 units on Shapeset; at any other size the
expected number is the theory's for that size (`nn.theory`), and the tolerance is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured, Statement, Tolerance

Arrays = Mapping[str, npt.NDArray[np.generic]]

_GLOROT = "Glorot & Bengio 2010"

G10 = Statement(
    "G10",
    "n·Var[W] is 1/3 under standard init and 1 under Xavier's, for layers of equal width",
    f"{_GLOROT}, section 4.2",
    Tolerance("relative", 0.02),
    exact=True,
)
G11 = Statement(
    "G11",
    "tanh activations shrink from layer to layer under standard init, much less under Xavier's "
    "(std of x)",
    f"{_GLOROT}, figure 6; at other sizes, variance propagation",
    Tolerance("relative", 0.10),
)
G12 = Statement(
    "G12",
    "tanh: ∂L/∂s shrinks going back under standard init, far less under Xavier's (rms, first "
    "hidden layer over last)",
    f"{_GLOROT}, figure 7; at other sizes, variance propagation",
    Tolerance("relative", 0.15),
)
G13 = Statement(
    "G13",
    "tanh: yet ∂L/∂W hardly changes with the layer (rms, first hidden layer over last)",
    f"{_GLOROT}, figure 8 and equation 14; at other sizes, variance propagation",
    Tolerance("relative", 0.20),
)

PAPER_STD = {
    "standard": (0.300, 0.167, 0.096, 0.055, 0.033),
    "xavier_uniform": (0.447, 0.377, 0.330, 0.301, 0.273),
}
PAPER_RATIO = {"standard": 0.097, "xavier_uniform": 0.618}
SHORT = {"standard": "standard", "xavier_uniform": "Xavier"}


class NotRunError(Exception):
    """This run did not include that kind of net."""


@dataclass(frozen=True)
class Profiles:
    """The nets of a run, by the names of activation and initialisation.

    `arrays` has init_NAME of shape (activations, inits, draws, layers) and predicted_NAME of
    shape (activations, inits, layers), NAME one of `experiments.questions.profiles.QUANTITIES`,
    and n_var_W of shape (activations, inits, draws).
    """

    arrays: Arrays
    activations: Sequence[str]
    inits: Sequence[str]
    depth: int
    is_paper_size: bool

    def get(self, name: str, f: str, scheme: str) -> npt.NDArray[np.float64]:
        """Raises NotRunError where the run has no such net."""
        if f not in self.activations or scheme not in self.inits:
            raise NotRunError
        at = self.activations.index(f), self.inits.index(scheme)
        return np.asarray(self.arrays[name][at], dtype=np.float64)

    def ratio(self, name: str, f: str, scheme: str) -> Measured:
        """First hidden layer over last, over the draws."""
        values = self.get(f"init_{name}", f, scheme)
        return Measured.of(values[:, 0] / values[:, -1], log=True)

    def predicted_ratio(self, name: str, f: str, scheme: str) -> float:
        values = self.get(f"predicted_{name}", f, scheme)
        return float(values[0] / values[-1])


Run = TypeVar("Run")


def made(run: Run, makers: Sequence[tuple[Statement, Callable[[Run], Claim]]]) -> list[Claim]:
    """Each statement's claim; "not yet measured" where its maker raises NotRunError."""
    found = []
    for statement, make in makers:
        try:
            found.append(make(run))
        except NotRunError:
            found.append(Claim(statement))
    return found


def g10(run: Profiles) -> Claim:
    values = [Measured.of(run.get("n_var_W", "tanh", scheme)) for scheme in SHORT]
    return G10.measured((1 / 3, 1.0), values, tuple(SHORT.values()))


def g11(run: Profiles) -> Claim:
    expected, values, labels = [], [], []
    chosen = np.unique(np.linspace(0, run.depth - 1, min(run.depth, 5)).round().astype(int))
    for scheme, short in SHORT.items():
        measured = run.get("init_x_std", "tanh", scheme)
        theory = run.get("predicted_x_std", "tanh", scheme)
        for layer in chosen:
            expected.append(PAPER_STD[scheme][layer] if run.is_paper_size else float(theory[layer]))
            values.append(Measured.of(measured[:, layer], log=True))
            labels.append(f"{short} {layer + 1}")
    return G11.measured(expected, values, labels)


def g12(run: Profiles) -> Claim:
    expected = [
        PAPER_RATIO[scheme] if run.is_paper_size else run.predicted_ratio("dL_ds", "tanh", scheme)
        for scheme in SHORT
    ]
    values = [run.ratio("dL_ds", "tanh", scheme) for scheme in SHORT]
    return G12.measured(expected, values, tuple(SHORT.values()))


def g13(run: Profiles) -> Claim:
    expected = [
        1.0 if run.is_paper_size else run.predicted_ratio("dL_dW", "tanh", scheme)
        for scheme in SHORT
    ]
    values = [run.ratio("dL_dW", "tanh", scheme) for scheme in SHORT]
    return G13.measured(expected, values, tuple(SHORT.values()))
