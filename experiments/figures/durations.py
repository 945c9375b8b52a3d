"""A time as people write it."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Three digits and a unit: "12.3 ms"."""
    units = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
    unit, size = next((u for u in units.items() if seconds >= u[1]), ("µs", 1e-6))
    return f"{seconds / size:#.3g}".rstrip(".") + f" {unit}"
