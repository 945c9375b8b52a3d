"""The loop of a worker: told on stdin what to prepare and to time, it answers on stdout.

Started as `python serve.py WORK`, where WORK is a file with two functions: `prepare(request,
given)` returns the function to be timed and another that gives its result as arrays;
`about()` says what runs here. Requests and answers are JSON, each on a line:

    {"do": "about"}                                          {"about": {…}}
    {"do": "prepare", "slot": …, "request": {…}}             {"digest": […]}
    {"do": "time", "slot": …, "seconds": …, "least": …}      {"times": […]}
    {"do": "drop"}                                           {}

What fails is answered with {"error": "…"}. The end of stdin ends the process, so that none is
left when the parent is gone, however it went.
"""

from __future__ import annotations

import gc
import json
import math
import os
import runpy
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

Arrays = dict[str, Any]
Work = tuple[Callable[[], Any], Callable[[], list[Any]]]

# A call that takes less is timed together with others, so that reading the clock costs nothing.
_SHORTEST = 100e-6
# Above this, one call is enough of a block, and needs no other to warm it up.
_LONG = 0.5


class Slot:
    """One prepared piece of work."""

    def __init__(self, run: Callable[[], Any], seconds: float) -> None:
        self.run = run
        self.seconds = seconds  # of one call
        self.number = max(1, math.ceil(_SHORTEST / max(seconds, 1e-9)))

    def times(self, seconds: float, least: int) -> list[float]:
        """Seconds of a call, again and again: for so long, and at least so often."""
        run, number, clock = self.run, self.number, time.perf_counter
        found: list[float] = []
        if self.seconds < _LONG:
            run()
        collects = gc.isenabled()
        gc.disable()
        try:
            start = clock()
            while len(found) < least or clock() - start < seconds:
                before = clock()
                for _ in range(number):
                    run()
                found.append((clock() - before) / number)
                if found[-1] >= _LONG:
                    break
        finally:
            if collects:
                gc.enable()
        return found


def given_for(request: dict[str, Any]) -> Arrays:
    """The arrays that a piece of work gets: the same in every worker, from its seed."""
    rng = np.random.default_rng(request["seed"])
    dtype = np.dtype(request["dtype"])

    def normal(*shape: int, scale: float = 1.0) -> Any:
        return (rng.standard_normal(shape, dtype) * dtype.type(scale)).astype(dtype)

    kind = request["work"]
    if kind == "product":
        batch, fan_in, fan_out = request["batch"], request["fan_in"], request["fan_out"]
        return {
            "X": normal(batch, fan_in),
            "W": normal(fan_in, fan_out),
            "G": normal(batch, fan_out),
        }
    if kind == "elementwise":
        size = request["size"]
        # Of twice the usual width, so that functions with two branches go through both.
        return {"s": normal(size, scale=2.0), "g": normal(size)}
    if kind == "training":
        sizes, batch = request["sizes"], request["batch"]
        given: Arrays = {"x": normal(batch, sizes[0])}
        if request["loss"] == "mse":
            given["y"] = normal(batch, sizes[-1])
        else:
            given["y"] = rng.integers(0, sizes[-1], batch)
        for i, (n_in, n_out) in enumerate(pairwise(sizes)):
            # Xavier's variance: with it gradients are of one size in every layer.
            given[f"W{i}"] = normal(n_in, n_out, scale=math.sqrt(2 / (n_in + n_out)))
        return given
    if kind == "step":
        size = request["size"]
        return {"X": normal(size, size), "W": normal(size, size)}
    return {}


def digest(arrays: list[Any]) -> list[float]:
    """A few numbers that tell results apart: their size, 32 entries, and a sum with random signs.

    An entry that is wrong by as much as entries usually are shows in the sum, unless there are
    more than a hundred million.
    """
    if not arrays:
        return [0.0]
    flat = np.concatenate([np.asarray(a, dtype=np.float64).reshape(-1) for a in arrays])
    if not flat.size:
        return [0.0]
    chosen = flat[np.linspace(0, flat.size - 1, 32).astype(np.int64)]
    signs = np.random.default_rng(0).integers(0, 2, flat.size, dtype=np.int8)
    total = 2 * float((flat * signs).sum()) - float(flat.sum())
    rms = math.sqrt(float(np.mean(np.square(flat))))
    return [rms, total / math.sqrt(flat.size), *chosen.tolist()]


def settle(longest: float = 0.3) -> None:
    """Wait until this process' other threads sleep.

    Libraries let their threads spin for some milliseconds after the last piece of work, in which
    they would take a core from whoever is timed next.
    """
    end = time.perf_counter() + longest
    while time.perf_counter() < end:
        before = time.process_time()
        time.sleep(0.002)
        if time.process_time() - before < 0.0004:
            return


def prepared(prepare: Callable[..., Work], request: dict[str, Any]) -> tuple[Slot, list[float]]:
    """The work, its result checked once and its time roughly known."""
    run, result = prepare(request, given_for(request))
    found = digest(result())
    before = time.perf_counter()
    run()
    return Slot(run, time.perf_counter() - before), found


def answer(work: dict[str, Any], slots: dict[str, Slot], asked: dict[str, Any]) -> dict[str, Any]:
    """What is answered to one request."""
    match asked["do"]:
        case "about":
            return {"about": work["about"]()}
        case "prepare":
            slots.pop(asked["slot"], None)
            slots[asked["slot"]], found = prepared(work["prepare"], asked["request"])
            return {"digest": found}
        case "time":
            if asked["slot"] not in slots:
                return {"error": "its process had to be started anew in the middle of this case"}
            times = slots[asked["slot"]].times(asked["seconds"], asked["least"])
            if int(os.environ.get("OMP_NUM_THREADS", "1")) > 1:
                settle()
            return {"times": times}
        case "drop":
            slots.clear()
            gc.collect()
            return {}
    return {"error": f"nobody knows how to {asked['do']}"}


def main() -> None:
    # What libraries print goes to stderr; stdout is for answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    work = runpy.run_path(sys.argv[1])
    slots: dict[str, Slot] = {}
    for line in sys.stdin:
        try:
            said = answer(work, slots, json.loads(line))
        except ValueError as error:
            said = {"error": str(error)}
        except Exception as error:  # whatever a library raises is a case not measured
            said = {"error": f"{type(error).__name__}: {error}"}
        channel.write(json.dumps(said) + "\n")
        channel.flush()


if __name__ == "__main__":
    main()
