"""The matrix product's error beside NumPy's, by the length of the sums.

C = AB is judged entry by entry: |C − AB| / (|A||B|), in units of u = 2⁻²⁴ or 2⁻⁵³, the largest
relative error of one rounding. Whatever the order of a sum of n products, that is at most n
(Higham 2002, section 3.1). Entries are drawn with signs and without: sums of positive numbers
grow, and so do the roundings on the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.kernels import matmul
from experiments.accuracy.ulp import wider

Array = npt.NDArray[Any]
Product = Callable[[Array, Array, bool, bool], Array]

FORMS = ("x·W", "xᵀ·g", "g·Wᵀ", "gaps")
"""The three products of a layer as they lie in memory, and one whose operands have gaps."""
ROWS = (1, 10, 67, 513)
"""Rows of C: an example, batches, and enough that blocks are copied; odd, for tiles at edges."""
_COLUMNS = 97
# Rows of C that are judged, from the first to the last.
_JUDGED = 16


def ours(a: Array, b: Array, transpose_a: bool, transpose_b: bool) -> Array:
    """The project's product."""
    return matmul(a, b, transpose_a=transpose_a, transpose_b=transpose_b)


def numpys(a: Array, b: Array, transpose_a: bool, transpose_b: bool) -> Array:
    """NumPy's."""
    return np.asarray((a.T if transpose_a else a) @ (b.T if transpose_b else b))


def product_errors(
    dtype: npt.DTypeLike,
    lengths: tuple[int, ...],
    seed: int,
    products: tuple[Product, ...] = (ours, numpys),
    done: Callable[[], None] = lambda: None,
) -> Array | None:
    """The largest error of each product, (products, lengths, forms, rows), in units of u.

    `done` is called after every length. None where there is no wider type to judge by.
    """
    if wider(dtype) is None:
        return None
    found = np.zeros((len(products), len(lengths), len(FORMS), len(ROWS)))
    for i, n in enumerate(lengths):
        rng = np.random.default_rng([seed, n])
        a = rng.standard_normal((max(ROWS), n)).astype(dtype)
        b = rng.standard_normal((n, _COLUMNS)).astype(dtype)
        pairs = [
            (np.abs(a[:m]) if signless else a[:m], np.abs(b) if signless else b)
            for m in ROWS
            for signless in (False, True)
        ]
        judges = [_Judge(*pair) for pair in pairs]
        # One product after the other: threads of two libraries that take turns wait for each other.
        for k, product in enumerate(products):
            errors = [
                [judge.error(product(*x)) for x in _in_memory(*pair)]
                for pair, judge in zip(pairs, judges, strict=True)
            ]
            worse = np.array(errors).reshape(len(ROWS), 2, len(FORMS)).max(axis=1)
            found[k, i] = worse.T
        done()
    return found


class _Judge:
    """Some rows of a product in the wider precision, to tell the error of all that is given."""

    def __init__(self, a: Array, b: Array) -> None:
        wide = wider(a.dtype)
        self._rows = np.unique(np.linspace(0, len(a) - 1, _JUDGED).round().astype(int))
        self._exact = a[self._rows].astype(wide) @ b.astype(wide)
        size = np.abs(a[self._rows]).astype(np.float64) @ np.abs(b).astype(np.float64)
        self._unit = size * (np.finfo(a.dtype).eps / 2)

    def error(self, c: Array) -> float:
        """The largest |C − AB| / (|A||B|), in units of u; infinite where C has a NaN."""
        with np.errstate(all="ignore"):
            error = float(np.max(np.abs(c[self._rows] - self._exact) / self._unit))
        return np.inf if np.isnan(error) else error


def _in_memory(a: Array, b: Array) -> Iterator[tuple[Array, Array, bool, bool]]:
    """The operands of A·B in each of FORMS, and whether each is to be transposed."""
    yield a, b, False, False
    yield np.ascontiguousarray(a.T), b, True, False
    yield a, np.ascontiguousarray(b.T), False, True
    with_gaps = [np.repeat(x, 2, axis=1)[:, ::2] for x in (a, b)]
    yield with_gaps[0], with_gaps[1], False, False
