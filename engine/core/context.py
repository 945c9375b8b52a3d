"""What holds for the code that runs inside a `with` block: its place, and whether it records.

`state` is the thread's; `engine.blocks` has the machinery of the blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, TypeVar, overload

from engine.blocks import Block, Decorator, Setting, state

__all__ = [
    "Block",
    "Observer",
    "Setting",
    "at_place",
    "close_trace",
    "no_grad",
    "open_trace",
    "place",
    "recording",
    "state",
]

F = TypeVar("F", bound=Callable[..., Any])


class Observer(Protocol):
    """What the tape reports to: an open trace is one."""

    def saw_forward(self, node: Any) -> None:
        """Called for every operation that was recorded."""

    def saw_backward(self, node: Any, g: Any, gradients: Sequence[Any]) -> None:
        """Called by a sweep for every node, with ∂L/∂y and the gradients of the node's operands."""

    def saw_unrecorded(self, on_variables: bool) -> None:
        """Called for every operation that left no node."""


class Place(Decorator):
    """What `place` gives."""

    __slots__ = ("_name",)
    attribute = "place"

    def __init__(self, name: str) -> None:
        self._name = name

    def inside(self, before: str) -> str:
        return f"{before} / {self._name}" if before else self._name

    # As in the base class, but every layer enters a place, and these take less time.
    def __enter__(self) -> None:
        before = state.place
        state.blocks = self, before, state.blocks
        state.place = f"{before} / {self._name}" if before else self._name

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        blocks = state.blocks
        if blocks is not None and blocks[0] is self:
            state.place, state.blocks = blocks[1], blocks[2]
        else:
            self.end()

    def __repr__(self) -> str:
        return f"place({self._name!r})"


def open_trace(block: Block, keeper: Observer) -> None:
    """Report this thread's operations to a keeper, until the block ends."""
    block.begin(keeper)


def close_trace(block: Block) -> Any:
    """Report them no more, and return the keeper."""
    return block.end()


def place(name: str, step: int | None = None) -> Place:
    """Name the place of the operations in the block: `with place("layer 3"): …`.

    Errors, traces and `detect_nonfinite` report it. Places nest: "net / layer 3". As a decorator,
    `@place("layer 3")`, it names the place of a function's operations.

    `place("cell", step=3)` is the place "cell [3]": what a recurrent net does at time step 3. In a
    trace, `t["cell", 3]` is that step and `t["cell"]` has all steps.
    """
    return Place(name if step is None else f"{name} [{step}]")


@overload
def no_grad(function: None = None) -> Setting: ...


@overload
def no_grad(function: F) -> F: ...


def no_grad(function: F | None = None) -> Setting | F:
    """In the block, operations compute values only: no node, no memory held, no gradient.

    As a decorator, `@no_grad()` or `@no_grad`, it does so for a function; for a generator or
    a coroutine, recording is off only while its own body runs.
    """
    block = Setting("recording", False, "no_grad()")
    return block if function is None else block(function)


def recording(on: bool) -> Setting:
    """Switch recording on or off, whatever the block around it says."""
    return Setting("recording", on, f"recording({on})")


def at_place(where: str | None = None) -> str:
    """The words that an error adds for a place (by default the present one): " in layer 3"."""
    where = state.place if where is None else where
    return f" in {where}" if where else ""
