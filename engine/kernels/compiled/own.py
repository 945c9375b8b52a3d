"""The kernels of a user's function, from the source of its scalar functions f and f_slope.

The source is executed as a module that is named after the source's digest. Numba's cache finds the
functions by this name in later processes, and equal formulas share the module and machine code.
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
    """The kernel of f and f′, compiled at the first use.

    Args:
        source: the text of a module that defines f(s, …) and f_slope(s, …).
        value, slope: NumPy's formulas of f and f′.
        parameters: the number of parameters after s.
        check: called at once with the Python functions, and later with each compiled run, as
            described in `Elementwise`.

    Raises: what `check` raises.
    """
    module = _module(source)
    existing: Elementwise | None = module.__dict__.get("kernel")
    if existing is not None:
        return existing
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
        # Tracebacks and Numba read source lines from linecache.
        linecache.cache[file] = (len(source), None, source.splitlines(True), file)
        sys.modules[title] = module  # functions are pickled by module name, for the cache's key
        exec(compile(source, file, "exec"), module.__dict__)
    return sys.modules[title]
