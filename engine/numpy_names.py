"""NumPy's functions on a Tensor: `np.exp(t)`, `np.sum(t, axis=0)`, `array * t`.

A tensor is being differentiated if it is a variable or was computed from a variable, and the call
is not inside `no_grad`. Constants, gradients and detached tensors are not being differentiated.

- An operation of the engine (`np.exp`, `np.sum`) returns a Tensor, which has a gradient.
- A function that returns indices, booleans or a shape (`np.isnan`, `np.argmax`) is called on the
  tensors' values.
- Other functions (`np.linalg.norm`), and out=, where= and similar keywords, are called on the
  values too, but refused if a tensor is being differentiated, because its gradient would be lost.

The values are `t.numpy()`, which is read-only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from engine import hints
from engine.core.context import state
from engine.core.registry import NUMPY

_PLAIN_UFUNCS = {
    *(np.isnan, np.isinf, np.isfinite, np.signbit, np.greater, np.greater_equal),
    *(np.less, np.less_equal, np.equal, np.not_equal),
    *(np.logical_not, np.logical_and, np.logical_or, np.logical_xor),
}
_PLAIN_FUNCTIONS = {
    *(np.shape, np.ndim, np.size, np.argmax, np.argmin, np.nanargmax, np.nanargmin),
    *(np.argsort, np.lexsort, np.argpartition, np.searchsorted, np.nonzero, np.flatnonzero),
    *(np.argwhere, np.array_equal, np.array_equiv, np.allclose, np.isclose),
    *(np.zeros_like, np.ones_like, np.empty_like, np.full_like),
    *(np.count_nonzero, np.any, np.all, np.isposinf, np.isneginf, np.iscomplexobj, np.isrealobj),
    *(np.result_type, np.can_cast, np.shares_memory, np.may_share_memory),
    *(np.array2string, np.array_repr, np.array_str),
}
_NEUTRAL = {"out": None, "dtype": None, "where": True}


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The result of `Tensor.__array_ufunc__`."""
    called = method == "__call__"
    rule = NUMPY.get(ufunc) if called else None
    options = _effective(keywords) if keywords else keywords
    if rule is not None and not options:
        return rule(*inputs)
    if (called and ufunc in _PLAIN_UFUNCS) or not _is_recorded((inputs, options)):
        return _on_values(ufunc, inputs, keywords, method)
    raise TypeError(_refusal(ufunc, "" if called else f".{method}", rule, options))


def call_function(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """The result of `Tensor.__array_function__`."""
    if function in _PLAIN_FUNCTIONS:
        return _on_values(function, args, keywords)
    adapter = NUMPY.get(function)
    options = _effective(keywords)
    if adapter is not None and _fits(adapter, args, options):
        result = adapter(*args, **options)
        if result is not NotImplemented:
            return result
    if not _is_recorded((args, options)):
        return _on_values(function, args, keywords)
    raise TypeError(_refusal(function, "", adapter, options))


def _effective(keywords: dict[str, Any]) -> dict[str, Any]:
    """The keywords without those that have no effect, such as out=None."""
    return {
        key: value
        for key, value in keywords.items()
        if value is not np._NoValue and not (key in _NEUTRAL and value is _NEUTRAL[key])
    }


def _fits(adapter: Callable[..., Any], args: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    try:
        bound = signature(adapter).bind(*args, **keywords)
    except TypeError:
        return False
    return bound.arguments.get("out") is None


def _is_recorded(x: Any) -> bool:
    """Whether a tensor in x, a tensor or a nested collection, is being differentiated."""
    if not state.recording:
        return False
    if isinstance(x, tuple | list):
        return any(map(_is_recorded, x))
    if isinstance(x, dict):
        return any(map(_is_recorded, x.values()))
    return getattr(x, "_node", None) is not None


def _plain(x: Any) -> Any:
    if isinstance(x, tuple | list):
        return type(x)(_plain(part) for part in x)
    if isinstance(x, dict):
        return {key: _plain(part) for key, part in x.items()}
    return x.numpy() if hasattr(x, "_array") else x


def _on_values(
    function: Any, args: tuple[Any, ...], keywords: dict[str, Any], method: str = "__call__"
) -> Any:
    """NumPy's result on the values, which are read-only."""
    try:
        return getattr(function, method)(*_plain(args), **_plain(keywords))
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        raise TypeError(
            f"{_full_name(function)} would write into a tensor, but a graph may still need the old "
            "values; change a tensor with t.update(lambda array: …) or t.assign(…)"
        ) from error


def _full_name(function: Any, method: str = "") -> str:
    """A name such as "np.linalg.norm", "scipy.special.expit", or "np.remainder (np.mod)"."""
    name: str = function.__name__
    if not isinstance(function, np.ufunc):
        return f"{function.__module__}.{name}".replace("numpy", "np", 1)
    for module, short in (("numpy", "np"), ("scipy.special", "scipy.special")):
        content = vars(sys.modules[module]) if module in sys.modules else {}
        names = [f"{short}.{key}{method}" for key, value in content.items() if value is function]
        if names:
            first = f"{short}.{name}{method}"
            others = [key for key in names if key != first]
            return first + (f" ({', '.join(others)})" if others else "")
    return name + method


def _refusal(function: Any, method: str, rule: Any, options: dict[str, Any]) -> str:
    name = f"{function.__name__}{method}"
    text = f"{_full_name(function, method)} of a tensor that is being differentiated"
    if rule is not None:
        names = " and ".join(f"{key}=" for key in options)
        text += f" takes no {names}" if names else " doesn't take these arguments"
        text += " (which `array += t` passes too)" if "out" in options else ""
        hint = hints.of_keywords(options) if options else hints.of_numpy(name)
    else:
        text += " has no derivative in the engine"
        hint = hints.of_numpy(name)
    return f"{text}; {hint}, or apply it to t.numpy() if you need no gradient"
