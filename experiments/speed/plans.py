"""Which cases are measured, on how many threads, and who takes part in each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from experiments.speed.cases import Case, Elementwise, Limit, Product, Step, Training
from experiments.speed.machine import Machine
from experiments.speed.rivals import ARRAYS, FUSED, NUMPY, OPENBLAS, OURS, STATS, TORCH

Extent = Literal["few", "most", "all"]

GROUPS = (
    "matmul",
    "activations",
    "training",
    "small",
    "traces",
    "startup",
    "scaling",
    "roofline",
    "steps",
)
FORMS = ("X·W", "Xᵀ·G", "G·Wᵀ")
MAIN = ("sigmoid", "tanh", "relu", "softplus")
OTHERS = ("hardtanh", "leaky_relu", "elu", "selu", "gelu", "silu", "softsign")
GLOROT = (1024, *[1000] * 5, 10)
SMALL = (2, 16, 16, 1)
TRACED = (784, 256, 256, 256, 10)
# Of the sweeps in the group `scaling`: where the two others stay while one goes up.
WIDTH, DEPTH, BATCH = 256, 4, 64
# Python needs a minute for 512³.
_PYTHON_SIZE = 48
_FEWER_ROUNDS = 3


@dataclass(frozen=True)
class Planned:
    """A case on so many threads, and the names of those who take part, ours first."""

    case: Case
    threads: int
    entrants: tuple[str, ...]
    is_compared: bool = True  # with rivals, in claims; curves and limits need fewer rounds

    def rounds(self, rounds: int) -> int:
        return rounds if self.is_compared else min(rounds, _FEWER_ROUNDS)


def plan(
    groups: Sequence[str], extent: Extent, threads: Sequence[int], machine: Machine
) -> list[Planned]:
    """All cases of these groups, those with the fewest threads first."""
    found: list[Planned] = []
    for n in threads:
        if "matmul" in groups:
            everyone = (OURS, NUMPY, OPENBLAS, TORCH)
            found += [Planned(case, n, everyone) for case in products(extent)]
        if "activations" in groups:
            found += [Planned(case, n, (OURS, NUMPY, TORCH)) for case in activations(extent)]
            found += [Planned(case, n, (OURS, TORCH)) for case in other_activations(extent)]
        if "training" in groups:
            both = (OURS, FUSED, NUMPY, OPENBLAS, TORCH)
            found += [Planned(case, n, both) for case in trainings(extent)]
        if "small" in groups:
            small = Training("small", "float32", SMALL, 32, "mse")
            found.append(Planned(small, n, (OURS, FUSED, NUMPY, TORCH)))
        if "traces" in groups:
            found += [Planned(case, n, (OURS, STATS, ARRAYS)) for case in traces(extent)]
        if "scaling" in groups:
            sweeps = scalings(extent) if n == threads[-1] else [scaling()]
            found += [Planned(case, n, (OURS, NUMPY, TORCH), False) for case in sweeps]
        if "roofline" in groups:
            found += [Planned(case, n, (OURS,), False) for case in ceilings(machine, n)]
        if "steps" in groups:
            from experiments.speed.steps import STEPS  # needs Numba, as no other question

            names = list(STEPS) if n == threads[0] else ["matmul"]
            found += [Planned(step(name, extent), n, (OURS, NUMPY), False) for name in names]
    return found


def products(extent: Extent) -> Iterator[Case]:
    """Large products, those of a layer at batch 256 and 10, and small squares."""
    few, every = extent == "few", extent == "all"
    for dtype in ("float32", "float64"):
        double = dtype == "float64"
        squares = [1024] * (not (few and double)) + [2048] * (every or not (few or double))
        for n in squares:
            yield Product("matmul", dtype, "X·W", n, n, n)
        for form in FORMS[:1] if few and double else FORMS:
            yield Product("matmul", dtype, form, 256, 1000, 1000)
    for dtype in ("float32", "float64") if every else ("float32",):
        for form in FORMS:
            yield Product("matmul", dtype, form, 10, 1000, 1000)
        for n in (16, 32, 64, 96):
            yield Product("matmul", dtype, "X·W", n, n, n)


def activations(extent: Extent) -> Iterator[Case]:
    """The four that NumPy and PyTorch have, by size."""
    sizes = {
        "few": (10**6,),
        "most": (10**4, 10**6, 10**7),
        "all": tuple(10**k for k in (4, 5, 6, 7)),
    }
    dtypes = ("float32", "float64") if extent == "all" else ("float32",)
    for dtype, f, size, backward in product(dtypes, MAIN, sizes[extent], (False, True)):
        yield Elementwise("activations", dtype, f, size, backward)


def other_activations(extent: Extent) -> Iterator[Case]:
    """The others; PyTorch has no operation of its own for the backward of softsign."""
    sizes = (10**4, 10**6, 10**7) if extent == "all" else (10**6,)
    for f, size, backward in product(OTHERS, sizes, (False, True)):
        if not (f == "softsign" and backward):
            yield Elementwise("activations", "float32", f, size, backward)


def trainings(extent: Extent) -> Iterator[Case]:
    """Glorot's net at the paper's batch of 10, and at larger ones."""
    for batch in (10,) if extent == "few" else (10, 64, 256):
        yield Training("training", "float32", GLOROT, batch, "cross_entropy")


def traces(extent: Extent) -> Iterator[Case]:
    """Glorot's net at the paper's batch, and a smaller one whose step is short beside a trace."""
    for batch in (10,) if extent == "few" else (10, 64):
        yield Training("traces", "float32", GLOROT, batch, "cross_entropy")
    for batch in (64,) if extent == "few" else (10, 64, 256):
        yield Training("traces", "float32", TRACED, batch, "cross_entropy")


def scaling(width: int = WIDTH, depth: int = DEPTH, batch: int = BATCH) -> Training:
    """A net of `depth` hidden layers of `width` units, on as many inputs, with 10 classes."""
    return Training("scaling", "float32", (*[width] * (depth + 1), 10), batch, "cross_entropy")


_SWEEPS = {
    "few": ((64, 512), (1, 16), (1, 512)),
    "most": ((64, 128, 512, 1024, 2048), (1, 2, 8, 16), (1, 4, 16, 256, 512)),
    "all": (
        (64, 96, 128, 192, 384, 512, 768, 1024, 1536, 2048),
        (1, 2, 3, 6, 8, 12, 16),
        (1, 2, 4, 8, 16, 32, 128, 256, 512),
    ),
}


def scalings(extent: Extent) -> Iterator[Training]:
    """One of width, depth and batch goes up, the others stay; the point they share comes first."""
    widths, depths, batches = _SWEEPS[extent]
    yield scaling()
    yield from (scaling(width=width) for width in widths)
    yield from (scaling(depth=depth) for depth in depths)
    yield from (scaling(batch=batch) for batch in batches)


def ceilings(machine: Machine, threads: int) -> Iterator[Case]:
    """The peak of arithmetic, and the bandwidth of each cache and of memory.

    Half a cache is filled, of the second one on each thread, since every core has its own.
    """
    from experiments.speed import limits  # needs Numba

    for dtype in ("float32", "float64"):
        each = limits.operations(dtype)
        yield Limit("roofline", dtype, "peak", 3000, operations=each)
    second, last = machine.caches.get("L2", 0), machine.caches.get("L3", 0)
    places = {}
    if second:
        places["L2"] = second // 2 * threads
    if last >= 8 * second * threads > 0:
        places["L3"] = last // 2
    places["memory"] = min(max(4 * last, 64 << 20), 1 << 30)
    for place, size in places.items():
        yield Limit("roofline", "float32", "triad", size // 12, place)


def step(name: str, extent: Extent) -> Step:
    """One step on the way to the fast product; Python's loops on a small one."""
    size = 256 if extent == "few" else 1024
    return Step("steps", "float32", name, _PYTHON_SIZE if name == "python_loops" else size)
