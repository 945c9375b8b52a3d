"""The claims that `accuracy` tests: targets of the project, fixed before anything was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim, Measured, Statement, Tolerance

Arrays = Mapping[str, npt.NDArray[Any]]
Row = Mapping[str, Any]

_SOURCE = "project target"
_LONG_DOUBLES = "# on a processor whose long double is wider than float64"
_NAMES = ("sigmoid", "tanh", "relu", "softplus")
_PRECISIONS = ("float32", "float64")

A1 = Statement(
    "A1",
    "float32: f is within 2 units in the last place (ULP)",
    _SOURCE,
    Tolerance("at most", 2),
)
A2 = Statement(
    "A2",
    "float64: f is within 2 units in the last place",
    _SOURCE,
    Tolerance("at most", 2),
    needs=_LONG_DOUBLES,
)
A3 = Statement(
    "A3",
    "float64: softplus is within 2.1 units in the last place",
    _SOURCE,
    Tolerance("at most", 2.1),
    needs=_LONG_DOUBLES,
)
A4 = Statement(
    "A4",
    "float32: the backward step from y is within 2 units in the last place",
    _SOURCE,
    Tolerance("at most", 2),
)
A5 = Statement(
    "A5",
    "float64: the backward step from y is within 2 units in the last place",
    _SOURCE,
    Tolerance("at most", 2),
    needs=_LONG_DOUBLES,
)
A6 = Statement(
    "A6",
    "the matrix product's error is at most n u |A||B| in every entry, n the length of the sum, u "
    "the largest error of a rounding (largest error over n u |A||B|)",
    _SOURCE,
    Tolerance("at most", 1),
    exact=True,
)
A7 = Statement(
    "A7",
    "at every length of the sum, its worst error is at most twice that of NumPy's product "
    "(largest ratio)",
    _SOURCE,
    Tolerance("at most", 2),
)
A8 = Statement(
    "A8",
    "NaN, ±∞, ±0, ±1, ±1000, denormals and the largest floats give the right results (number of "
    "wrong ones)",
    _SOURCE,
    Tolerance("at most", 0),
    exact=True,
)


def claims(
    activations: Sequence[str], rows: Sequence[Row], arrays: Arrays, wrong: Sequence[Row]
) -> list[Claim]:
    """Every claim, with what this run measured; those it can't measure stay "not yet measured".

    Args:
        activations: those whose special values were judged.
        rows: for each kernel "activation", "quantity", "dtype" and "largest", its largest error.
        arrays: "lengths", and by dtype "…_products" (product, length, form, rows).
        wrong: results at special values that are wrong, each with its "dtype".
    """
    largest = {(r["activation"], r["quantity"], r["dtype"]): float(r["largest"]) for r in rows}

    def errors(statement: Statement, quantity: str, dtype: str, names: Sequence[str]) -> Claim:
        found = {name: largest.get((name, quantity, dtype)) for name in names}
        return _all(statement, {name: e for name, e in found.items() if e is not None})

    return [
        errors(A1, "f", "float32", _NAMES),
        errors(A2, "f", "float64", _NAMES[:3]),
        errors(A3, "f", "float64", _NAMES[3:]),
        errors(A4, "step", "float32", _NAMES),
        errors(A5, "step", "float64", _NAMES),
        _all(A6, {p: _over_bound(arrays, p) for p in _PRECISIONS if f"{p}_products" in arrays}),
        _all(A7, {p: _over_numpy(arrays, p) for p in _PRECISIONS if f"{p}_products" in arrays}),
        _all(
            A8,
            {p: float(sum(w["dtype"] == p for w in wrong)) for p in _PRECISIONS if activations},
        ),
    ]


def _all(statement: Statement, found: Mapping[str, float]) -> Claim:
    if not found:
        return Claim(statement)
    # Errors are not drawn at random: the largest in a sample has no interval.
    measured = [Measured(value, value, value) for value in found.values()]
    return statement.measured([statement.tolerance.size] * len(found), measured, tuple(found))


def _over_bound(arrays: Arrays, dtype: str) -> float:
    ours = arrays[f"{dtype}_products"][0].max(axis=(1, 2))
    return float(np.max(ours / arrays["lengths"]))


def _over_numpy(arrays: Arrays, dtype: str) -> float:
    ours, numpys = arrays[f"{dtype}_products"].max(axis=(2, 3))
    return float(np.max(ours / numpys))
