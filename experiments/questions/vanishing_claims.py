"""The claims that `vanishing` tests, each with its source and its tolerance.

G10 to G13 are those of `profile_claims`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured, Statement, Tolerance
from experiments.questions.profile_claims import (
    G10,
    G11,
    G12,
    G13,
    SHORT,
    Profiles,
    g10,
    g11,
    g12,
    g13,
    made,
)

if TYPE_CHECKING:
    from experiments.questions.vanishing import Settings

Arrays = Mapping[str, npt.NDArray[np.generic]]

_HE = "He et al. 2015"

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


def claims(settings: Settings, arrays: Arrays) -> list[Claim]:
    """Every claim, with what this run measured; those it can't measure stay "not yet measured"."""
    size = settings.data, settings.depth, settings.width
    run = Profiles(
        arrays=arrays,
        activations=settings.activations,
        inits=settings.inits,
        depth=settings.depth,
        is_paper_size=size == ("shapeset", 5, 1000),
    )
    early = ((G10, g10), (G11, g11), (G12, g12), (G13, g13))
    return made(run, [*early, (S6, _s6), (H1, _h1), (H5, _h5), (V1, _v1)])


def _s6(run: Profiles) -> Claim:
    values = []
    for scheme in SHORT:
        dL_ds = run.get("init_dL_ds", "sigmoid", scheme)
        steps = dL_ds.shape[-1] - 1
        values.append(Measured.of((dL_ds[:, 0] / dL_ds[:, -1]) ** (1 / steps), log=True))
    return S6.measured((0.1414, 0.2361), values, tuple(SHORT.values()))


def _h1(run: Profiles) -> Claim:
    values = [Measured.of(run.get(name, "relu", "kaiming_normal")) for name in ("E_x2", "var_x")]
    return H1.measured((0.5, 0.5 - 1 / (2 * math.pi)), values, ("E[x²]", "Var x"))


def _h5(run: Profiles) -> Claim:
    growth = []
    for scheme in ("xavier_uniform", "kaiming_normal"):
        rms = run.get("init_x_rms", "relu", scheme)
        growth.append((rms[:, -1] / rms[:, 0]) ** (1 / (rms.shape[-1] - 1)))
    return H5.measured((1 / math.sqrt(2),), (Measured.of(growth[0] / growth[1], log=True),))


def _v1(run: Profiles) -> Claim:
    names = ("dL_ds", "dL_dW")
    return V1.measured(
        [run.predicted_ratio(name, "tanh", "standard") for name in names],
        [run.ratio(name, "tanh", "standard") for name in names],
        ("∂L/∂s", "∂L/∂W"),
    )
