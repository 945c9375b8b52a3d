"""Every kernel that the engine uses, in NumPy: the specification, and the backend without Numba.

Each function has the name, the arguments and the result of a function in `engine.kernels.compiled`,
and tests compare the two. The results differ by rounding, because the order of sums differs. No
function calls BLAS.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
Formula = Callable[..., Array]
F = TypeVar("F", bound=Callable[..., Any])

quiet = np.errstate(all="ignore")  # kernels return ∞ and NaN without a warning


def jit(**options: bool) -> Callable[[F], F]:
    """Return a decorator that does not compile a kernel, but silences NumPy's warnings in it."""
    return quiet


# --- products -----------------------------------------------------------------------------------


@quiet
def matmul(
    a: Array,
    b: Array,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    out: Array | None = None,
    accumulate: bool = False,
) -> Array:
    """C = A·B, C_ik = Σ_j A_ij B_jk, as the sum of outer products of A's columns with B's rows.

    Raises: ValueError for shapes, dtypes or an `out` that do not fit.
    """
    if a.ndim != 2 or b.ndim != 2:
        refuse_shapes(a, b)
    a, b = a.T if transpose_a else a, b.T if transpose_b else b
    shape = len(a), b.shape[1]
    check_operands(a, b)
    if out is None:
        if accumulate:
            raise ValueError("accumulate=True needs an array `out` to add to")
        out = np.empty(shape, a.dtype)
    else:
        check_out(out, shape, a, b)
    if not accumulate:
        out.fill(0)
    for column, row in zip(a.T, b, strict=True):
        out += column[:, None] * row
    return out


def check_operands(a: Array, b: Array) -> None:
    """Raise ValueError unless A·B is a product of matrices of one dtype, float32 or float64."""
    if a.shape[1] != b.shape[0]:
        refuse_shapes(a, b)
    if a.dtype != b.dtype or a.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"no matrix product for dtypes {a.dtype} and {b.dtype}; both must be float32, or both "
            "float64"
        )


def refuse_shapes(left: Array, right: Array) -> None:
    raise ValueError(
        f"shapes {left.shape} and {right.shape} (after transposing) have no matrix product; "
        "the first must have as many columns as the second has rows"
    )


def check_out(out: Array, shape: tuple[int, int], a: Array, b: Array) -> None:
    """Raise ValueError unless A·B, of this shape, can be written to `out`."""
    if out.shape != shape or out.dtype != a.dtype or not out.flags.c_contiguous:
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}; it must be C-contiguous, of shape "
            f"{shape} and dtype {a.dtype}"
        )
    if np.may_share_memory(out, a) or np.may_share_memory(out, b):
        raise ValueError(
            "out overlaps an operand in memory; pass an array that shares no memory with a or b"
        )


@quiet
def add_scaled(w: Array, direction: Array, by: float) -> None:
    """w += by·direction in place."""
    w += w.dtype.type(by) * direction


# --- losses -------------------------------------------------------------------------------------


@quiet
def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """The mean of −log softmax(o)_y over the examples, and p = softmax(o).

    The largest logit is subtracted first, so no exponential overflows and no logarithm is taken of
    a probability that has underflowed.
    """
    o = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(o)
    total = e.sum(axis=1, keepdims=True, dtype=np.float64)
    losses = np.log(total[:, 0]) - o[np.arange(len(o)), labels]
    return np.asarray(losses.mean(), logits.dtype), e / total.astype(logits.dtype)


@quiet
def cross_entropy_slopes(p: Array, labels: Array, scale: float) -> Array:
    """(p − y)·scale with y one-hot; this is ∂L/∂logits for scale = 1/N."""
    difference = p.copy()
    difference[np.arange(len(p)), labels] -= 1
    return np.asarray(difference * p.dtype.type(scale))


@quiet
def squared_error(a: Array, t: Array, over: float) -> Array:
    """Σ (a − t)² / over, a 0-d array."""
    d = (a - t).astype(np.float64)
    return np.asarray((d * d).sum() / over, a.dtype)


@quiet
def scaled_difference(a: Array, t: Array, scale: float) -> Array:
    """(a − t)·scale."""
    return np.asarray((a - t) * a.dtype.type(scale))


# --- activations --------------------------------------------------------------------------------

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_PRODUCT = 1.7580993408473768599402175208123  # λα; SELU_SCALE * SELU_ALPHA is off by 1 ULP


