"""The kernels of a user's function, from the source of its scalar functions f and f_slope.

The source is kept as a module whose name is made of the source's digest. Numba's cache knows the
functions by that name in the next process; equal formulas share the module and its machine code.
"""

from __future__ import annotations

import hashlib
import linecache
import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np

from engine.kernels.compiled.elementwise import Elementwise, Kernel
from engine.kernels.plain import Array, Formula

Check = Callable[[str, np.dtype[Any], Kernel], None]


def own_kernel(
    source: str, value: Formula, slope: Formula, parameters: int, check: Check
) -> Elementwise:
    """The kernel of f and f′, compiled when they are first used.

    Args:
        source: a module's text that defines f(s, …) and f_slope(s, …).
        value, slope: the same by NumPy.
        parameters: how many follow s.
        check: called with the Python functions at once and with each run that is compiled, see
            `Elementwise`.

    Raises: what `check` raises.
    """
    module = _module(source)
    known: Elementwise | None = module.__dict__.get("kernel")
    if known is not None:
        return known
    for what in ("f", "f_slope"):
        check(what, np.dtype(np.float64), partial(_uncompiled, getattr(module, what)))
    kernel = Elementwise(module.f, module.f_slope, value, slope, parameters=parameters, check=check)
    module.__dict__["kernel"] = kernel
    return kernel


def _uncompiled(function: Callable[..., float], s: Array, parameters: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.array([function(x, *parameters) for x in s], s.dtype)


def _module(source: str) -> ModuleType:
    digest = hashlib.sha256(source.encode()).hexdigest()[:24]
    title = f"gradtrace_activation_{digest}"
    if title not in sys.modules:
        file = f"<{title}>"
        module = ModuleType(title)
        module.__file__ = file
        # Tracebacks and Numba show lines from here.
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        sys.modules[title] = module  # pickled by this name, which makes the cache's key
        exec(compile(source, file, "exec"), module.__dict__)
    return sys.modules[title]
