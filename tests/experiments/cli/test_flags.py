"""The command line in one process: what it takes, and the one line for what it does not."""

import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from experiments.cli.flags import FlagError, read_settings
from experiments.cli.main import main
from experiments.lab.question import Question
from experiments.lab.results import versions
from experiments.questions import QUESTIONS
from experiments.questions.vanishing import Settings

VANISHING = QUESTIONS["vanishing"]
TINY = shlex.split(
    "--depth 3 --width 16 --draws 2 --updates 2 --probe 10 --activations relu --inits standard"
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def settings(flags):
    return read_settings(VANISHING, flags.split())


class TestPresets:
    def test_no_flags(self):
        assert settings("") == Settings()
        assert settings("--default") == Settings()

    def test_a_preset(self):
        assert settings("--quick") == VANISHING.preset("quick")
        assert settings("--paper") == VANISHING.preset("paper")
        assert settings("--quick --quick") == VANISHING.preset("quick")

    @pytest.mark.parametrize("flags", ["--quick --depth 3", "--depth 3 --quick"])
    def test_flags_override_it_on_either_side(self, flags):
        found = settings(flags)
        assert (found.depth, found.width, found.draws) == (3, 128, 12)

    @pytest.mark.parametrize("flags", ["--quick --paper", "--paper --quick", "--default --quick"])
    def test_two_are_one_too_many(self, flags):
        with pytest.raises(FlagError, match=f"{flags.replace(' ', ' and ')} are two presets"):
            settings(flags)

    @pytest.mark.parametrize("folder", ["quick", "default", "paper"])
    def test_a_folder_may_have_the_name_of_one(self, folder):
        assert settings(f"--results {folder}").results == Path(folder)

    def test_a_folder_may_have_the_name_of_one_beside_another(self):
        found = settings("--results paper --quick")
        assert (found.results, found.depth) == (Path("paper"), 5)


class TestValues:
    def test_each_kind(self):
        found = settings(
            "--data mnist --data-dir some/where --activations gelu softsign --inits orthogonal "
            "--lr 0.5 --seed 7 --results out --batch=16"
        )
        assert found == Settings(
            data="mnist",
            data_dir=Path("some/where"),
            activations=("gelu", "softsign"),
            inits=("orthogonal",),
            lr=0.5,
            seed=7,
            results=Path("out"),
            batch=16,
        )


WRONG = {
    "": "list` or `gradtrace run",
    "lsit": "'lsit'",
    "list all": "all",
    "run": "vanishing",
    "run nope": "'nope'; there are vanishing",
    "run vanishing --depht 3": "--depht",
    "run vanishing -x": "-x",
    "run vanishing stray": "stray",
    "run vanishing --depth": "--depth",
    "run vanishing --depth x": "'x'",
    "run vanishing --depth 2.5": "'2.5'",
    "run vanishing --lr many": "'many'",
    "run vanishing --data cifar": "'cifar'",
    "run vanishing --depth 1": "--depth must be at least 2, got 1",
    "run vanishing --seed -1": "--seed must be at least 0",
    "run vanishing --lr nan": "--lr must be positive and finite",
    "run vanishing --lr -1": "--lr must be positive and finite",
    "run vanishing --draws 1": "--draws must be at least 2",
    "run vanishing --activations": "--activations",
    "run vanishing --activations thanh": "no activation is named 'thanh'",
    "run vanishing --activations tanh tanh": "name each once",
    "run vanishing --inits zeros": "'zeros' is unknown",
    "run vanishing --quick --paper": "--quick and --paper are two presets",
    "run vanishing --quick --depth 1": "--depth must be at least 2",
    "run vanishing --data mnist --data-dir missing": "missing can't be read",
    "--verbose": "'--verbose'",
    "run speed --groups matmull": "'matmull' is unknown; there are matmul",
    "run speed --threads 0": "--threads must be 1 to",
    "run speed --threads one": "'one'",
    "run speed --rounds 0": "--rounds must be at least 1, got 0",
    "run speed --block-ms -1": "--block-ms must be at least 0",
    "run speed --groups roofline --torch-python missing": "missing can't be run",
}


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRADTRACE_DATA", raising=False)
    return tmp_path


@pytest.mark.parametrize("columns", ["30", "80", "200"])
@pytest.mark.parametrize("line", WRONG)
def test_what_is_wrong_is_one_line_and_exit_code_2(line, columns, capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", columns)
    assert main(line.split()) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("\n")
    assert err.startswith("gradtrace: ")
    assert WRONG[line] in err
    assert not set("╭│╰─|") & set(err) and "---" not in err
    assert names(tmp_path) == []


@pytest.mark.parametrize("encoding", ["ascii", "UTF-8", "latin-1"])
def test_whatever_the_encoding_of_the_output_is_called(encoding, capfd, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert main(["run", "vanishing", "--widht", "3"]) == 2
    err = capfd.readouterr().err
    assert "---" not in err and "--width?" in err


def test_help_where_a_value_belongs(capsys):
    assert main(["run", "vanishing", "--results", "-h"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_misspelt_flag_is_answered_with_the_right_one(capfd):
    main(["run", "vanishing", "--widht", "3"])
    assert "--width?" in capfd.readouterr().err


class TestHelp:
    @pytest.mark.parametrize("flag", ["-h", "--help"])
    @pytest.mark.parametrize(
        "command", ["", "list", "run", "activation", "trace", "verify", "report"]
    )
    def test_every_command_has_a_help_of_its_own(self, command, flag, capsys, tmp_path):
        assert main([*command.split(), flag]) == 0
        out, err = capsys.readouterr()
        assert out.startswith(f"usage: gradtrace {command or 'list'}") and err == ""
        assert len(out.splitlines()) > 2 and names(tmp_path) == []

    @pytest.mark.parametrize("flag", ["-h", "--help"])
    def test_flags_of_an_experiment(self, flag, capsys, tmp_path):
        assert main(["run", "vanishing", flag]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        for part in ("--depth", "--activations", "--quick: depth 5", "--paper: depth 5", "Hidden"):
            assert part in out
        assert VANISHING.asks in out
        assert names(tmp_path) == []

    def test_it_shows_the_presets_own_defaults(self, capsys):
        assert main(["run", "vanishing", "--quick", "--help"]) == 0
        assert "(default: 128)" in capsys.readouterr().out

    def test_list(self, capsys):
        assert main(["list"]) == 0
        out, err = capsys.readouterr()
        assert err == "" and max(map(len, out.splitlines())) <= 80
        words = " ".join(out.split())
        for question in QUESTIONS.values():
            assert question.takes and re.search(rf"\b{question.name} {question.takes} ", words)
            assert question.asks.split()[-1] in words

    def test_every_experiment_says_what_was_seen_and_what_to_read_next(self):
        root = Path(__file__).parents[3]
        for question in QUESTIONS.values():
            assert question.answer is not Question.answer
            assert (root / question.read_next).is_file(), question.name

    def test_version(self, capsys):
        assert main(["--version"]) == 0
        assert capsys.readouterr().out == f"gradtrace {versions()['gradtrace']}\n"


class TestFolders:
    def test_a_results_folder_under_a_file(self, capsys, tmp_path):
        (tmp_path / "file").write_text("mine")
        assert main(["run", "vanishing", *TINY, "--results", "file"]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1
        assert "--results: file/vanishing" in err and "can't be written" in err
        assert names(tmp_path) == ["file"]

    def test_mnist_from_a_folder_without_its_files(self, capsys, tmp_path):
        (tmp_path / "data").mkdir()
        assert main(["run", "vanishing", "--data", "mnist", "--data-dir", "data"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and "train-images-idx3-ubyte" in err
        assert names(tmp_path) == ["data"]

    def test_a_folder_with_brackets_is_named_as_it_is(self, capsys):
        assert main(["run", "vanishing", *TINY, "--results", "a[red]"]) == 0
        assert "Open: a[red]/vanishing/figure.png\n" in capsys.readouterr().out


def test_an_interruption(capsys, monkeypatch, tmp_path):
    from experiments.cli import running

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "save_result", interrupted)
    assert main(["run", "vanishing", *TINY]) == 130
    assert capsys.readouterr().err == "gradtrace: interrupted\n"
    assert names(tmp_path) == []
