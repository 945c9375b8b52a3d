"""`jit`: how every kernel of the project is compiled, cached and announced.

A kernel is compiled at its first call, once per machine and dtype. Later processes load the machine
code from Numba's cache on disk. This module solves four problems of that cache:

- two processes that compile at the same moment can overwrite each other's cache entry, and a kernel
  would then load the machine code of another kernel;
- Numba does not notice a change in a file whose functions a kernel calls, and runs the old code;
- a cache folder that can't be written, or is full, ends the caller's program;
- the user waits for seconds and is not told why.
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
except ImportError:  # Windows has no fcntl, so the cache is not locked
    fcntl = None

F = TypeVar("F", bound=Callable[..., Any])

INLINED = {"forceinline": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Options of `register_jitable` for a function that is inlined into the kernels that call it.

Without `forceinline`, LLVM does not vectorise a loop around the function. Wrappers for calls from
Python or C are left out; they take a fifth of the time to compile.
"""

_ours: WeakSet[Any] = WeakSet()


def jit(
    *, parallel: bool = False, contract: bool = False, any_order: bool = False, inner: bool = False
) -> Callable[[F], F]:
    """Compile a kernel with the project's settings, lazily, cached on disk.

    `contract` lets the compiler round a product and a sum once (FMA). `any_order` lets the compiler
    reorder sums, to add vectors; the bits of the result then depend on the processor. No other
    fast-math flag is set, because the others make `isnan` return False. Signatures are inferred,
    because explicit signatures refuse read-only arrays. Kernels run without the interpreter's lock.

    An `inner` kernel is called only from other kernels. It has no wrapper for calls from Python, so
    it compiles faster.
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
    """Compile `function`, Numba's CFunc of `kernel`, or load its machine code from the cache."""
    with contextlib.suppress(RuntimeError):  # Numba found no folder that it may write to
        function._cache = _SharedCache(kernel)
    compile_anew = function._compile_uncached

    def announced() -> Any:
        _say_compiling()
        return compile_anew()

    function._compile_uncached = announced
    function.compile()
    return function


class _SharedCache(FunctionCache):
    """Numba's cache of one kernel, safe to share between processes; its errors end no program."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (
            *super()._index_key(sig, codegen),
            _sources(Path(self._py_func.__code__.co_filename)),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError, pickle.UnpicklingError):
            return None  # compile again if the entry is unreadable

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            self._impl.locator.ensure_cache_path()
            with _locked(Path(self.cache_path) / "gradtrace.lock"):
                try:
                    super().save_overload(sig, data)
                except (EOFError, pickle.UnpicklingError):
                    self.flush()  # the index is unreadable: replace it
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
    """A digest of the Python files in the folder of a kernel's `file` and in this folder.

    A kernel in another folder may call functions of this folder, the tile for example.
    """
    try:
        return _digest(file.parent) + _digest(Path(__file__).parent)
    except OSError:  # in a zip or a frozen program, sources do not change
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
    """Tells the user once, on the error stream, that a kernel is being compiled."""

    def on_start(self, event: Any) -> None:
        if event.data["dispatcher"] in _ours:
            _say_compiling()

    def on_end(self, event: Any) -> None:
        pass


def _say_compiling() -> None:
    say_once("compiling kernels not used before on this machine (each once, then cached)")


event.register("numba:compile", _Announce())
