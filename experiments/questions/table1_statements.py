"""Glorot & Bengio's Table 1: its numbers, and the claims that rest on them."""

from __future__ import annotations

from experiments.lab.claims import Statement, Tolerance

_TABLE = "Glorot & Bengio 2010, table 1"

KINDS: dict[str, tuple[str, str]] = {
    "softsign": ("softsign", "standard"),
    "softsign N": ("softsign", "xavier_uniform"),
    "tanh": ("tanh", "standard"),
    "tanh N": ("tanh", "xavier_uniform"),
    "sigmoid": ("sigmoid", "standard"),
}
"""The rows of the table: name to activation and initialisation; N is the paper's "normalized"."""

PAPER: dict[str, dict[str, float]] = {
    "shapeset": {
        "softsign": 16.27,
        "softsign N": 16.06,
        "tanh": 27.15,
        "tanh N": 15.60,
        "sigmoid": 82.61,
    },
    "mnist": {"softsign": 1.64, "softsign N": 1.72, "tanh": 1.76, "tanh N": 1.64, "sigmoid": 2.21},
    "cifar10": {
        "softsign": 55.78,
        "softsign N": 53.8,
        "tanh": 55.9,
        "tanh N": 52.92,
        "sigmoid": 57.28,
    },
}
"""Test errors in per cent, five hidden layers of 1000."""

CONSTANT_ERROR = 100 * 5 / 6
"""Per cent of Shapeset's examples that are not of a most frequent class (its priors, exactly)."""

G4 = Statement(
    "G4",
    "Shapeset: the sigmoid net's error in Table 1 is that of a constant guess (per cent)",
    f"{_TABLE}, and the class priors: 5/6",
    Tolerance("relative", 0.02),
)
G17 = Statement(
    "G17",
    "test errors in per cent after 5 million updates of 5×1000 nets",
    _TABLE,
    Tolerance("relative", 0.10),
    needs="--paper",
)
G17_SIGMOID = Statement(
    "G17 sigmoid",
    "the sigmoid net errs more than the tanh net under the same init (points of difference)",
    _TABLE,
    Tolerance("at least", 0.0),
)
G17_INIT = Statement(
    "G17 init",
    "tanh errs less with the normalized init than with the standard one (points of difference)",
    _TABLE,
    Tolerance("at least", 0.0),
)
G18 = Statement(
    "G18",
    "Shapeset: errors in the order sigmoid > tanh > softsign, tanh N (points of difference)",
    "Glorot & Bengio 2010, figure 11 and table 1",
    Tolerance("at least", 0.0),
)
G18_EQUAL = Statement(
    "G18 equal",
    "Shapeset: softsign errs about as much as tanh N (ratio of their errors)",
    "Glorot & Bengio 2010, table 1: 16.27 / 15.60",
    Tolerance("relative", 0.15),
)
