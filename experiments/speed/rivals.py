"""Who takes part: gradtrace, NumPy as installed, NumPy on OpenBLAS' best kernels, and PyTorch.

Each is a process of its own for every number of threads. That number is in the environment from
the start, under all the names that libraries read, because most read it once.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import engine
from experiments.lab.question import SettingsError
from experiments.speed.machine import Machine

OURS, NUMPY, OPENBLAS, TORCH = "ours", "numpy", "openblas", "torch"
FUSED, STATS, ARRAYS = "ours fused", "ours stats", "ours arrays"
# What our own process does in another way, and the name of that way there.
VARIANTS = {FUSED: "fused", STATS: "stats", ARRAYS: "arrays"}
TITLES = {
    OURS: "gradtrace",
    FUSED: "gradtrace, fused SGD",
    STATS: "gradtrace, trace of statistics",
    ARRAYS: "gradtrace, trace of arrays",
    NUMPY: "NumPy",
    OPENBLAS: "OpenBLAS AVX-512",
    TORCH: "PyTorch",
}
# OpenBLAS' name for its AVX-512 kernels.
BEST_CORE = "SkylakeX"

_WORKERS = Path(__file__).parent / "workers"
_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMBA_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)
# What would make a rival another than the one installed.
_FOREIGN = ("OPENBLAS_CORETYPE", "MKL_DEBUG_CPU_TYPE", "MKL_CBWR", "ATEN_CPU_CAPABILITY")
_WORKING_ALIKE = {
    # OpenBLAS' threads would spin for a tenth of a second after each product, and every block
    # would have to wait for that. 2²⁴ ticks are some 8 ms, longer than any pause in a block.
    "OPENBLAS_THREAD_TIMEOUT": "24",
    # Memory that a result has taken is kept for the next one. Otherwise glibc gives arrays of a
    # few megabytes back to the system or not, depending on what happened before, and fresh pages
    # cost up to ten times what the kernel does. (Elsewhere than with glibc, they mean nothing.)
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
_LONGEST_IMPORT = 300.0  # seconds


@dataclass(frozen=True)
class Rival:
    """A process to be started: which interpreter runs which work, with what in its environment."""

    name: str
    python: str
    work: str
    extra: Mapping[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        return [self.python, str(_WORKERS / "serve.py"), str(_WORKERS / self.work)]

    def environment(self, threads: int) -> dict[str, str]:
        """The parent's environment, with this many threads under every name."""
        kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
        return {**kept, **dict.fromkeys(_THREADS, str(threads)), **self.extra}

    def working(self, threads: int) -> dict[str, str]:
        """The environment of a worker: see `_WORKING_ALIKE`."""
        return {**self.environment(threads), **_WORKING_ALIKE}


def find_rivals(torch_python: Path | None, machine: Machine) -> tuple[list[Rival], dict[str, str]]:
    """The rivals that this machine has, and why the others are not there.

    Raises: SettingsError if `torch_python` is named and has no PyTorch.
    """
    ours = os.pathsep.join(
        [str(Path(engine.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    found = [
        Rival(OURS, sys.executable, "our_work.py", {"PYTHONPATH": ours}),
        Rival(NUMPY, sys.executable, "numpy_work.py"),
    ]
    missing: dict[str, str] = {}
    if machine.has_avx512:
        best = {"OPENBLAS_CORETYPE": BEST_CORE}
        found.append(Rival(OPENBLAS, sys.executable, "numpy_work.py", best))
    else:
        missing[OPENBLAS] = "this processor has no AVX-512"
    if torch_python is not None:
        _check_torch(torch_python)
        # The caller's packages are not for another interpreter.
        found.append(Rival(TORCH, str(torch_python), "torch_work.py", {"PYTHONPATH": ""}))
    elif importlib.util.find_spec("torch") is not None:
        found.append(Rival(TORCH, sys.executable, "torch_work.py"))
    else:
        missing[TORCH] = (
            "PyTorch isn't installed here; --torch-python names an interpreter that has it"
        )
    return found, missing


def _check_torch(python: Path) -> None:
    try:
        tried = subprocess.run(
            [str(python), "-c", "import numpy, torch"],
            env={**os.environ, "PYTHONPATH": ""},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_LONGEST_IMPORT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or "no answer"
        raise SettingsError(f"--torch-python: {python} can't be run ({why})") from None
    if tried.returncode != 0:
        said = (tried.stderr.strip() or "it says nothing").splitlines()[-1]
        raise SettingsError(f"--torch-python: {python} can't import numpy and torch: {said}")
