"""A Dask cluster as an executor of `concurrent.futures`: what `--scheduler` asks for.

    dask scheduler                                     # on one machine
    dask worker tcp://HOST:8786 --nthreads 1           # on each of the others
    gradtrace run … --scheduler tcp://HOST:8786

Each worker needs gradtrace, and the versions of Python, NumPy and Numba that are here: others may
give other bits. So may another kind of processor.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

import numpy as np

from engine.kernels import COMPILER
from experiments.lab.question import SettingsError
from experiments.lab.results import versions
from experiments.lab.sources import code_digest

_SECONDS = 10.0


@contextmanager
def cluster(address: str) -> Iterator[Executor]:
    """The workers of the scheduler at "tcp://HOST:PORT", for the block.

    Raises: SettingsError if Dask is not installed, no scheduler answers, it has no workers, or
        their versions differ from those here.
    """
    try:
        from distributed import Client
    except ImportError:
        raise SettingsError(
            '--scheduler needs Dask, which is not installed: pip install "gradtrace[cluster]"'
        ) from None
    try:
        client = Client(address, timeout=_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SettingsError(
            f"--scheduler {address}: no Dask scheduler answers there ({reason}); start one with "
            "`dask scheduler` and name the address that it prints"
        ) from None
    with client:
        _check(client, address)
        # pure: two items that are equal are still two runs, and nothing is taken from a cache.
        executor = client.get_executor(pure=False)
        try:
            yield executor
        finally:
            executor.shutdown(wait=False)


def software() -> dict[str, str]:
    """What the bits of a result depend on, beside the processor."""
    return {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": np.__version__,
        "numba": COMPILER,
        "gradtrace": versions()["gradtrace"],
        "code": code_digest(),
    }


def _check(client: Any, address: str) -> None:
    found: dict[str, dict[str, str] | BaseException] = client.run(software, on_error="return")
    if not found:
        raise SettingsError(
            f"--scheduler {address} has no workers; start some with "
            f"`dask worker {address} --nthreads 1`"
        )
    here = software()
    for worker, theirs in found.items():
        if isinstance(theirs, BaseException):
            raise SettingsError(
                f"--scheduler {address}: gradtrace does not run on the worker {worker} ({theirs}); "
                "install it there, in the environment of `dask worker`"
            )
        other = [f"{name} {theirs[name]}" for name in here if theirs[name] != here[name]]
        if other:
            own = ", ".join(f"{name} {version}" for name, version in here.items())
            raise SettingsError(
                f"--scheduler {address}: the worker {worker} has {', '.join(other)}; here it is "
                f"{own}, and results may differ; install the same versions there"
            )
