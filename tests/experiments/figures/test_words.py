"""Numbers and names as titles say them."""

import pytest

from experiments.figures.words import (
    activation_name,
    change,
    listed,
    percent,
    quantity,
)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 2, "0"),
        (0.98, 2, "0.98"),
        (0.5, 2, "0.5"),
        (1.0, 3, "1"),
        (34.4, 2, "34"),
        (300, 2, "300"),
        (12_345, 2, "12,000"),
        (0.00456, 2, "0.0046"),
        (2.26e-8, 2, "2.3·10⁻⁸"),
        (1e-10, 2, "10⁻¹⁰"),
        (9.99e-8, 2, "10⁻⁷"),
        (3.2e12, 2, "3.2·10¹²"),
        (-0.64, 2, "−0.64"),
        (-2e-9, 2, "−2·10⁻⁹"),
        (999.6, 3, "1,000"),
        (float("inf"), 2, "∞"),
        (float("nan"), 2, "unknown"),
    ],
)
def test_quantities(value, digits, text):
    assert quantity(value, digits) == text


def test_percentages():
    assert (percent(0.834), percent(0), percent(1)) == ("83 %", "0 %", "100 %")


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (2.2e-8, "falls to 2.2·10⁻⁸ of it"),
        (0.0, "falls to 0 of it"),
        (0.51, "stays level (×0.51)"),
        (1.0, "stays level (×1.00)"),
        (2.5, "grows to 2.5 times it"),
    ],
)
def test_changes(ratio, text):
    assert change(ratio, "it") == text


def test_lists():
    assert [listed(list("abc")[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


def test_names_of_activations():
    names = ("relu", "tanh", "my_file.py:swish")
    assert [activation_name(name) for name in names] == ["ReLU", "tanh", "swish"]
