"""What every check is made of: `exercise`, `Verdict`, and ways to look at an answer.

A check says what is wrong with an answer, and does not say what is right. It is written as a
function that raises `NotYet` with a sentence for the reader, or returns what the answer was
tested with:

    @exercise
    def doubled(answer):
        agree("doubled(x)", call(answer, 3.0), 6.0, [(9.0, "that is x², the square")])
        return "for x = 3"
"""

from __future__ import annotations

import functools
import inspect
import textwrap
import traceback
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Typical = Sequence[tuple[Any, str]]

_UNWRITTEN = "replace the ... by your answer and run the cell again"


class NotYet(Exception):  # noqa: N818
    """Why an answer is not right yet, in words for the reader; no error of the program."""


@dataclass(frozen=True)
class Verdict:
    """A check's answer: true if right; `reason` says what is wrong, or what it was tested with."""

    exercise: str
    right: bool
    reason: str

    def __bool__(self) -> bool:
        return self.right

    def __str__(self) -> str:
        line = f"{self.exercise}: {'right, ' if self.right else 'not yet: '}{self.reason}"
        return textwrap.fill(line, 92, subsequent_indent="  ")

    def _ipython_display_(self) -> None:
        """Nothing: a notebook would show again what the check has printed."""


def exercise(look: Callable[[Any], str]) -> Callable[[Any], Verdict]:
    """Make a check of `look`: it prints its verdict, returns it, and stops no program."""

    @functools.wraps(look)
    def check(answer: Any) -> Verdict:
        try:
            written(answer)
            verdict = Verdict(look.__name__, True, look(answer))
        except NotYet as why:
            verdict = Verdict(look.__name__, False, str(why))
        print(verdict)
        return verdict

    return check


def written(answer: Any) -> None:
    """Raise NotYet for an answer that is still open: `...`, None, or a tuple with one of them."""
    parts = answer if isinstance(answer, tuple | list) else (answer,)
    if any(part is None or part is ... for part in parts):
        raise NotYet(_UNWRITTEN)


def call(answer: Any, *args: Any) -> Any:
    """What the reader's function returns for these arguments.

    Raises: NotYet if it is no function, raises, warns, changes an array it was given, or returns
        nothing.
    """
    if not callable(answer):
        raise NotYet(
            f"give the function itself, its name without brackets; this is {_kind(answer)}"
        )
    given = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
    try:
        with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
            warnings.simplefilter("error")
            result = answer(*given)
    except Exception as error:
        kind = "gives the warning" if isinstance(error, Warning) else f"raises {_kind(error)}:"
        raise NotYet(f"{_shown(answer, args)} it {kind} {error}{_place(answer, error)}") from None
    for name, mine, theirs in zip(_names(answer, args), args, given, strict=True):
        if isinstance(mine, np.ndarray) and not np.array_equal(mine, theirs, equal_nan=True):
            raise NotYet(
                f"it changes {name}, an array of shape {mine.shape}, in place; "
                "compute a new array instead"
            )
    written(result)
    return result


def parts(result: Any, names: Sequence[str]) -> Sequence[Any]:
    """The parts of a result that should be a tuple, one for each name."""
    wanted = f"return {len(names)} things, {', '.join(names)}"
    if isinstance(result, np.ndarray) and result.ndim:
        result = list(result)
    if not isinstance(result, tuple | list):
        raise NotYet(f"it returns {_kind(result)}; {wanted}")
    if len(result) != len(names):
        raise NotYet(f"it returns {len(result)} things; {wanted}")
    return result


def numbers(name: str, value: Any, shape: tuple[int, ...] | None = None) -> Array:
    """`value` as an array of float64 of that shape."""
    try:
        found = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise NotYet(f"{name} is {_kind(value)}; it should be numbers") from None
    if shape is not None and found.shape != shape:
        wanted = f"have shape {shape}" if shape else "be a single number"
        raise NotYet(f"{name} has shape {found.shape}; it should {wanted}")
    return found


