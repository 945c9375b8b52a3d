"""A training that goes on from its checkpoint, and files that can't be gone on from."""

from dataclasses import replace

import numpy as np
import pytest

from engine.writing import UNFINISHED
from experiments.lab import training
from experiments.lab.checkpoints import Checkpoint, discard_unfinished
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.training import Training, train

TINY = Training(
    "tanh", "xavier_uniform", depth=2, width=8, n_train=10, n_test=30, updates=20, probe=10,
    every=3, batch=4, lr=0.1,
)  # fmt: skip


def bits(trained):
    found = [value.tobytes() for value in trained.net.state_dict().values()]
    found += [trained.losses.tobytes(), trained.test_error]
    if trained.recorder is not None:
        found += [value.tobytes() for value in trained.recorder.state_dict().values()]
    return found


class StopError(Exception):
    pass


class Keeping:
    """Keeps the checkpoint's file as it is after each update."""

    def __init__(self, monkeypatch, path, stop=None):
        self.files = []

        def write(checkpoint, to):
            original(checkpoint, to)
            self.files.append(path.read_bytes())
            if len(self.files) == stop:
                raise StopError

        original = Checkpoint.write
        monkeypatch.setattr(Checkpoint, "write", write)


@pytest.mark.parametrize("t", [TINY, replace(TINY, every=0, n_train=0)], ids=["recorded", "new"])
def test_it_goes_on_from_any_update_to_the_same_bits(tmp_path, monkeypatch, t):
    path = tmp_path / "net.npz"
    with monkeypatch.context() as patch:
        kept = Keeping(patch, path)
        whole = bits(train(t, checkpoint=path, save_every=0))
    assert whole == bits(train(t)) and len(kept.files) == t.updates
    for content in kept.files:
        path.write_bytes(content)
        assert bits(train(t, checkpoint=path, resume=True)) == whole


def test_what_was_done_is_not_done_again(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "net.npz"
    Keeping(monkeypatch, path, stop=7)
    with pytest.raises(StopError):
        train(TINY, checkpoint=path, save_every=0)

    class Counting(Silent):
        done = skipped = 0

        def step(self, what, steps=1):
            self.done += steps

        def skip(self, steps):
            self.skipped += steps

    progress = Counting()
    train(TINY, progress, checkpoint=path, resume=True)
    assert (progress.skipped, progress.done) == (7, 13)


def test_a_net_that_diverged_stays_so(tmp_path, monkeypatch):
    t = replace(TINY, activation="relu", lr=1e30, updates=50)
    path = tmp_path / "net.npz"
    with monkeypatch.context() as patch:
        Keeping(patch, path, stop=30)
        with pytest.raises(StopError):
            train(t, checkpoint=path, save_every=0)
    assert bits(train(t, checkpoint=path, resume=True)) == bits(train(t))


def test_short_trainings_write_nothing_and_without_resume_nothing_is_read(tmp_path):
    path = tmp_path / "net.npz"
    train(TINY, checkpoint=path)
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"whatever")
    train(TINY, checkpoint=path)
    assert path.read_bytes() == b"whatever"
    train(TINY, checkpoint=tmp_path / "absent.npz", resume=True)


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "net.npz"
    train(TINY, checkpoint=path, save_every=0)
    return path


def one_line(path, t=TINY):
    with pytest.raises(SettingsError) as caught:
        train(t, checkpoint=path, resume=True)
    message = str(caught.value)
    assert len(message.splitlines()) == 1 and str(path) in message and "delete it" in message
    return message


def refused(path, t=TINY):
    with pytest.raises(SettingsError) as caught:
        train(t, checkpoint=path, resume=True)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path))
    assert message.endswith("or start anew without --resume")
    return message


def test_another_training_is_refused(written):
    message = refused(written, replace(TINY, seed=1, batch=5))
    assert "other versions: batch 4 there, 5 here; seed 0 there, 1 here." in message


def test_other_code_or_versions_are_refused(written, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(training, "code_digest", lambda: "another")
        assert "by other code of engine, nn or experiments" in refused(written)
    version = np.__version__
    monkeypatch.setattr(np, "__version__", "1.0")
    assert f"other versions: numpy {version} there, 1.0 here." in refused(written)


def test_the_code_counts_as_it_was_when_the_training_began(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(training, "code_digest", lambda: asked.append("code") or "code")
    descend = training._State.descend
    monkeypatch.setattr(
        training._State, "descend", lambda *a: (asked.append("begun"), descend(*a))[1]
    )
    train(TINY, checkpoint=tmp_path / "net.npz", save_every=0)
    assert asked[:2] == ["code", "begun"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"checkpoint_version": np.array(2)}, "version 2"),
        ({"update": np.array(3)}, "3 updates and 20 losses"),
        ({"losses": None}, "losses is missing"),
        ({"losses": np.array(["a"] * 20)}, "losses is <U1"),
        ({"identity": np.array(1)}, "identity is int64"),
        ({"net layer 1.W": None}, "layer 1.W is missing"),
        ({"recorder losses": None}, "losses is missing"),
    ],
)
def test_malformed_files_are_refused(written, change, said):
    arrays = {**np.load(written), **change}
    np.savez(written, **{k: v for k, v in arrays.items() if v is not None})
    assert said in one_line(written)


def test_half_a_file_is_refused(written):
    written.write_bytes(written.read_bytes()[:1000])
    assert "not a readable .npz file" in one_line(written)


def test_where_no_file_can_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"file.*can't be written: .*--results"):
        train(TINY, checkpoint=tmp_path / "file" / "net.npz", save_every=0)


def test_what_killed_processes_leave_is_removed(tmp_path, written):
    (tmp_path / f"{UNFINISHED}abc123").write_bytes(b"half")
    discard_unfinished(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]
    discard_unfinished(tmp_path / "absent")
