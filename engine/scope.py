"""What holds for the code that runs inside a `with` block: its place, and whether it records.

Everything here belongs to one thread: two threads that train two nets do not see each
other's settings.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.tracing.keeping import Keeper


class _State(threading.local):
    def __init__(self) -> None:
        self.places: list[str] = []  # those around the present one

    recording: bool = True  # do operations on tensors leave nodes?
    place: str = ""  # where the program is, for example "layer 3"
    watching: bool = False  # is detect_nonfinite open?
    trace: Keeper | None = None  # of the open trace
    sweeping: bool = False  # is a backward pass under way?
    nesting: int = 0  # how many of grad, vjp, jacobian, hvp are running


state = _State()

# Traces that are open, in all threads. With none there is no need to look at the thread's state,
# which takes several times as long as to look here.
open_traces = 0
_counting = threading.Lock()


def open_trace(keeper: Keeper) -> None:
    """Report this thread's operations to a keeper."""
    global open_traces
    with _counting:
        open_traces += 1
    state.trace = keeper


def close_trace() -> Keeper | None:
    """Report them no more, and return the keeper."""
    global open_traces
    closed, state.trace = state.trace, None
    if closed is not None:
        with _counting:
            open_traces -= 1
    return closed


class Setting:
    """Set one attribute of the state for the time of a block."""

    __slots__ = ("_before", "_name", "_value")

    def __init__(self, name: str, value: object) -> None:
        self._name, self._value = name, value
        self._before: list[object] = []  # a stack, since one object may be entered again

    def __enter__(self) -> None:
        self._before.append(getattr(state, self._name))
        setattr(state, self._name, self._value)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        setattr(state, self._name, self._before.pop())


class Place:
    """What `place` gives; one object may be entered again and again, by any thread."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        before = state.place
        state.places.append(before)
        state.place = f"{before} / {self._name}" if before else self._name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        state.place = state.places.pop()


def place(name: str) -> Place:
    """Name the place of the operations in the block: `with place("layer 3"): …`.

    Errors, traces and `detect_nonfinite` report it. Places nest: "net / layer 3".
    """
    return Place(name)


def no_grad() -> Setting:
    """In the block, operations compute values only: no node, no memory held, no gradient."""
    return Setting("recording", False)


def recording(on: bool) -> Setting:
    """Switch recording on or off, whatever the block around it says."""
    return Setting("recording", on)


def at_place(where: str | None = None) -> str:
    """The words that an error adds for a place (by default the present one): " in layer 3"."""
    where = state.place if where is None else where
    return f" in {where}" if where else ""
