"""What tests of `speed` share: a run's result made up from the speed of each rival."""

import numpy as np
import pytest

from experiments.questions.speed import Settings, _result
from experiments.speed.machine import Machine
from experiments.speed.plans import plan
from experiments.speed.rivals import (
    ARRAYS,
    FUSED,
    NUMPY,
    OPENBLAS,
    OURS,
    STATS,
    TITLES,
    TORCH,
    VARIANTS,
)
from experiments.speed.schedule import Timing
from experiments.speed.startup import GRADIENTS, Starts

MACHINE = Machine(
    cpu="a processor", cores=2, features=("avx2", "avx512f"),
    caches={"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20}, notes=("a note",),
)  # fmt: skip
# How many times as long as ours each takes.
TIMES_OURS = {OURS: 1.0, FUSED: 0.5, NUMPY: 3.0, OPENBLAS: 2.0, TORCH: 5.0}
TRACED = {STATS: 1.4, ARRAYS: 1.2}


def timing(case, threads, entrants, rounds, factors, spread=1e-4):
    """Made-up times: ours by the case's operations and bytes, the others' so many times as long."""
    rng = np.random.default_rng(0)
    base = 1e-6 + (case.flops / 1e11 + case.bytes / 1e11) / threads
    medians = {
        name: base * factors[name] * np.exp(spread * rng.normal(size=rounds))
        for name in entrants
        if name in factors
    }
    ones = {name: np.ones(rounds) for name in medians}
    return Timing(case, threads, medians, medians, ones, {})


@pytest.fixture
def made_up(monkeypatch):
    """(settings, result) of a run in which these rivals took so long, and these starts."""
    monkeypatch.setattr("experiments.questions.speed.available_cores", lambda: 2)

    def make(factors=TIMES_OURS, change=lambda timing: timing, starts=None, missing=None, **given):
        settings = Settings(**{"threads": (1,), "sizes": "few", "rounds": 4} | given)
        timings = [
            change(
                timing(p.case, p.threads, p.entrants, p.rounds(settings.rounds), TRACED | factors)
            )
            for p in plan(settings.groups, settings.sizes, settings.threads, MACHINE)
        ]
        if starts is None and "startup" in settings.groups:
            seconds = np.exp(0.01 * np.random.default_rng(0).normal(size=4))
            cold = dict.fromkeys(GRADIENTS, 9 * seconds)
            starts = Starts(0.5 * seconds, cold, None if TORCH in (missing or ()) else 2 * seconds)
        missing = missing or {}
        rivals = dict.fromkeys(name for name in TITLES if name not in VARIANTS)
        abouts = {name: {"core": name} for name in rivals if name not in missing}
        return settings, _result(
            settings, MACHINE, abouts, missing, timings, starts or Starts(), rivals
        )

    return make


@pytest.fixture
def verdicts():
    """The verdict of each claim by its id."""
    return lambda result: {claim.statement.id: claim.verdict for claim in result.claims}
