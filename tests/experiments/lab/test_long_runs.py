"""`train_all` and its flags."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from experiments.cli import main
from experiments.cli.flags import FlagError, read_settings
from experiments.lab import long_runs, training
from experiments.lab.checkpoints import discard_checkpoints
from experiments.lab.long_runs import LongRuns, how_to_resume, train_all
from experiments.lab.progress import Silent
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.training import Training, train

NET = Training(
    "tanh", "xavier_uniform", depth=2, width=8, n_train=40, n_test=30, updates=30, probe=10,
    every=20, batch=4, lr=0.1,
)  # fmt: skip
NETS = [replace(NET, seed=seed, activation=f) for seed in (0, 1) for f in ("tanh", "softsign")]


def bits(trainings, trained):
    found = []
    for t, one in zip(trainings, trained, strict=True):
        state = one.checkpoint(t)
        arrays = [*state.net.values(), *state.recorder.values(), state.losses]
        found.append((one.test_error, *(array.tobytes() for array in arrays)))
    return found


@pytest.fixture(scope="module")
def expected():
    return bits(NETS, [train(t) for t in NETS])


class Counting(Silent):
    def __init__(self, stop_at=None):
        self.done, self.skipped, self.stop_at = 0, 0, stop_at

    def step(self, what, steps=1):
        self.done += steps
        if self.stop_at is not None and self.done >= self.stop_at:
            raise KeyboardInterrupt

    def skip(self, steps):
        self.skipped += steps


@pytest.mark.parametrize("workers", [1, 2])
def test_the_same_nets_one_after_another_and_side_by_side(tmp_path, expected, workers):
    progress = Counting()
    settings = LongRuns(workers=workers)
    assert bits(NETS, train_all(NETS, settings, tmp_path, progress)) == expected
    assert progress.done == 4 * 30
    assert not list(tmp_path.iterdir())  # a short run leaves nothing behind


def test_finished_nets_are_written_when_a_run_is_interrupted(tmp_path, expected):
    with pytest.raises(KeyboardInterrupt):
        train_all(NETS, LongRuns(), tmp_path, Counting(stop_at=90))
    assert len(list(tmp_path.glob("checkpoints/*/*.npz"))) == 2
    assert "--resume" in how_to_resume(LongRuns(), tmp_path)
    progress = Counting()
    resumed = train_all(NETS, LongRuns(resume=True), tmp_path, progress)
    assert bits(NETS, resumed) == expected
    assert (progress.skipped, progress.done) == (60, 60)
    discard_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())
    assert how_to_resume(LongRuns(), tmp_path) == ""
    assert how_to_resume(object(), tmp_path) == ""


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_was_interrupted_within_nets(tmp_path, expected, workers, monkeypatch):
    store = long_runs._Store(tmp_path / "checkpoints", NETS, LongRuns())
    for i, t in enumerate(NETS[:3]):  # one over, one on its way, one over, one not begun
        part = t if i != 1 else replace(t, updates=11)
        state = train(part).checkpoint(part)
        replace(state, identity=t.identity).write(store.paths[i])
    progress = Counting()
    resumed = train_all(NETS, LongRuns(resume=True, workers=workers), tmp_path, progress)
    assert (progress.skipped, progress.done) == (71, 49)
    # A training of 11 updates looks at its probe at the same updates as one of 30 has by then.
    assert bits(NETS, resumed) == expected


def test_finished_nets_are_written_every_so_many_seconds(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(long_runs.time, "monotonic", lambda: now[0])
    counts = []

    class Looking(Counting):
        def step(self, what, steps=1):
            now[0] += 20
            counts.append(len(list(tmp_path.glob("checkpoints/*/*.npz"))))

    monkeypatch.setattr(
        long_runs, "train", lambda t, progress, *rest: (progress.step(""), whole)[1]
    )
    whole = train(NET)
    train_all(NETS, LongRuns(save_every=30), tmp_path, Looking())
    assert counts == [0, 0, 2, 2]


def test_nothing_to_resume(tmp_path):
    nothing = r"--resume: .*checkpoints has no checkpoint of a run with these flags"
    with pytest.raises(SettingsError, match=nothing):
        train_all(NETS, LongRuns(resume=True), tmp_path, Silent())
    with pytest.raises(KeyboardInterrupt):
        train_all(NETS, Settings(width=9), tmp_path, Counting(stop_at=60))
    for settings in (Settings(width=8, resume=True), Settings(width=9, seed=1, resume=True)):
        with pytest.raises(SettingsError, match=nothing):
            train_all(NETS, settings, tmp_path, Silent())
    again = Settings(width=9, save_every=5, results=tmp_path, resume=True)
    progress = Counting()
    train_all(NETS, again, tmp_path, progress)
    assert progress.skipped == 30


def test_other_code_is_refused_before_anything_is_trained(tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        train_all(NETS, LongRuns(save_every=0), tmp_path, Counting(stop_at=60))
    monkeypatch.setattr(training, "code_digest", lambda: "another")
    progress = Counting()
    with pytest.raises(SettingsError, match="by other code of engine, nn or experiments"):
        train_all(NETS, LongRuns(resume=True), tmp_path, progress)
    assert progress.done == 0
    anew = train_all(NETS, LongRuns(), tmp_path, progress)
    assert progress.done == 120 and progress.skipped == 0 and len(anew) == len(NETS)


def test_a_question_may_train_twice(tmp_path):
    """First to choose a learning rate, say, and then with it."""
    first, second = NETS[:2], NETS[2:]
    with pytest.raises(KeyboardInterrupt):
        train_all(first, LongRuns(save_every=0), tmp_path, Silent())
        train_all(second, LongRuns(save_every=0), tmp_path, Counting(stop_at=1))
    progress = Counting()
    for trainings in (first, second):
        train_all(trainings, LongRuns(resume=True), tmp_path, progress)
    # The second part was interrupted where its first net reported progress.
    assert progress.skipped > 60 and progress.skipped + progress.done == 120


OWN = """
from engine import activation, tanh

