"""`with` blocks that change settings of a thread: the implementation below `engine.core.context`.

Settings belong to one thread: two threads that train two nets do not see each other's settings.
The tasks of asyncio share the settings of their thread, so don't `await` inside `no_grad()`,
`place`, `detect_nonfinite` or `trace`: other tasks would run in the block too. (Settings for each
task would make every operation slower.)

A block that ends undoes only its own change, whichever blocks have begun or ended since. So
generators that pause inside blocks may resume in any order and be closed in any thread.
"""

from __future__ import annotations

import inspect
import threading
import types
from collections.abc import Callable, Generator
from functools import wraps
from types import TracebackType
from typing import Any, TypeVar, cast
from weakref import WeakSet

F = TypeVar("F", bound=Callable[..., Any])


class _State(threading.local):
    def __init__(self) -> None:
        thread = _Thread(self.__dict__)
        with _counting:
            _threads.add(thread)
        self.thread = thread  # keeps the WeakSet's entry alive as long as the thread

    recording: bool = True  # whether operations on tensors add nodes to the graph
    place: str = ""  # the current place, for example "layer 3"
    watching: bool = False  # whether detect_nonfinite is active
    trace: Any = None  # the observer of the open trace
    sweeping: bool = False  # whether a backward pass is running
    nesting: int = 0  # the number of calls of grad, vjp, jacobian and hvp that are running
    # The open blocks: (the newest block, its attribute's previous value, the earlier blocks).
    blocks: tuple[Block, Any, Any] | None = None


class _Thread:
    """The attributes of one thread's state, for blocks that are ended by another thread."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


_counting = threading.Lock()
_threads: WeakSet[_Thread] = WeakSet()
state = _State()


class Block:
    """Sets an attribute of the state while a block is open.

    One object may be entered several times, by any thread.
    """

    __slots__ = ()
    attribute: str

    def inside(self, before: Any) -> Any:
        """The attribute's value in the block."""
        raise NotImplementedError

    def begin(self, value: Any) -> None:
        """Set the attribute. No call separates the two changes, so Ctrl-C can't either."""
        before, values = getattr(state, self.attribute), state.__dict__
        state.blocks = self, before, state.blocks
        values[self.attribute] = value

    def end(self) -> Any:
        """Undo `begin`. Returns the value that `begin` set, or None if it was undone already."""
        for values in (state.__dict__, *_other_threads()):
            above, entry = [], values.get("blocks")
            while entry is not None and entry[0] is not self:
                above.append(entry)
                entry = entry[2]
            if entry is None:
                continue
            _, value, blocks = entry
            for block, before, _ in reversed(above):
                if block.attribute == self.attribute:
                    before, value = value, block.inside(value)
                blocks = block, before, blocks
            ended = values[self.attribute]
            values["blocks"], values[self.attribute] = blocks, value
            return ended
        return None


def _other_threads() -> Generator[dict[str, Any], None, None]:
    with _counting:
        threads = list(_threads)
    for thread in threads:
        if thread.values is not state.__dict__:
            yield thread.values


class Decorator(Block):
    """A block that is also a decorator, which runs the function's body in the block."""

    __slots__ = ()

    def __enter__(self) -> None:
        self.begin(self.inside(getattr(state, self.attribute)))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        blocks = state.blocks
        if blocks is not None and blocks[0] is self:  # the common case
            values = state.__dict__
            values[self.attribute], values["blocks"] = blocks[1], blocks[2]
        else:
            self.end()

    def __call__(self, function: F) -> F:
        """The function with its body in this block; a generator leaves the block while it pauses.

        Raises: TypeError for a class, an asynchronous generator, or an object that can't be called.
        """
        if inspect.isasyncgenfunction(function) or isinstance(function, type):
            kind = "a class" if isinstance(function, type) else "an asynchronous generator"
            raise TypeError(
                f"{self!r} can't decorate {kind}, {function.__name__}; write "
                f"`with {self!r}:` around the operations"
            )
        if not callable(function):
            raise TypeError(f"{self!r} decorates functions, not {type(function).__name__}")
        run: Any

        if inspect.iscoroutinefunction(function):

            async def run(*args: Any, **keywords: Any) -> Any:
                return await _awaited(self, function(*args, **keywords))

        elif inspect.isgeneratorfunction(function):

            def run(*args: Any, **keywords: Any) -> Any:
                return (yield from _resumed(self, function(*args, **keywords)))

        else:

            def run(*args: Any, **keywords: Any) -> Any:
                with self:
                    return function(*args, **keywords)

        return cast(F, wraps(function)(run))


def _resumed(block: Decorator, body: Any) -> Generator[Any, Any, Any]:
    """Run a generator or coroutine, each of its steps in the block."""
    resume, sent = body.send, None
    while True:
        with block:
            try:
                result = resume(sent)
            except StopIteration as end:
                return end.value
        try:
            resume, sent = body.send, (yield result)
        except GeneratorExit:
            with block:
                body.close()
            raise
        except BaseException as error:
            resume, sent = body.throw, error


_awaited = types.coroutine(_resumed)


class Setting(Decorator):
    """Sets one attribute of the state to a value while a block is open."""

    __slots__ = ("_text", "_value", "attribute")

    def __init__(self, attribute: str, value: object, text: str) -> None:
        self.attribute, self._value, self._text = attribute, value, text

    def inside(self, before: Any) -> Any:
        return self._value

    def __repr__(self) -> str:
        return self._text
