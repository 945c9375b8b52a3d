"""`Elementwise`: the loops that run an activation's scalar functions over arrays.

A template turns scalar functions (of `compiled.scalars`, or a user's) into runs (`compiled.runs`)
of f(s), f′(s), and the backward step g ⊙ f′(s).

The loops close over plain functions (`register_jitable`), because the name of a plain function is
part of the cache's key. A loop that closes over a jitted function would be compiled again in every
process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numba.np.unsafe import ndarray

from engine.kernels.compiled.buffers import empty
from engine.kernels.compiled.products import nothing
from engine.kernels.compiled.runs import (
    WORTH_THREADS,
    call_once,
    carray,
    compile_run,
    over,
    over_parallel,
)
from engine.kernels.compiled.threads import run
from engine.kernels.plain import Array

to_fixed_tuple: Any = ndarray.to_fixed_tuple

Kernel = Callable[[Array, Array], Array]


def _kernel(kind: str, f: Callable[..., float], count: int) -> Callable[..., None]:
    """The loop c = f(a) ("of one") or c = a·f(b), where f takes an entry and `count` parameters."""
    if kind == "of one":

        def kernel(a: Any, b: Any, c: Any, n: int, parameters: Any) -> None:
            x, y = carray(a, (n,)), carray(c, (n,))
            p = to_fixed_tuple(carray(parameters, (count,)), count)
            for i in range(n):
                y[i] = f(x[i], *p)
    else:

        def kernel(a: Any, b: Any, c: Any, n: int, parameters: Any) -> None:
            g, x, y = carray(a, (n,)), carray(b, (n,)), carray(c, (n,))
            p = to_fixed_tuple(carray(parameters, (count,)), count)
            for i in range(n):
                y[i] = g[i] * f(x[i], *p)

    # Numba names the file in its cache after the kernel.
    kernel.__qualname__ = f"{'values' if kind == 'of one' else 'scaled'}_{f.__name__}"
    return kernel


_KINDS = {
    "value": ("of one", "f"),
    "slope": ("of one", "f_slope"),
    "scaled": ("times g", "f_slope"),
    "scaled by value": ("times g", "slope_of_value"),
}


@dataclass(frozen=True, eq=False)
class Elementwise:
    """The kernels of one activation; results have the shape and dtype of s.

    `value(s)` is f(s), `slope(s)` is f′(s), and `scaled_slope(g, s)` is g ⊙ f′(s); each method
    takes the activation's parameters after the arrays. `slope_of_value` is f′ as a function of
    y = f(s), valid if `of_value_if(*parameters)`; then `scaled_slope_of_value(g, y)` is g ⊙ f′.
    `reference_value` and `reference_slope` are NumPy's formulas of f and f′. `check("f" or
    "f_slope", dtype, kernel)` is called for each compiled run, with `kernel(s, parameters)` on
    arrays of one axis; `check` raises if the values are wrong.
    """

    compiled: ClassVar[bool] = True

    f: Callable[..., float]
    f_slope: Callable[..., float]
    reference_value: Callable[..., Array]
    reference_slope: Callable[..., Array]
    slope_of_value: Callable[..., float] | None = None
    parameters: int = 0
    of_value_if: Callable[..., bool] = lambda *parameters: True
    check: Callable[[str, np.dtype[Any], Kernel], None] | None = None
    _addresses: dict[tuple[str, str], int] = field(default_factory=dict)

    def value(self, s: Array, *parameters: float) -> Array:
        return self._over("value", s, s, parameters)

    def slope(self, s: Array, *parameters: float) -> Array:
        return self._over("slope", s, s, parameters)

    def scaled_slope(self, g: Array, s: Array, *parameters: float) -> Array:
        return self._over("scaled", g, s, parameters)

    def scaled_slope_of_value(self, g: Array, y: Array, *parameters: float) -> Array:
        return self._over("scaled by value", g, y, parameters)

    def run(self, what: str, dtype: np.dtype[Any]) -> int:
        """The address of the run `what` (a key of `_KINDS`), compiled at the first request."""
        key = (what, dtype.char)
        address = self._addresses.get(key)
        if address is None:
            kind, name = _KINDS[what]
            address = compile_run(_kernel(kind, getattr(self, name), self.parameters), dtype)
            if self.check is not None:
                g = (lambda s: s) if kind == "of one" else np.ones_like
                self.check(name, dtype, lambda s, p: call_once(address, g(s), s, p))
            self._addresses[key] = address
        return address

    def _over(self, what: str, a: Array, b: Array, parameters: tuple[float, ...]) -> Array:
        if a is not b and (a.shape != b.shape or a.dtype != b.dtype):  # the runs check nothing
            raise ValueError(
                f"arrays of shape {a.shape}, {a.dtype} and {b.shape}, {b.dtype}; "
                "both must have the same shape and dtype"
            )
        if len(parameters) != self.parameters:
            raise ValueError(
                f"got {len(parameters)} parameters for an activation of {self.parameters}"
            )
        out = empty(a.shape, a.dtype)
        flat_a = _flat(a)
        flat_b = flat_a if b is a else _flat(b)
        flat = _flat(out)
        p = np.array(parameters, a.dtype) if parameters else nothing(a.dtype)[0]
        if flat.size < WORTH_THREADS:
            over(self.run(what, a.dtype), flat_a, flat_b, flat, p)
        else:
            run(over_parallel, over, self.run(what, a.dtype), flat_a, flat_b, flat, p)
        return out


def _flat(x: Array) -> Array:
    if x.ndim == 1 and x.flags.c_contiguous:
        return x
    return np.ascontiguousarray(x).reshape(-1)
