"""What `theory` predicts: the curves that its figure draws, for activations of any kind."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
from nn import theory

Array = npt.NDArray[np.float64]

GAINS = (
    *("tanh", "sigmoid", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish"),
    *("softplus", "softsign"),
)
MODES: tuple[theory.GainMode, ...] = ("forward", "variance", "backward")
LINES = ("tanh", "hardtanh", "softsign", "elu", "selu")  # have a critical line
MAPS = ("tanh", "relu", "selu", "gelu", "sigmoid")


def own(name: str) -> engine.Activation:
    """The activation of that name; mish is no built-in one, and made here from its formula."""
    if name == "mish" and name not in engine.ACTIVATIONS:

        @engine.activation
        def mish(s: Any) -> Any:
            """s tanh(ln(1 + eˢ)). (Misra 2019.)"""
            return s * engine.tanh(engine.softplus(s))

    return engine.find_activation(name)


@cache
def curves() -> dict[str, Array]:
    """Gains and χ₁ of each activation, maps of q and c, critical lines, tanh's phases."""
    gains = {f: theory.gain(f) for f in MAPS}
    q, c = np.linspace(0, 3, 31), np.linspace(0, 1, 21)
    var_b, var_w = np.linspace(0, 0.5**0.5, 16) ** 2, np.linspace(1.2, 3.1, 12)
    q_star = [theory.q_star("tanh", w, 0.05) for w in var_w]
    made = {
        "gains": [[theory.gain(own(f), mode) for mode in MODES] for f in GAINS],
        "gain_chi_1": [theory.chi_1(own(f), 1.0, theory.gain(own(f)) ** 2) for f in GAINS],
        "q": q,
        "q_maps": [[theory.variance_map(f, v, g * g) for v in q] for f, g in gains.items()],
        "c": c,
        "c_maps": [
            [theory.correlation_map(f, v, g * g, q=1.0) for v in c] for f, g in gains.items()
        ],
        "var_b": var_b,
        "critical": [[p.var_w for p in theory.critical_line(f, list(var_b))] for f in LINES],
        "var_w": var_w,
        "tanh_q": q_star,
        "tanh_chi_1": [theory.chi_1("tanh", v, w) for v, w in zip(q_star, var_w, strict=True)],
        "tanh_c": [theory.c_star("tanh", w, 0.05) for w in var_w],
    }
    return {f"curve_{name}": np.array(values) for name, values in made.items()}
