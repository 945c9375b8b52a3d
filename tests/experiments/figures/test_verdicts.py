"""The table of all claims: it fits, says which number decides, and marks what must be marked."""

import math
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from experiments.figures.verdicts import (
    Outcome,
    counts,
    titled,
    verdicts_markdown,
    verdicts_table,
)
from experiments.lab.claims import Measured
from experiments.lab.records import ClaimRecord, Record


def claim(id="X1", verdict="holds", n=1, text="a claim of several words", **given):
    known = {"recalled": False, "exact": False, "worst": n - 1} | given
    labels = tuple(f"label {i}" for i in range(n)) if n > 1 else ()
    measured = tuple(Measured(1.25 + i, 1.2 + i, 1.3 + i) for i in range(n))
    return ClaimRecord(
        id, text, "a source", "± 10 %", verdict, labels=labels, expected=(1.5,) * n,
        measured=measured, **known,
    )  # fmt: skip


def outcome(question, *claims, data=None):
    record = Record(Path(question), question, f"Is {question}?", {}, {}, 2.34, claims, {})
    return Outcome(question, data, record)


def printed(outcomes, width):
    out = StringIO()
    Console(file=out, width=width).print(verdicts_table(outcomes))
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100])
def test_it_fits_and_every_number_and_mark_is_there(width):
    long = claim("S2 far off", "does not hold", 15, "a sentence of some length " * 8, exact=True)
    text = printed(
        [
            outcome("one", claim(recalled=True), long, claim("X3", "not yet measured", 0)),
            Outcome("two", "mnist", problem="there are no digits in the folder " * 4),
        ],
        width,
    )
    assert max(map(len, text.splitlines())) <= width and "…" not in text
    words = " ".join(text.split())
    for part in ("1.25 ± 0.05", "15.2 ± 0.05", "label 14, of 15", "2.3 s", "two, MNIST", "not run"):
        assert part in words, part
    assert "recalled" in words and "exact" in words


def test_words_with_brackets_are_no_markup():
    text = printed([outcome("one", claim(text="n·Var[W] is E[x²] [red]")), ], 100)  # fmt: skip
    assert "n·Var[W] is E[x²] [red]" in text


def test_counts():
    found = [claim(), claim(), claim(verdict="does not hold"), claim(verdict="not shown")]
    assert counts(found) == "2 hold, 1 does not hold, 1 not shown"
    assert counts([]) == "no claims"
    assert (titled("a", None), titled("a", "shapeset"), titled("a", "mnist")) == (
        "a", "a", "a, MNIST",
    )  # fmt: skip


def test_markdown_has_a_row_for_each_claim_and_a_column_for_each_data_set():
    made = verdicts_markdown(
        [
            outcome("one", claim("X1"), claim("X2", n=3), data="shapeset"),
            outcome("one", claim("X2", "does not hold", 3), data="mnist"),
            Outcome("two", problem="broken"),
        ]
    )
    header, rule, *rows = made.splitlines()
    assert header == "|  | claim | expected | measured | verdict | on MNIST | source |"
    assert rule.count(":--") == 7
    assert [row.split(" | ")[0] for row in rows] == ["| **one**", "| X1", "| X2", "| **two**"]
    assert rows[1].split(" | ")[2:6] == ["1.5", "1.25 ± 0.05", "holds", ""]
    assert rows[2].split(" | ")[3:6] == [
        "3.25 ± 0.05 (label 2, of 3)", "holds", "**does not hold**: 3.25 ± 0.05, expected 1.5",
    ]  # fmt: skip
    assert "broken" in rows[3] and "not run" in rows[3]


def test_a_number_that_is_not_there():
    nothing = Measured(math.nan, -math.inf, math.inf)
    odd = replace(claim(), measured=(nothing,))
    said = printed([outcome("one", odd)], 100)
    assert "–" in said and "nan" not in said


def test_a_claim_that_a_run_could_not_measure_names_the_command():
    later = claim("X3", "not yet measured", 0, needs="--paper")
    outcomes = [
        outcome("one", claim("X2"), later, data="shapeset"),
        outcome("one", replace(claim("X2", "not yet measured", 0), needs=""), later, data="mnist"),
    ]
    assert "to measure it: gradtrace run one --paper" in " ".join(printed(outcomes, 100).split())
    rows = verdicts_markdown(outcomes).splitlines()[-2:]
    assert [row.split(" | ")[3:6] for row in rows] == [
        ["1.25 ± 0.05", "holds", ""],
        ["`gradtrace run one --paper` measures it", "not yet measured", ""],
    ]
