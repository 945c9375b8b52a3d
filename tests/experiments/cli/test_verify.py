"""`gradtrace verify`: every question's claims in one table, whatever becomes of one of them."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.cli.verify import Settings, planned
from experiments.data import DataError
from experiments.lab.question import SettingsError

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def verdicts(folder="results"):
    rows = json.loads(Path(folder, "verify/verdicts.json").read_text(encoding="utf-8"))
    return [(r["question"], r["data"], r.get("id"), r.get("verdict")) for r in rows]


def raising(error):
    def run(settings):
        raise error

    return run


def test_all_claims_in_one_table_of_100_columns(question, questions, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    questions(question("one"), question("two"))
    assert main(["verify"]) == 0
    out, err = capfd.readouterr()
    assert "Traceback" not in err and max(map(len, out.splitlines())) <= 100
    assert "…" not in out
    for name in ("one", "two"):
        assert Path("results", name, "result.json").is_file()
        assert f"gradtrace: {name}\n" in err
    for part in (
        "x is π", "by mathematics; ± 10 %; exact", "from memory, recalled; ± 10 %", "3.14 ± 0.01",
        "x, of 2", "not yet measured", "6 claims: 4 hold, 2 not yet measured",
    ):  # fmt: skip
        assert part in " ".join(out.split()) or part in out, part
    assert verdicts() == [
        (name, None, id, verdict)
        for name in ("one", "two")
        for id, verdict in (("X1", "holds"), ("X2", "holds"), ("X3", "not yet measured"))
    ]
    table = Path("results/verify/verdicts.md").read_text(encoding="utf-8").splitlines()
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1


def test_quick_takes_the_presets_and_leaves_other_results_alone(question, questions):
    questions(question("one"))
    assert main(["verify", "--quick"]) == 0
    record = json.loads(Path("results/quick/one/result.json").read_text(encoding="utf-8"))
    assert record["measurements"] == {"n": 1}
    assert not Path("results/one").exists()
    assert main(["verify", "--quick", "--results", "here"]) == 0
    assert Path("here/one/result.json").is_file() and verdicts("here")


def test_an_exact_claim_that_does_not_hold_is_exit_code_1(question, questions, capfd, made_up):
    result, _ = made_up
    questions(question("one", lambda s: result(s, x=2.0)), question("two"))
    assert main(["verify"]) == 1
    assert "exact claims that do not hold: X1" in capfd.readouterr().err
    assert verdicts()[0] == ("one", None, "X1", "does not hold")


def test_another_claim_that_does_not_hold_is_none(question, questions, made_up):
    _, with_data = made_up
    questions(question("one", settings=with_data))
    assert main(["verify", "--data", "mnist"]) == 0
    assert ("one", "mnist", "X2", "does not hold") in verdicts()


@pytest.mark.parametrize(
    ("error", "said", "code"),
    [
        (DataError("no digits in folder x; name another"), "no digits in folder x", 0),
        (SettingsError("--n must be odd, got 2"), "--n must be odd, got 2", 0),
        (MemoryError(), "not enough memory", 0),
        (ZeroDivisionError("in the middle\nof it"), "ZeroDivisionError: in the middle", 1),
    ],
)
def test_the_others_go_on(question, questions, capfd, error, said, code):
    questions(question("one", raising(error)), question("two"))
    assert main(["verify"]) == code
    out, err = capfd.readouterr()
    assert said in " ".join(out.split()) and "not run: one" in out
    assert "Traceback" not in out + err
    assert ("two", None, "X1", "holds") in verdicts()
    trace = Path("results/verify/one-error.txt")
    assert trace.exists() == (code == 1)
    assert code == 0 or "in the middle" in trace.read_text(encoding="utf-8")


def test_an_interruption_ends_it(question, questions, capfd):
    questions(question("one", raising(KeyboardInterrupt)), question("two"))
    assert main(["verify"]) == 130
    assert capfd.readouterr().err.endswith("gradtrace: interrupted\n")
    assert not Path("results/two").exists()


class TestPlanned:
    def names(self, **given):
        return [(p.folder.as_posix(), p.data) for p in planned(Settings(**given))]

    def test_speed_is_in_full_alone_and_readers_of_the_others_come_last(self, question, questions):
        reader = question("reader", reads_others=True)
        questions(reader, question("one"), question("speed"))
        assert self.names() == [("results/one", None), ("results/reader", None)]
        assert [name for name, _ in self.names(full=True)] == [
            "results/one", "results/speed", "results/reader",
        ]  # fmt: skip
        assert self.names(questions=("speed",)) == [("results/speed", None)]

    def test_each_data_set_has_its_folder(self, question, questions, made_up):
        _, with_data = made_up
        questions(question("one", settings=with_data), question("two"))
        both = planned(Settings(data=("shapeset", "mnist")))
        assert [(p.folder.name, p.data) for p in both] == [
            ("one", "shapeset"), ("one-mnist", "mnist"), ("two", None),
        ]  # fmt: skip
        for p in both:
            settings = replace(p.question.preset(p.preset), **p.changes)
            assert getattr(settings, "data", None) == p.data
            assert settings.results == Path("results")

    def test_the_real_ones(self):
        names = [p.question.name for p in planned(Settings())]
        assert "speed" not in names and names[-1] == "article" and "vanishing" in names


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--quick", "--full"], "--quick and --full exclude each other"),
        (["--questions", "none"], "no experiment is named 'none'; there are vanishing"),
        (["--data", "letters"], "letters"),
        (["--quik"], "--quik"),
    ],
)
def test_flags_that_are_wrong(flags, said, capfd):
    assert main(["verify", *flags]) == 2
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err
    assert not Path("results").exists()


def test_a_folder_that_cannot_be_written(question, questions, capfd):
    questions(question("one", raising(AssertionError("it was run"))))
    Path("file").write_text("")
    assert main(["verify", "--results", "file/results"]) == 2
    out, err = capfd.readouterr()
    assert "can't be written" in err and "gradtrace: one\n" not in err and out == ""


@pytest.mark.parametrize("columns", [None, "80", "100"])
def test_in_a_process_of_its_own(tmp_path, columns):
    """In a pipe, the table is as wide as COLUMNS says, and 80 columns without; nothing is cut."""
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    if columns is not None:
        environment["COLUMNS"] = columns
    done = subprocess.run(
        [sys.executable, "-m", "experiments.cli.entry", "verify", "--quick", "--questions",
         "article"],
        cwd=tmp_path, env={**environment, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, encoding="utf-8", timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) == int(columns or 80)
    assert "…" not in done.stdout
    assert "E16" in done.stdout and "P13" in done.stdout
    assert (tmp_path / "results/quick/verify/verdicts.md").is_file()
