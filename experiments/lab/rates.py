"""How fast a run goes, and how long it will take yet."""

from __future__ import annotations

from collections import deque
from typing import final

WINDOW = 60.0
_APART = 0.5
_SETTLED = 3.0  # seconds of steps from which on a rate is told


@final
class Rate:
    """Steps a second over the last minute, from (time, steps done) as they come in.

    Counted from the first report of a step that is done: before it, data are made and kernels
    compiled, and what that takes says nothing about the steps to come.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

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
        """For example "1,230 updates/s, 0:01:23 left"; "" while nothing is known."""
        rate = self.per_second
        if not rate:
            return ""
        speed = f"{spelled(rate)} {unit}/s, " if unit else ""
        return f"{speed}{clock(max(0, left) / rate)} left"


def spelled(rate: float) -> str:
    """Three digits of a rate: .0123, 1.23, 123, 12,300."""
    return f"{rate:.3g}" if rate < 999.5 else f"{round(rate, 2 - len(str(int(rate))) + 1):,.0f}"


def clock(seconds: float) -> str:
    """h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
