"""`gradcheck` compares derivatives with differences; `detect_nonfinite` finds the first NaN."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.arrays import Array, as_floats
from engine.core.context import Setting, no_grad
from engine.core.tensor import Tensor, plain
from engine.differences import Slopes, quick_slopes, slopes
from engine.errors import GradcheckError
from engine.spelling import printable
from engine.transforms import refuse_collections, vjp

_RESOLUTION = 1e-4  # the relative error that differences must be able to detect
_NEGLIGIBLE = 1e-7  # slopes below this share of the natural slope are negligible
_CANCELLED = 1e-14  # the rounding error of a derivative of a function that is 0, such as x − x
_LEAST = float(np.nextafter(0, 1))
_REPEATS = 16  # values at the same input, to detect randomness if the quick slopes disagree


@printable
@dataclass(frozen=True)
class GradcheckReport:
    """The result of `gradcheck`: the numbers of entries compared and at kinks, the largest error.

    `worst` describes the entry with the largest error relative to the error that is allowed.
    """

    compared: int
    at_kinks: int
    largest_error: float
    worst: str

    def __bool__(self) -> bool:
        return True  # gradcheck raises if the check fails


def gradcheck(
    f: Callable[..., Tensor],
    *inputs: npt.ArrayLike,
    order: int = 1,
    rtol: float = 1e-6,
    atol: float = 0.0,
) -> GradcheckReport:
    """Compare the derivatives of f with central differences, in float64, entry by entry.

    (f(x + h) − f(x − h)) / 2h is compared with the Jacobian by reverse mode, for every entry of
    every input and of the result. The steps h are chosen for each entry, and the error of the
    differences is estimated (`engine.differences`). With `order=2`, the Jacobian of the gradient is
    checked too.

    Entries at a kink (where the one-sided differences disagree at every step size) are counted but
    not compared. An entry can't be compared, which is an error, if f is NaN or Inf, if the
    differences are NaN or Inf at every step, or if the differences are too inexact to detect a
    relative error of 1e-4. A derivative that is NaN or Inf is wrong if the differences are finite,
    and at a kink.

    Args:
        f: a function of tensors that returns a tensor.
        inputs: the point at which to check, converted to float64.
        order: 1 or 2.
        rtol, atol: an entry passes if |difference| ≤ atol + rtol · |slope| + the estimated error
            of the differences; rtol and atol are ten times as large for second derivatives.

    Raises: GradcheckError with the worst entry if a derivative is wrong; if f gives different
        values for the same input; if an entry can't be compared; if no entry was compared.
    """
    if order not in (1, 2):
        raise ValueError(
            f"gradcheck: order {order}; it checks first (1) and second (2) derivatives"
        )
    for x in inputs:
        refuse_collections(x)
    xs = [np.array(as_floats(plain(x)), dtype=np.float64) for x in inputs]
    report = _Comparison(f, xs, rtol, atol, "f").report()
    if order == 2:
        rng = np.random.default_rng(0)
        with no_grad():
            shape = f(*[Tensor(x) for x in xs]).shape
        g = rng.uniform(0.5, 1.5, shape)  # random weights, so that no terms cancel by symmetry

        for i in (i for i, x in enumerate(xs) if x.size):

            def gradient(*zs: Tensor, i: int = i) -> Tensor:
                return vjp(f, *zs)[1](g)[i]

            what = f"∂f/∂(input {i})"
            second = _Comparison(gradient, xs, 10 * rtol, 10 * atol, what).report()
            worse = max(report, second, key=lambda r: r.largest_error)
            report = GradcheckReport(
                report.compared + second.compared,
                report.at_kinks + second.at_kinks,
                worse.largest_error,
                worse.worst,
            )
    return report


class _Comparison:
    """Compares the Jacobian of f at xs with differences, column by column."""

    def __init__(
        self, f: Callable[..., Tensor], xs: list[Array], rtol: float, atol: float, what: str
    ) -> None:
        self._f, self._xs, self._rtol, self._atol, self._what = f, xs, rtol, atol, what
        y, pull = vjp(f, *xs)
        if y.dtype != np.float64:
            raise GradcheckError(
                f"{what} returned {y.dtype} for float64 inputs, too inexact for differences; "
                "compute in float64"
            )
        self._shape, self._recorded = y.shape, y.numpy().reshape(-1)
        self._middle = self._value(xs)
        self._refuse_randomness(1)
        rows = [pull(unit) for unit in np.eye(y.size).reshape(y.size, *y.shape)]
        self._compared = self._at_kinks = self._not_compared = 0
        self._hard, self._why_not = False, ""
        self._worst = (-1.0, 0.0, "nothing compared")
        for i, x in enumerate(xs):
            for entry in range(x.size):
                computed = np.array([row[i].numpy().reshape(-1)[entry] for row in rows])
                self._compare(i, entry, computed)

    def report(self) -> GradcheckReport:
        excess, error, text = self._worst
        if self._hard:
            self._refuse_randomness(_REPEATS)
        if excess > 1:
            raise GradcheckError(f"gradcheck, worst of {self._compared} entries: {text}")
        if self._not_compared:
            entries = self._compared + self._at_kinks + self._not_compared
            raise GradcheckError(
                f"gradcheck could not compare {self._not_compared} of {entries} entries: "
                f"{self._why_not}"
            )
        if self._compared == 0:
            raise GradcheckError(
                f"gradcheck compared nothing: {self._at_kinks} entries, all at kinks; give points "
                "where the function is differentiable"
                if self._at_kinks
                else "gradcheck compared nothing: give at least one input with an entry, and a "
                "function with a result"
            )
        return GradcheckReport(self._compared, self._at_kinks, error, text)

    def _value(self, xs: list[Array]) -> Array:
        with no_grad():
            y = self._f(*[Tensor(x) for x in xs])
        return np.array(y.numpy(), dtype=np.float64).reshape(-1)

    def _along(self, i: int, entry: int) -> Callable[[float], Array]:
        """f as a function of one entry of input i."""

        def value(number: float) -> Array:
            moved = [x.copy() for x in self._xs]
            moved[i].reshape(-1)[entry] = number
            try:
                return self._value(moved)
            except (ValueError, ArithmeticError):  # f may raise outside of its domain
                return np.full(self._middle.shape, np.nan)

        return value

    def _refuse_randomness(self, times: int) -> None:
        """Raise if values at the same input differ; the recorded value may be rounded otherwise."""
        others = [self._value(self._xs) for _ in range(times)]
        for rtol, other in [(0.0, other) for other in others] + [(1e-6, self._recorded)]:
            if other.shape != self._middle.shape:
                difference = f"{self._middle.size} entries and then {other.size}"
            elif not np.allclose(other, self._middle, rtol, rtol, equal_nan=True):
                k = int(np.argmax(np.nan_to_num(np.abs(other - self._middle))))
                difference = (
                    f"at {_index(k, self._shape)}, {self._middle[k]:.10g} and then {other[k]:.10g}"
                )
            else:
                continue
            raise GradcheckError(
                f"{self._what} gives different values for the same input: {difference}; draw "
                "random numbers outside of the function, or from a generator that the function "
                "seeds at every call"
            )

    def _compare(self, i: int, entry: int, ours: Array) -> None:
        """Compare one column: the slopes of all entries of f along one entry of one input."""
        x = float(self._xs[i].reshape(-1)[entry])
        f = self._along(i, entry)
        usable = np.isfinite(self._middle) & np.isfinite(x)
        lost, kinks = ~usable, np.zeros(ours.shape, bool)
        value, bends = quick_slopes(f, x, self._middle)
        error, allowed = self._differ(ours, value)
        if (usable & (bends | ~(error <= allowed))).any():
            self._hard, estimate = True, slopes(f, x, self._middle)
            value = estimate.value
            error, allowed = self._differ(ours, value)
            allowed = allowed + estimate.error + np.where(estimate.natural > 0, 0.0, _CANCELLED)
            kinks = usable & estimate.kinks
            lost |= ~kinks & self._unclear(estimate, ours, error > allowed)
            kinks &= np.isfinite(ours)
        if lost.any():  # one infinite slope may make other entries NaN, as 0·∞
            lost |= ~np.isfinite(ours)
        self._at_kinks += int(kinks.sum())
        self._compared += int((~kinks & ~lost).sum())
        self._not_compared += int(lost.sum())
        where = f"input {i}{_index(entry, self._xs[i].shape)}"
        if lost.any() and not self._why_not:
            k = int(lost.argmax())
            self._why_not = self._reason(k, where, x, ours[k], value[k], allowed[k])
        if (lost | kinks).all():
            return
        with np.errstate(all="ignore"):
            excess = np.where(error > 0, error / (allowed + _LEAST), 0.0)
        excess = np.where(np.isfinite(error), excess, np.inf)
        excess = np.where(lost | kinks, -1.0, excess)
        k = int(excess.argmax())
        if excess[k] > self._worst[0]:
            self._worst = (
                float(excess[k]),
                float(error[k]),
                f"∂ {self._what}{_index(k, self._shape)} / ∂ {where}: the engine gives "
                f"{ours[k]:.10g}, central differences {value[k]:.10g} "
                f"(difference {error[k]:.3g}, allowed {allowed[k]:.3g})",
            )

    def _differ(self, ours: Array, value: Array) -> tuple[Array, Array]:
        """|slope − differences|, ∞ for a slope that is NaN or Inf, and the allowed error."""
        finite = np.isfinite(ours)
        with np.errstate(invalid="ignore"):
            error = np.where(finite, np.abs(ours - value), np.inf)
        slope = np.fmax(np.where(finite, np.abs(ours), 0.0), np.abs(value))
        return error, self._atol + self._rtol * slope

    def _unclear(
        self, estimate: Slopes, ours: Array, wrong: npt.NDArray[np.bool_]
    ) -> npt.NDArray[np.bool_]:
        """True where the differences are missing, or too inexact to decide."""
        finite = np.isfinite(ours)
        slope = np.fmax(np.where(finite, np.abs(ours), 0.0), np.abs(estimate.value))
        inexact = estimate.error > self._atol + max(_RESOLUTION, self._rtol) * slope
        # A slope that is negligible relative to f needs few correct digits, or none.
        tiny = np.maximum(_NEGLIGIBLE * estimate.natural, _CANCELLED)
        small = (slope <= tiny) & (estimate.error <= tiny)
        inexact &= ~small & (ours != estimate.value) & ~(wrong & finite)
        return np.isnan(estimate.value) | inexact

    def _reason(
        self, k: int, where: str, x: float, ours: float, value: float, allowed: float
    ) -> str:
        entry = f"{self._what}{_index(k, self._shape)}"
        if not np.isfinite(x):
            return f"{where} is {x}; give finite inputs"
        if not np.isfinite(self._middle[k]):
            return (
                f"{entry} is {self._middle[k]}, which can't be compared; give inputs where the "
                "function is finite, or check the other entries alone"
            )
        if np.isnan(value):
            return (
                f"{entry} has no finite difference along {where} = {x:.10g}, at any step; give "
                "inputs inside the function's domain"
            )
        return (
            f"∂ {entry} / ∂ {where}: the engine gives {ours:.10g}, central differences "
            f"{value:.10g} ± {allowed:.3g}, which is too inexact; the function jumps here, has an "
            "infinite slope, or is noisy (scale or shift it, or increase rtol or atol)"
        )


def _index(k: int, shape: tuple[int, ...]) -> str:
    return str([int(i) for i in np.unravel_index(k, shape)])


def detect_nonfinite() -> Setting:
    """In the block, the first operation with a NaN or Inf in its result raises NonFiniteError.

    The error, in the forward or backward pass, names the operation, its place ("layer 3"), the
    number of entries, and whether the operands were finite. Every result is read once more.
    """
    return Setting("watching", True, "detect_nonfinite()")
