"""The tables of `speed`: the machine, times of each case, its limits, what is missing, claims."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from experiments.figures.durations import duration
from experiments.figures.speed_chapter import compared_markdown, steps_markdown
from experiments.lab.question import Result
from experiments.lab.tables import claims_table, markdown, number, table
from experiments.speed.cases import Elementwise, Limit
from experiments.speed.machine import size_words
from experiments.speed.plans import GROUPS
from experiments.speed.rivals import ARRAYS, FUSED, NUMPY, OPENBLAS, OURS, STATS, TORCH, VARIANTS
from experiments.speed.schedule import Timing
from experiments.speed.startup import WARM
from experiments.speed.times import Times

if TYPE_CHECKING:
    from experiments.questions.speed import Settings

_RIVALS = (NUMPY, OPENBLAS, TORCH)
_SHORT = {
    OURS: "ours",
    FUSED: "fused SGD",
    STATS: "traced, statistics",
    ARRAYS: "traced, arrays",
    NUMPY: "NumPy",
    OPENBLAS: "OpenBLAS",
    TORCH: "PyTorch",
}


def tables(settings: Settings, result: Result) -> list[Table]:
    """The machine, then what was timed, what was not, and the claims."""
    times = Times.of(result.measurements, result.arrays)
    found = [_machine(result.measurements)]
    timed = _timed(times)
    if timed:
        found.append(_times(timed))
    found += _others(times)
    missing = _missing(times, result.measurements["absent"])
    return [*found, *([missing] if missing.row_count else []), claims_table(result.claims)]


def texts(settings: Settings, result: Result) -> Mapping[str, str]:
    """speed.md: the tables without the claims, one of times for each group of cases.

    Also those of the chapter, where what they are made of was run.
    """
    times = Times.of(result.measurements, result.arrays)
    groups = {group: [t for t in _timed(times) if t.case.group == group] for group in GROUPS}
    of_groups = [_times(timed, f": {group}") for group, timed in groups.items() if timed]
    found = [_machine(result.measurements), *of_groups]
    made = {"speed.md": "\n".join(map(markdown, [*found, *_others(times)]))}
    if "steps" in times.groups:
        made["steps.md"] = steps_markdown(times)
    if times.groups >= {"matmul", "activations", "training", "small"}:
        made["compared.md"] = compared_markdown(times)
    return made


def _timed(times: Times) -> list[Timing]:
    return [t for t in times.timings if not isinstance(t.case, Limit)]


def _others(times: Times) -> list[Table]:
    made = {"startup": _starts, "roofline": _limits}
    return [table_of(times) for group, table_of in made.items() if group in times.groups]


def _machine(m: Any) -> Table:
    machine, rivals = m["machine"], m["rivals"]
    made = table("machine", ("", ""), left=2)
    made.show_header = False
    caches = ", ".join(f"{name} {size_words(size)}" for name, size in machine["caches"].items())
    made.add_row("processor", f"{machine['cpu']}, {machine['cores']} cores to be used")
    made.add_row("features", " ".join(machine["features"]) or "unknown")
    made.add_row("caches", caches or "unknown")
    for name, said in rivals.items():
        words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in said.items())
        made.add_row(_SHORT[name], words)
    for note in machine["notes"]:
        made.add_row("note", note)
    return made


def _times(timings: Iterable[Timing], of: str = "") -> Table:
    """A row for each case: the time of one call for everybody, and how fast ours is."""
    ordered = sorted(timings, key=lambda t: GROUPS.index(t.case.group))
    made = table(
        f"time of one call{of}",
        ("", "t", *(_SHORT[name] for name in (OURS, *_RIVALS)), "GF/s", "GB/s"),
    )
    made.caption = (
        "t: threads; medians of the rounds, each the median of its block; GF/s and GB/s are ours, "
        "by the fewest operations and bytes; –: takes no part, ×: failed, see below"
    )
    made.caption_justify = "left"
    for i, timing in enumerate(ordered):
        ends = i + 1 < len(ordered) and ordered[i + 1].case.group != timing.case.group
        ours = [OURS, *(name for name in VARIANTS if name in timing.medians)]
        for name in ours:
            made.add_row(
                timing.case.label + (f", {_SHORT[name]}" if name in VARIANTS else ""),
                str(timing.threads),
                _cell(timing, name),
                *(_cell(timing, rival) for rival in _RIVALS),
                *_rates(timing, name),
                end_section=ends and name == ours[-1],
            )
    return made


def _cell(timing: Timing, name: str) -> str:
    if name in timing.failures:
        return "×"
    return duration(timing.seconds(name)) if name in timing.medians else "–"


def _rates(timing: Timing, name: str) -> tuple[str, str]:
    if name not in timing.medians:
        return "–", "–"
    flops = "–" if isinstance(timing.case, Elementwise) else number(timing.rate(name) / 1e9)
    return flops, number(timing.bandwidth(name) / 1e9)


def _starts(times: Times) -> Table:
    made = table("a new process, seconds from its start to its end", ("", "median", "all"), left=1)
    rows = {
        f"import engine, first gradient of {WARM}": times.starts.warm,
        "import torch": times.starts.torch,
        **{f"first gradient of {net}, empty cache": v for net, v in times.starts.cold.items()},
    }
    for name, seconds in rows.items():
        if seconds is None:
            continue
        spread = f"{seconds.min():.2f} to {seconds.max():.2f}" if len(seconds) else ""
        made.add_row(name, f"{np.median(seconds):.2f}" if len(seconds) else "", spread)
    return made


def _limits(times: Times) -> Table:
    made = table("what this machine can do at most", ("", "t", "GF/s", "GB/s"))
    for timing in times.timings:
        case = timing.case
        if isinstance(case, Limit) and OURS in timing.medians:
            is_peak = case.limit == "peak"
            made.add_row(
                case.label,
                str(timing.threads),
                number(timing.rate(OURS) / 1e9) if is_peak else "",
                "" if is_peak else number(timing.bandwidth(OURS) / 1e9),
            )
    return made


def _missing(times: Times, absent: dict[str, str]) -> Table:
    made = table("not measured", ("", "who", "why"), left=3)
    for name, why in absent.items():
        made.add_row("all cases", _SHORT[name], why)
    for timing in times.timings:
        for name, why in timing.failures.items():
            made.add_row(f"{timing.case.label}, {timing.threads}t", _SHORT[name], why)
    for start, why in times.starts.failures.items():
        made.add_row("start-up", start, why)
    return made
