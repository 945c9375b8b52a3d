"""The claims that `vanishing` tests, each with its source and its tolerance.

Numbers of Glorot & Bengio's are for 5 layers of 1000 units on Shapeset; at any other size the
expected number is the theory's for that size (`nn.theory`), and the tolerance is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured, Statement, Tolerance

if TYPE_CHECKING:
    from experiments.questions.vanishing import Settings

Arrays = Mapping[str, npt.NDArray[np.generic]]

_GLOROT = "Glorot & Bengio 2010"
_HE = "He et al. 2015"

G10 = Statement(
    "G10",
    "n·Var[W] is 1/3 under standard init and 1 under Xavier's, for layers of equal width",
    f"{_GLOROT}, section 4.2",
    Tolerance("relative", 0.02),
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
S6 = Statement(
    "S6",
    "sigmoid: the factor by which ∂L/∂s shrinks per layer",
    "mean-field theory: √(n Var[W] E[σ′(s)²])",
    Tolerance("relative", 0.05),
    exact=True,
)
H1 = Statement(
    "H1",
    "ReLU: E[x²] = ½ Var s, whereas Var x = (½ − 1/2π) Var s, over the units of an example",
    f"{_HE}, section 2.2",
    Tolerance("relative", 0.05),
    exact=True,
)
H5 = Statement(
    "H5",
    "ReLU: per layer, Xavier's activations shrink by 1/√2 against Kaiming's (rms of x)",
    f"{_HE}, section 2.2",
    Tolerance("relative", 0.05),
    exact=True,
)
V1 = Statement(
    "V1",
    "tanh, standard init: ∂L/∂W alone hides the vanishing that ∂L/∂s shows (rms, first hidden "
    "layer over last)",
    "variance propagation for this size",
    Tolerance("factor", 1.5),
)

_PAPER_STD = {
    "standard": (0.300, 0.167, 0.096, 0.055, 0.033),
    "xavier_uniform": (0.447, 0.377, 0.330, 0.301, 0.273),
}
_PAPER_RATIO = {"standard": 0.097, "xavier_uniform": 0.618}
_SHORT = {"standard": "standard", "xavier_uniform": "Xavier"}


def claims(settings: Settings, arrays: Arrays) -> list[Claim]:
    """Every claim, with what this run measured; those it can't measure stay "not yet measured"."""
    measured = _Measured(settings, arrays)
    makers: list[tuple[Statement, Callable[[_Measured], Claim]]] = [
        *((G10, _g10), (G11, _g11), (G12, _g12), (G13, _g13)),
        *((S6, _s6), (H1, _h1), (H5, _h5), (V1, _v1)),
    ]
    found = []
    for statement, make in makers:
        try:
            found.append(make(measured))
        except _NotRunError:
            found.append(Claim(statement))
    return found


class _NotRunError(Exception):
    """This run did not include that kind of net."""


class _Measured:
    """The arrays of a run, by the names of activation and initialisation."""

    def __init__(self, settings: Settings, arrays: Arrays) -> None:
        self.settings, self._arrays = settings, arrays
        self.is_paper_size = (settings.data, settings.depth, settings.width) == (
            "shapeset",
            5,
            1000,
        )

    def get(self, name: str, f: str, scheme: str) -> npt.NDArray[np.float64]:
        if f not in self.settings.activations or scheme not in self.settings.inits:
            raise _NotRunError
        at = self.settings.activations.index(f), self.settings.inits.index(scheme)
        return np.asarray(self._arrays[name][at], dtype=np.float64)

    def ratio(self, name: str, f: str, scheme: str) -> Measured:
        """First hidden layer over last, over the draws."""
        values = self.get(f"init_{name}", f, scheme)
        return Measured.of(values[:, 0] / values[:, -1], log=True)

    def predicted_ratio(self, name: str, f: str, scheme: str) -> float:
        values = self.get(f"predicted_{name}", f, scheme)
        return float(values[0] / values[-1])


def _g10(run: _Measured) -> Claim:
    values = [Measured.of(run.get("n_var_W", "tanh", scheme)) for scheme in _SHORT]
    return G10.measured((1 / 3, 1.0), values, tuple(_SHORT.values()))


def _g11(run: _Measured) -> Claim:
    expected, values, labels = [], [], []
    depth = run.settings.depth
    chosen = np.unique(np.linspace(0, depth - 1, min(depth, 5)).round().astype(int))
    for scheme, short in _SHORT.items():
        measured = run.get("init_x_std", "tanh", scheme)
        theory = run.get("predicted_x_std", "tanh", scheme)
        for layer in chosen:
            expected.append(
                _PAPER_STD[scheme][layer] if run.is_paper_size else float(theory[layer])
            )
            values.append(Measured.of(measured[:, layer], log=True))
            labels.append(f"{short} {layer + 1}")
    return G11.measured(expected, values, labels)


def _g12(run: _Measured) -> Claim:
    expected = [
        _PAPER_RATIO[scheme] if run.is_paper_size else run.predicted_ratio("dL_ds", "tanh", scheme)
        for scheme in _SHORT
    ]
    values = [run.ratio("dL_ds", "tanh", scheme) for scheme in _SHORT]
    return G12.measured(expected, values, tuple(_SHORT.values()))


def _g13(run: _Measured) -> Claim:
    expected = [
        1.0 if run.is_paper_size else run.predicted_ratio("dL_dW", "tanh", scheme)
        for scheme in _SHORT
    ]
    values = [run.ratio("dL_dW", "tanh", scheme) for scheme in _SHORT]
    return G13.measured(expected, values, tuple(_SHORT.values()))


def _s6(run: _Measured) -> Claim:
    values = []
    for scheme in _SHORT:
        dL_ds = run.get("init_dL_ds", "sigmoid", scheme)
        steps = dL_ds.shape[-1] - 1
        values.append(Measured.of((dL_ds[:, 0] / dL_ds[:, -1]) ** (1 / steps), log=True))
    return S6.measured((0.1414, 0.2361), values, tuple(_SHORT.values()))


def _h1(run: _Measured) -> Claim:
    values = [Measured.of(run.get(name, "relu", "kaiming_normal")) for name in ("E_x2", "var_x")]
    return H1.measured((0.5, 0.5 - 1 / (2 * math.pi)), values, ("E[x²]", "Var x"))


def _h5(run: _Measured) -> Claim:
    growth = []
    for scheme in ("xavier_uniform", "kaiming_normal"):
        rms = run.get("init_x_rms", "relu", scheme)
        growth.append((rms[:, -1] / rms[:, 0]) ** (1 / (rms.shape[-1] - 1)))
    return H5.measured((1 / math.sqrt(2),), (Measured.of(growth[0] / growth[1], log=True),))


def _v1(run: _Measured) -> Claim:
    names = ("dL_ds", "dL_dW")
    return V1.measured(
        [run.predicted_ratio(name, "tanh", "standard") for name in names],
        [run.ratio(name, "tanh", "standard") for name in names],
        ("∂L/∂s", "∂L/∂W"),
    )
