"""What the settings of several questions have in common."""

import pytest

from experiments.lab.question import SettingsError
from experiments.questions import QUESTIONS


@pytest.mark.parametrize("name", QUESTIONS)
def test_without_flags_a_question_has_its_default_preset(name):
    assert QUESTIONS[name].preset("default") == QUESTIONS[name].settings()


WORKERS = {"saturation": 2, "initialization": 1, "table1": 2}  # of the default preset


def with_field(field):
    return [name for name, q in QUESTIONS.items() if field in q.settings.__dataclass_fields__]


def test_the_questions_that_these_are_for():
    assert set(WORKERS) == set(with_field("scheduler"))
    assert {"vanishing", "saturation", "initialization"} <= set(with_field("data_dir"))


@pytest.mark.parametrize("name", WORKERS)
def test_a_cluster_takes_the_place_of_processes(name):
    settings = QUESTIONS[name].settings
    assert settings().workers == WORKERS[name]
    assert settings(scheduler="tcp://127.0.0.1:8786").workers == 1
    with pytest.raises(SettingsError, match="--workers and --scheduler"):
        settings(scheduler="tcp://127.0.0.1:8786", workers=3)


@pytest.mark.parametrize("name", [n for n in with_field("data_dir") if n != "table1"])
def test_a_folder_for_data_that_are_generated_is_refused(name, tmp_path):
    with pytest.raises(SettingsError, match="--data mnist"):
        QUESTIONS[name].settings(data_dir=tmp_path)
