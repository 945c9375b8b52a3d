"""The tables of `saturation`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.table import Table

from experiments.lab.question import Result
from experiments.lab.tables import claims_table, number, table

if TYPE_CHECKING:
    from experiments.questions.saturation import Settings


def tables(settings: Settings, result: Result) -> list[Table]:
    """The last layers of every kind, and the claims."""
    return [_kinds(settings, result), claims_table(result.claims)]


def _kinds(settings: Settings, result: Result) -> Table:
    made = table(
        "at the end of training",
        ("", "mean of x", "std of x", "p98 of x", "f′ < 5 %", "loss", "error"),
    )
    for kind in settings.kinds():
        found = result.measurements[kind.key]
        layers = [
            "\n".join(number(float(v)) for v in found[f"{name}_at_end"][0])
            for name in ("mean", "std", "p98", "saturated")
        ]
        loss, error = (float(np.mean(found[name])) for name in ("loss_at_end", "test_error"))
        made.add_row(kind.title, *layers, f"{loss:.3f}", f"{100 * error:.1f} %", end_section=True)
    made.caption = (
        "N: normalized initialisation; b=0: output biases frozen; x and f′ of the first net, "
        "layer 1 first, the top layer last; f′ < 5 %: share of the activations at which f′ is "
        "below 5 % of its maximum; loss of the last twentieth of the updates and test error, means "
        f"of {settings.seeds} nets; loss of a constant guess: "
        f"{result.measurements['entropy_of_classes']:.3f}"
    )
    made.caption_justify = "left"
    return made
