"""`with` blocks that set what holds for a thread: the machinery below `engine.core.context`.

Everything here belongs to one thread: two threads that train two nets do not see each other's
settings. The tasks of asyncio share those of their thread: in a coroutine, don't `await` inside
`no_grad()`, `place`, `detect_nonfinite` or `trace`, because the other tasks would run in that
block too. (Settings of each task would make every operation slower.)

A block that ends takes back what that block itself has set, whichever blocks have begun or ended
since. So generators that pause inside blocks may go on in any order and be closed in any thread.
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
        self.thread = thread  # lives as long as the thread does

    recording: bool = True  # do operations on tensors leave nodes?
    place: str = ""  # where the program is, for example "layer 3"
    watching: bool = False  # is detect_nonfinite open?
    trace: Any = None  # of the open trace
    sweeping: bool = False  # is a backward pass under way?
    nesting: int = 0  # how many of grad, vjp, jacobian, hvp are running
    # The open blocks: (the newest, the value before it of what it sets, the blocks before it).
    blocks: tuple[Block, Any, Any] | None = None


class _Thread:
    """The attributes of one thread's state, for blocks that another thread ends."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.values = values


_counting = threading.Lock()
_threads: WeakSet[_Thread] = WeakSet()
state = _State()


class Block:
    """Something that sets an attribute of the state for the time of a block.

    One object may be entered again and again, by any thread.
    """

    __slots__ = ()
    attribute: str

    def inside(self, before: Any) -> Any:
        """The attribute's value in the block."""
        raise NotImplementedError

    def begin(self, value: Any) -> None:
        """Set the attribute. No call comes between the two changes, so that no Ctrl-C can."""
        before, values = getattr(state, self.attribute), state.__dict__
        state.blocks = self, before, state.blocks
        values[self.attribute] = value

    def end(self) -> Any:
        """Take back what `begin` has set; returns it, or None if it is set no longer."""
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
    """A block that can be a decorator, too: the function's body then runs in the block."""

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
        if blocks is not None and blocks[0] is self:  # nearly always
            values = state.__dict__
            values[self.attribute], values["blocks"] = blocks[1], blocks[2]
        else:
            self.end()

    def __call__(self, function: F) -> F:
        """The function with its body in this block; while a generator pauses, it is left.

        Raises: TypeError for a class, an asynchronous generator, and what can't be called.
        """
        if inspect.isasyncgenfunction(function) or isinstance(function, type):
            kind = "a class" if isinstance(function, type) else "an asynchronous generator"
            raise TypeError(
                f"{self!r} can't decorate {kind}, {function.__name__}; write "
                f"`with {self!r}:` around the operations in question"
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
    """A generator or coroutine, each of whose steps runs in the block."""
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
    """Set one attribute of the state to a value for the time of a block."""

    __slots__ = ("_text", "_value", "attribute")

    def __init__(self, attribute: str, value: object, text: str) -> None:
        self.attribute, self._value, self._text = attribute, value, text

    def inside(self, before: Any) -> Any:
        return self._value

    def __repr__(self) -> str:
        return self._text
