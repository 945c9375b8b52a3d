"""Starts: in turns, the caches filled before, an empty one for each cold start."""

import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.speed.rivals import OURS, TORCH, Rival
from experiments.speed.startup import (
    GRADIENTS,
    IMPORT_TORCH,
    StartError,
    measure_starts,
    starts_expected,
    timed_start,
)

BOTH = {name: Rival(name, name, "x.py") for name in (OURS, TORCH)}
SMALL, LARGE = GRADIENTS


class Starter:
    """Pretends to start processes; a first one takes ten times as long."""

    def __init__(self, fails=lambda n, program: False):
        self.started, self.folders, self.fails = [], [], fails

    def __call__(self, python, program, environment):
        self.started.append(program)
        if self.fails(self.started.count(program), program):
            raise StartError("no")
        folder = environment.get("NUMBA_CACHE_DIR")
        if folder:
            assert Path(folder).is_dir() and not list(Path(folder).iterdir())
            self.folders.append(folder)
            return 100.0
        return (2.0 if python == TORCH else 1.0) * (10 if self.started.count(program) == 1 else 1)


@pytest.fixture(autouse=True)
def no_cache_named(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)


def run(rivals=BOTH, rounds=4, cold=2, **given):
    start = Starter(**given)
    heard = []
    rng = np.random.default_rng(0)
    found = measure_starts(rivals, 2, rounds, cold, rng, heard.append, start)
    return found, start, heard


def test_times_without_those_that_fill_the_caches():
    found, start, heard = run()
    assert found.warm.tolist() == [1.0] * 4
    assert {net: v.tolist() for net, v in found.cold.items()} == {
        net: [100.0] * 2 for net in GRADIENTS
    }
    assert found.torch.tolist() == [2.0] * 4
    assert not found.failures
    assert len(heard) == len(start.started) == starts_expected(BOTH, 4, 2) == 5 * 2 + 4


def test_every_cold_start_has_an_empty_cache_of_its_own_which_is_gone_afterwards():
    _, start, _ = run()
    assert len(set(start.folders)) == 4
    assert not any(Path(folder).exists() for folder in start.folders)


def test_the_order_changes():
    _, start, _ = run(rounds=3, cold=0)
    rounds = [tuple(start.started[i : i + 2]) for i in range(2, 8, 2)]
    assert rounds[0] == rounds[2] == rounds[1][::-1]


def test_without_torch():
    found, start, heard = run({OURS: BOTH[OURS]}, cold=0)
    assert found.torch is None and IMPORT_TORCH not in start.started
    assert len(heard) == starts_expected({OURS: BOTH[OURS]}, 4, 0)
    assert found.cold == {}


def test_one_that_fails_is_not_tried_again_and_the_others_go_on():
    found, start, heard = run(fails=lambda n, program: n == 2 and program == IMPORT_TORCH)
    assert found.torch is None and found.failures == {TORCH: "no"}
    assert start.started.count(IMPORT_TORCH) == 2
    assert len(found.warm) == 4
    assert len(heard) == starts_expected(BOTH, 4, 2)
    found, *_ = run(fails=lambda n, program: program == GRADIENTS[LARGE])
    assert found.warm is None and list(found.cold) == [SMALL]
    assert set(found.failures) == {"warm", f"cold {LARGE}"}


class TestTimedStart:
    def test_seconds(self):
        assert 0.2 < timed_start(sys.executable, "import time; time.sleep(0.2)", {}) < 30

    def test_a_program_that_fails(self):
        with pytest.raises(StartError, match=r"^ValueError: why$"):
            timed_start(sys.executable, "raise ValueError('why')", {})
        with pytest.raises(StartError, match=r"^exit code 3$"):
            timed_start(sys.executable, "raise SystemExit(3)", {})

    def test_one_that_is_too_slow(self, monkeypatch):
        monkeypatch.setattr("experiments.speed.startup._LONGEST", 0.2)
        with pytest.raises(StartError, match=r"longer than 0\.2 s"):
            timed_start(sys.executable, "import time; time.sleep(60)", {})


@pytest.mark.parametrize("net", GRADIENTS)
def test_the_programs_run(net):
    exec(GRADIENTS[net], {})
