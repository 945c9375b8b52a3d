"""Results read back: the same claims and numbers as were saved, and one line for what is broken."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from experiments.lab.claims import Claim, Measured, Statement, Tolerance
from experiments.lab.question import Question, Result
from experiments.lab.records import RecordError, read_record, read_records
from experiments.lab.results import save_result


@dataclass(frozen=True)
class Settings:
    seed: int = 3
    data: str = "mnist"
    results: Path = Path("results")


RELATIVE = Tolerance("relative", 0.1)
ONE = Statement("X1", "x is π", "§ 1", RELATIVE, recalled=True, exact=True)
TWO = Statement("X2", "x and y", "§ 2", RELATIVE)
CLAIMS = [
    ONE.measured([3.1], [Measured(3.14, 3.1, 3.2)]),
    TWO.measured([1.0, 2.0], [Measured(1.0, 0.99, 1.01), Measured(9.0, 8, 10)], ("x", "y")),
    TWO.measured([1.0], [Measured(math.nan, -math.inf, math.inf)]),
    Claim(TWO),
]


def saved(folder, claims=CLAIMS):
    question = Question("small", "Is it so?", Settings, None, None, None)
    result = Result({"rows": [1, 2]}, {"x": np.arange(3.0)}, claims)
    figures = {"figure": Figure(), "loss": Figure()}
    figures["loss"].set_label("It falls")
    save_result(folder, question, Settings(), result, figures, 1.25)
    return folder / "result.json"


def test_what_was_saved_comes_back(tmp_path):
    saved(tmp_path / "small")
    record = read_record(tmp_path / "small")
    assert (record.question, record.asks, record.seconds) == ("small", "Is it so?", 1.25)
    assert record.data == "mnist" and record.settings["seed"] == 3
    assert record.measurements == {"rows": [1, 2]}
    assert record.figures == {"figure": "", "loss": "It falls"}
    assert record.folder == tmp_path / "small" and "numpy" in record.versions
    for claim, back in zip(CLAIMS, record.claims, strict=True):
        statement = claim.statement
        assert (back.id, back.text, back.source) == (statement.id, statement.text, statement.source)
        assert (back.recalled, back.exact) == (statement.recalled, statement.exact)
        assert (back.verdict, back.worst) == (claim.verdict, claim.worst)
        assert back.tolerance == "± 10 %"
        assert (back.labels, back.expected) == (claim.labels, claim.expected)
    assert record.claims[0].measured == CLAIMS[0].measured
    assert record.claims[1].measured == CLAIMS[1].measured and record.claims[1].worst == 1
    nothing = record.claims[2].measured[0]
    assert math.isnan(nothing.value) and (nothing.low, nothing.high) == (-math.inf, math.inf)
    assert record.claims[3].measured == ()
    assert record.claim("X1") is record.claims[0] and record.claim("X9") is None


def test_a_claim_without_a_number_says_what_measures_it(tmp_path):
    needs = Statement("X3", "more", "§ 3", RELATIVE, needs="--paper")
    saved(
        tmp_path / "small", [ONE.measured([3.1], [Measured(3.1, 3, 3.2)]), Claim(needs), Claim(TWO)]
    )
    record = read_record(tmp_path / "small")
    assert [record.to_measure(claim) for claim in record.claims] == [
        *("", "gradtrace run small --paper", "gradtrace run small"),
    ]


def test_a_claim_is_left_out_where_only_another_result_of_the_question_measures_it(tmp_path):
    numbers = ONE.measured([3.1], [Measured(3.1, 3, 3.2)])
    saved(tmp_path / "small", [numbers, Claim(TWO)])
    saved(tmp_path / "small-mnist", [Claim(ONE), Claim(TWO), CLAIMS[1]])
    path = saved(tmp_path / "other", [Claim(ONE)])
    text = path.read_text(encoding="utf-8").replace('"question": "small"', '"question": "other"')
    path.write_text(text, encoding="utf-8")
    records, problems = read_records(tmp_path)
    found = {r.folder.name: [(c.id, bool(c.measured)) for c in r.claims] for r in records}
    assert problems == [] and found == {
        "small": [("X1", True)],
        "small-mnist": [("X2", True)],
        "other": [("X1", False)],
    }


def test_a_result_from_before_there_were_several_figures(tmp_path):
    path = saved(tmp_path / "small")
    found = json.loads(path.read_text(encoding="utf-8"))
    del found["figures"]
    path.write_text(json.dumps(found), encoding="utf-8")
    assert read_record(tmp_path / "small").figures == {}


def test_a_result_from_before_there_were_exact_claims(tmp_path):
    path = saved(tmp_path / "small")
    found = json.loads(path.read_text(encoding="utf-8"))
    for claim in found["claims"]:
        del claim["exact"], claim["worst"], claim["needs"]
    path.write_text(json.dumps(found), encoding="utf-8")
    record = read_record(tmp_path / "small")
    assert not record.claims[0].exact and record.claims[1].worst == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.pop("claims"), "'claims' is missing"),
        (lambda r: r.update(figures={"../a": "b"}), "'../a' is no name of a figure"),
        (lambda r: r["claims"][1]["expected"].pop(), "X2 expects 1 numbers and has 2"),
        (lambda r: r["claims"][1]["interval"].pop(), "zip"),
        (lambda r: r.update(seconds="long"), "could not convert"),
        (lambda r: r.update(settings=3), "not iterable"),
        (lambda r: r.update(seconds=10**400), "too large"),
        (lambda r: r.update(figures=3), "not iterable"),
        (lambda r: r.update(figures={"../figure": ""}), "no name of a figure"),
    ],
)
def test_another_programs_result_is_one_line(tmp_path, change, said):
    path = saved(tmp_path / "small")
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(RecordError, match=said) as caught:
        read_record(tmp_path / "small")
    assert str(path) in str(caught.value) and "run it again" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_others_are_read_all_the_same(tmp_path):
    for name in ("b", "a"):
        saved(tmp_path / name)
    (tmp_path / "half").mkdir()
    (tmp_path / "half/result.json").write_text('{"question": ')
    (tmp_path / "empty").mkdir()
    records, problems = read_records(tmp_path)
    assert [record.folder.name for record in records] == ["a", "b"]
    assert len(problems) == 1 and "half" in problems[0]
    assert read_records(tmp_path / "missing") == ([], [])
