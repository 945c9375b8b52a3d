"""Parallel kernels: the same bits for any number of threads, from any thread, in any child.

Each test runs a program of its own, because the number of threads that Numba may use and its
threading layer are fixed when it starts, and because the mistakes looked for here abort or hang
the whole process.
"""

import multiprocessing
import os

import numba
import pytest

from engine.kernels.compiled import threads as threads_module

START = """
import hashlib, threading, numba, numpy as np
import engine, nn
from engine.kernels import KERNELS, add_scaled, matmul
from engine.kernels.compiled import elementwise, layers, products, runs, threads, updates

rng = np.random.default_rng(0)
def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)

x, W, b, g = normal(130, 40), normal(40, 403), normal(403), normal(130, 403)
A, B, few, wide = normal(131, 257), normal(257, 139), normal(10, 300), normal(400, 300)
tall, flat, many = normal(401, 200), normal(200, 130), normal(60_000)
w, d = normal(120_000), normal(120_000)
f = KERNELS["tanh"]
of_f = f, ()

def moved():
    new = w.copy()
    add_scaled(new, d, -0.1)
    return new

# Every kernel that can run on threads, with operands large enough for it.
JOBS = {
    "unpacked": lambda: [matmul(A, B)],
    "transposed": lambda: [matmul(few, wide, transpose_b=True)],
    "blocks": lambda: [matmul(tall, flat)],
    "layer": lambda: layers.layer(*of_f, True, x, W, b),
    "layer_backward": lambda: layers.layer_backward(
        *of_f, (True, True), g, np.tanh(g), None, x, W
    ),
    "over": lambda: [f.value(many)],
    "add_scaled": lambda: [moved()],
}

def bits(names=tuple(JOBS)):
    digest = hashlib.sha256()
    for name in names:
        for array in JOBS[name]():
            digest.update(array.tobytes())
    return digest.hexdigest()

def train(seed, steps=5):
    rng = np.random.default_rng(seed)
    net = nn.MLP([60, 300, 300, 5], rng=seed)
    optimizer = nn.SGD(net.parameters(), lr=0.1, fused=seed % 2 == 0)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.cross_entropy(net(rng.normal(size=(300, 60))), rng.integers(0, 5, 300)).backward()
        optimizer.step()
    return hashlib.sha256(b"".join(p.numpy().tobytes() for p in net.parameters())).hexdigest()

# Which parallel kernels are entered, and with how many threads.
entered = set()
def spy(parallel, serial, *args):
    def seen(*args):
        way = getattr(parallel, "__self__", parallel.__module__.rpartition(".")[2])
        entered.add((f"{way}.{parallel.__name__}", args[-1]))
        parallel(*args)
    threads.run(seen, serial, *args)
def watch():
    for module in (products, layers, elementwise, updates):
        module.run = spy
"""
PARALLEL = {
    "unpacked.product_parallel",
    "transposed.product_parallel",
    "blocks.product_parallel",
    "runs.over_parallel",
    "runs.slopes_and_sums_parallel",
    "updates._add_scaled_parallel",
}
LAYERS = ["default", "workqueue"]
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.fixture
def run(run_program):
    def run(program, layer="default", n_threads=4):
        settings = {"NUMBA_NUM_THREADS": str(n_threads), "NUMBA_THREADING_LAYER": layer}
        return run_program(START + program, **settings)

    return run


def test_every_parallel_kernel_is_entered_with_the_threads_that_numba_has(run):
    out = run(
        "watch()\n"
        "for n in (2, 3, 4):\n"
        "    numba.set_num_threads(n); bits()\n"
        "    print(*sorted(name for name, threads in entered if threads == n))\n"
        "    assert {threads for _, threads in entered} == {n}; entered.clear()"
    )
    assert out == sorted(PARALLEL) * 3


ALONE = {
    "set_num_threads(1)": ("numba.set_num_threads(1)", 4, "default"),
    "NUMBA_NUM_THREADS=1": ("", 1, "default"),
    "workqueue, which could abort": ("", 4, "workqueue"),
}


@pytest.mark.parametrize("name", ALONE)
def test_no_parallel_kernel_is_entered_on_one_thread(run, name):
    program, n_threads, layer = ALONE[name]
    out = run(f"watch(); {program}\nbits(); train(0, 2); print(len(entered))", layer, n_threads)
    assert out == ["0"]


def test_bits_do_not_depend_on_the_number_of_threads(run):
    out = run(
        "for n in (1, 2, 3, 4):\n"
        "    numba.set_num_threads(n)\n"
        "    for name in JOBS: print(name, bits([name]))\n"
        "    print('training', train(0), train(1))"
    )
    quarter = len(out) // 4
    assert quarter == 2 * 7 + 3
    assert out == out[:quarter] * 4


@pytest.mark.parametrize("layer", LAYERS)
def test_two_python_threads_may_run_kernels_at_once(run, layer):
    out = run(
        "alone, got, start = bits(), [], threading.Barrier(2)\n"
        "def work():\n"
        "    start.wait()\n"
        "    for _ in range(40): got.append(bits())\n"
        "workers = [threading.Thread(target=work) for _ in range(2)]\n"
        "[t.start() for t in workers]; [t.join() for t in workers]\n"
        "print(len(got), set(got) == {alone})",
        layer,
    )
    assert out == ["80", "True"]


@pytest.mark.parametrize("layer", LAYERS)
def test_two_python_threads_may_train_two_nets_at_once(run, layer):
    out = run(
        "from concurrent.futures import ThreadPoolExecutor\n"
        "alone = [train(0), train(1)] * 4\n"
        "with ThreadPoolExecutor(2) as pool:\n"
        "    print(list(pool.map(train, [0, 1] * 4)) == alone)",
        layer,
    )
    assert out == ["True"]


