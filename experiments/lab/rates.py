"""How fast a run goes, and how long it will take yet."""

from __future__ import annotations

import math
from collections import deque
from typing import final

WINDOW = 60.0
_APART = 0.5
_SETTLED = 3.0  # seconds of steps from which on a rate is told
_SMOOTH = 20.0  # seconds in which the expected end moves most of the way to a new estimate


@final
class Rate:
    """Steps a second over the last minute, from (time, steps done) as they come in.

    Counted from the first report of a step that is done: before it, data are made and kernels
    compiled, and what that takes says nothing about the steps to come.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._end: tuple[float, float] | None = None  # (time of the estimate, expected end)

    def saw(self, time: float, done: int) -> None:
        """At this time, so many steps were done in all."""
        if not (self._seen or done > 0):
            return
        if len(self._seen) > 1 and time - self._seen[-2][0] < _APART:
            self._seen.pop()
        self._seen.append((time, done))
        while len(self._seen) > 2 and time - self._seen[1][0] >= WINDOW:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """0 while nothing is known, at least for the first three seconds of steps."""
        if not self._seen:
            return 0.0
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last - first >= _SETTLED else 0.0

    def told(self, left: int, unit: str) -> str:
        """For example "1,230 updates/s, about 80 s left"; "" while nothing is known.

        Steps of one run differ in cost, so the rate of the last minute alone would make the time
        left jump. The expected end moves to each new estimate gradually instead.
        """
        rate = self.per_second
        if not rate:
            return ""
        seconds = max(0.0, self._expected_end(left) - self._seen[-1][0])
        speed = f"{spelled(rate)} {unit}/s, " if unit else ""
        return f"{speed}about {rounded(seconds)} left"

    def _expected_end(self, left: int) -> float:
        """When the run ends at the present rate, smoothed over the estimates so far."""
        now = self._seen[-1][0]
        estimate = now + max(0, left) / self.per_second
        if self._end is not None:
            before, end = self._end
            estimate = end + (estimate - end) * -math.expm1((before - now) / _SMOOTH)
        self._end = now, estimate
        return estimate


def spelled(rate: float) -> str:
    """Three digits of a rate: .0123, 1.23, 123, 12,300."""
    return f"{rate:.3g}" if rate < 999.5 else f"{round(rate, 2 - len(str(int(rate))) + 1):,.0f}"


def rounded(seconds: float) -> str:
    """A time as coarse as an estimate is: "5 s", "80 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{5 * max(1, round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 10 else f"{hours:,.0f} h"
