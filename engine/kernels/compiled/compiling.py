"""`jit`: how every kernel of the project is compiled, cached and announced.

Kernels are compiled when first called, once per machine and dtype, and then come from
Numba's cache on disk. Numba alone leaves four holes, which this module closes:

- two processes that compile at the same moment can write each other's cache entry under
  the same name, after which a kernel would load another one's machine code;
- a change in a file whose functions a kernel calls goes unnoticed, and the old code runs;
- a cache folder that can't be written, or is full, ends the caller's program;
- a user waits for seconds without knowing what for.
"""

from __future__ import annotations

import contextlib
import hashlib
import pickle
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import numba
from numba.core import event
from numba.core.caching import FunctionCache

from engine.kernels.environment import say_once

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows has no fcntl; there Numba alone guards the cache
    fcntl = None

F = TypeVar("F", bound=Callable[..., Any])

INLINED = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Options of `register_jitable` for a function that becomes a part of the kernels that call it.

Without `forceinline` a loop around such a function would not be turned into vector instructions.
The functions that Python or C would call are left out: they cost a fifth of the time to compile.
"""

_ours: WeakSet[Any] = WeakSet()


def jit(
    *, parallel: bool = False, contract: bool = False, any_order: bool = False, inner: bool = False
) -> Callable[[F], F]:
    """Compile a kernel with the project's settings, lazily, cached on disk.

    `contract` lets the compiler join a product and a sum into one rounding (FMA). `any_order` lets
    it add in an order of its own, with vectors: the bits are then this processor's. No other
    fast-math flag is ever set: they make `isnan` answer no. Signatures are left to Numba
    because explicit ones refuse read-only arrays. The interpreter's lock is released.

    An `inner` kernel is called from other kernels only: without the function that Python would
    call, a kernel compiles faster.
    """
    flags = {flag for flag, on in (("contract", contract), ("reassoc", any_order)) if on}

    def compile_lazily(kernel: F) -> F:
        options: dict[str, Any] = {  # Numba's type stubs lack the names of wrappers
            "parallel": parallel,
            "nogil": True,
            "error_model": "numpy",
            "no_cfunc_wrapper": True,
            "no_cpython_wrapper": inner,
            "fastmath": flags or False,
        }
        dispatcher: Any = numba.njit(**options)(kernel)
        _ours.add(dispatcher)
        try:
            dispatcher._cache = _SharedCache(kernel)
        except RuntimeError:  # Numba found no folder that it may write to
            say_once(
                "no folder can be written for compiled kernels, so every process will "
                "compile them anew; set NUMBA_CACHE_DIR to a folder of yours"
            )
        result: F = dispatcher
        return result

    return compile_lazily


def cached(function: Any, kernel: Callable[..., Any]) -> Any:
    """Compile what Numba calls a CFunc, made of `kernel`, unless the cache has it."""
    with contextlib.suppress(RuntimeError):  # no folder that may be written to, as above
        function._cache = _SharedCache(kernel)
    compile_anew = function._compile_uncached

    def announced() -> Any:
        _say_compiling()
        return compile_anew()

    function._compile_uncached = announced
    function.compile()
    return function


class _SharedCache(FunctionCache):
    """Numba's cache of one kernel, shared by processes and never fatal."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (
            *super()._index_key(sig, codegen),
            _sources(Path(self._py_func.__code__.co_filename)),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError, pickle.UnpicklingError):
            return None  # an unreadable entry is one that isn't there

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            self._impl.locator.ensure_cache_path()
            with _locked(Path(self.cache_path) / "gradtrace.lock"):
                try:
                    super().save_overload(sig, data)
                except (EOFError, pickle.UnpicklingError):
                    self.flush()  # an unreadable index: begin a new one
                    super().save_overload(sig, data)
        except OSError as error:
            say_once(
                f"compiled kernels can't be stored in {self.cache_path} ({error.strerror}), so "
                "the next process will compile them anew; set NUMBA_CACHE_DIR to a folder of yours"
            )


@cache
def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _sources(file: Path) -> str:
    """A digest of the Python files of this folder and of that of a kernel.

    A kernel elsewhere may contain functions of this folder, the tile for example.
    """
    try:
        return _digest(file.parent) + _digest(Path(__file__).parent)
    except OSError:  # from a zip or a frozen program there is nothing to edit
        return ""


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes while the block runs."""
    if fcntl is None:
        yield
        return
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # closing the file releases it
        yield


class _Announce(event.Listener):
    """Say once, on the error stream, that the first call is compiling."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"] in _ours:
            _say_compiling()

    def on_end(self, event: Any) -> None:
        pass


def _say_compiling() -> None:
    say_once("compiling kernels not used before on this machine (each once, then cached)")


event.register("numba:compile", _Announce())
