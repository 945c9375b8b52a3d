"""The loop of a worker: what it answers, what it times, and what it needs to be imported."""

import ast
import json
import math
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from experiments.speed.cases import Elementwise, Product, Step, Training
from experiments.speed.schedule import difference
from experiments.speed.workers import serve
from experiments.speed.workers.serve import Slot, digest, given_for, settle

FOLDER = Path(serve.__file__).parent
CASES = [
    Product("matmul", "float32", "X·W", 3, 5, 7),
    Elementwise("activations", "float64", "tanh", 100, True),
    Training("small", "float32", (2, 16, 16, 1), 32, "mse"),
    Training("training", "float32", (8, 4, 3), 5, "cross_entropy"),
    Step("steps", "float32", "packed", 9),
]

WORK = """
import sys
def about():
    return {"name": "test"}
def prepare(request, given):
    if request.get("fails"):
        raise KeyError("no such work")
    print("a library's own words")
    return (lambda: None), (lambda: [given["X"]])
"""


def seeded(case, seed=0):
    return {**case.request(), "seed": seed}


class TestGiven:
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.work)
    def test_the_same_seed_gives_the_same_bits(self, case):
        one, same, other = (given_for(seeded(case, seed)) for seed in (1, 1, 2))
        assert one.keys() == same.keys() != set()
        for name in one:
            assert one[name].tobytes() == same[name].tobytes()
            assert one[name].tobytes() != other[name].tobytes()

    def test_shapes_and_dtypes(self):
        given = given_for(seeded(CASES[0]))
        assert {k: v.shape for k, v in given.items()} == {"X": (3, 5), "W": (5, 7), "G": (3, 7)}
        given = given_for(seeded(CASES[1]))
        assert {v.dtype for v in given.values()} == {np.dtype(np.float64)}
        given = given_for(seeded(CASES[2]))
        assert given["x"].shape == (32, 2) and given["y"].shape == (32, 1)
        assert [given[f"W{i}"].shape for i in range(3)] == [(2, 16), (16, 16), (16, 1)]
        given = given_for(seeded(CASES[3]))
        assert given["y"].shape == (5,) and given["y"].dtype.kind == "i"
        assert given["W0"].dtype == np.float32

    def test_weights_have_xaviers_variance(self):
        case = Training("training", "float32", (300, 200, 10), 5, "cross_entropy")
        W = given_for(seeded(case))["W0"]
        assert W.var() == pytest.approx(2 / 500, rel=0.05)


class TestDigest:
    @pytest.mark.parametrize("n", [1, 31, 1000, 10**6])
    @pytest.mark.parametrize("wrong", [0, -1, 0.5])
    def test_a_single_wrong_entry_shows(self, n, wrong):
        r = np.random.default_rng(1).normal(size=n).astype(np.float32)
        other = r.copy()
        other[int(wrong * n) if wrong == 0.5 else wrong] += 1.0
        assert difference(digest([r]), digest([other]), 1e-4)
        assert not difference(digest([r]), digest([r.copy()]), 1e-12)

    def test_two_exchanged_entries_show(self):
        r = np.random.default_rng(1).normal(size=500)
        other = r.copy()
        other[[100, 101, 102, 103]] = r[[103, 101, 100, 102]]
        assert difference(digest([r]), digest([other]), 1e-4)

    def test_results_in_several_arrays_and_none(self):
        assert digest([np.ones((2, 3)), np.ones(4)]) == digest([np.ones(10)])
        assert digest([]) == [0.0]
        assert math.isnan(digest([np.array([np.nan])])[0])


