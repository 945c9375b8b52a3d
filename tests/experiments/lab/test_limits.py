"""Settings out of bounds are refused in one line: name, bound and value."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.lab.limits import check_data_dir, check_known, check_limits, check_positive
from experiments.lab.question import SettingsError


@dataclass
class Settings:
    n_train: int | None = 5
    lr: float | None = 0.1


LIMITS: dict[str, tuple[float, float]] = {"n_train": (2, 8), "lr": (1e-4, 1.0)}


@pytest.mark.parametrize("n_train", [2, 8, None])
def test_limits_themselves_are_allowed(n_train):
    check_limits(Settings(n_train), LIMITS)


@pytest.mark.parametrize(
    "settings, said",
    [
        (Settings(n_train=1), "--n-train must be at least 2, got 1"),
        (Settings(n_train=9), "--n-train must be at most 8, got 9"),
        (Settings(lr=1.5), "--lr must be at most 1, got 1.5"),
        (Settings(lr=float("nan")), "--lr must be at most 1, got nan"),
    ],
)
def test_limits_passed(settings, said):
    with pytest.raises(SettingsError) as caught:
        check_limits(settings, LIMITS)
    assert str(caught.value) == said


@pytest.mark.parametrize("lr", [0.0, -1.0, float("inf"), float("nan")])
def test_not_positive_and_finite(lr):
    with pytest.raises(SettingsError) as caught:
        check_positive(Settings(lr=lr), "n_train", "lr")
    assert str(caught.value) == f"--lr must be positive and finite, got {lr}"


def test_none_is_not_judged():
    check_positive(Settings(lr=None), "lr")


def test_a_field_that_is_no_flag_has_its_own_name():
    with pytest.raises(SettingsError, match=r"^n_train must be at least 2"):
        check_limits(Settings(n_train=0), LIMITS, flag_sign="")
    with pytest.raises(SettingsError, match=r"^lr must be positive"):
        check_positive(Settings(lr=0.0), "lr", flag_sign="")


def test_unknown_name_with_those_known():
    check_known("init", "xavier", iter(["xavier", "kaiming"]))
    with pytest.raises(SettingsError) as caught:
        check_known("init", "savier", iter(["xavier", "kaiming"]))
    unknown = "--init: 'savier' is unknown; there are xavier, kaiming"
    assert str(caught.value) == f"{unknown}; did you mean 'xavier'?"
    with pytest.raises(SettingsError) as caught:
        check_known("init", "other", iter(["xavier", "kaiming"]))
    assert str(caught.value) == "--init: 'other' is unknown; there are xavier, kaiming"


def test_a_data_folder_needs_data_with_files():
    check_data_dir("mnist", Path("data"))
    check_data_dir("shapeset", None)
    with pytest.raises(SettingsError, match="--data-dir is for --data mnist"):
        check_data_dir("shapeset", Path("data"))
