"""Is a derivative right, and where did a NaN come from: `gradcheck`, `detect_nonfinite`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import GradcheckError
from engine.scope import Setting, no_grad
from engine.spelling import printable
from engine.tensor import Tensor, plain
from engine.transforms import vjp

Array = npt.NDArray[Any]

# Central differences err by h² f‴/6 and by ε/h: the best step is near the cube root of ε.
_STEP = float(np.finfo(np.float64).eps ** (1 / 3))


@printable
@dataclass(frozen=True)
class GradcheckReport:
    """What `gradcheck` compared. `worst` describes the entry with the largest error."""

    compared: int
    at_kinks: int
    largest_error: float
    worst: str

    def __bool__(self) -> bool:
        return True  # a check that failed has raised


def gradcheck(
    f: Callable[..., Tensor],
    *inputs: npt.ArrayLike,
    order: int = 1,
    rtol: float = 1e-6,
    atol: float = 1e-7,
) -> GradcheckReport:
    """Compare the derivatives of f with central differences, in float64, entry by entry.

    (f(x + h) − f(x − h)) / 2h is compared with the Jacobian by reverse mode, for every entry of
    every input and of the result. With `order=2`, the gradient's own Jacobian is checked as well.
    Entries that lie at a kink (where the one-sided differences disagree at every step size) are
    counted but not compared.

    Args:
        f: a function of tensors that returns a tensor.
        inputs: where to check; converted to float64.
        order: 1 or 2.
        rtol, atol: an entry passes if |difference| ≤ atol + rtol · (the largest slope of its
            column).

    Raises: GradcheckError with the worst entry, or if there was nothing to compare.
    """
    if order not in (1, 2):
        raise ValueError(
            f"gradcheck: order {order}; it checks first (1) and second (2) derivatives"
        )
    xs = [np.array(plain(x), dtype=np.float64) for x in inputs]
    report = _compare(f, xs, rtol, atol, "f")
    if order == 2:
        rng = np.random.default_rng(0)
        with no_grad():
            shape = f(*[Tensor(x) for x in xs]).shape
        g = rng.uniform(0.5, 1.5, shape)  # weights that no symmetry can cancel

        for i in (i for i, x in enumerate(xs) if x.size):

            def gradient(*zs: Tensor, i: int = i) -> Tensor:
                return vjp(f, *zs)[1](g)[i]

            second = _compare(gradient, xs, 10 * rtol, 10 * atol, f"∂f/∂(input {i})")
            worse = max(report, second, key=lambda r: r.largest_error)
            report = GradcheckReport(
                report.compared + second.compared,
                report.at_kinks + second.at_kinks,
                worse.largest_error,
                worse.worst,
            )
    return report


def _compare(
    f: Callable[..., Tensor], xs: list[Array], rtol: float, atol: float, what: str
) -> GradcheckReport:
    def value(position: int, entry: int, step: float) -> Array:
        moved = [x.copy() for x in xs]
        moved[position].reshape(-1)[entry] += step
        with no_grad():
            return np.array(f(*[Tensor(x) for x in moved]).numpy(), dtype=np.float64).reshape(-1)

    y, pull = vjp(f, *xs)
    if y.dtype != np.float64:
        raise GradcheckError(
            f"{what} returned {y.dtype} for float64 inputs; nothing to compare with"
        )
    rows = [pull(unit) for unit in np.eye(y.size).reshape(y.size, *y.shape)]
    middle = y.numpy().reshape(-1)
    compared = at_kinks = 0
    worst = (-1.0, 0.0, "nothing compared")
    for position, x in enumerate(xs):
        for entry in range(x.size):
            h = _STEP * max(1.0, abs(float(x.reshape(-1)[entry])))
            high, low = value(position, entry, h), value(position, entry, -h)
            numeric = (high - low) / (2 * h)
            ours = np.array([row[position].numpy().reshape(-1)[entry] for row in rows])
            scale = np.abs(numeric).max(initial=0.0)
            error = np.abs(ours - numeric)
            kink = _at_kink(value, position, entry, h, high + low - 2 * middle, atol + rtol * scale)
            at_kinks += int(kink.sum())
            compared += int((~kink).sum())
            error = np.where(np.isnan(error) & ~kink, np.inf, np.where(kink, 0.0, error))
            if kink.all():  # or there is no result at all
                continue
            i = int(error.argmax())
            excess = float(error[i] / (atol + rtol * scale))
            if excess > worst[0]:
                where = tuple(int(k) for k in np.unravel_index(entry, x.shape))
                out = tuple(int(k) for k in np.unravel_index(i, y.shape))
                worst = (
                    excess,
                    float(error[i]),
                    f"∂ {what}{list(out)} / ∂ input {position}{list(where)}: the engine gives "
                    f"{ours[i]:.10g}, central differences {numeric[i]:.10g} "
                    f"(difference {error[i]:.3g}, allowed {atol + rtol * scale:.3g})",
                )
    if compared == 0:
        raise GradcheckError(
            f"gradcheck compared nothing: {at_kinks} entries, all at kinks; give points where the "
            "function is differentiable"
            if at_kinks
            else "gradcheck compared nothing: give at least one input with an entry, and a "
            "function with a result"
        )
    if worst[0] > 1:
        raise GradcheckError(f"gradcheck, worst of {compared} entries: {worst[2]}")
    return GradcheckReport(compared, at_kinks, worst[1], worst[2])


def _at_kink(
    value: Callable[[int, int, float], Array],
    position: int,
    entry: int,
    h: float,
    bend: Array,
    allowed: float,
) -> npt.NDArray[np.bool_]:
    """Where the slope jumps: f(x+h) + f(x−h) − 2 f(x) then shrinks like h, otherwise like h²."""
    suspect = np.abs(bend) > h * max(allowed, 1e-6)
    if not suspect.any():
        return suspect
    small = h / 16
    closer = value(position, entry, small) + value(position, entry, -small)
    closer -= 2 * value(position, entry, 0.0)
    return np.asarray(suspect & (np.abs(closer) > np.abs(bend) / 32))


def detect_nonfinite() -> Setting:
    """In the block, the first operation that makes a NaN or Inf raises NonFiniteError.

    Forward and backward, naming the operation, its place ("layer 3"), how many entries, and
    whether what went in was still finite. It costs one look at every result.
    """
    return Setting("watching", True)