@activation
def steeper(s):
    return tanh({slope} * s)
"""


def test_an_activation_of_ones_own(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(OWN.format(slope=1.5))
    nets = [replace(NET, activation=f"{file}:steeper", seed=seed) for seed in (0, 1)]
    assert nets[0].label.startswith("steeper xavier_uniform 2×8")
    here = train_all(nets, LongRuns(save_every=0), tmp_path, Silent())
    assert {path.name[:8] for path in tmp_path.glob("checkpoints/*/*")} == {"steeper-"}
    beside = train_all(nets, LongRuns(workers=2), tmp_path, Silent())
    assert bits(nets, here) == bits(nets, beside)
    assert bits(nets, here) != bits(nets, [train(replace(t, activation="tanh")) for t in nets])
    before = nets[0].identity
    other = tmp_path / "other" / "mine.py"
    other.parent.mkdir()
    other.write_text(OWN.format(slope=2.5))
    changed = replace(NET, activation=f"{other}:steeper")
    assert changed.identity.replace(str(other), str(file)) != before


# --- flags ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings(LongRuns):
    """What is asked."""

    width: int = 8
    """Units."""
    seed: int = 0
    """Of all."""
    results: Path = Path("results")
    """Folder."""

    def __post_init__(self):
        super().__post_init__()


def run(settings, progress):
    if not settings.resume:
        progress = Counting(stop_at=90)
    trained = train_all(NETS, settings, settings.results / "q", progress)
    return Result({"errors": [t.test_error for t in trained]}, {}, [])


QUESTION = Question(
    "q", "What is asked?", Settings, run, lambda *_: {"figure": Figure()}, lambda *_: []
)


def test_the_command_says_how_to_go_on_and_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(main, "QUESTIONS", {"q": QUESTION})
    flags = ["run", "q", "--results", str(tmp_path)]
    assert main.main(flags) == 130
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == (
        "gradtrace: interrupted; the same command with --resume goes on from its checkpoints"
    )
    assert main.main([*flags, "--resume"]) == 0
    found = json.loads((tmp_path / "q" / "result.json").read_text())
    assert found["measurements"]["errors"] == [train(t).test_error for t in NETS]
    assert not (tmp_path / "q" / "checkpoints").exists()
    assert main.main([*flags, "--resume"]) == 2
    assert "has no checkpoint" in capsys.readouterr().err


def test_flags_are_read():
    found = read_settings(
        QUESTION, ["--workers", "2", "--width", "5", "--resume", "--save-every", "1"]
    )
    assert (found.workers, found.width, found.resume, found.save_every) == (2, 5, True, 1.0)
    assert read_settings(QUESTION, []) == Settings()


def test_help_names_them(capsys):
    assert read_settings(QUESTION, ["--help"]) is None
    said = capsys.readouterr().out
    for flag in ("--workers", "--resume", "--scheduler", "--save-every", "--width"):
        assert flag in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--workers", "0"], "--workers must be at least 1, got 0"),
        (["--workers", "5000"], "--workers must be at most 1024"),
        (["--save-every", "-1"], "--save-every must be at least 0"),
        (["--save-every", "nan"], "--save-every must be at least 0"),
        (["--scheduler", "localhost"], "--scheduler must be an address like tcp://"),
        (["--scheduler", "tcp://a:1", "--workers", "2"], "choose one"),
    ],
)
def test_flags_that_cannot_be(flags, said):
    with pytest.raises((FlagError, SettingsError)) as caught:
        read_settings(QUESTION, flags)
    assert said in str(caught.value)
