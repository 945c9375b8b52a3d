"""Results on disk: whole or not at all, in JSON that any reader takes."""

import json
import math
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.lab.claims import Measured, Statement, Tolerance
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.results import check_folder, save_result, versions

FILES = ["arrays.npz", "figure.png", "figure.svg", "result.json"]


@dataclass(frozen=True)
class Settings:
    seed: int = 3
    names: tuple[str, ...] = ("a", "b")
    results: Path = Path("results")


QUESTION = Question("small", "Is it so?", Settings, None, None, None)
STATEMENT = Statement("X1", "x is π", "§ 1", Tolerance("relative", 0.1))
RESULT = Result(
    {
        "text": "x⁽ⁱ⁾",
        "numbers": (1, 2.5, np.float32(0.5), np.int64(7), True, None),
        "array": np.array([[1.0, math.nan], [math.inf, -math.inf]]),
        "nested": {1: {"nan": math.nan}},
    },
    {"x": np.arange(6.0).reshape(2, 3), "n": np.array([1, 2])},
    [STATEMENT.measured([3.1], [Measured(3.14, 3.1, 3.2)]), STATEMENT.measured([], [])],
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def figure():
    made = Figure(figsize=(2, 2))
    made.subplots().plot([1, 2], [3, 4])
    made.set_label("3 becomes 4")
    return made


def save(folder, settings=Settings(), result=RESULT, drawn=None):
    drawn = drawn if isinstance(drawn, dict) else {"figure": drawn or figure()}
    return save_result(folder, QUESTION, settings, result, drawn, 1.234)


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


def test_the_files(tmp_path):
    folder = tmp_path / "new" / "small"
    files = save(folder)
    assert files[0] == folder / "result.json"
    assert sorted(files) == [folder / name for name in FILES]
    assert names(folder) == FILES
    assert (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "figure.svg").read_text(encoding="utf-8")
    with np.load(folder / "arrays.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["n", "x"]
        np.testing.assert_array_equal(arrays["x"], RESULT.arrays["x"])


def test_texts_that_a_question_adds(tmp_path):
    question = replace(QUESTION, texts=lambda settings, result: {"a.md": "∂L/∂s\n", "b.md": "b"})
    files = save_result(tmp_path, question, Settings(), RESULT, {"figure": figure()}, 1.0)
    assert names(tmp_path) == sorted([*FILES, "a.md", "b.md"])
    assert sorted(files) == [tmp_path / name for name in names(tmp_path)]
    assert files[0] == tmp_path / "result.json"
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == "∂L/∂s\n"
    assert (tmp_path / "b.md").read_text(encoding="utf-8") == "b"


def test_several_figures(tmp_path):
    files = save(tmp_path, drawn={"figure": figure(), "loss-curve": figure()})
    drawn = [f"{name}.{kind}" for name in ("figure", "loss-curve") for kind in ("png", "svg")]
    assert names(tmp_path) == sorted(["arrays.npz", "result.json", *drawn])
    assert sorted(files) == [tmp_path / name for name in names(tmp_path)]
    record = json.loads(files[0].read_text(encoding="utf-8"))
    assert record["figures"] == {"figure": "3 becomes 4", "loss-curve": "3 becomes 4"}
    assert next(iter(record["figures"])) == "figure"


def test_figures_that_a_new_run_lacks_go(tmp_path):
    save(tmp_path, drawn={"figure": figure(), "loss": figure()})
    (tmp_path / "mine.png").write_text("mine")
    save(tmp_path)
    assert names(tmp_path) == sorted([*FILES, "mine.png"])


def test_nothing_beyond_the_folder_is_removed(tmp_path):
    folder = tmp_path / "small"
    path = save(folder)[0]
    (tmp_path / "mine.png").write_text("mine")
    record = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(record | {"figures": {"../mine": "a lie"}}), encoding="utf-8")
    save(folder)
    assert (tmp_path / "mine.png").read_text() == "mine"


def test_the_record(tmp_path):
    text = save(tmp_path)[0].read_text(encoding="utf-8")
    record = json.loads(text, parse_constant=refuse)
    assert text.endswith("}\n")
    assert list(record) == [
        "question", "asks", "settings", "seed", "versions", "seconds", "figures", "claims",
        "measurements",
    ]  # fmt: skip
    assert (record["question"], record["asks"], record["seconds"]) == ("small", "Is it so?", 1.23)
    assert record["settings"] == {"seed": 3, "names": ["a", "b"], "results": "results"}
    assert record["seed"] == 3
    assert [claim["verdict"] for claim in record["claims"]] == ["holds", "not yet measured"]
    for claim in record["claims"]:
        assert {"id", "text", "source", "measured", "expected", "tolerance", "holds"} <= set(claim)
    assert record["measurements"] == {
        "text": "x⁽ⁱ⁾",
        "numbers": [1, 2.5, 0.5, 7, True, None],
        "array": [[1.0, None], [None, None]],
        "nested": {"1": {"nan": None}},
    }
    assert "x⁽ⁱ⁾" in text


def test_versions(tmp_path):
    found = json.loads(save(tmp_path)[0].read_text(encoding="utf-8"))["versions"]
    assert found == versions()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == np.__version__
    assert set(found) == {"python", "platform", "gradtrace", "numpy", "numba", "matplotlib"}
    assert all(isinstance(value, str) and value for value in found.values())


def test_the_files_have_the_rights_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    for path in save(tmp_path / "small"):
        assert path.stat().st_mode == (tmp_path / "other").stat().st_mode


class Failing(Figure):
    """A figure that fails in the midst of writing one of its two formats."""

    def __init__(self, fails_at, error):
        super().__init__()
        self.fails_at, self.error = fails_at, error

    def savefig(self, stream, *, format, **kwargs):
        stream.write(b"half a file")
        if format == self.fails_at:
            raise self.error


@pytest.mark.parametrize("error", [RuntimeError("no font"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("fails_at", ["png", "svg"])
def test_a_failure_leaves_the_earlier_files_and_nothing_else(tmp_path, fails_at, error):
    save(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(type(error)):
        save(tmp_path, Settings(seed=4), drawn=Failing(fails_at, error))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with pytest.raises(type(error)):
        save(tmp_path / "new", drawn=Failing(fails_at, error))
    assert names(tmp_path / "new") == []


def test_what_json_does_not_know_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        save(tmp_path, result=Result({"x": object()}, {}, []))
    assert names(tmp_path) == []


def test_the_files_appear_together_result_json_last(tmp_path, monkeypatch):
    replace, moved, masked = Path.replace, [], []

    def watched(self, target):
        if not moved:  # all of them are written, and none is in its place
            assert len(names(tmp_path)) == len(FILES)
            assert not set(names(tmp_path)) & set(FILES)
        moved.append(Path(target).name)
        masked.append(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    save(tmp_path)
    assert moved[-1] == "result.json"
    assert sorted(moved) == FILES
    # Ctrl-C waits for this moment to pass, and is listened to again after it.
    assert all(masked)
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_second_run_replaces_the_first(tmp_path):
    save(tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    save(tmp_path, Settings(seed=9))
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8"))["seed"] == 9
    assert names(tmp_path) == sorted([*FILES, "notes.txt"])


def test_a_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "small"):
        with pytest.raises(SettingsError, match="--results") as caught:
            save(folder)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_file_that_is_a_link_or_private_stays_so(tmp_path):
    elsewhere = tmp_path / "elsewhere.png"
    save(folder := tmp_path / "small")
    (folder / "figure.png").replace(elsewhere)
    (folder / "figure.png").symlink_to(elsewhere)
    (folder / "result.json").chmod(0o600)
    save(folder, Settings(seed=9))
    assert (folder / "figure.png").is_symlink()
    assert elsewhere.read_bytes().startswith(b"\x89PNG")
    assert (folder / "result.json").stat().st_mode & 0o777 == 0o600
    assert json.loads((folder / "result.json").read_text(encoding="utf-8"))["seed"] == 9


def test_a_folder_that_is_a_link_to_a_missing_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "there")
    check_folder(tmp_path / "link")
    assert not (tmp_path / "there").exists()
    save(tmp_path / "link")
    assert names(tmp_path / "there") == FILES


@pytest.mark.parametrize("made", ["result.json", "figure.svg"])
def test_what_can_not_be_written_is_seen_before_the_work(tmp_path, made):
    (tmp_path / "small" / made).mkdir(parents=True)
    with pytest.raises(SettingsError, match=rf"--results: .*{made} can't be written: it is a fold"):
        check_folder(tmp_path / "small")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SettingsError, match="links"):
        check_folder(tmp_path / "loop")


def test_a_full_disk(tmp_path):
    full = Failing("png", OSError(28, "No space left on device"))
    with pytest.raises(SettingsError, match="No space left on device"):
        save(tmp_path, drawn=full)
    assert names(tmp_path) == []