def agree(
    name: str,
    value: Any,
    right: npt.ArrayLike,
    typical: Typical = (),
    rtol: float = 1e-6,
    each: bool = False,
) -> None:
    """Compare a value with the right one.

    Args:
        name: what the reader calls it.
        typical: wrong values that are often found, each with what to say of it.
        rtol: what is allowed, relative to the largest right entry, or with `each` to every entry.

    Raises: NotYet with what is wrong, and never with the right value.
    """
    right = np.asarray(right, dtype=np.float64)
    found = numbers(name, value, right.shape)
    if _near(found, right, rtol, each):
        return
    for wrong, hint in typical:
        wrong = np.asarray(wrong, dtype=np.float64)
        if wrong.shape == right.shape and _near(found, wrong, rtol, each):
            raise NotYet(f"{name}: {hint}")
    lost = int((np.isfinite(right) & ~np.isfinite(found)).sum())
    if lost:
        raise NotYet(f"{name}: {lost} of {found.size} entries are NaN or infinite")
    if not right.size or right.size == 1:
        # A single number is always a multiple of the right one; the factor would give it away.
        size = "has the wrong sign" if found * right < 0 else "is too large in magnitude"
        size = "is too small in magnitude" if 0 <= found * right < right * right else size
        raise NotYet(f"{name} {size}: {float(found.reshape(-1)[0]):.6g}")
    factor = _factor(found, right)
    if factor and _near(found, factor * right, rtol, each):
        raise NotYet(f"{name} is {factor:.4g} times what it should be, in every entry")
    allowed = rtol * (np.abs(right) if each else np.abs(right[np.isfinite(right)]).max(initial=0))
    with np.errstate(invalid="ignore"):
        wrong_at = ~((np.abs(found - right) <= allowed) | (found == right))
    wrong_at &= ~(np.isnan(found) & np.isnan(right))
    first = tuple(int(i) for i in np.argwhere(wrong_at)[0])
    raise NotYet(
        f"{name}: {int(wrong_at.sum())} of {found.size} entries are wrong; the first is "
        f"{list(first)}, where yours is {found[first]:.6g}"
    )


def _near(found: Array, right: Array, rtol: float, each: bool) -> bool:
    finite = np.isfinite(right)
    if not np.array_equal(found[~finite], right[~finite], equal_nan=True):
        return False
    found, right = found[finite], right[finite]
    size = np.abs(right) if each else np.abs(right).max(initial=0.0)
    with np.errstate(invalid="ignore"):
        return bool((np.abs(found - right) <= rtol * size).all())


def _factor(found: Array, right: Array) -> float:
    scale = float(np.sum(right * right))
    return float(np.sum(found * right)) / scale if 0 < scale < np.inf else 0.0


def _kind(thing: Any) -> str:
    name = type(thing).__name__
    return name if isinstance(thing, Exception) else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _names(answer: Any, args: Sequence[Any]) -> list[str]:
    """What the reader's function calls its arguments, or their numbers if it can't be known."""
    try:
        bound = inspect.signature(answer).bind(*args).arguments
    except (TypeError, ValueError):
        bound = {}
    names = list(bound)
    return names if len(names) == len(args) else [f"argument {i + 1}" for i in range(len(args))]


def _shown(answer: Any, args: Sequence[Any]) -> str:
    shown = [
        f"{name} of shape {a.shape}" if isinstance(a, np.ndarray) and a.ndim else f"{name} = {a}"
        for name, a in zip(_names(answer, args), args, strict=True)
    ]
    return f"given {', '.join(shown)}," if shown else "given nothing,"


def _place(answer: Any, error: Exception) -> str:
    """Which line of the reader's function it was, counted from its `def`."""
    code = getattr(answer, "__code__", None)
    if code is None:
        return ""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename == code.co_filename and frame.lineno is not None:
            line = frame.lineno - code.co_firstlineno + 1
            return f" (line {line} of the function)" if line >= 1 else ""
    return ""
