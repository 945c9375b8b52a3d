"""What `diagnose` looks at: for each layer of a trace, the parts of E[f′²] · n · Var W.

Going back from ∂L/∂s of layer i + 1 to ∂L/∂s of layer i, a gradient's mean square is multiplied by
n Var W, with n the units of layer i + 1 and W its weights, and by E[f′²] of layer i (Glorot &
Bengio 2010, equation 6). Mean squares are taken here, so Var W stands for E[W²].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.activations import Activation
from engine.spelling import printable

if TYPE_CHECKING:
    from engine.tracing.record import LayerRecord, Trace

Array = npt.NDArray[Any]

# |f′| below this share of its maximum counts as saturated; for tanh, from |s| = 2.18 on.
SATURATED = 0.05
# A unit of whose f′ not this share of the maximum is left for any example counts as dead: exactly 0
# for ReLU, while leaky ReLU's slope of 0.01 is alive.
DEAD = 1e-3


@printable
@dataclass(frozen=True)
class Measures:
    """The numbers of one layer; `position` in `t.layers`.

    `n_var_W` is fan_out · E[W²], what the backward pass meets; `forward` is fan_in · E[W²].
    `s_bias` is the mean square of b over that of s. `dL_ds` is a root mean square. `saturated` is
    the share of entries of f′(s), and None where f does not saturate on both sides; `dead` the
    share of units, None where f saturates on both sides or on none.
    """

    position: int
    row: LayerRecord
    x2: float
    slope2: float
    n_var_W: float
    forward: float
    s_bias: float
    dL_ds: float
    saturated: float | None
    dead: float | None


def measure(t: Trace) -> list[Measures]:
    """The numbers of every layer that the backward pass reached, from the input's side."""
    return [
        _of(position, row) for position, row in enumerate(t.layers) if row.dL_dx_next is not None
    ]


def mean_square(a: Array | None) -> float:
    """E[a²] in float64, 0 for no entries."""
    if a is None or not a.size:
        return 0.0
    with np.errstate(all="ignore"):
        return float(np.square(a, dtype=np.float64).mean())


def norm(a: Array | None) -> float:
    """√Σ a² in float64, scaled so that no square overflows or becomes 0."""
    size = np.abs(np.asarray(a, np.float64))
    largest = float(size.max(initial=0.0))
    if largest == 0 or not np.isfinite(largest):
        return largest
    return largest * float(np.sqrt(np.square(size / largest).sum()))


def rms(a: Array | None) -> float:
    """√E[a²], 0 for no entries."""
    return norm(a) / math.sqrt(a.size) if a is not None and a.size else 0.0


def flat_sides(f: Activation) -> tuple[bool, bool, float]:
    """Whether f′ goes to 0 toward −∞ and toward ∞, and the largest |f′|."""
    slopes = np.abs(f.slope(np.linspace(-10.0, 10.0, 2001)))
    largest = float(slopes.max())
    low, high = np.abs(f.slope(np.array([-1e4, 1e4]))) < SATURATED * largest
    return bool(low), bool(high), largest


def _of(position: int, row: LayerRecord) -> Measures:
    fan_in, fan_out = row.W.shape
    W2, slopes = mean_square(row.W), np.abs(row.df_ds)
    low, high, largest = flat_sides(row.f)
    dead = float((slopes.max(axis=0) < DEAD * largest).mean()) if slopes.size else 0.0
    s2 = mean_square(row.s)
    return Measures(
        position=position,
        row=row,
        x2=mean_square(row.x),
        slope2=mean_square(slopes),
        n_var_W=fan_out * W2,
        forward=fan_in * W2,
        s_bias=mean_square(row.b) / s2 if s2 else 0.0,
        dL_ds=rms(row.dL_ds),
        saturated=float((slopes < SATURATED * largest).mean()) if low and high else None,
        dead=dead if low != high else None,
    )
