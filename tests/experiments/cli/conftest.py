"""What tests of `gradtrace verify` and `gradtrace report` share: small experiments, made up."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from experiments.lab.claims import Claim, Measured, Statement, Tolerance
from experiments.lab.question import Question, Result

RELATIVE = Tolerance("relative", 0.1)
EXACT = Statement("X1", "x is π", "by mathematics", RELATIVE, exact=True)
RECALLED = Statement("X2", "x and y | z", "from memory", RELATIVE, recalled=True)
LATER = Statement("X3", "more of it", "§ 3", RELATIVE)


@dataclass(frozen=True)
class Plain:
    """Is it so?"""

    n: int = 3
    seed: int = 0
    results: Path = Path("results")


@dataclass(frozen=True)
class WithData:
    """Is it so with data?"""

    data: str = "shapeset"
    n: int = 3
    seed: int = 0
    results: Path = Path("results")


def result(settings, x=3.14):
    y = 9.0 if getattr(settings, "data", "") == "mnist" else 2.0
    claims = [
        EXACT.measured([3.1], [Measured(x, x - 0.01, x + 0.01)]),
        RECALLED.measured([1.0, 2.0], [Measured(1.0, 0.99, 1.01), Measured(y, y, y)], ("x", "y")),
        Claim(LATER),
    ]
    return Result({"n": settings.n}, {}, claims)


def drawn(settings, result):
    figure = Figure(figsize=(2, 2))
    figure.subplots().plot([1, 2], [3, 4])
    figure.set_label("It is so")
    return {"figure": figure}


@pytest.fixture
def question():
    """A question whose run is `run(settings)`, or gives the made-up result."""

    def make(name, run=result, settings=Plain, **given):
        return Question(
            name, f"Is {name} so?", settings, lambda s, progress: run(s), drawn,
            lambda s, r: [], presets={"quick": {"n": 1}}, **given,
        )  # fmt: skip

    return make


@pytest.fixture
def questions(monkeypatch):
    """Put these questions in the place of the real ones."""

    def put(*made):
        found = {q.name: q for q in made}
        monkeypatch.setattr("experiments.cli.verify.QUESTIONS", found)
        monkeypatch.setattr("experiments.cli.report.QUESTIONS", found)
        return found

    return put


@pytest.fixture
def made_up():
    """The made-up result of a run, and settings that have a data set."""
    return result, WithData
