"""The work itself: NumPy's, PyTorch's and ours give the same results for every case."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from experiments.speed.cases import Elementwise, Limit, Product, Step, Training
from experiments.speed.plans import FORMS, MAIN, OTHERS
from experiments.speed.processes import Worker, WorkerError
from experiments.speed.schedule import difference
from experiments.speed.steps import STEPS
from experiments.speed.workers import numpy_work, our_work
from experiments.speed.workers.serve import digest, given_for

FOLDER = Path(our_work.__file__).parent

BOTH = [
    *(Product("matmul", d, form, 5, 7, 9) for d in ("float32", "float64") for form in FORMS),
    *(
        Elementwise("activations", d, f, 1000, backward)
        for d in ("float32", "float64")
        for f in MAIN
        for backward in (False, True)
    ),
    Training("small", "float32", (2, 16, 16, 1), 32, "mse"),
    Training("training", "float32", (9, 8, 7, 5), 6, "cross_entropy"),
    Training("training", "float64", (9, 8, 7, 5), 6, "cross_entropy"),
    Step("steps", "float32", "matmul", 40),
]
ONLY_TORCH = [
    Elementwise("activations", "float32", f, 1000, backward)
    for f in OTHERS
    for backward in (False, True)
    if not (f == "softsign" and backward)
]


def request(case, variant=""):
    return {**case.request(), "seed": 3, "variant": variant}


def result(work, case, variant=""):
    asked = request(case, variant)
    _, found = work.prepare(asked, given_for(asked))
    return found()


def name(case):
    return f"{case.label}, {case.dtype}"


@pytest.mark.parametrize("case", BOTH, ids=name)
def test_ours_is_numpys(case):
    ours, numpys = (result(work, case) for work in (our_work, numpy_work))
    assert difference(digest(ours), digest(numpys), case.tolerance) == ""
    assert {a.dtype for a in ours} == {np.dtype(case.dtype)}


def test_a_training_step_changes_every_weight():
    case = Training("training", "float64", (9, 8, 7, 5), 6, "cross_entropy")
    changes = result(our_work, case)
    assert [c.shape for c in changes] == [(9, 8), (8, 7), (7, 5), (8,), (7,), (5,)]
    assert all((c != 0).any() for c in changes)


def test_what_is_timed_is_what_was_checked():
    case = Training("training", "float64", (9, 8, 7, 5), 6, "cross_entropy")
    for work in (our_work, numpy_work):
        asked = request(case)
        step, changes = work.prepare(asked, given_for(asked))
        first = changes()
        step()
        assert any((a != b).any() for a, b in zip(first, changes(), strict=True))


def test_the_fused_step_or_why_there_is_none():
    case = Training("training", "float64", (9, 8, 7, 5), 6, "cross_entropy")
    try:
        fused = result(our_work, case, "fused")
    except ValueError as error:
        assert "fused=True" in str(error)
    else:
        assert difference(digest(fused), digest(result(numpy_work, case)), case.tolerance) == ""


@pytest.mark.parametrize("step", [s for s in STEPS if s != "python_loops"])
def test_every_step(step):
    case = Step("steps", "float32", step, 40)
    ours, numpys = (result(work, case) for work in (our_work, numpy_work))
    assert difference(digest(ours), digest(numpys), case.tolerance) == ""


def test_limits():
    for case in (
        Limit("roofline", "float64", "peak", 3),
        Limit("roofline", "float32", "triad", 100, "L2"),
    ):
        run, found = our_work.prepare(request(case), {})
        run()
        assert found() == []


def test_work_that_nobody_knows():
    for work in (our_work, numpy_work):
        with pytest.raises(ValueError, match="dance"):
            work.prepare({"work": "dance"}, {})


def test_who_they_are():
    numpys = numpy_work.about()
    assert numpys["numpy"] == np.__version__ and isinstance(numpys["core"], str)
    ours = our_work.about()
    assert ours["vector_bits"] in (128, 256, 512) and ours["threads"] >= 1


@pytest.fixture(scope="module")
def torch_worker():
    """PyTorch's worker, in the interpreter that GRADTRACE_TORCH_PYTHON names, or in this one."""
    python = os.environ.get("GRADTRACE_TORCH_PYTHON", sys.executable)
    tried = subprocess.run([python, "-c", "import torch, numpy"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no PyTorch; GRADTRACE_TORCH_PYTHON can name an interpreter that has it")
    command = [python, str(FOLDER / "serve.py"), str(FOLDER / "torch_work.py")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with Worker(command, {**environment, "OMP_NUM_THREADS": "1"}) as worker:
        yield worker


@pytest.mark.parametrize("case", [c for c in BOTH + ONLY_TORCH if c.work != "step"], ids=name)
def test_ours_is_pytorchs(case, torch_worker):
    found = torch_worker.ask(60, do="prepare", slot="x", request=request(case))["digest"]
    assert difference(digest(result(our_work, case)), found, case.tolerance) == ""
    assert len(torch_worker.ask(60, do="time", slot="x", seconds=0, least=2)["times"]) == 2


def test_pytorch_says_who_it_is_and_what_it_lacks(torch_worker):
    about = torch_worker.ask(60, do="about")["about"]
    assert about["threads"] == 1 and about["torch"]
    case = Elementwise("activations", "float32", "softsign", 10, True)
    with pytest.raises(WorkerError, match="PyTorch has no operation of its own for softsign"):
        torch_worker.ask(60, do="prepare", slot="x", request=request(case))
