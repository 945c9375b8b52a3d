"""How long a new process takes: to a first gradient, beside one that imports PyTorch.

Timed from outside, from the start of the process to its end. Two nets, since a larger one needs
more kernels, which take longer to compile: the one of the group `small`, and one of the size of
README's first example. With compiled kernels, the larger one stands for both.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from experiments.speed.rivals import OURS, TORCH, Rival
from experiments.speed.schedule import turns

Array = npt.NDArray[np.float64]
Start = Callable[[str, str, Mapping[str, str]], float]

_GRADIENT = """
import engine
import nn
import numpy as np

net = nn.MLP({sizes}, "tanh", rng=0)
x = np.random.default_rng(0).normal(size=({batch}, {sizes}[0]))
loss = nn.{loss}(net(x), {target})
loss.backward()
assert all(layer.W.grad is not None for layer in net.layers)
"""
GRADIENTS = {
    "2–16–16–1, batch 32": _GRADIENT.format(
        sizes=[2, 16, 16, 1], batch=32, loss="mse", target="np.zeros((32, 1))"
    ),
    "64–5×64–10, batch 100": _GRADIENT.format(
        sizes=[64, 64, 64, 64, 64, 64, 10],
        batch=100,
        loss="cross_entropy",
        target="np.arange(100) % 10",
    ),
}
WARM = "64–5×64–10, batch 100"
IMPORT_TORCH = "import torch"

_LONGEST = 600.0


@dataclass(frozen=True)
class Starts:
    """Seconds of each start: `warm`, `cold` (with an empty kernel cache) by net, and PyTorch's.

    `failures` says of each that is not there why, by "warm", "cold …" and "torch".
    """

    warm: Array | None = None
    cold: Mapping[str, Array] = field(default_factory=dict)
    torch: Array | None = None
    failures: Mapping[str, str] = field(default_factory=dict)


class StartError(Exception):
    """A process that did not do what it should, and why."""


def timed_start(python: str, program: str, environment: Mapping[str, str]) -> float:
    """Seconds that a process with this program takes.

    Raises: StartError if it fails.
    """
    before = time.perf_counter()
    with subprocess.Popen(
        [python, "-c", program],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            said = process.communicate(timeout=_LONGEST)[1]
            seconds = time.perf_counter() - before
        except subprocess.TimeoutExpired:
            raise StartError(f"it took longer than {_LONGEST:g} s") from None
        finally:
            process.kill()  # nothing happens to one that has ended
    if process.returncode != 0:
        raise StartError((said.strip() or f"exit code {process.returncode}").splitlines()[-1])
    return seconds


def measure_starts(
    rivals: Mapping[str, Rival],
    threads: int,
    rounds: int,
    cold_starts: int,
    rng: np.random.Generator,
    after_each: Callable[[str], object] = lambda name: None,
    start: Start = timed_start,
) -> Starts:
    """Start each in turns, and once before that to fill the caches; then ours with empty ones."""
    seconds: dict[str, list[float]] = {}
    failures: dict[str, str] = {}

    def once(name: str, rival: Rival, program: str, **extra: str) -> None:
        if name not in failures:
            environment = {**rival.environment(threads), **extra}
            try:
                seconds.setdefault(name, []).append(start(rival.python, program, environment))
            except (StartError, OSError) as error:
                failures[name] = str(error)
                del seconds[name]
        after_each(name)

    entrants = [("warm", rivals[OURS], GRADIENTS[WARM])]
    if TORCH in rivals:
        entrants.append((TORCH, rivals[TORCH], IMPORT_TORCH))
    for order in [list(range(len(entrants))), *turns(len(entrants), rounds, rng)]:
        for i in order:
            once(*entrants[i])
    for _ in range(cold_starts):
        for net, program in GRADIENTS.items():
            with tempfile.TemporaryDirectory(prefix="gradtrace-") as empty:
                once(f"cold {net}", rivals[OURS], program, NUMBA_CACHE_DIR=empty)
    cold = {net: np.array(seconds[f"cold {net}"]) for net in GRADIENTS if f"cold {net}" in seconds}
    warm, torch = (np.array(seconds[n][1:]) if n in seconds else None for n in ("warm", TORCH))
    return Starts(warm, cold, torch, failures)


def starts_expected(rivals: Mapping[str, Rival], rounds: int, cold_starts: int) -> int:
    """How many processes `measure_starts` starts."""
    return (rounds + 1) * (1 + (TORCH in rivals)) + cold_starts * len(GRADIENTS)
