"""`accuracy`: how far are the kernels from the exact values?

Each activation's f, f′ and backward step, in strides over all float32 numbers and on a sample of
all float64 ones, against a wider precision, in units in the last place; special values; and the
matrix product's error beside NumPy's and the bound that holds for every order of summation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from experiments.accuracy.cases import QUANTITIES
from experiments.accuracy.exact import EXACT
from experiments.accuracy.products import FORMS, ROWS, product_errors
from experiments.accuracy.special import wrong_results
from experiments.accuracy.sweep import EDGES, Errors, n_pieces, sweep
from experiments.accuracy.ulp import wider
from experiments.figures.accuracy import figures, tables, texts
from experiments.lab.limits import check_compiled, check_limits
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.questions.accuracy_claims import claims
from experiments.questions.answers import accuracy_answer

Array = npt.NDArray[Any]

_LIMITS = {"stride": (1, 2**24), "samples": (100, 10**9), "seed": (0, 2**63 - 1)}
_LONGEST = 16_384  # its operands take 67 MB
_PRECISIONS = ("float32", "float64")
# Means are taken where the activations do something.
MEAN = (2.0**-10, 2.0**5)
# What a piece or a product costs beside a piece of float32: long double is slow.
_COST_64, _COST_LENGTH = 12, 100


@dataclass(frozen=True)
class Settings:
    """How far are the kernels from the exact values?"""

    activations: tuple[str, ...] = tuple(EXACT)
    """Names of activations, for example sigmoid tanh gelu."""
    stride: int = 61
    """From one float32 to the next that is tried; 1 tries all."""
    samples: int = 200_000
    """float64 numbers of each sign over the whole range, and again from 2^-40 to 2^11."""
    lengths: tuple[int, ...] = (1, 2, 3, 5, 8, 16, 33, 64, 128, 257, 512, 1024, 2049, 4096)
    """Lengths of the sums in a matrix product."""
    seed: int = 0
    """Of the matrices."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder accuracy."""

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        names, lengths = self.activations, self.lengths
        unknown = [name for name in names if name not in EXACT]
        if unknown or not names or len(set(names)) < len(names):
            wrong = f"{unknown[0]!r} is unknown" if unknown else "name each once, and at least one"
            raise SettingsError(f"--activations: {wrong}; there are {', '.join(EXACT)}")
        if not lengths or sorted(set(lengths)) != list(lengths):
            raise SettingsError("--lengths: name each once, the smallest first, and at least one")
        if lengths[0] < 1 or lengths[-1] > _LONGEST:
            wrong_length = lengths[0] if lengths[0] < 1 else lengths[-1]
            raise SettingsError(f"--lengths must be 1 to {_LONGEST}, got {wrong_length}")


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"stride": 4099, "samples": 5_000, "lengths": (1, 8, 64, 512)},
    "paper": {"stride": 1, "samples": 5_000_000},
}


def run(settings: Settings, progress: Progress) -> Result:
    """Measure the activations in both precisions, their special values, and the products."""
    check_compiled("accuracy")
    sample = (settings.stride, settings.samples)
    cost = {"float32": 1, "float64": _COST_64}
    progress.expect(
        sum(cost[p] * n_pieces(p, *sample) for p in _PRECISIONS if wider(p))
        + 2 * _COST_LENGTH * len(settings.lengths)
    )
    progress.step("activations", 0)
    rows: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = []
    arrays: dict[str, Array] = {"s": EDGES, "lengths": np.array(settings.lengths)}
    for p in _PRECISIONS:
        found = sweep(
            settings.activations,
            p,
            *sample,
            done=partial(progress.step, f"activations, {p}", cost[p]),
        )
        rows += [_row(errors) for errors in found]
        arrays |= _by_s(found, settings.activations, p)
        wrong += [asdict(w) for name in settings.activations for w in wrong_results(name, p)]
        products = product_errors(
            p,
            settings.lengths,
            settings.seed,
            done=partial(progress.step, f"matrix product, {p}", _COST_LENGTH),
        )
        if products is not None:
            arrays[f"{p}_products"] = products
        else:
            progress.step(f"matrix product, {p}", _COST_LENGTH * len(settings.lengths))
    measurements = {
        "activations": settings.activations,
        "judged_by": {p: str(wider(p)) if wider(p) else None for p in _PRECISIONS},
        "errors": rows,
        "wrong_at_special_values": wrong,
        "products": {"forms": FORMS, "rows": ROWS},
    }
    return Result(measurements, arrays, claims(settings.activations, rows, arrays, wrong))


def _row(errors: Errors) -> dict[str, Any]:
    case = errors.case
    return {
        "activation": case.activation,
        "quantity": case.quantity,
        "dtype": case.dtype.name,
        "largest": errors.worst,
        "at": errors.worst_s,
        "mean": errors.mean(*MEAN),
        "floor": case.floor,
    }


def _by_s(found: Sequence[Errors], activations: Sequence[str], dtype: str) -> dict[str, Array]:
    """The largest error in every bin of s, (activations, bins); NaN where nothing was tried."""
    arrays = {}
    for quantity in QUANTITIES:
        largest = np.full((len(activations), EDGES.size), np.nan)
        for errors in found:
            if errors.case.quantity == quantity:
                largest[activations.index(errors.case.activation)] = errors.largest
        if found:
            arrays[f"{dtype}_{quantity}"] = largest
    return arrays


ACCURACY = Question(
    name="accuracy",
    asks="How far are the kernels from the exact values?",
    settings=Settings,
    run=run,
    answer=accuracy_answer,
    read_next="engine/kernels/README.md",
    takes="1 min",
    figures=figures,
    tables=tables,
    presets=PRESETS,
    texts=texts,
)
