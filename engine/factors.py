"""A weight's gradient left as a product: ∂L/∂W = xᵀ·∂L/∂s, not multiplied out.

For a batch of ten the two factors are a hundredth of the size of ∂L/∂W. A step of plain gradient
descent can add their product to W in one pass, so that ∂L/∂W is never written. Whoever looks at it
gets it multiplied out and sees no difference.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import numpy.typing as npt

from engine import kernels

Array = npt.NDArray[Any]


@final
class Factors:
    """xᵀ·g for x (batch, fan_in) and g (batch, fan_out)."""

    __slots__ = ("g", "x")
    __array_ufunc__ = None  # array + Factors is ours to compute

    def __init__(self, x: Array, g: Array) -> None:
        self.x, self.g = x, g

    @property
    def shape(self) -> tuple[int, int]:
        return self.x.shape[1], self.g.shape[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.x.dtype

    def multiplied(self) -> Array:
        return kernels.matmul(self.x, self.g, transpose_a=True)

    def add_to(self, W: Array, by: float) -> None:
        """W += by · xᵀ·g in one pass over W."""
        with np.errstate(all="ignore"):
            scaled = self.g * self.g.dtype.type(by)
        kernels.matmul(self.x, scaled, transpose_a=True, out=W, accumulate=True)

    def __add__(self, other: Array | Factors) -> Array:
        added = other.multiplied() if isinstance(other, Factors) else other
        return np.asarray(self.multiplied() + added)

    __radd__ = __add__
