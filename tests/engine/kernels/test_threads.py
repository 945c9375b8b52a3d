"""Parallel kernels: the same bits for any number of threads, from any thread, in any child.

Each test runs a program of its own, because the number of threads that Numba may use and its
threading layer are fixed when it starts, and because the mistakes looked for here abort or hang
the whole process.
"""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from engine.kernels import threads as threads_module

START = """
import hashlib, numba, numpy as np
from engine.kernels import matmul
def operands(dtype=np.float32):
    rng = np.random.default_rng(0)
    return rng.normal(size=(131, 257)).astype(dtype), rng.normal(size=(257, 139)).astype(dtype)
def bits(dtype=np.float32):
    return hashlib.sha256(matmul(*operands(dtype)).tobytes()).hexdigest()
"""
LAYERS = ["default", "workqueue"]


def run(program, layer="default", n_threads=4):
    env = {**os.environ, "NUMBA_NUM_THREADS": str(n_threads), "NUMBA_THREADING_LAYER": layer}
    done = subprocess.run(
        [sys.executable, "-c", START + program],
        env=env,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bits_do_not_depend_on_the_number_of_threads():
    out = run(
        "for dtype in (np.float32, np.float64):\n"
        "    for n in (1, 2, 3, 4):\n"
        "        numba.set_num_threads(n); print(bits(dtype))\n"
    )
    assert len(out) == 8
    assert len(set(out[:4])) == 1
    assert len(set(out[4:])) == 1


@pytest.mark.parametrize("layer", LAYERS)
def test_two_python_threads_may_multiply_at_once(layer):
    out = run(
        "import threading\n"
        "alone, got, start = bits(), [], threading.Barrier(2)\n"
        "def work():\n"
        "    start.wait()\n"
        "    for _ in range(100): got.append(bits())\n"
        "threads = [threading.Thread(target=work) for _ in range(2)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "print(len(got), set(got) == {alone})",
        layer,
    )
    assert out == ["200", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("layer", LAYERS)
def test_a_forked_child_multiplies_too(layer):
    out = run(
        "import os\n"
        "before = bits()\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if bits() == before else 9)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), bits() == before)",
        layer,
    )
    assert out == ["0", "True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_forked_while_the_kernel_is_running_does_not_wait_for_it():
    out = run(
        "import os\n"
        "from engine.kernels import threads\n"
        "before = bits()\n"
        "threads._gate.acquire()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if bits() == before and not threads._gate.locked() else 9)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert out == ["0"]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_multiprocessing(method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    out = run(
        "import multiprocessing, operator\n"
        "before = bits()\n"
        "a, b = operands()\n"
        "if __name__ == '__main__':\n"
        f"    with multiprocessing.get_context('{method}').Pool(1) as pool:\n"
        "        c = pool.apply(matmul, (a, b))\n"
        "        print(hashlib.sha256(c.tobytes()).hexdigest() == before)"
    )
    assert out == ["True"]


def recorder():
    seen = []

    def parallel(*args):
        seen.append(("parallel", args))

    def serial(*args):
        seen.append(("serial", args))

    return seen, parallel, serial


def test_run_goes_parallel_only_when_it_is_alone(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 3)
    seen, parallel, serial = recorder()
    threads_module.run(parallel, serial, 1, 2)
    assert seen.pop() == ("parallel", (1, 2, 3))
    with threads_module._gate:
        threads_module.run(parallel, serial, 1, 2)
    assert seen.pop() == ("serial", (1, 2))
    threads_module.run(parallel, serial)
    assert seen.pop()[0] == "parallel"
    monkeypatch.setattr(numba, "get_num_threads", lambda: 1)
    threads_module.run(parallel, serial)
    assert seen.pop()[0] == "serial"
    monkeypatch.setattr(numba, "get_num_threads", lambda: 3)
    monkeypatch.setattr(threads_module, "_forked", True)
    threads_module.run(parallel, serial)
    assert seen.pop()[0] == "serial"


def test_run_opens_the_gate_again_after_a_failure(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)

    def fails(*args):
        raise KeyError

    with pytest.raises(KeyError):
        threads_module.run(fails, fails)
    assert not threads_module._gate.locked()