@pytest.mark.parametrize("layer", LAYERS)
def test_a_users_own_parallel_function_may_run_meanwhile(run, layer):
    out = run(
        "@numba.njit(parallel=True, nogil=True)\n"
        "def users(a):\n"
        "    total = 0.0\n"
        "    for i in numba.prange(a.size):\n"
        "        total += np.sqrt(a[i])\n"
        "    return total\n"
        "a, alone, results, stop = np.ones(200_000), [bits(), train(0)], set(), threading.Event()\n"
        "expected = users(a)\n"
        "def work():\n"
        "    while not stop.is_set(): results.add(users(a))\n"
        "worker = threading.Thread(target=work)\n"
        "worker.start()\n"
        "got = [[bits(), train(0)] for _ in range(4)]\n"
        "stop.set(); worker.join()\n"
        "print(got == [alone] * 4, results == {expected})",
        layer,
    )
    assert out == ["True", "True"]


@needs_fork
@pytest.mark.parametrize("layer", LAYERS)
def test_a_forked_child_computes_too(run, layer):
    out = run(
        "import os\n"
        "before = [bits(), train(0)]\n"
        "child = os.fork()\n"
        "if child == 0: os._exit(0 if [bits(), train(0)] == before else 9)\n"
        "code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "print(code, [bits(), train(0)] == before)",
        layer,
    )
    assert out == ["0", "True"]


@needs_fork
def test_a_child_forked_while_a_kernel_is_running_does_not_wait_for_it(run):
    out = run(
        "import os\n"
        "before = bits()\n"
        "threads._gate.acquire()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if bits() == before and not threads._gate.locked() else 9)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))"
    )
    assert out == ["0"]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_multiprocessing(run, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} on this system")
    out = run(
        "import multiprocessing\n"
        "if __name__ == '__main__':\n"
        "    c = matmul(A, B)\n"
        f"    with multiprocessing.get_context('{method}').Pool(1) as pool:\n"
        "        print(pool.apply(matmul, (A, B)).tobytes() == c.tobytes())\n"
        "        print((pool.apply(engine.tanh.value, (many,)) == f.value(many)).all())"
    )
    assert out == ["True", "True"]


LAYERS_THAT_ARE_NOT_THERE = {
    "nonsense": {"NUMBA_THREADING_LAYER": "nonsense", "NUMBA_NUM_THREADS": "4"},
    "no list": {"NUMBA_THREADING_LAYER_PRIORITY": "omp", "NUMBA_NUM_THREADS": "4"},
    "tbb": {"NUMBA_THREADING_LAYER": "tbb", "NUMBA_NUM_THREADS": "4"},
}


@pytest.mark.parametrize("name", LAYERS_THAT_ARE_NOT_THERE)
def test_without_a_threading_layer_kernels_run_on_one_thread_and_one_line_says_so(
    run_program, run, name
):
    program = "watch(); print(bits(), train(0, 2), threads.number_of_threads(), len(entered))"
    # Where TBB is installed, this asks for it in vain.
    blocked = "import sys; sys.modules['numba.np.ufunc.tbbpool'] = None\n" + START + program
    out, errors = run_program(blocked, errors=True, **LAYERS_THAT_ARE_NOT_THERE[name])
    serial = run("print(bits(), train(0, 2))", n_threads=1)
    assert out == [*serial, "1", "0"]
    errors = [line for line in errors if "compiling kernels" not in line]
    (line,) = errors
    assert line.startswith("gradtrace: NUMBA_THREADING_LAYER=")
    assert "kernels run on one thread" in line


def test_asking_for_threads_without_a_layer_is_no_error(run_program):
    out = run_program(
        "from engine.kernels import use_threads\nprint(use_threads(2), use_threads(1))",
        NUMBA_THREADING_LAYER="nonsense",
    )
    assert out == ["1", "1"]


@pytest.mark.parametrize("number", ["0", "-2", "x", "", "1.5"])
def test_a_number_of_threads_that_is_none(run_program, number):
    out, errors = run_program(
        "import engine\nfrom engine.kernels.compiled.threads import number_of_threads\n"
        "print(number_of_threads())",
        errors=True,
        NUMBA_NUM_THREADS=number,
    )
    assert out == ["1"]
    (line,) = errors
    assert line.startswith(f"gradtrace: NUMBA_NUM_THREADS={number!r} is no number of threads")


def recorder():
    seen = []

    def parallel(*args):
        seen.append(("parallel", args))

    def serial(*args):
        seen.append(("serial", args))

    return seen, parallel, serial


def test_run_goes_parallel_only_when_it_is_alone(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 3)
    monkeypatch.setattr(threads_module, "_layer_is_safe", lambda: True)
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
    monkeypatch.setattr(threads_module, "_layer_is_safe", lambda: False)
    threads_module.run(parallel, serial)
    assert seen.pop()[0] == "serial"
    monkeypatch.setattr(threads_module, "_layer_is_safe", lambda: True)
    monkeypatch.setattr(threads_module, "_forked", True)
    threads_module.run(parallel, serial)
    assert seen.pop()[0] == "serial"


def test_run_opens_the_gate_again_after_a_failure(monkeypatch):
    monkeypatch.setattr(numba, "get_num_threads", lambda: 2)
    monkeypatch.setattr(threads_module, "_layer_is_safe", lambda: True)

    def fails(*args):
        raise KeyError

    with pytest.raises(KeyError):
        threads_module.run(fails, fails)
    assert not threads_module._gate.locked()
