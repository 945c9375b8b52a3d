"""Claims: a sentence, the number expected, the tolerance fixed beforehand, the number measured.

A tolerance is written in the code beside its source, before anything is run. The verdict
follows from it and from the interval of the measurement:

    holds           the whole interval lies within the tolerance
    does not hold   the whole interval lies outside
    not shown       the interval is too wide to tell, or nothing could be measured
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

Verdict = Literal["holds", "does not hold", "not shown", "not yet measured"]


@dataclass(frozen=True)
class Tolerance:
    """Which measured values agree with an expected one.

    kind "relative": within `size` times the expected value; "factor": between expected / size
    and expected × size; "at most": not above `size`; "at least": not below it.
    """

    kind: Literal["relative", "factor", "at most", "at least"]
    size: float

    def bounds(self, expected: float) -> tuple[float, float]:
        if self.kind == "relative":
            return expected - self.size * abs(expected), expected + self.size * abs(expected)
        if self.kind == "factor":
            return expected / self.size, expected * self.size
        return (-math.inf, self.size) if self.kind == "at most" else (self.size, math.inf)

    def __str__(self) -> str:
        if self.kind == "relative":
            return f"± {100 * self.size:g} %"
        return (
            f"within a factor of {self.size:g}"
            if self.kind == "factor"
            else f"{self.kind} {self.size:g}"
        )


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: Sequence[float] | np.ndarray[Any, Any], log: bool = False) -> Measured:
        """The mean of independent draws and Student's interval for it.

        `log` takes the geometric mean instead, as fits ratios. One draw has no interval.
        """
        values = np.asarray(draws, dtype=np.float64)
        if not values.size or not np.isfinite(values).all() or (log and (values <= 0).any()):
            return cls(math.nan, -math.inf, math.inf)
        values = np.log(values) if log else values
        mean = float(values.mean())
        if values.size == 1:
            half = math.inf
        else:
            half = (
                student_quantile(values.size - 1)
                * float(values.std(ddof=1))
                / math.sqrt(values.size)
            )
        ends = (mean, mean - half, mean + half)
        return (
            cls(*(math.exp(end) if end < 700 else math.inf for end in ends)) if log else cls(*ends)
        )


@dataclass(frozen=True)
class Statement:
    """A claim as it is made, before anything is measured.

    `recalled` marks a number that comes from memory rather than from a text that was read. `exact`
    marks one that follows by mathematics at the sizes that the presets measure: where it does not
    hold the program is wrong, and `gradtrace verify` ends with exit code 1. `needs` are the flags
    after `gradtrace run NAME` that measure it, where the defaults do not; a "#" in them begins a
    remark, as in a shell.
    """

    id: str
    text: str
    source: str
    tolerance: Tolerance
    recalled: bool = False
    exact: bool = False
    needs: str = ""

    def measured(
        self, expected: Sequence[float], measured: Sequence[Measured], labels: Sequence[str] = ()
    ) -> Claim:
        return Claim(self, tuple(expected), tuple(measured), tuple(labels))


@dataclass(frozen=True)
class Claim:
    """A statement and what was measured for it: one number or several, all of which must agree."""

    statement: Statement
    expected: tuple[float, ...] = ()
    measured: tuple[Measured, ...] = ()
    labels: tuple[str, ...] = field(default=())

    @property
    def verdict(self) -> Verdict:
        if not self.measured:
            return "not yet measured"
        verdicts = [self._one(e, m) for e, m in zip(self.expected, self.measured, strict=True)]
        if "does not hold" in verdicts:
            return "does not hold"
        return "not shown" if "not shown" in verdicts else "holds"

    @property
    def worst(self) -> int:
        """The position of the number that decides the verdict: the one that agrees least.

        0 for a claim without numbers.
        """
        pairs = list(zip(self.expected, self.measured, strict=True))
        return max(range(len(pairs)), key=lambda i: self._disagreement(*pairs[i]), default=0)

    def _disagreement(self, expected: float, measured: Measured) -> tuple[int, float]:
        """Its verdict first, then by how much its interval is outside, as a share of the bounds."""
        low, high = self.statement.tolerance.bounds(expected)
        width = high - low if math.isfinite(high - low) else abs(self.statement.tolerance.size)
        outside = max(low - measured.low, measured.high - high) / (width or 1.0)
        rank = ("holds", "not shown", "does not hold").index(self._one(expected, measured))
        return rank, math.inf if math.isnan(outside) else outside

    def _one(
        self, expected: float, measured: Measured
    ) -> Literal["holds", "does not hold", "not shown"]:
        low, high = self.statement.tolerance.bounds(expected)
        if math.isnan(measured.value):
            return "not shown"
        if low <= measured.low and measured.high <= high:
            return "holds"
        return "does not hold" if measured.high < low or measured.low > high else "not shown"

    def as_json(self) -> dict[str, Any]:
        """As `result.json` has it; `holds` is null where nothing was shown."""
        single = len(self.measured) == 1
        values = [_finite(m.value) for m in self.measured]
        expected = [_finite(e) for e in self.expected]
        intervals = [[_finite(m.low), _finite(m.high)] for m in self.measured]
        return {
            "id": self.statement.id,
            "text": self.statement.text,
            "source": self.statement.source,
            "recalled": self.statement.recalled,
            "exact": self.statement.exact,
            "needs": self.statement.needs,
            "labels": list(self.labels),
            "measured": values[0] if single else values,
            "interval": intervals[0] if single else intervals,
            "expected": expected[0] if single else expected,
            "tolerance": str(self.statement.tolerance),
            "holds": {"holds": True, "does not hold": False}.get(self.verdict),
            "verdict": self.verdict,
            "worst": self.worst,
        }


def student_quantile(degrees: int) -> float:
    """The 97.5 % quantile of Student's t, by its expansion around the normal's.

    (Abramowitz & Stegun 26.7.5; the first three are exact, the rest within 0.3 %.)
    """
    exact = {1: 12.7062, 2: 4.3027, 3: 3.1824}
    if degrees in exact:
        return exact[degrees]
    z = NormalDist().inv_cdf(0.975)
    g1 = (z**3 + z) / 4
    g2 = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    g3 = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + g1 / degrees + g2 / degrees**2 + g3 / degrees**3


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
