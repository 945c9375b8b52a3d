"""The tables of `theory`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from experiments.questions.theory import Settings

MODES = ("forward", "variance", "backward")


def tables(settings: Settings, result: Result) -> list[Table]:
    """Gains, tanh's phases, and the claims."""
    return [_gains_table(result), _phase_table(result), claims_table(result.claims)]


def _gains_table(result: Result) -> Table:
    made = table(
        "gains at q = 1: theory, measured",
        ("f", "forward", "", "variance", "", "backward", "", "χ₁"),
    )
    for i, (f, row) in enumerate(result.measurements["gains"].items()):
        cells = []
        for mode in MODES:
            predicted = result.measurements["gains_predicted"][f][mode]
            cells += [f"{predicted:.4f}", f"{row[mode]:.3f}"]
        made.add_row(f, *cells, number(float(result.arrays["curve_gain_chi_1"][i])))
    made.caption = Text(  # as a string, rich would take [x²] for a style
        "forward keeps E[x²], variance keeps Var x, backward keeps the gradient; χ₁: the factor on "
        "the gradient's mean square under the forward gain"
    )
    made.caption_justify = "left"
    return made


def _phase_table(result: Result) -> Table:
    made = table("tanh in deep nets, as measured", ("σ_w²", "σ_b²", "q*", "χ₁", "c*", "ξ_c"))
    for row in result.measurements["tanh"]:
        depth = number(row["xi_c"]) if row["xi_c"] > 0 else "–"
        keys = ("var_w", "var_b", "q", "chi_1", "c")
        made.add_row(*[number(float(row[key])) for key in keys], depth)
    return made
