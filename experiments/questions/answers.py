"""What each question's run saw, as a sentence with numbers: the first thing that a run tells.

An answer reports what was measured. Whether a claim holds is a verdict's matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.lab.activations import label
from experiments.lab.claims import Claim
from experiments.lab.question import Result
from experiments.lab.tables import number

if TYPE_CHECKING:
    from experiments.questions import loss_surface as surface
    from experiments.questions import saturation, table1, vanishing

_INITS = {"standard": "standard", "xavier_uniform": "Xavier's", "kaiming_normal": "Kaiming's"}


def vanishing_answer(settings: vanishing.Settings, result: Result) -> str:
    """The net whose gradient shrinks or grows most, and the net whose gradient is most level."""
    factors = np.asarray(result.measurements["factor_per_layer"], np.float64)
    kinds = [kind for kind in settings.kinds() if np.isfinite(factors[kind[:2]])]
    if not kinds:
        return "No net passed a finite gradient to its first layer."
    by_change = sorted(kinds, key=lambda kind: abs(np.log(max(factors[kind[:2]], 1e-300))))

    def told(kind: tuple[int, int, str, str]) -> str:
        a, i, f, scheme = kind
        whole = factors[a, i] ** (settings.depth - 1)
        return (
            f"{label(f)} with {_INITS.get(scheme, scheme)} initialisation multiplies rms ∂L/∂s by "
            f"{number(factors[a, i])} a layer, and by {number(whole)} from layer "
            f"{settings.depth} to layer 1"
        )

    first = f"At the start {told(by_change[-1])}"
    return f"{first}; {told(by_change[0])}." if len(by_change) > 1 else f"{first}."


def saturation_answer(settings: saturation.Settings, result: Result) -> str:
    """The layer that saturates most, and what became of the four-layer sigmoid net."""
    layers = [
        (float(share), kind.title, layer + 1)
        for kind in settings.kinds()
        for layer, share in enumerate(
            np.mean(result.measurements[kind.key]["saturated_at_end"], axis=0)
        )
    ]
    share, title, layer = max(layers)
    said = (
        f"At the end of training, f′ is below 5 % of its maximum for {100 * share:.0f} % of the "
        f"activations of layer {layer} in “{title}”, more than in any other layer"
    )
    driven, escaped = _claim(result, "G1"), _claim(result, "G2")
    if driven and escaped:
        ends = "below" if escaped.measured[0].value > 0 else "above"
        said += (
            f"; the mean activation of the four-layer sigmoid net's top layer fell to "
            f"{number(driven.measured[0].value)}, and its loss ended "
            f"{number(abs(escaped.measured[0].value))} nats {ends} that of a constant guess"
        )
    return f"{said}."


def loss_surface_answer(settings: surface.Settings, result: Result) -> str:
    """The share of plateaus under both costs, for the largest net."""
    shares = result.measurements["share_of_surface"]["plateau"]
    hidden = max(settings.hidden)
    parts = [
        f"{100 * by_hidden[hidden]:.2g} % of the {c} cost's" for c, by_hidden in shares.items()
    ]
    return f"With {hidden} hidden units, plateaus cover {' and '.join(parts)} surface."


def initialization_answer(settings: Any, result: Result) -> str:
    """How ∂L/∂s compares between the first and the last hidden layer, by initialisation."""
    m = result.measurements

    def told(ratios: Any) -> str:
        each = zip(m["inits"], np.asarray(ratios, np.float64), strict=True)
        return " and ".join(
            f"{number(float(np.mean(ratio)))} under {_INITS.get(init, init)}"
            for init, ratio in each
        )

    said = (
        "rms ∂L/∂s in the first hidden layer over that in the last is "
        f"{told(m['dL_ds_first_over_last'])} initialisation at the start"
    )
    trained = m.get("training_dL_ds_first_over_last_at_end")
    return f"{said}; after training {told(trained)}." if trained is not None else f"{said}."


def table1_answer(settings: table1.Settings, result: Result) -> str:
    """The net with the least and the net with the largest test error, for each data set."""
    m = result.measurements
    errors = np.asarray(m["test_error_percent"], np.float64).mean(axis=2)
    parts = []
    for name, row in zip(m["data"], errors, strict=True):
        least, most = int(np.argmin(row)), int(np.argmax(row))
        parts.append(
            f"on {name} {m['kinds'][least]} errs least ({row[least]:.1f} %) and {m['kinds'][most]} "
            f"most ({row[most]:.1f} %)"
        )
    updates = f"{m['plan']['updates']:,}"
    return f"After {updates} updates, {'; '.join(parts)} of the test examples."


def theory_answer(settings: Any, result: Result) -> str:
    """The prediction that the measurement misses most, in per cent."""
    off = [
        (abs(m.value / expected - 1), claim, label)
        for claim in result.claims
        for expected, m, label in zip(
            claim.expected, claim.measured, claim.labels or ("",) * len(claim.measured), strict=True
        )
        if expected and np.isfinite(m.value)
    ]
    if not off:
        return "Nothing could be measured."
    shares = np.array([share for share, _, _ in off])
    worst, claim, where = max(off, key=lambda one: one[0])
    return (
        f"{len(off)} predicted numbers were measured: half of them agree within "
        f"{100 * np.median(shares):.2g} %, and the farthest ({claim.statement.id} {where}".rstrip()
        + f") is {100 * worst:.2g} % off."
    )


def accuracy_answer(settings: Any, result: Result) -> str:
    """The largest error of a value in each precision."""
    rows = [row for row in result.measurements["errors"] if row["quantity"] == "f"]
    parts = []
    for dtype in dict.fromkeys(row["dtype"] for row in rows):
        worst = max((row for row in rows if row["dtype"] == dtype), key=lambda row: row["largest"])
        parts.append(f"{worst['largest']:.2f} in {dtype} ({worst['activation']})")
    if not parts:
        return "No activation was measured."
    return f"The largest error of a value, in units of the last place, is {' and '.join(parts)}."


def speed_answer(settings: Any, result: Result) -> str:
    """What decides for somebody who trains: the steps beside PyTorch and NumPy."""
    names = {
        "T1": "for a training step of 1024 – 5×1000 tanh – 10 at batch 10, PyTorch takes {} times "
        "as long as gradtrace",
        "T4": "for a step of the net 2-16-16-1, NumPy written by hand takes {} times as long",
        "K2": "for large float32 products, NumPy takes {} times as long",
    }
    told = []
    for id, words in names.items():
        claim = _claim(result, id)
        if claim is not None:
            told.append(words.format(number(claim.measured[claim.worst].value)))
    said = "; ".join(told)
    return f"{said[0].upper()}{said[1:]}." if said else "The times are in the tables above."


def article_answer(settings: Any, result: Result) -> str:
    """How many of the article's numbers were measured to be wrong."""
    m = result.measurements
    judged = [one["article"] for one in m["errata"] if one["article"] is not None]
    wrong = sum(verdict == "does not hold" for verdict in judged)
    return (
        f"The article has {len(m['sentences'])} sentences to be measured and {len(m['errata'])} "
        f"corrections; {len(judged)} of the corrected sentences give a number, and {wrong} of "
        "these numbers do not hold."
    )


def _claim(result: Result, id: str) -> Claim | None:
    """The claim of that id, if anything was measured for it."""
    return next((c for c in result.claims if c.statement.id == id and c.measured), None)
