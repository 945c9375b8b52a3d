"""What mean-field theory makes of a trace's own weights: the curve beside the measured one.

Forward, from the first layer's E[x²] and every layer's E[W²] and E[b²] as they are,

    q⁽ⁱ⁾ = fan_in E[W²] E[x²] + E[b²],      E[(x⁽ⁱ⁺¹⁾)²] = E[f(s)²],  s ~ N(0, q⁽ⁱ⁾),

and back, from the last layer's ∂L/∂s and each layer's measured variance of s,

    E[(∂L/∂x⁽ⁱ⁺¹⁾)²] = fan_out⁽ⁱ⁺¹⁾ E[(W⁽ⁱ⁺¹⁾)²] E[(∂L/∂s⁽ⁱ⁺¹⁾)²],
    E[(∂L/∂s⁽ⁱ⁾)²] = E[f′(s)²] E[(∂L/∂x⁽ⁱ⁺¹⁾)²],
    E[(∂L/∂W⁽ⁱ⁾)²] ∝ E[(x⁽ⁱ⁾)²] E[(∂L/∂s⁽ⁱ⁾)²].

Theory proper (nn.theory) does not look at the weights at all; this shows what their size alone
explains. Sources: Glorot & Bengio 2010, equations 5 and 6; Poole et al. 2016.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np

from engine import meanfield
from engine.activations import Activation
from engine.arrays import Array
from engine.tracing.data import TraceData
from engine.tracing.read.find import follows, rows_by_main_link
from engine.tracing.rows import LayerRecord


@final
@dataclass(frozen=True)
class Estimate:
    """One entry for each layer: standard deviations, and root mean squares of gradients.

    Gradients are relative to the last layer's. NaN where nothing can be said.
    """

    s_std: Array
    x_std: Array
    dL_ds: Array
    dL_dx: Array
    dL_dW: Array


def estimate(trace: TraceData) -> Estimate:
    """The estimate for a trace's layers, taken as a chain.

    Where a layer does not take the output of the row before it as it is, the estimate begins again,
    from what is measured. So it does for the other links of a layer with several.
    """
    rows, takes_previous = rows_by_main_link(trace), follows(trace)
    n = len(rows)
    s_std, x_std, x2s = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    x2 = math.nan
    for i, row in enumerate(rows):
        if not takes_previous[i]:
            x2 = _square(row, "x")
        x2s[i] = x2
        q = row.fan_in * _square(row, "W") * x2 + (_square(row, "b") if _has(row, "b") else 0.0)
        others = (view for view in row.by_link if view.at != row.at)
        q += sum(view.fan_in * _square(view, "W") * _square(view, "x") for view in others)
        x2, mean = (_over(g, row.f, q) for g in (meanfield.second_moment, meanfield.mean))
        s_std[i], x_std[i] = math.sqrt(q), math.sqrt(np.maximum(0.0, x2 - mean * mean))
    ds2, dx2 = np.ones(n), np.full(n, np.nan)
    for i in reversed(range(n)):
        row = rows[i]
        if i + 1 < n:
            later = rows[i + 1]
            dx2[i] = later.fan_out * _square(later, "W") * ds2[i + 1]
            if not takes_previous[i + 1]:
                dx2[i] = math.nan
            ds2[i] = dx2[i] * _over(meanfield.slope_second_moment, row.f, _variance(row))
    return Estimate(s_std, x_std, np.sqrt(ds2), np.sqrt(dx2), _relative(np.sqrt(x2s * ds2)))


def _relative(values: Array) -> Array:
    return values / values[-1] if len(values) and values[-1] else np.full(len(values), np.nan)


def _has(row: LayerRecord, name: str) -> bool:
    return row.statistics(name) is not None


def _square(row: LayerRecord, name: str) -> float:
    statistics = row.statistics(name)
    return (
        math.nan if statistics is None else statistics.rms * statistics.rms
    )  # where ** would raise OverflowError


def _variance(row: LayerRecord) -> float:
    statistics = row.statistics("s")
    return math.nan if statistics is None else statistics.std * statistics.std


def _over(moment: Callable[[Activation, float], float], f: Activation, q: float) -> float:
    if not math.isfinite(q):
        return math.nan
    try:
        return moment(f, q)
    except ValueError:  # infinite, or undefined
        return math.nan
