"""NumPy's own functions on a Tensor: `np.exp(t)`, `np.sum(t, axis=0)`, `array * t`.

They reach the engine's rules, or, where the answer has no gradient (`np.isnan`, `np.shape`),
work on the values. Any other is refused, because NumPy's answer would lose the gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

_PLAIN_UFUNCS = {
    *(np.isnan, np.isinf, np.isfinite, np.signbit, np.greater, np.greater_equal),
    *(np.less, np.less_equal, np.equal, np.not_equal),
}
_PLAIN_FUNCTIONS = {
    *(np.shape, np.ndim, np.size, np.argmax, np.argmin, np.argsort, np.array_equal),
    *(np.allclose, np.isclose, np.zeros_like, np.ones_like, np.empty_like, np.full_like),
    *(np.count_nonzero, np.any, np.all, np.array2string, np.array_repr, np.array_str),
}


@cache
def _ufuncs() -> dict[Any, Callable[..., Any]]:
    from engine import activations  # this module is read before the rules are
    from engine.rules import elementwise, linear

    return {
        np.add: elementwise.add,
        np.subtract: elementwise.subtract,
        np.multiply: elementwise.multiply,
        np.divide: elementwise.divide,
        np.power: elementwise.power,
        np.float_power: elementwise.power,
        np.negative: elementwise.negative,
        np.exp: elementwise.exp,
        np.log: elementwise.log,
        np.sqrt: elementwise.sqrt,
        np.absolute: elementwise.abs,
        np.fabs: elementwise.abs,
        np.sign: elementwise.sign,
        np.square: lambda a: elementwise.multiply(a, a),
        np.maximum: elementwise.maximum,
        np.minimum: elementwise.minimum,
        np.tanh: activations.tanh,
        np.matmul: linear.matmul,
    }


@cache
def _functions() -> dict[Any, Callable[..., Any]]:
    from engine.rules import elementwise, layout, reductions

    return {
        np.sum: reductions.sum,
        np.mean: reductions.mean,
        np.max: reductions.max,
        np.amax: reductions.max,
        np.min: reductions.min,
        np.amin: reductions.min,
        np.where: elementwise.where,
        np.clip: lambda a, a_min=None, a_max=None: elementwise.clip(a, a_min, a_max),
        np.reshape: layout.reshape,
        np.transpose: lambda a, axes=None: layout.transpose(a, axes),
        np.broadcast_to: layout.broadcast_to,
        np.concatenate: layout.concatenate,
        np.stack: layout.stack,
        np.dot: _dot,
    }


def _dot(a: Any, b: Any) -> Any:
    """NumPy's dot, which is matmul only up to two axes."""
    from engine.rules import elementwise, linear

    if np.ndim(_plain(a)) > 2 or np.ndim(_plain(b)) > 2:
        raise TypeError("np.dot of more than two axes sums over other axes than matmul does; use @")
    if np.ndim(_plain(a)) == 0 or np.ndim(_plain(b)) == 0:
        return elementwise.multiply(a, b)
    return linear.matmul(a, b)


def call_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What `Tensor.__array_ufunc__` answers."""
    if method == "__call__" and ufunc in _PLAIN_UFUNCS:
        return ufunc(*[_plain(x) for x in inputs], **keywords)
    rule = _ufuncs().get(ufunc)
    if method != "__call__" or rule is None or keywords:
        call = ufunc.__name__ + ("" if method == "__call__" else f".{method}")
        raise TypeError(_refusal(call, rule is not None, keywords))
    return rule(*inputs)


def call_function(function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """What `Tensor.__array_function__` answers."""
    if function in _PLAIN_FUNCTIONS:
        return function(*_plain(args), **_plain(keywords))
    rule = _functions().get(function)
    if rule is None:
        raise TypeError(_refusal(function.__name__, False, {}))
    try:
        return rule(*args, **keywords)
    except TypeError as error:
        if "unexpected keyword" in str(error) or "positional argument" in str(error):
            raise TypeError(_refusal(function.__name__, True, keywords)) from None
        raise


def _plain(x: Any) -> Any:
    if isinstance(x, tuple | list):
        return type(x)(_plain(part) for part in x)
    if isinstance(x, dict):
        return {key: _plain(part) for key, part in x.items()}
    return getattr(x, "_array", x)


def _refusal(name: str, known: bool, keywords: dict[str, Any]) -> str:
    if known:
        options = ", ".join(f"{key}=…" for key in keywords) or "these arguments"
        return f"np.{name} on a Tensor takes no {options}; call engine's function of that name"
    return (
        f"np.{name} has no derivative in the engine; write it with the engine's operations, or "
        "apply it to t.numpy() where no gradient is wanted"
    )
