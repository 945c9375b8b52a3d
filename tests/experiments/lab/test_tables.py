"""Numbers and claims as a table shows them."""

import math
from dataclasses import replace

import pytest
from rich.console import Console

from experiments.lab.claims import Claim, Measured, Statement, Tolerance
from experiments.lab.tables import claims_table, interval, markdown, number, table


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.14142, "0.141"),
        (1.0, "1"),
        (12.345, "12.3"),
        (0.001, "0.001"),
        (0.00099, "9.90e-4"),
        (-0.00099, "-9.90e-4"),
        (1.5e-10, "1.50e-10"),
        (123456.0, "1.23e+5"),
        (math.nan, "nan"),
    ],
)
def test_numbers(value, shown):
    assert number(value) == shown


def rendered(made, width=80):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(made)
    return capture.get()


def test_claims_show_the_number_that_decides_and_the_verdict():
    statement = Statement("X1", "a sentence", "a source", Tolerance("relative", 0.1), recalled=True)
    claims = [
        statement.measured([1.0, 2.0], [Measured(1.0, 0.98, 1.02), Measured(2.5, 2.4, 2.6)], "ab"),
        statement.measured([3.0], [Measured.of([3.0])]),
        Claim(statement),
        Claim(replace(statement, needs="--paper")),
    ]
    text = rendered(claims_table(claims))
    for part in ("a sentence", "2.5 ± 0.1", "3 ± inf"):
        assert part in text
    assert "1 ± 0.02" not in text  # it agrees, so the other number decides
    for how in ("the default settings", "--paper"):
        assert f"a sentence (recalled); to measure it: {how}" in rendered(claims_table(claims), 200)
    for verdict in ("does not", "not shown", "not yet"):
        assert verdict in text


def test_the_first_columns_are_aligned_left():
    made = table("title", ("a", "b", "c"), left=2)
    assert [column.justify for column in made.columns] == ["left", "left", "right"]
    assert rendered(made).startswith("title")


def test_a_wide_interval():
    statement = Statement("X1", "", "", Tolerance("relative", 0.1))
    text = rendered(claims_table([statement.measured([30.0], [Measured(30.0, 10.0, 50.0)])]))
    assert "30 ± 20" in text


def test_a_number_that_has_no_interval_is_shown_alone():
    statement = Statement("X1", "a sentence", "a source", Tolerance("at most", 2))
    for value, shown in ((1.34, "1.34"), (math.inf, "inf")):
        measured = Measured(value, value, value)
        text = rendered(claims_table([statement.measured([2], [measured])]))
        assert shown in text and "±" not in text


def test_markdown():
    made = table("a title", ("", "n", "a|b"))
    made.add_row("tanh", "1", "2")
    made.add_row("relu", "–", "x|y")
    made.caption = "a caption"
    assert markdown(made).split("\n") == [
        "**a title**",
        "",
        "|  | n | a\\|b |",
        "| :-- | --: | --: |",
        "| tanh | 1 | 2 |",
        "| relu | – | x\\|y |",
        "",
        "a caption",
        "",
    ]
    assert markdown(table("empty", ("n",))) == "**empty**\n\n| n |\n| :-- |\n"


@pytest.mark.parametrize(
    ("measured", "shown"),
    [
        (Measured(2.0, 1.9, 2.1), "2 ± 0.1"),
        (Measured(2.0, 1.9, 2.14), "2 ± 0.1"),
        (Measured(0.9999, 0.999, 1.0), "1 ± 0.0005"),
        (Measured(5.16, 0.00231, 11503.4), "5.16 (0.0023 to 11503)"),
        (Measured(-5.16, -9.0, -5.0), "-5.16 (-9 to -5)"),
        (Measured(1.71, 1.23, math.inf), "1.71 (≥ 1.2)"),
        (Measured(1.71, -math.inf, 2e6), "1.71 (≤ 2e+6)"),
        (Measured(1.71, -math.inf, math.inf), "1.71 ± inf"),
        (Measured(math.nan, -math.inf, math.inf), "–"),
    ],
)
def test_lopsided_intervals_are_given_by_their_ends(measured, shown):
    assert interval(measured) == shown
