"""Which cases a run has, by its groups, sizes and threads."""

import pytest

from experiments.speed.cases import Elementwise, Limit, Product, Step, Training
from experiments.speed.machine import Machine
from experiments.speed.plans import BATCH, DEPTH, GROUPS, WIDTH, plan
from experiments.speed.rivals import FUSED, NUMPY, OPENBLAS, OURS, TORCH
from experiments.speed.steps import STEPS

MACHINE = Machine(caches={"L1": 32 << 10, "L2": 1 << 20, "L3": 32 << 20})


def planned(group, extent="all", threads=(1, 2), machine=MACHINE):
    return plan([group], extent, threads, machine)


def test_all_that_is_claimed_is_in_the_whole_plan():
    cases = {p.case for p in planned("matmul")}
    for dtype in ("float32", "float64"):
        for n in (1024, 2048):
            assert Product("matmul", dtype, "X·W", n, n, n) in cases
        for form in ("X·W", "Xᵀ·G", "G·Wᵀ"):
            for batch in (256, 10):
                assert Product("matmul", dtype, form, batch, 1000, 1000) in cases
        for n in (16, 32, 64, 96):
            assert Product("matmul", dtype, "X·W", n, n, n) in cases
    cases = {p.case for p in planned("activations")}
    for f in ("sigmoid", "tanh", "relu", "softplus"):
        for size in (10**4, 10**5, 10**6, 10**7):
            for backward in (False, True):
                assert Elementwise("activations", "float32", f, size, backward) in cases
    for f in ("hardtanh", "leaky_relu", "elu", "selu", "gelu", "silu", "softsign"):
        assert Elementwise("activations", "float32", f, 10**6, False) in cases
    cases = {p.case for p in planned("training")}
    net = (1024, 1000, 1000, 1000, 1000, 1000, 10)
    for batch in (10, 64, 256):
        assert Training("training", "float32", net, batch, "cross_entropy") in cases
    assert [p.case for p in planned("small")] == [
        Training("small", "float32", (2, 16, 16, 1), 32, "mse")
    ] * 2


@pytest.mark.parametrize("group", [g for g in GROUPS if g != "startup"])
def test_more_sizes_contain_the_fewer(group):
    few, most, every = ({p.case for p in planned(group, e)} for e in ("few", "most", "all"))
    if group != "steps":  # those are of another size
        assert few <= most <= every
    assert len(few) > 0


@pytest.mark.parametrize("extent", ["few", "most", "all"])
def test_no_case_is_planned_twice_and_ours_comes_first(extent):
    found = plan(GROUPS, extent, (1, 2), MACHINE)
    assert len({(p.case, p.threads) for p in found}) == len(found)
    assert {p.entrants[0] for p in found} == {OURS}


def test_who_takes_part():
    assert {p.entrants for p in planned("matmul")} == {(OURS, NUMPY, OPENBLAS, TORCH)}
    assert {p.entrants for p in planned("training")} == {(OURS, FUSED, NUMPY, OPENBLAS, TORCH)}
    assert {p.entrants for p in planned("roofline")} == {(OURS,)}
    for p in planned("activations"):
        known = p.case.f in ("sigmoid", "tanh", "relu", "softplus")
        assert p.entrants == ((OURS, NUMPY, TORCH) if known else (OURS, TORCH))


def test_fewer_rounds_for_what_is_not_compared():
    assert {p.rounds(7) for p in planned("scaling")} == {3}
    assert {p.rounds(2) for p in planned("scaling")} == {2}
    assert {p.rounds(7) for p in planned("matmul")} == {7}


def test_scaling_changes_one_thing_at_a_time():
    base = (WIDTH, DEPTH, BATCH)
    most = [p for p in planned("scaling") if p.threads == 2]
    found = [(p.case.sizes[0], len(p.case.sizes) - 2, p.case.batch) for p in most]
    assert base in found
    for at in found:
        assert sum(a != b for a, b in zip(at, base, strict=True)) <= 1
    assert all(len({*p.case.sizes[:-1]}) == 1 and p.case.sizes[-1] == 10 for p in most)
    assert [p.case for p in planned("scaling") if p.threads == 1] == [most[0].case]


def test_steps_run_on_one_thread_and_the_last_on_all():
    found = planned("steps", "most")
    assert [p.case.step for p in found if p.threads == 1] == list(STEPS)
    assert [p.case.step for p in found if p.threads == 2] == ["matmul"]
    sizes = {p.case.step: p.case.size for p in found if isinstance(p.case, Step)}
    assert sizes.pop("python_loops") < 100 and set(sizes.values()) == {1024}


class TestLimits:
    def places(self, machine, threads=1):
        found = [p.case for p in planned("roofline", threads=(threads,), machine=machine)]
        return {c.place: c.bytes for c in found if isinstance(c, Limit) and c.place}

    def test_each_cache_is_half_full_and_memory_is_beyond_them(self):
        found = self.places(MACHINE)
        assert found["L2"] == pytest.approx(2**19, rel=1e-4)
        assert found["L3"] == pytest.approx(2**24, rel=1e-4)
        assert found["memory"] >= 4 * 2**25 * 0.999

    def test_a_second_cache_for_every_thread(self):
        assert self.places(MACHINE, 2)["L2"] == pytest.approx(2**20, rel=1e-4)

    def test_unknown_caches(self):
        found = self.places(Machine())
        assert list(found) == ["memory"] and found["memory"] >= 2**26 * 0.999

    def test_a_last_cache_hardly_larger_than_the_second_is_left_out(self):
        assert "L3" not in self.places(Machine(caches={"L2": 1 << 20, "L3": 4 << 20}))
