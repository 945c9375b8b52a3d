"""What is judged: each kernel of each activation, beside the exact function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
from engine.kernels import KERNELS
from experiments.accuracy.exact import EXACT

Array = npt.NDArray[Any]

QUANTITIES = ("f", "slope", "step")
"""f(s), f′(s), and the backward step: f′ as a function of y = f(s), times a gradient of 1."""

EVERYWHERE = (-math.inf, math.inf)


@dataclass(frozen=True)
class Case:
    """One kernel of one activation in one precision.

    Attributes:
        kernel: of an array in that precision.
        function, parameters: the exact function and the activation's parameters, of arrays in the
            wider precision.
        domain: where it is judged; a step's y lies in f's range.
        floor: see `Exact.floors`.
    """

    activation: str
    quantity: str
    dtype: np.dtype[Any]
    kernel: Callable[[Array], Array]
    function: Callable[..., Array]
    parameters: tuple[Any, ...] = ()
    domain: tuple[float, float] = EVERYWHERE
    floor: float = 0.0

    def exact(self, s: Array) -> Array:
        """The exact results, in the wider precision that s has."""
        with np.errstate(all="ignore"):
            return self.function(s, *self.parameters)


def cases(name: str, dtype: npt.DTypeLike, wide: npt.DTypeLike) -> list[Case]:
    """f, f′ and, where there is one, the backward step of an activation."""
    f, kernel, exact = engine.ACTIVATIONS[name], KERNELS[name], EXACT[name]
    p = tuple(f.parameters.values())
    # As the judged precision holds them, which is what the kernel gets.
    parameters = tuple(np.array(p, dtype).astype(wide))

    def value(s: Array) -> Array:
        return np.asarray(kernel.value(s, *p))

    def slope(s: Array) -> Array:
        return np.asarray(kernel.slope(s, *p))

    def step(y: Array) -> Array:
        return np.asarray(kernel.scaled_slope_of_value(np.ones_like(y), y, *p))

    found = []
    for quantity, ours, right, domain in (
        ("f", value, exact.f, EVERYWHERE),
        ("slope", slope, exact.slope, EVERYWHERE),
        ("step", step, exact.step, f.range),
    ):
        if right is not None:
            what = (name, quantity, np.dtype(dtype), ours, right, parameters, domain)
            found.append(Case(*what, exact.floors.get(quantity, 0.0)))
    return found
