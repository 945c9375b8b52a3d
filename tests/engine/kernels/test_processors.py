"""The same products with the tiles of other processors: shorter vectors, with and without FMA.

Numba compiles for any processor that is told to it; the files named here run again in processes
that compile for lesser ones than this machine's.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.kernels.compiled.tile import _FEATURES, _TRIPLE, SHAPE, SHAPES

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
FILES = ["test_ways.py", "test_bounds.py", "test_finish.py", "test_packing.py"]
PROCESSORS = {
    "AVX2": ("haswell", "+avx,+avx2,+fma,+sse4.2", 256),
    "SSE": ("x86-64", "+sse2", 128),
}


@pytest.mark.skipif(not _TRIPLE.startswith("x86_64"), reason="an x86 processor's vectors")
@pytest.mark.parametrize("kind", PROCESSORS)
def test_smaller_vectors_give_the_right_product(kind):
    name, features, bits = PROCESSORS[kind]
    if bits == 256 and "+avx2" not in _FEATURES:
        pytest.skip("this processor has no AVX2")
    if bits == SHAPE.bits:
        pytest.skip("the tests themselves have run with these")
    environment = {key: os.environ[key] for key in os.environ if not key.startswith("PYTEST_")}
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment |= {
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "PYTHONPATH": os.pathsep.join(paths),
    }
    check = "from engine.kernels.compiled.tile import SHAPE; print(SHAPE.bits)"
    run = subprocess.run([sys.executable, "-c", check], env=environment, capture_output=True)
    assert int(run.stdout) == bits
    # One dtype, and no gaps, for each of which every kernel is compiled again.
    chosen = "not float64 and not gaps and not contiguous"
    command = [sys.executable, "-m", "pytest", *(str(HERE / file) for file in FILES)]
    command += ["-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-k", chosen]
    run = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert " passed" in run.stdout


def test_the_shape_follows_the_processor():
    assert SHAPE.bits == (512 if "+avx512f" in _FEATURES else 256 if "+avx2" in _FEATURES else 128)
    assert SHAPE in SHAPES.values()
