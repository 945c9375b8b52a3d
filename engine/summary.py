"""One line about a tensor: shape, range, mean, deviation, and a loud mark for NaN and Inf."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def summary(array: npt.NDArray[Any], name: str | None = None, kind: str = "") -> str:
    """For example `Tensor(64×256 float32, -3.1 … 2.9, mean 0.01, std 1, requires_grad)`."""
    parts = [f"{'×'.join(map(str, array.shape)) or 'scalar'} {array.dtype}", *describe(array)]
    if 0 < array.size <= 4:
        parts.insert(0, np.array2string(array, precision=6, separator=", ").replace("\n", ""))
    return f"Tensor({', '.join([*filter(None, [name]), *parts, *filter(None, [kind])])})"


def describe(array: npt.NDArray[Any]) -> list[str]:
    """Range, mean and deviation of the finite entries, and how many are not finite."""
    finite = array[np.isfinite(array)].astype(np.float64)
    parts = []
    if finite.size:
        with np.errstate(over="ignore", invalid="ignore"):  # the squares of 1e308
            mean, std = finite.mean(), finite.std()
        parts += [f"{finite.min():.4g} … {finite.max():.4g}", f"mean {mean:.4g}", f"std {std:.4g}"]
    elif not array.size:
        parts.append("empty")
    for name, count in (("NaN", np.isnan(array).sum()), ("Inf", np.isinf(array).sum())):
        if count:
            parts.append(f"{count} {name}!")
    return parts
