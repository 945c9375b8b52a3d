"""`learned`: an activation whose parameters a net learns, as PReLU's slope.

Dense(64, 64, "prelu")                         the slope of each unit, from 0.25 on
Dense(64, 64, learned("leaky_relu", a=0.1, per="layer"))
Dense(64, 64, learned(swish, b=1.0))           swish made by `@activation`
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from engine import ACTIVATIONS, Activation, Tensor, find_activation, prelu, printable

Per = Literal["unit", "layer"]
_PRELU = ("prelu", "leaky_relu")  # of one formula; for these the engine has an operation


@printable
@dataclass(frozen=True)
class Learned:
    """An activation f with the parameters that are learned: see `learned`.

    Attributes: `f`, with the values at the start; `start`, these values; `per`, "unit" or "layer".
    """

    f: Activation
    start: Mapping[str, float]
    per: Per

    def parameters(self, n_units: int, dtype: npt.DTypeLike) -> dict[str, Tensor]:
        """The parameters of one layer, each of shape (n_units,), or (1,) for the whole layer."""
        shape = (n_units if self.per == "unit" else 1,)
        return {
            name: Tensor(np.full(shape, value, dtype), requires_grad=True)
            for name, value in self.start.items()
        }

    def __call__(self, s: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """f(s), with gradients for s and the parameters."""
        if self.f.root.name in _PRELU:
            return prelu(s, parameters["a"])
        f: Callable[..., Any] = self.f
        result: Tensor = f(s, **parameters)
        return result


def learned(activation: Activation | str, *, per: Per = "unit", **start: float) -> Learned:
    """An activation for `Dense` and `MLP` whose parameters are learned.

    Args:
        activation: "prelu", "leaky_relu", or an activation made by `@activation`.
        per: "unit", each unit has parameters of its own, or "layer", all units share them.
        start: the values from which training starts, by name; by default the activation's own.

    Raises: ValueError for a built-in activation whose parameters can't be learned, one without
        parameters, and another `per`; TypeError for an unknown parameter. Source of PReLU: He et
        al. 2015, who start at 0.25.
    """
    f = find_activation(activation)
    if per not in ("unit", "layer"):
        raise ValueError(f'learned({f.name}, per={per!r}): per is "unit" or "layer"')
    if not f.parameters:
        raise ValueError(f"learned({f.name}): {f.name} has no parameters to learn")
    if f.built_in and f.root.name not in _PRELU:
        raise ValueError(
            f"learned({f.name}): of the built-in activations only prelu and leaky_relu can be "
            f"learned; write {f.name} with @activation"
        )
    values = {**f.parameters, **f.checked(start)}
    names = start or f.parameters
    return Learned(f(**values), {name: values[name] for name in names}, per)


def as_learned(activation: Activation | Learned | str) -> Learned | None:
    """What a layer learns of its activation: the slope of "prelu"; None for a fixed function."""
    if isinstance(activation, Learned):
        return activation
    f = find_activation(activation)
    return learned(f) if f.root is ACTIVATIONS["prelu"] else None
