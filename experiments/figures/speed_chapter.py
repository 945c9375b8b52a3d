"""Two tables of `speed` for the chapter in engine/kernels/README.md: the steps, and the rivals."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.figures.durations import duration
from experiments.speed.cases import Case, Elementwise, Product, Step, Training
from experiments.speed.rivals import FUSED, NUMPY, OURS, TORCH
from experiments.speed.schedule import Timing
from experiments.speed.times import Times

_STEPS = {
    "three_loops": "compiled",
    "along_rows": "another order of the loops",
    "blocked": "a block of B at a time",
    "eight_rows": "eight rows in one pass",
    "packed": "packed",
    "register_tiles": "tiles in registers",
    "matmul": "`matmul`",
}
# Of elementwise functions this size, and of the smaller products these: all would be too many.
_SIZE = 10**6
_SQUARES = (16, 64)
_FORWARD = ("sigmoid", "tanh", "relu", "softplus", "elu", "gelu", "silu")
_BACKWARD = ("sigmoid", "tanh")


def steps_markdown(times: Times) -> str:
    """Each step on the way to the product: its speed, and its share of the peak."""
    peaks = {
        timing.threads: timing.rate(OURS)
        for timing in times.of_group("roofline")
        if timing.case.label == "peak" and OURS in timing.medians
    }
    lines = ["| step | GF/s | of the peak |", "| :-- | --: | --: |"]
    for timing in times.of_group("steps"):
        case = timing.case
        if OURS not in timing.medians or not isinstance(case, Step):
            continue
        name = _STEPS.get(case.step, f"Python, three loops ({case.size}³)")
        name += ", two threads" if timing.threads == 2 else ""
        rate, peak = timing.rate(OURS), peaks.get(timing.threads)
        share = "–" if peak is None else f"{_digits(100 * rate / peak, 2)} %"
        lines.append(f"| {name} | {_digits(rate / 1e9, 3)} | {share} |")
    return "\n".join(lines) + "\n"


def compared_markdown(times: Times) -> str:
    """The time of a call, and how many times as long the rivals take; one thread, then two."""
    titles = ("ours", "NumPy", "PyTorch", "ours, 2 threads", "NumPy", "PyTorch")
    lines = [f"|  | {' | '.join(titles)} |", f"| :-- | {' | '.join(['--:'] * len(titles))} |"]
    found: dict[Case, dict[int, Timing]] = {}
    for timing in times.timings:
        if _is_shown(timing.case):
            found.setdefault(timing.case, {})[timing.threads] = timing
    for case, timings in found.items():
        for ours, name in _ours(case):
            cells = [cell for n in (1, 2) for cell in _cells(timings.get(n), ours)]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _is_shown(case: Case) -> bool:
    if isinstance(case, Product):
        square = case.batch == case.fan_in
        small = square and case.batch in _SQUARES
        large = case.batch == 1024 if square else case.dtype == "float32"
        return large or (small and case.dtype == "float32")
    if isinstance(case, Elementwise):
        names = _BACKWARD if case.backward else _FORWARD
        return case.size == _SIZE and case.f in names and case.dtype == "float32"
    return isinstance(case, Training) and case.group in ("training", "small")


def _ours(case: Case) -> Iterator[tuple[str, str]]:
    yield OURS, case.label
    if isinstance(case, Training) and case.group == "training" and case.batch == 10:
        yield FUSED, f"{case.label}, `SGD(fused=True)`"


def _cells(timing: Timing | None, ours: str) -> list[str]:
    if timing is None or ours not in timing.medians:
        return ["–"] * 3
    seconds = timing.seconds(ours)
    ratios = (timing.seconds(r) / seconds if r in timing.medians else None for r in (NUMPY, TORCH))
    return [duration(seconds), *("–" if r is None else f"{_digits(r, 2)} ×" for r in ratios)]


def _digits(value: float, n: int) -> str:
    """So many digits, without an exponent."""
    shown = f"{value:#.{n}g}"
    return f"{float(shown):.15f}".rstrip("0").rstrip(".") if "e" in shown else shown.rstrip(".")
