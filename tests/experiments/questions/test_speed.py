"""`speed`: settings, and a run from beginning to end with rivals that are made up."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.results import save_result
from experiments.questions import QUESTIONS, speed
from experiments.questions.speed import PRESETS, Settings, run
from experiments.speed.machine import Machine, available_cores
from experiments.speed.plans import GROUPS
from experiments.speed.processes import WorkerDiedError, WorkerError
from experiments.speed.rivals import NUMPY, OPENBLAS, OURS, TITLES, TORCH, Rival
from experiments.speed.startup import Starts
from experiments.speed.team import Team

SMALL = Settings(groups=("small",), rounds=3, threads=(1,), sizes="few")
SECONDS = {OURS: 1.0, NUMPY: 2.0, OPENBLAS: 2.0, TORCH: 8.0}


class FakeWorker:
    """Every call takes `SECONDS`; it dies in its n-th block, if that is asked for."""

    def __init__(self, rival, started, dies_in):
        self.rival, self.started, self.blocks, self.dies_in = rival, started, 0, dies_in
        started.append(self)
        self.closed = False

    def ask(self, limit, do, **asked):
        if do == "about":
            core = "SkylakeX" if self.rival.name == OPENBLAS else "Haswell"
            return {"about": {"core": core}}
        if do == "prepare":
            if asked["request"]["variant"] == "fused":
                raise WorkerError("nn.SGD of this version has no option fused=True")
            return {"digest": [1.0, 2.0]}
        if do == "time":
            self.blocks += 1
            if self.blocks == self.dies_in:
                raise WorkerDiedError("its process ended (signal 9)")
            return {"times": [SECONDS[self.rival.name]] * 3}
        return {}

    def close(self):
        self.closed = True


@pytest.fixture
def rivals(monkeypatch):
    """Take part: these rivals, as workers that are made up. Returns the list of those started."""
    started = []

    def take_part(*names, dies=None, missing=None):
        found = [Rival(name, "python", "x.py") for name in names]
        monkeypatch.setattr(
            speed, "find_rivals", lambda python, machine: (found, dict(missing or {}))
        )

        def start(rival, threads):
            if rival.name == dies and not any(w.rival.name == dies for w in started):
                return FakeWorker(rival, started, 2)
            return FakeWorker(rival, started, None)

        monkeypatch.setattr(speed, "Team", lambda r, threads, seed: Team(r, threads, seed, start))
        monkeypatch.setattr(speed, "this_machine", lambda: Machine(cores=1))
        monkeypatch.setattr(speed, "busy", lambda: "")
        return started

    return take_part


def verdicts(result):
    return {c.statement.id: c.verdict for c in result.claims if c.verdict != "not yet measured"}


class TestRun:
    def test_ratios_of_what_workers_say(self, rivals):
        started = rivals(OURS, NUMPY, TORCH)
        result = run(SMALL, Silent())
        t3, t4 = (next(c for c in result.claims if c.statement.id == i) for i in ("T3", "T4"))
        assert t3.measured[0].value == pytest.approx(8) and t4.measured[0].value == pytest.approx(2)
        assert verdicts(result) == {"T3": "holds", "T4": "holds"}
        assert [w.rival.name for w in started] == [OURS, NUMPY, TORCH]
        assert all(worker.closed for worker in started)

    def test_only_the_rivals_that_are_needed_are_started(self, rivals):
        started = rivals(OURS, NUMPY, OPENBLAS, TORCH)
        run(replace(SMALL, groups=("roofline",)), Silent())
        assert [w.rival.name for w in started] == [OURS]

    def test_a_process_for_each_number_of_threads(self, rivals, monkeypatch):
        monkeypatch.setattr(speed, "available_cores", lambda: 2)
        started = rivals(OURS, NUMPY)
        result = run(replace(SMALL, threads=(1, 2)), Silent())
        assert [w.rival.name for w in started] == [OURS, NUMPY] * 2
        assert [row["threads"] for row in result.measurements["rows"]] == [1, 2]

    def test_without_torch_it_says_so_in_one_line_and_goes_on(self, rivals, capsys):
        rivals(OURS, NUMPY, missing={TORCH: "PyTorch isn't installed here"})
        result = run(SMALL, Silent())
        out, err = capsys.readouterr()
        assert (out, err) == ("", "gradtrace: PyTorch isn't installed here; going on without it\n")
        assert verdicts(result) == {"T4": "holds"}
        assert result.measurements["absent"] == {TORCH: "PyTorch isn't installed here"}

    def test_a_rival_that_can_not_start_is_absent(self, rivals, monkeypatch, capsys):
        def ask(self, limit, do, **asked):
            if self.rival.name == TORCH:
                raise WorkerDiedError("its process ended (exit code 1): no module")
            return answer(self, limit, do, **asked)

        answer = FakeWorker.ask
        monkeypatch.setattr(FakeWorker, "ask", ask)
        rivals(OURS, NUMPY, TORCH)
        result = run(SMALL, Silent())
        why = "PyTorch can't be measured: its process ended (exit code 1): no module"
        assert capsys.readouterr().err == f"gradtrace: {why}; going on without it\n"
        assert result.measurements["absent"] == {TORCH: why}
        assert verdicts(result) == {"T4": "holds"}

    def test_a_worker_that_dies_ends_its_case_alone(self, rivals):
        started = rivals(OURS, NUMPY, TORCH, dies=TORCH)
        result = run(replace(SMALL, groups=("small", "scaling")), Silent())
        first, *others = result.measurements["rows"]
        assert first["not_measured"][TORCH] == "its process ended (signal 9)"
        assert set(first["seconds"]) == {OURS, NUMPY}
        assert all(set(row["seconds"]) == {OURS, NUMPY, TORCH} for row in others)
        assert [w.rival.name for w in started].count(TORCH) == 2
        assert verdicts(result) == {"T3": "not shown", "T4": "holds"}

    def test_what_this_version_lacks_is_a_reason(self, rivals):
        rivals(OURS, NUMPY)
        row = run(SMALL, Silent()).measurements["rows"][0]
        assert "fused=True" in row["not_measured"]["ours fused"]

    def test_an_interruption_ends_every_process(self, rivals):
        class Interrupting(Silent):
            def step(self, what, steps=1):
                raise KeyboardInterrupt

        started = rivals(OURS, NUMPY, TORCH)
        with pytest.raises(KeyboardInterrupt):
            run(SMALL, Interrupting())
        assert len(started) == 3 and all(worker.closed for worker in started)

    def test_progress_ends_at_what_was_expected(self, rivals, monkeypatch):
        class Counting(Silent):
            done = 0

            def expect(self, steps):
                self.expected = steps

            def step(self, what, steps=1):
                self.done += steps

        def starts(rivals, threads, rounds, cold, rng, after_each):
            for _ in range((rounds + 1) * 2 + 2 * cold):
                after_each("x")
            return Starts()

        monkeypatch.setattr(speed, "measure_starts", starts)
        rivals(OURS, NUMPY, TORCH, dies=NUMPY)
        progress = Counting()
        run(replace(SMALL, groups=GROUPS, cold_starts=2), progress)
        assert progress.done == progress.expected > 100

    def test_a_note_where_numpy_already_runs_on_the_best_kernels(self, rivals, monkeypatch):
        rivals(OURS, NUMPY, OPENBLAS, TORCH)
        settings = replace(SMALL, groups=("training",))
        assert run(settings, Silent()).measurements["machine"]["notes"] == ()
        monkeypatch.setattr(FakeWorker, "ask", _all_alike(FakeWorker.ask))
        (note,) = run(settings, Silent()).measurements["machine"]["notes"]
        assert "SkylakeX" in note and "those two rivals are one" in note

    def test_a_busy_machine_is_said_and_noted(self, rivals, monkeypatch, capsys):
        rivals(OURS, NUMPY)
        monkeypatch.setattr(speed, "busy", lambda: "this machine is busy")
        result = run(SMALL, Silent())
        assert capsys.readouterr().err == "gradtrace: this machine is busy\n"
        assert result.measurements["machine"]["notes"] == ("this machine is busy",)

    def test_what_is_written(self, rivals, tmp_path):
        rivals(OURS, NUMPY)
        result = run(SMALL, Silent())
        question = QUESTIONS["speed"]
        files = save_result(tmp_path, question, SMALL, result, question.figures(SMALL, result), 1.0)
        record = json.loads(files[0].read_text(encoding="utf-8"))
        row = record["measurements"]["rows"][0]
        assert row["label"] == "2–16–16–1, batch 32" and row["targets"] == {TORCH: 4, NUMPY: 1}
        assert record["measurements"]["machine"]["cores"] == 1
        arrays = np.load(tmp_path / "arrays.npz")
        assert arrays["medians"].shape == (1, len(TITLES), 3)


def _all_alike(ask):
    def alike(self, limit, do, **asked):
        return {"about": {"core": "SkylakeX"}} if do == "about" else ask(self, limit, do, **asked)

    return alike


class TestSettings:
    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"rounds": 0}, "--rounds must be at least 1, got 0"),
            ({"block_ms": -1.0}, "--block-ms must be at least 0, got -1"),
            ({"cold_starts": -1}, "--cold-starts must be at least 0, got -1"),
            ({"cold_starts": 1000}, "--cold-starts must be at most 100, got 1000"),
            ({"seed": -1}, "--seed must be at least 0, got -1"),
            ({"groups": ("matmull",)}, "--groups: 'matmull' is unknown; there are matmul, activ"),
            ({"groups": ()}, "--groups: name each once, and at least one"),
            ({"groups": ("small", "small")}, "--groups: name each once"),
            ({"threads": ()}, "--threads: name each number once, the smallest first"),
            ({"threads": (2, 1)}, "--threads: name each number once, the smallest first"),
            ({"threads": (1, 1)}, "--threads: name each number once"),
            ({"threads": (0,)}, "--threads must be 1 to .*, got 0"),
            ({"threads": (100_000,)}, "--threads must be 1 to .*, got 100000"),
        ],
    )
    def test_refused_in_one_line(self, wrong, message):
        with pytest.raises(SettingsError, match=message) as caught:
            Settings(**wrong)
        assert "\n" not in str(caught.value)

    def test_threads_that_the_machine_has(self):
        assert Settings().threads == ((1, 2) if available_cores() > 1 else (1,))

    def test_presets(self):
        question = QUESTIONS["speed"]
        quick, paper = question.preset("quick"), question.preset("paper")
        assert (quick.sizes, Settings().sizes, paper.sizes) == ("few", "most", "all")
        assert quick.rounds < Settings().rounds < paper.rounds
        assert quick.cold_starts == 0 < Settings().cold_starts < paper.cold_starts
        assert set(PRESETS) == {"quick", "paper"}
        assert quick.groups == paper.groups == GROUPS


def test_real_processes_from_the_command_line(tmp_path):
    """With two rivals, tiny blocks, and no PyTorch unless it is here."""
    command = [sys.executable, "-m", "experiments.cli.entry", "run", "speed", "--quick"]
    flags = "--groups small steps --rounds 2 --block-ms 0.1 --threads 1"
    root = str(Path(speed.__file__).parents[2])
    done = subprocess.run(
        [*command, *flags.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    folder = tmp_path / "results/speed"
    names = ["arrays.npz", "figure.png", "figure.svg", "result.json", "speed.md", "steps.md"]
    names += ["steps.png", "steps.svg"]
    assert sorted(path.name for path in folder.iterdir()) == sorted(names)
    assert max(map(len, done.stdout.splitlines())) <= 100 and "…" not in done.stdout
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    rows = record["measurements"]["rows"]
    assert [row["group"] for row in rows] == ["small", *["steps"] * 8]
    for row in rows:
        assert row["seconds"][OURS] > 0 and row["seconds"][NUMPY] > 0
    python_loops = rows[1]["seconds"]
    assert python_loops[OURS] > 100 * python_loops[NUMPY]
    said = {c["id"]: c["verdict"] for c in record["claims"]}
    assert said["T4"] in ("holds", "does not hold", "not shown") and said["K1"][:7] == "not yet"
