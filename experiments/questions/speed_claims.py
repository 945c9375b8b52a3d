"""The claims that `speed` tests: how many times as fast as a rival gradtrace is to be.

A measured number is mostly a rival's time over ours, in one run and on as many threads, the
geometric mean over the rounds with its interval. The targets were set before anything was
measured; a run with fewer sizes tests them at those it has, which the labels name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeGuard

from experiments.lab.claims import Claim, Measured, Statement, Tolerance
from experiments.speed.cases import Case, Elementwise, Product, Training, count
from experiments.speed.plans import GLOROT, MAIN, OTHERS, TRACED
from experiments.speed.rivals import FUSED, NUMPY, OPENBLAS, OURS, STATS, TORCH
from experiments.speed.schedule import Timing
from experiments.speed.startup import GRADIENTS
from experiments.speed.times import Times

_SOURCE = "project target, issue table"
# What has to be added to the command where a rival is absent.
_NEEDS = {
    TORCH: "--torch-python PYTHON  # an interpreter that has PyTorch",
    OPENBLAS: "# on a processor with AVX-512",
}


def _target(id: str, text: str, least: float) -> Statement:
    return Statement(id, text, _SOURCE, Tolerance("at least", least))


K1 = _target("K1", "large float32 products: speed over OpenBLAS' with its AVX-512 kernels", 0.95)
K2 = _target("K2", "large float32 products: speed over NumPy's as installed", 1.7)
K3 = _target("K3", "large float32 products: speed over PyTorch's", 2.0)
K4 = _target("K4", "large float64 products: speed over OpenBLAS' with its AVX-512 kernels", 1.0)
K5 = _target("K5", "large float64 products: speed over NumPy's as installed", 1.7)
K6 = _target("K6", "a layer's three products at batch 10: speed over the fastest rival's", 1.3)
K7 = _target("K7", "squares of 16 to 96: speed over NumPy's as installed", 1.0)
K8, K9, K10, K11 = (
    _target(
        f"K{8 + i}", f"{f}, forward and backward: speed over the faster of NumPy and PyTorch", 1.0
    )
    for i, f in enumerate(MAIN)
)
K12 = _target("K12", "other activations, forward: speed over PyTorch's", 1.5)
K13 = _target("K13", "other activations, backward: speed over PyTorch's own operation", 1.5)
T1 = _target(
    "T1",
    "training step of 1024 – 5×1000 tanh – 10 at batch 10: speed over PyTorch's, eager",
    4.0,
)
T2 = _target("T2", "the same step at batch 64 and 256: speed over PyTorch's, eager", 2.0)
T3 = _target("T3", "training step of 2-16-16-1 at batch 32: speed over PyTorch's, eager", 4.0)
T4 = _target("T4", "the same step of 2-16-16-1: speed over NumPy's, written by hand", 1.0)
T5 = Statement(
    "T5",
    "a step of 1024 – 5×1000 tanh – 10 traced with statistics only: its time over the plain step's",
    f"{_SOURCE}; this net was added after a first run of T6",
    Tolerance("at most", 1.5),
)
T6 = Statement(
    "T6",
    "the same of 784 – 3×256 tanh – 10, whose step takes half a millisecond at batch 10",
    _SOURCE,
    Tolerance("at most", 1.5),
)
P1 = _target(
    "P1",
    "a new process, kernels cached: time of `import torch` over that of `import engine` and a "
    "first gradient",
    1.0,
)
P2 = Statement(
    "P2",
    "a new process with an empty kernel cache: seconds to a first gradient",
    _SOURCE,
    Tolerance("at most", 12.0),
)


@dataclass(frozen=True)
class _Comparison:
    """A statement, which cases it is about, and the rivals of which the fastest counts."""

    statement: Statement
    concerns: Callable[[Case], bool]
    rivals: tuple[str, ...]
    fused: bool = False  # with the fused SGD, where there is one


def _product(case: Case, dtype: str = "") -> TypeGuard[Product]:
    return isinstance(case, Product) and case.dtype in (dtype or case.dtype)


def _large(dtype: str) -> Callable[[Case], bool]:
    return lambda case: _product(case, dtype) and case.batch >= 256


def _activation(names: Sequence[str], *ways: bool) -> Callable[[Case], bool]:
    return lambda case: isinstance(case, Elementwise) and case.f in names and case.backward in ways


def _step(group: str, *batches: int) -> Callable[[Case], bool]:
    return lambda case: isinstance(case, Training) and case.group == group and case.batch in batches


_COMPARISONS = (
    _Comparison(K1, _large("float32"), (OPENBLAS,)),
    _Comparison(K2, _large("float32"), (NUMPY,)),
    _Comparison(K3, _large("float32"), (TORCH,)),
    _Comparison(K4, _large("float64"), (OPENBLAS,)),
    _Comparison(K5, _large("float64"), (NUMPY,)),
    _Comparison(K6, lambda case: _product(case) and case.batch == 10, (NUMPY, OPENBLAS, TORCH)),
    _Comparison(K7, lambda case: _product(case) and case.batch == case.fan_in < 256, (NUMPY,)),
    *(
        _Comparison(statement, _activation((f,), False, True), (NUMPY, TORCH))
        for statement, f in zip((K8, K9, K10, K11), MAIN, strict=True)
    ),
    _Comparison(K12, _activation(OTHERS, False), (TORCH,)),
    _Comparison(K13, _activation(OTHERS, True), (TORCH,)),
    _Comparison(T1, _step("training", 10), (TORCH,), fused=True),
    _Comparison(T2, _step("training", 64, 256), (TORCH,)),
    _Comparison(T3, _step("small", 32), (TORCH,)),
    _Comparison(T4, _step("small", 32), (NUMPY,)),
)


def claims(times: Times) -> list[Claim]:
    """Every claim, with what this run measured.

    Where a rival is absent or the group was not run, a claim is "not yet measured". Where a
    case that was run has no number, because somebody failed in it, the claim is "not shown".
    """
    return [
        *(_over(times, comparison) for comparison in _COMPARISONS),
        _traced(T5, GLOROT, times),
        _traced(T6, TRACED, times),
        _p1(times),
        _p2(times),
    ]


def targets(timing: Timing) -> dict[str, float]:
    """The least speed over each rival that is claimed for a case."""
    return {
        rival: comparison.statement.tolerance.size
        for comparison in _COMPARISONS
        if comparison.concerns(timing.case)
        for rival in comparison.rivals
    }


def _over(times: Times, comparison: _Comparison) -> Claim:
    """Our speed over the fastest of the rivals.

    OpenBLAS' AVX-512 kernels can be absent because the processor has none; NumPy as installed is
    then OpenBLAS at its best, and stands for it among several rivals, but not alone.
    """
    statement, rivals = comparison.statement, set(comparison.rivals)
    if len(rivals) > 1 and OPENBLAS not in times.present:
        rivals.discard(OPENBLAS)
    timings = [t for t in times.timings if comparison.concerns(t.case)]
    if not timings or not rivals <= times.present:
        return _without(statement, rivals - times.present)
    values, labels = [], []
    for timing in timings:
        ours = FUSED if comparison.fused and FUSED in timing.medians else OURS
        fastest = timing.fastest(rivals) if rivals <= timing.medians.keys() else None
        values.append(timing.ratio(fastest, ours) if fastest else Measured.of([math.nan]))
        labels.append(_label(timing) + (", fused" if ours == FUSED else ""))
    return statement.measured([statement.tolerance.size] * len(values), values, labels)


def _without(statement: Statement, absent: set[str]) -> Claim:
    """No number, for want of these rivals, or because the cases were not run."""
    needs = next((_NEEDS[rival] for rival in (TORCH, OPENBLAS) if rival in absent), "")
    return Claim(replace(statement, needs=needs))


def _label(timing: Timing) -> str:
    """A short name, 2t for two threads: a claim's sentence says the rest."""
    case = timing.case
    name = case.label
    if isinstance(case, Product):
        name = f"{case.form} {case.batch}{'³' if case.batch == case.fan_in else ''}"
    elif isinstance(case, Elementwise):
        way = "backward" if case.backward else "forward"
        name = f"{way if case.f in MAIN else case.f} {count(case.size)}"
    elif isinstance(case, Training):
        name = f"batch {case.batch}"
    precision = " f64" if case.dtype == "float64" else ""
    return f"{name}{precision}, {timing.threads}t"


def _traced(statement: Statement, sizes: tuple[int, ...], times: Times) -> Claim:
    timings = [
        timing
        for timing in times.of_group("traces")
        if isinstance(timing.case, Training) and timing.case.sizes == sizes
    ]
    values, labels = [t.ratio(STATS, OURS) for t in timings], [_label(t) for t in timings]
    return statement.measured([statement.tolerance.size] * len(values), values, labels)


def _p1(times: Times) -> Claim:
    torch, warm = times.starts.torch, times.starts.warm
    if "startup" not in times.groups or TORCH not in times.present:
        return _without(P1, {TORCH} - times.present)
    ratios = [math.nan] if torch is None or warm is None else torch / warm
    return P1.measured([P1.tolerance.size], [Measured.of(ratios, log=True)])


def _p2(times: Times) -> Claim:
    """A number for each net, none where its process failed."""
    cold = times.starts.cold
    if not cold and not any(name.startswith("cold") for name in times.starts.failures):
        return Claim(P2)
    return P2.measured(
        [P2.tolerance.size] * len(GRADIENTS),
        [Measured.of(cold.get(net, [math.nan]), log=True) for net in GRADIENTS],
        [net.split(",")[0] for net in GRADIENTS],
    )
