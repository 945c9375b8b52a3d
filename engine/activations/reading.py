"""Read a user's function as a formula: its title, its parameters, and the line of an error."""

from __future__ import annotations

import functools
import inspect
import linecache
import traceback
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any

import numpy as np

from engine.activations.expression import Expression, S, SymbolicError, expression, name
from engine.activations.record import BUILT_IN, Activation
from engine.arrays import is_finite
from engine.errors import ActivationError

Function = Callable[..., Any]

_LONGEST_LINE = 80  # characters of a line of the user's file that a message quotes


def title_of(function: Function, title: str | None) -> str:
    """`title`, or the function's name if `title` is None.

    Raises: ActivationError for the name of a built-in activation, or a title that is no line of
        UTF-8 text; TypeError for an object that can't be called.
    """
    if isinstance(function, Activation) or not callable(function):
        raise TypeError(f"@activation takes a function of s, not {function!r}")
    if title is None:
        inner = _unwrapped(function)
        title = getattr(inner, "__name__", type(inner).__name__)
    if not isinstance(title, str):
        raise TypeError(f"a title is a str, not {title!r}")
    with located(function, "@activation"):
        odd = [c for c in title if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
        if not title.strip() or odd:
            what = f"contains {odd[0]!r}" if odd else "is empty"
            raise ActivationError(f"the title {title!r} {what}; it must be a line of text")
        if title.endswith("′"):
            raise ActivationError(f"the title {title!r} ends with ′, which marks derivatives")
        if title in BUILT_IN:
            raise ActivationError(f"{title} is a built-in activation; give yours another name")
    return title


def parameters_of(function: Function, title: str) -> dict[str, float]:
    """The parameters after s, with their defaults.

    Raises: ActivationError for a default that is no finite number.
    """
    with located(function, title):
        arguments = _arguments(function)
        if not arguments or "POSITIONAL" not in arguments[0].kind.name:
            raise ActivationError("the first argument must be s: def f(s): …")
        for argument in arguments[1:]:
            value = argument.default
            number = isinstance(value, int | float | np.integer | np.floating)
            if not number or isinstance(value, bool):
                raise ActivationError(
                    f"the parameter {argument.name} needs a number as default: "
                    f"def f(s, {argument.name}=0.1): …"
                )
            if not is_finite(value):
                raise ActivationError(f"{argument.name}={value} must be a finite number")
        return {argument.name: float(argument.default) for argument in arguments[1:]}


def read(function: Function, title: str, parameters: dict[str, float]) -> Expression:
    """The function as a formula.

    Raises: ActivationError with the line of the function that can't be a formula.
    """
    places = [a.name for a in _arguments(function)[1:] if a.kind is a.POSITIONAL_ONLY]
    with located(function, title):
        result = function(
            S,
            *(name(key) for key in places),
            **{key: name(key) for key in parameters if key not in places},
        )
        if result is None:
            raise SymbolicError("the function returns None; write `return`")
        if inspect.iscoroutine(result):
            result.close()  # else Python warns about a coroutine that was never awaited
        if isinstance(result, Expression):
            return result
        with located(function, title, "the function returns no formula of s: "):
            return expression(result)


@contextmanager
def located(function: Function, title: str, before: str = "") -> Iterator[None]:
    """Turn any exception in the block into an ActivationError that names the function's line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        if isinstance(error, ActivationError) and str(error).startswith(f"{title}, line "):
            raise
        raise ActivationError(_explained(error, function, title, before)) from None


def _explained(error: BaseException, function: Function, title: str, before: str) -> str:
    what = before + _in_words(error)
    code = _code(function)
    if code is None:
        return f"{title}: {what}"
    file = code.co_filename
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == file]
    number = lines[-1].lineno if lines else code.co_firstlineno
    text = linecache.getline(file, number or 0).strip()
    text = text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + "…"
    return f"{title}, line {number} of {Path(file).name}{f', `{text}`' if text else ''}: {what}"


def _in_words(error: BaseException) -> str:
    kind = type(error).__name__
    try:
        text = " ".join(str(error).split())
    except Exception:  # str(error) may raise
        return kind
    return text if isinstance(error, SymbolicError | ActivationError) else f"{kind}: {text}"


def file_of(function: Function) -> str:
    code = _code(function)
    return Path(code.co_filename).name if code else "another library"


def _unwrapped(function: Function) -> Any:
    inner: Any = inspect.unwrap(function)
    while isinstance(inner, functools.partial):
        inner = inspect.unwrap(inner.func)
    return inner


def _code(function: Function) -> CodeType | None:
    inner = _unwrapped(function)
    if not hasattr(inner, "__code__") and not inspect.isbuiltin(inner):
        inner = inspect.unwrap(type(inner).__call__)
    code = getattr(inner, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _arguments(function: Function) -> list[inspect.Parameter]:
    """The first argument and all named arguments, without *args and **kwargs."""
    arguments = list(inspect.signature(function).parameters.values())
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [a for i, a in enumerate(arguments) if i == 0 or a.kind not in variadic]
