"""Special values: NaN, ±∞, ±0, ±1, ±1000, denormals and the largest floats, each right or wrong.

At ±∞ the right result is the limit, written down by hand; elsewhere it is the exact function's,
to four units in the last place. NaN gives NaN. The sign of a zero is not judged.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.accuracy.cases import Case, cases
from experiments.accuracy.exact import EXACT
from experiments.accuracy.ulp import ulp_errors, wider

KINDS = ("NaN", "−∞", "∞", "±0", "±1", "±1000", "denormals", "±largest")
_TOLERANCE = 4.0


@dataclass(frozen=True)
class Wrong:
    """A result at a special value that is not what it should be."""

    activation: str
    quantity: str
    dtype: str
    kind: str
    s: float
    got: float
    expected: float


def points(kind: str, dtype: npt.DTypeLike) -> list[float]:
    """The numbers of that kind."""
    info = np.finfo(dtype)
    if kind == "denormals":
        least, most = (
            float(info.smallest_subnormal),
            float(np.nextafter(info.tiny, info.dtype.type(0))),
        )
        return [-most, -least, least, most]
    if kind in ("NaN", "−∞", "∞"):
        return [{"NaN": math.nan, "−∞": -math.inf, "∞": math.inf}[kind]]
    size = float(info.max) if kind == "±largest" else float(kind[1:])
    return [-size, size]


def wrong_results(name: str, dtype: npt.DTypeLike) -> list[Wrong]:
    """What f, f′ and the backward step of an activation get wrong."""
    dtype = np.dtype(dtype)
    wide = wider(dtype) or dtype  # float64 itself is wide enough for these numbers
    found = []
    for case in cases(name, dtype, wide):
        low, high = case.domain
        for kind in KINDS:
            for s in points(kind, dtype):
                if low <= s <= high or math.isnan(s):
                    found += _judge(case, kind, s, wide)
    return found


def _judge(case: Case, kind: str, s: float, wide: np.dtype[Any]) -> list[Wrong]:
    x = np.full(33, s, case.dtype)  # vector instructions, and the rest that is left for one by one
    got = case.kernel(x)
    exact = np.full(x.shape, _expected(case, s, wide), wide)
    if math.isnan(s):
        right = np.isnan(got)
    else:
        right = ulp_errors(got, exact, case.floor) <= _TOLERANCE
    if right.all():
        return []
    i = int(np.argmin(right))
    where = (case.activation, case.quantity, case.dtype.name, kind)
    return [Wrong(*where, s, float(got[i]), float(exact[i]))]


def _expected(case: Case, s: float, wide: np.dtype[Any]) -> Any:
    if math.isnan(s):
        return math.nan
    if math.isinf(s):
        exact = EXACT[case.activation]
        return (exact.f_limits if case.quantity == "f" else exact.slope_limits)[s > 0]
    return case.exact(np.array([s], case.dtype).astype(wide))[0]