class TestSlot:
    def test_short_calls_are_timed_together(self):
        calls = []
        slot = Slot(lambda: calls.append(1), 1e-6)
        times = slot.times(0.0, 3)
        assert len(times) == 3 and 100 <= slot.number <= 101
        assert len(calls) == 1 + 3 * slot.number  # one to warm up
        (together,) = Slot(lambda: time.sleep(0.001), 10e-6).times(0.0, 1)
        assert 0.001 <= together < 0.009
        assert max(times) < 1e-4

    def test_a_block_is_as_long_as_asked_and_has_as_many_calls(self):
        slot = Slot(lambda: time.sleep(0.005), 0.005)
        assert len(slot.times(0.0, 4)) == 4
        before = time.perf_counter()
        assert len(slot.times(0.1, 1)) >= 3
        assert time.perf_counter() - before >= 0.1

    def test_times_are_those_of_one_call(self):
        times = Slot(lambda: time.sleep(0.01), 0.01).times(0.0, 3)
        assert all(0.01 <= t < 0.1 for t in times)

    def test_one_long_call_is_enough(self, monkeypatch):
        monkeypatch.setattr(serve, "_LONG", 0.02)
        calls = []
        slot = Slot(lambda: (calls.append(1), time.sleep(0.03)), 0.03)
        assert len(slot.times(1.0, 3)) == len(calls) == 1


class Clock:
    """Time as the process sees it, with other threads that spin until some moment."""

    def __init__(self, spinning_until):
        self.now = self.spent = 0.0
        self.spinning_until = spinning_until

    def perf_counter(self):
        return self.now

    def process_time(self):
        return self.spent

    def sleep(self, seconds):
        self.spent += max(0.0, min(self.now + seconds, self.spinning_until) - self.now)
        self.now += seconds


@pytest.mark.parametrize(
    ("spinning_until", "settled_at"), [(0.0, 0.002), (0.1, 0.102), (60.0, 0.3)]
)
def test_settling_waits_for_other_threads_and_not_for_ever(spinning_until, settled_at, monkeypatch):
    clock = Clock(spinning_until)
    monkeypatch.setattr(serve, "time", clock)
    settle()
    assert settled_at - 0.001 < clock.now < settled_at + 0.003


class TestLoop:
    def asked(self, tmp_path, monkeypatch, *requests, threads="1"):
        """What the loop answers, as a process."""
        path = tmp_path / "work.py"
        path.write_text(WORK)
        monkeypatch.setenv("OMP_NUM_THREADS", threads)
        done = subprocess.run(
            [sys.executable, str(FOLDER / "serve.py"), str(path)],
            input="".join(json.dumps(r) + "\n" for r in requests),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return done, [json.loads(line) for line in done.stdout.splitlines()]

    def test_a_conversation(self, tmp_path, monkeypatch):
        request = seeded(CASES[0])
        done, said = self.asked(
            tmp_path, monkeypatch,
            {"do": "about"},
            {"do": "prepare", "slot": "a", "request": request},
            {"do": "prepare", "slot": "b", "request": request},
            {"do": "time", "slot": "a", "seconds": 0, "least": 3},
            {"do": "time", "slot": "b", "seconds": 0, "least": 2},
            {"do": "drop"},
            {"do": "time", "slot": "a", "seconds": 0, "least": 3},
            {"do": "dance"},
            threads="2",
        )  # fmt: skip
        assert done.returncode == 0
        assert said[0] == {"about": {"name": "test"}}
        assert said[1] == said[2] == {"digest": digest([given_for(request)["X"]])}
        assert [len(answer["times"]) for answer in said[3:5]] == [3, 2]
        assert said[5] == {}
        assert "started anew" in said[6]["error"] and "dance" in said[7]["error"]
        # What a library prints must not come among the answers.
        assert "a library's own words" in done.stderr

    def test_what_fails_is_answered_and_the_loop_goes_on(self, tmp_path, monkeypatch):
        request = {**seeded(CASES[0]), "fails": True}
        _, said = self.asked(
            tmp_path, monkeypatch, {"do": "prepare", "slot": "a", "request": request},
            {"do": "time", "slot": "a", "seconds": 0, "least": 3}, {"do": "about"},
        )  # fmt: skip
        assert said[0]["error"].startswith("KeyError") and "no such work" in said[0]["error"]
        assert "error" in said[1] and "about" in said[2]


@pytest.mark.parametrize("name", ["serve", "numpy_work", "torch_work"])
def test_it_needs_no_more_than_an_interpreter_with_pytorch_has(name):
    tree = ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add(node.module.split(".")[0])
    assert modules - {"numpy"} <= set(sys.stdlib_module_names)
    # Files beside a script are found before any library of the same name.
    assert not {path.stem for path in FOLDER.glob("*.py")} & {"numpy", "torch", "numba", "engine"}
