"""Every kernel that the engine uses, in NumPy: the specification, and the backend without Numba.

Each function here has the name, the arguments and the result of one in `engine.kernels.compiled`,
and tests compare the two. Sums are made in the order of a definition, so results differ by
rounding. None of them reaches BLAS.
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

quiet = np.errstate(all="ignore")  # kernels give ∞ and NaN in silence


def jit(**options: bool) -> Callable[[F], F]:
    """Leave a kernel as the Python function that it is."""
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
    """C = A·B, C_ik = Σ_j A_ij B_jk: the sum of the outer products of A's columns and B's rows.

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
            f"dtypes {a.dtype} and {b.dtype} have no kernel; both must be float32 or both float64"
        )


def refuse_shapes(left: Array, right: Array) -> None:
    raise ValueError(
        f"shapes {left.shape} and {right.shape} (after transposing) have no matrix product; "
        "the columns of the first must be as many as the rows of the second"
    )


def check_out(out: Array, shape: tuple[int, int], a: Array, b: Array) -> None:
    """Raise ValueError unless A·B, of that shape, can be written to `out`."""
    if out.shape != shape or out.dtype != a.dtype or not out.flags.c_contiguous:
        raise ValueError(
            f"out has shape {out.shape} and dtype {out.dtype}; it must be C-contiguous, "
            f"{shape}, {a.dtype}"
        )
    if np.may_share_memory(out, a) or np.may_share_memory(out, b):
        raise ValueError("out overlaps an operand, which the product would overwrite as it reads")


@quiet
def add_scaled(w: Array, direction: Array, by: float) -> None:
    """w += by·direction in place."""
    w += w.dtype.type(by) * direction


# --- losses -------------------------------------------------------------------------------------


@quiet
def cross_entropy(logits: Array, labels: Array) -> tuple[Array, Array]:
    """The mean of −log softmax(o)_y over the examples, and p = softmax(o).

    The largest logit is taken off first, so nothing overflows and no logarithm is taken of a
    probability that has underflowed.
    """
    o = logits - logits.max(axis=1, keepdims=True)
    e = np.exp(o)
    total = e.sum(axis=1, keepdims=True, dtype=np.float64)
    losses = np.log(total[:, 0]) - o[np.arange(len(o)), labels]
    return np.asarray(losses.mean(), logits.dtype), e / total.astype(logits.dtype)


@quiet
def cross_entropy_slopes(p: Array, labels: Array, scale: float) -> Array:
    """(p − y)·scale with y one-hot: for scale = 1/N, ∂L/∂logits."""
    difference = p.copy()
    difference[np.arange(len(p)), labels] -= 1
    return np.asarray(difference * p.dtype.type(scale))


@quiet
def squared_error(a: Array, t: Array, over: float) -> Array:
    """Σ (a − t)² / over, an array of no axis."""
    d = (a - t).astype(np.float64)
    return np.asarray((d * d).sum() / over, a.dtype)


@quiet
def scaled_difference(a: Array, t: Array, scale: float) -> Array:
    """(a − t)·scale."""
    return np.asarray((a - t) * a.dtype.type(scale))


# --- activations --------------------------------------------------------------------------------

SELU_SCALE = 1.0507009873554804934193349852946
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_PRODUCT = 1.7580993408473768599402175208123  # λα; the product of the two floats is 1 ULP off


@dataclass(frozen=True, eq=False)
class Elementwise:
    """An activation's f and f′ over arrays; each method takes f's parameters after the arrays."""

    compiled: ClassVar[bool] = False

    reference_value: Formula
    reference_slope: Formula
    parameters: int = 0

    @quiet
    def value(self, s: Array, *parameters: float) -> Array:
        """f(s), of s's shape and dtype."""
        return np.array(self.reference_value(s, *parameters), s.dtype)

    @quiet
    def slope(self, s: Array, *parameters: float) -> Array:
        """f′(s)."""
        return np.array(self.reference_slope(s, *parameters), s.dtype)

    @quiet
    def scaled_slope(self, g: Array, s: Array, *parameters: float) -> Array:
        """g ⊙ f′(s)."""
        return np.asarray(g * self.slope(s, *parameters))


# The kernels of the built-in activations by name; their table (`activations.builtin`) fills this.
KERNELS: dict[str, Any] = {}


def kernel_of(
    name: str,
    value: Formula,
    slope: Formula,
    parameters: int = 0,
    of_value_if: Callable[..., bool] = lambda *parameters: True,
) -> Elementwise:
    """The kernel of a built-in activation, by its formulas."""
    return Elementwise(value, slope, parameters)


def own_kernel(
    source: str, value: Formula, slope: Formula, parameters: int, check: Any
) -> Elementwise:
    """The kernel of a user's function, by its formulas; nothing is compiled from its source."""
    return Elementwise(value, slope, parameters)


class Fused(NamedTuple):
    """A rule's value and VJP as kernels of arrays."""

    value: Callable[..., tuple[Array, Array | None]]
    vjp: Callable[..., tuple[Array, Array | None, Array | None, Array]]


# Kernels of whole rules, by the rule's name: none, so that the rule's own lines run.
FUSED: dict[str, Fused] = {}


# --- what a trace measures ------------------------------------------------------------------------

# The bins of |v|: two for each power of ten; what lies outside is counted in the first and last.
DECADES, BINS_PER_DECADE = (-30, 10), 2
EDGES = 10.0 ** (
    np.arange(DECADES[0] * BINS_PER_DECADE, DECADES[1] * BINS_PER_DECADE + 1) / BINS_PER_DECADE
)
EDGES.setflags(write=False)
N_BINS = len(EDGES) + 1


def magnitudes(v: Array) -> Array:
    """How many |v| are in each of the N_BINS bins; entries that are 0 or not finite in none."""
    size = np.abs(v[np.isfinite(v) & (v != 0)].astype(np.float64))
    return np.bincount(np.searchsorted(EDGES, size, side="right"), minlength=N_BINS)


def dead_columns(slopes: Array) -> Array:
    """Whether each column of a matrix is 0 throughout."""
    return np.asarray((slopes == 0).all(axis=0))


class Moments(NamedTuple):
    """Of the finite entries, in float64; the last four are NaN where there are none."""

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
    """Of an array of one axis; −0.0 counts as a zero."""
    v = flat[np.isfinite(flat)].astype(np.float64)
    counts = len(v), int((v == 0).sum())
    if not len(v):
        return Moments(*counts, *(math.nan,) * 4)
    largest = abs(v).max()
    if largest == 0 or 1e-140 < largest < 1e140:
        mean, std = v.mean(), v.std()
    else:  # the squares would leave float64's range
        factor = 2.0 ** min(1000, -math.frexp(largest)[1])
        mean, std = (v * factor).mean() / factor, (v * factor).std() / factor
    return Moments(*counts, float(v.min()), float(v.max()), float(mean), float(std))


PART = 1 << 14  # the entries of a part, which one thread looks at


def look(flat: Array, stride: int, *_: Any) -> tuple[Array, Array]:
    """The six numbers of `Moments` for an array of one axis, and every stride-th of its entries."""
    return np.array(moments(flat)), flat[::stride].copy()


# --- memory and threads ---------------------------------------------------------------------------


def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """An array of any content."""
    return np.empty(shape, dtype)


def number_of_threads() -> int:
    """How many threads a kernel may have."""
    return 1


def most_threads() -> int:
    """How many threads a kernel may be given at most."""
    return 1


def use_threads(n: int) -> int:
    """Let kernels have n threads, as far as there are any; how many they had before."""
    return 1
