"""What `Recorder` keeps, as named arrays: kinds and shapes, and what may be wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from engine import QUANTITIES, Statistics

Array = npt.NDArray[Any]

# In a file, numbers of one record in this order for each layer and quantity.
STATISTICS = (
    *("mean", "std", "rms", "min", "max", "p2", "p98", "zeros", "nonfinite"),
    *("positive", "negative", "sampled", "size", "saturated", "dead"),
)
VERSION = 1
BINS = len(Statistics.edges) + 1


def malformed(arrays: Mapping[str, Array]) -> str:
    """What is wrong with arrays that should be a recorder's, "" if nothing is."""
    kinds = {
        "recorder_version": "iu",
        "every": "iu",
        "layers": "U",
        "quantities": "U",
        "statistics": "U",
        "edges": "f",
        "updates": "iu",
        "losses": "f",
        "numbers": "f",
        "histograms": "iu",
    }
    for name, kind in kinds.items():
        if name not in arrays:
            return f"{name} is missing"
        if arrays[name].dtype.kind not in kind:
            return f"{name} holds {arrays[name].dtype}"
    version = arrays["recorder_version"]
    if version.shape != () or version != VERSION:
        return f"version {version}, and this program reads version {VERSION}"
    n, layers = arrays["updates"].size, arrays["layers"].size
    shapes = {
        "every": (),
        "layers": (layers,),
        "updates": (n,),
        "losses": (n,),
        "numbers": (n, layers, len(QUANTITIES), len(STATISTICS)),
        "histograms": (n, layers, len(QUANTITIES), BINS),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            return f"{name} has shape {arrays[name].shape}, not {shape}"
    for name, own in (("quantities", QUANTITIES), ("statistics", STATISTICS)):
        if tuple(map(str, arrays[name].reshape(-1))) != own:
            return f"its {name} are not those of this version"
    if not np.array_equal(arrays["edges"], Statistics.edges):
        return "its histograms have other bins"
    if arrays["every"] < 1 or (np.diff(arrays["updates"]) <= 0).any():
        return "its updates do not increase"
    return ""