@dataclass(frozen=True, eq=False)
class Elementwise:
    """An activation's f and f′ on arrays; each method takes f's parameters after the arrays."""

    compiled: ClassVar[bool] = False

    reference_value: Formula
    reference_slope: Formula
    parameters: int = 0

    @quiet
    def value(self, s: Array, *parameters: float) -> Array:
        """f(s), with the shape and dtype of s."""
        return np.array(self.reference_value(s, *parameters), s.dtype)

    @quiet
    def slope(self, s: Array, *parameters: float) -> Array:
        """f′(s)."""
        return np.array(self.reference_slope(s, *parameters), s.dtype)

    @quiet
    def scaled_slope(self, g: Array, s: Array, *parameters: float) -> Array:
        """g ⊙ f′(s)."""
        return np.asarray(g * self.slope(s, *parameters))


# The kernels of the built-in activations by name, filled by `activations.builtin`.
KERNELS: dict[str, Any] = {}


def kernel_of(
    name: str,
    value: Formula,
    slope: Formula,
    parameters: int = 0,
    of_value_if: Callable[..., bool] = lambda *parameters: True,
) -> Elementwise:
    """The kernel of a built-in activation, from its formulas."""
    return Elementwise(value, slope, parameters)


def own_kernel(
    source: str, value: Formula, slope: Formula, parameters: int, check: Any
) -> Elementwise:
    """The kernel of a user's function, from its formulas; `source` and `check` are not used."""
    return Elementwise(value, slope, parameters)


class Fused(NamedTuple):
    """The value and VJP of a rule as kernels."""

    value: Callable[..., tuple[Array, Array | None]]
    vjp: Callable[..., tuple[Array, Array | None, Array | None, Array]]


# Kernels of whole rules by the rule's name. Without an entry, the rule's Python code runs.
FUSED: dict[str, Fused] = {}


# --- what a trace measures ------------------------------------------------------------------------

# The bins of |v|, two per decade; the first and last bins count all |v| below and above the edges.
DECADES, BINS_PER_DECADE = (-30, 10), 2
EDGES = 10.0 ** (
    np.arange(DECADES[0] * BINS_PER_DECADE, DECADES[1] * BINS_PER_DECADE + 1) / BINS_PER_DECADE
)
EDGES.setflags(write=False)
N_BINS = len(EDGES) + 1


def magnitudes(v: Array) -> Array:
    """The number of |v| in each of the N_BINS bins; zeros, NaN and ±∞ are not counted."""
    size = np.abs(v[np.isfinite(v) & (v != 0)].astype(np.float64))
    return np.bincount(np.searchsorted(EDGES, size, side="right"), minlength=N_BINS)


def dead_columns(slopes: Array) -> Array:
    """Whether all entries are 0, for each column of a matrix."""
    return np.asarray((slopes == 0).all(axis=0))


class Moments(NamedTuple):
    """Statistics of the finite entries, in float64; the last four are NaN without finite entries.

    `finite` is the number of finite entries, `zeros` the number of zeros among them.
    """

    finite: int
    zeros: int
    low: float
    high: float
    mean: float
    std: float


def as_moments(row: Array) -> Moments:
    finite, zeros, low, high, mean, std = row.tolist()
    return Moments(int(finite), int(zeros), low, high, mean, std)


@quiet
def moments(flat: Array) -> Moments:
    """The moments of a 1-d array; −0.0 counts as a zero."""
    v = flat[np.isfinite(flat)].astype(np.float64)
    counts = len(v), int((v == 0).sum())
    if not len(v):
        return Moments(*counts, *(math.nan,) * 4)
    largest = abs(v).max()
    if largest == 0 or 1e-140 < largest < 1e140:
        mean, std = v.mean(), v.std()
    else:  # the squares would overflow or underflow
        factor = 2.0 ** min(1000, -math.frexp(largest)[1])
        mean, std = (v * factor).mean() / factor, (v * factor).std() / factor
    return Moments(*counts, float(v.min()), float(v.max()), float(mean), float(std))


PART = 1 << 14  # entries of a part, which one thread reads


def look(flat: Array, stride: int, *_: Any) -> tuple[Array, Array]:
    """The six numbers of `Moments` for an array of one axis, and every stride-th of its entries."""
    return np.array(moments(flat)), flat[::stride].copy()


# --- memory and threads ---------------------------------------------------------------------------


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of this shape and dtype, with undefined content."""
    return np.empty(shape, dtype)


def number_of_threads() -> int:
    """The number of threads of a kernel: 1."""
    return 1


def most_threads() -> int:
    """The largest number of threads that `use_threads` accepts: 1."""
    return 1


def use_threads(n: int) -> int:
    """Return the previous number of threads, 1; n is ignored."""
    return 1
