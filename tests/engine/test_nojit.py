"""The same code as plain Python: what a reader with a debugger runs (NUMBA_DISABLE_JIT=1)."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_marked_selection_passes_without_the_compiler():
    # Not itself marked nojit, or it would start itself for ever.
    here = Path(__file__).parent
    root = here.parents[1]
    command = [sys.executable, "-m", "pytest", str(here), "-m", "nojit", "-q"]
    command += ["-p", "no:cacheprovider", "-n", "0", "-x"]
    paths = [str(root), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    env = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(paths)}
    for name in [name for name in env if name.startswith("PYTEST_")]:
        del env[name]
    run = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-2000:]
    assert " passed" in run.stdout
