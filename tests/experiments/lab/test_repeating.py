"""`command`: what it prints, read as a command line, gives the same settings."""

import json
import shlex
from dataclasses import asdict, replace

import pytest

from experiments.cli.flags import read_settings
from experiments.lab.repeating import command
from experiments.lab.results import plain
from experiments.questions import QUESTIONS


def stored(settings):
    return json.loads(json.dumps(plain(asdict(settings))))


def read_back(line):
    program, run, name, *flags = shlex.split(line)
    assert (program, run) == ("gradtrace", "run")
    return read_settings(QUESTIONS[name], flags)


@pytest.mark.parametrize("name", QUESTIONS)
def test_presets_are_named(name):
    question = QUESTIONS[name]
    assert command(question, stored(question.preset("default"))) == f"gradtrace run {name}"
    for preset in question.presets:
        line = command(question, stored(question.preset(preset)))
        assert line == f"gradtrace run {name} --{preset}"
        assert read_back(line) == question.preset(preset)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("vanishing", {"depth": 3, "activations": ("tanh", "gelu"), "lr": 0.025}),
        ("vanishing", {"data": "mnist", "data_dir": "a folder/it's"}),
        ("theory", {"seed": 7}),
        ("accuracy", {"lengths": (1, 5), "stride": 1000}),
        ("speed", {"threads": (1,), "torch_python": None}),
    ],
)
def test_other_settings_become_flags(name, changed):
    question = QUESTIONS[name]
    settings = replace(question.preset("quick"), **changed)
    assert stored(read_back(command(question, stored(settings)))) == stored(settings)


def test_the_preset_that_needs_fewer_flags():
    vanishing = QUESTIONS["vanishing"]
    quick = stored(replace(vanishing.preset("quick"), seed=4))
    assert command(vanishing, quick) == "gradtrace run vanishing --quick --seed 4"


def test_where_results_went_and_settings_that_are_gone_are_left_out():
    settings = stored(QUESTIONS["theory"].preset("default"))
    settings |= {"results": "elsewhere", "an_old_one": 3}
    assert command(QUESTIONS["theory"], settings) == "gradtrace run theory"
