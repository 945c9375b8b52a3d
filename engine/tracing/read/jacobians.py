"""`Trace.jacobians`: the singular values of ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾ by layer, and of all layers together.

A gradient that goes back through a layer is multiplied by J = diag(f′(s)) Wᵀ. The singular values
of J say by how much: if they are all near 1, so that they are for the product of all layers too
(dynamical isometry), no gradient vanishes or explodes, in whatever direction (Saxe et al. 2014).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from engine import kernels
from engine.arrays import Array
from engine.spelling import printable
from engine.tracing.data import TraceData
from engine.tracing.read.find import rows_by_main_link
from engine.tracing.rows import LayerRecord
from engine.tracing.widths import shortened


@printable
@final
@dataclass(frozen=True, repr=False)
class Jacobians:
    """Singular values, largest first, in float64; NaN for an example that is not finite.

    Attributes:
        names: of the layers, in the order of the pass.
        layers: for each layer those of ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾, (examples, min(fan_in, fan_out)).
        end_to_end: those of the product of all, ∂x⁽ᴸ⁺¹⁾/∂x⁽¹⁾, (examples, k) with k the least of
            the sizes of the net's ends; None where a layer's x is not the x⁽ⁱ⁺¹⁾ of the one before,
            since then the layers alone are not the net.
        mean, smallest, largest: of each layer's values over its examples, (layers,).
    """

    names: tuple[str, ...]
    layers: tuple[Array, ...]
    end_to_end: Array | None

    def __str__(self) -> str:
        """A row for each layer, and one for the whole net: 78 columns."""
        rows = list(zip(self.names, self.layers, strict=True))
        if self.end_to_end is not None:
            rows.append(("end to end", self.end_to_end))
        count, titles = len(self.layers[0]), ("smallest", "median", "mean", "largest")
        lines = [
            f"Singular values of ∂x⁽ⁱ⁺¹⁾/∂x⁽ⁱ⁾, over {count} example{'s' * (count > 1)}",
            "",
            f"{'layer':<24}  {'values':>8}" + "".join(f"  {title:>9}" for title in titles),
        ]
        for name, values in rows:
            shown = (values.min(), np.median(values), values.mean(), values.max())
            lines.append(
                f"{shortened(name, 24):<24}  {values.shape[1]:>8}  "
                + "  ".join(f"{v:>9.3g}" for v in shown)
            )
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"Jacobians({len(self.names)} layers, {len(self.layers[0])} examples)"

    @property
    def mean(self) -> Array:
        return np.array([values.mean() for values in self.layers])

    @property
    def smallest(self) -> Array:
        return np.array([values.min() for values in self.layers])

    @property
    def largest(self) -> Array:
        return np.array([values.max() for values in self.layers])


def jacobians_of(trace: TraceData, examples: int = 4) -> Jacobians:
    """The singular values for the first examples of the batch.

    Args:
        trace: with its arrays.
        examples: how many examples; of a smaller batch, all.

    Raises: ValueError for less than one example or a trace of no layer; GraphError for a trace
        that keeps statistics only.
    """
    if examples < 1:
        raise ValueError(f"jacobians({examples}): it takes one example at least")
    if not trace.layers:
        raise ValueError("jacobians: this trace holds no layer")
    rows = rows_by_main_link(trace)
    by_layer = [_jacobians(row, examples) for row in rows]
    product: Array | None = by_layer[0]
    for i, row in enumerate(rows[1:], 1):
        before = rows[i - 1].x_next
        if product is None or not (row.x is before or np.array_equal(row.x, before, True)):
            product = None
            break
        pairs = zip(by_layer[i], product, strict=True)
        product = np.stack([kernels.matmul(later, sooner) for later, sooner in pairs])
    return Jacobians(
        names=tuple(row.label for row in rows),
        layers=tuple(_singular_values(J) for J in by_layer),
        end_to_end=None if product is None else _singular_values(product),
    )


def _jacobians(row: LayerRecord, examples: int) -> Array:
    """J_kj = f′(s_k) w_jk for each example: (examples, fan_out, fan_in)."""
    slopes = row.df_ds[:examples].astype(np.float64)
    with np.errstate(all="ignore"):
        J: Array = slopes[:, :, None] * row.W.T.astype(np.float64)
    return J


def _singular_values(matrices: Array) -> Array:
    # LAPACK's, because this looks at a net and is no part of a gradient: no rule or kernel may.
    k = min(matrices.shape[1:])
    values = np.full((len(matrices), k), np.nan)
    for i, J in enumerate(matrices):
        if np.isfinite(J).all():
            values[i] = np.linalg.svd(J, compute_uv=False)
    return values
