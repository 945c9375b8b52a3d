"""Compiling: once per machine, announced once, and never fatal.

Every test runs programs of its own with a cache folder of its own (NUMBA_CACHE_DIR).
"""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOTICE = "gradtrace: compiling kernels"

# Two kernels, their values, and how often Numba compiled.
PROGRAM = """
from numba.core import event
with event.install_recorder("numba:compile") as seen:
    import numpy as np
    import engine
    at_import = len(seen.buffer)
    s = np.array([-1.0, 0.5])
    np.testing.assert_allclose(engine.tanh.value(s), np.tanh(s), rtol=1e-14)
    np.testing.assert_allclose(engine.softsign.slope(s), 1 / (1 + abs(s)) ** 2, rtol=1e-14)
starts = sum(entry.is_start for _, entry in seen.buffer)
print(at_import, starts)
"""


def start(program, cache, cwd=ROOT, **more):
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=cwd,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), **more},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out.split(), err


def run(program, cache, **more):
    return finish(start(program, cache, **more))


def cached(folder):
    return sorted(p.name for p in folder.rglob("*") if p.suffix in (".nbi", ".nbc"))


def test_a_second_process_compiles_nothing_and_says_nothing(tmp_path):
    (at_import, compiled), err = run(PROGRAM, tmp_path)
    assert at_import == "0"
    assert int(compiled) > 0
    assert err.count(NOTICE) == 1
    assert len(err.splitlines()) == 1
    files = cached(tmp_path)
    # tanh's values, softsign's slopes, and the loop that runs them.
    assert len([name for name in files if name.endswith(".nbc")]) == 3
    (at_import, compiled), err = run(PROGRAM, tmp_path)
    assert (at_import, compiled, err) == ("0", "0", "")
    assert cached(tmp_path) == files
    (_, compiled), err = run(PROGRAM + "\nimport os; os.environ.clear()", tmp_path)
    assert (compiled, err) == ("0", "")


def test_a_change_in_any_file_beside_a_kernel_is_noticed(tmp_path):
    # Numba alone looks at the kernel's own file, and runs the old code of what that calls.
    folder = tmp_path / "copy"
    for package in ("engine", "nn"):
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    environment = {"PYTHONPATH": str(folder)}
    run(PROGRAM, tmp_path / "cache", cwd=folder, **environment)
    before = cached(tmp_path)
    path = folder / "engine/kernels/compiled/exponential.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")
    (_, compiled), err = run(PROGRAM, tmp_path / "cache", cwd=folder, **environment)
    assert int(compiled) > 0
    assert err.count(NOTICE) == 1
    codes = [sum(name.endswith(".nbc") for name in names) for names in (before, cached(tmp_path))]
    assert codes == [3, 6]
    (_, compiled), err = run(PROGRAM, tmp_path / "cache", cwd=folder, **environment)
    assert (compiled, err) == ("0", "")


def test_every_kernel_has_a_cache_entry_of_its_own():
    # One template makes many kernels; under one name they would be one file.
    from numba.core.caching import FunctionCache

    from engine.kernels import KERNELS
    from engine.kernels.compiled.elementwise import _KINDS, _kernel

    names, functions = set(), set()
    for k in KERNELS.values():
        for kind, of in _KINDS.values():
            f = getattr(k, of)
            if f is not None:
                kernel = _kernel(kind, f, k.parameters)
                file = FunctionCache(kernel)._impl.filename_base
                assert file.startswith(f"elementwise.{kernel.__qualname__}-")
                names.add(file)
                functions.add((kind, f))
    assert len(names) == len(functions)


@pytest.mark.parametrize("below", ["cache", "deep/down/cache"])
def test_a_cache_folder_that_cannot_be_made_costs_nothing_but_time(tmp_path, below):
    blocked = tmp_path / "a file"
    blocked.write_text("not a folder")
    (_, compiled), err = run(PROGRAM, blocked / below)
    assert "Traceback" not in err
    assert all(line.startswith("gradtrace: ") for line in err.splitlines())
    assert int(compiled) >= 0
    assert blocked.read_text() == "not a folder"


def test_no_folder_at_all_is_said_once(tmp_path):
    program = (
        "from numba.core.caching import CacheImpl\nCacheImpl._locator_classes = []\n" + PROGRAM
    )
    (_, compiled), err = run(program, tmp_path)
    assert int(compiled) > 0
    assert err.count("no folder can be written") == 1
    assert err.count(NOTICE) == 1
    assert cached(tmp_path) == []


FULL_DISK = """
from numba.core.caching import FunctionCache
def full(self, sig, data):
    raise OSError(28, "No space left on device")
FunctionCache.save_overload = full
"""


def test_a_full_disk_is_survived_with_one_line(tmp_path):
    (_, compiled), err = run(FULL_DISK + PROGRAM, tmp_path)
    assert int(compiled) > 0
    assert err.count("No space left on device") == 1
    assert err.count(NOTICE) == 1
    assert len(err.splitlines()) == 2
    assert "NUMBA_CACHE_DIR" in err


DAMAGES = {"empty": b"", "garbage": b"garbage", "half": None}


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_damaged_entries_are_compiled_anew(tmp_path, name, suffix):
    damage = DAMAGES[name]
    run(PROGRAM, tmp_path)
    for path in tmp_path.rglob(f"*{suffix}"):
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage is None else damage)
    (_, compiled), err = run(PROGRAM, tmp_path)
    assert int(compiled) > 0
    assert "Traceback" not in err
    (_, compiled), err = run(PROGRAM, tmp_path)
    assert (compiled, err) == ("0", "")


def test_two_processes_that_compile_at_once_end_up_right(tmp_path):
    # Each for its own dtype. Numba alone numbers their entries alike, and one would load the
    # other's machine code.
    wait = "import time; time.sleep(max(0, {when} - time.time()))\n"
    program = (
        "import numpy as np, engine\n"
        "s = np.linspace(-3, 3, 7).astype('{dtype}')\n"
        "np.testing.assert_allclose(engine.tanh.value(s), np.tanh(s), rtol=1e-6)\n"
        "np.testing.assert_allclose(engine.sigmoid.value(s), 1 / (1 + np.exp(-s)), rtol=1e-6)\n"
    )
    when = time.time() + 2
    both = [
        start(wait.format(when=when) + program.format(dtype=dtype), tmp_path)
        for dtype in ("float32", "float64")
    ]
    for process in both:
        finish(process)
    for dtype in ("float32", "float64"):
        _, err = run(program.format(dtype=dtype), tmp_path)
        assert err == ""


LOCK_IS_HELD = """
import fcntl, pathlib
from numba.core.caching import FunctionCache
original, blocked = FunctionCache.save_overload, []
def save(self, sig, data):
    with (pathlib.Path(self.cache_path) / "gradtrace.lock").open("ab") as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            blocked.append(sig)
    original(self, sig, data)
FunctionCache.save_overload = save
"""


def test_an_entry_is_written_under_a_lock_between_processes(tmp_path):
    pytest.importorskip("fcntl")
    (*_, blocked), _ = run(LOCK_IS_HELD + PROGRAM + "print(len(blocked))", tmp_path)
    assert int(blocked) == 3


def test_a_process_without_an_error_stream_compiles(tmp_path):
    (_, compiled), _ = run("import sys; sys.stderr = None\n" + PROGRAM, tmp_path)
    assert int(compiled) > 0


def test_settings_that_the_kernels_rely_on():
    from engine.kernels.compiled import parts, runs, updates

    for kernel in (parts.product, parts.product_parallel, runs.over, updates._add_scaled):
        options = kernel.targetoptions
        assert options["nogil"]
        assert options["error_model"] == "numpy"
        assert options.get("fastmath") in (False, {"contract"})
        assert not kernel.signatures or kernel._can_compile  # no explicit, fixed signatures


def test_a_kernel_elsewhere_is_renewed_with_the_engines_kernels(monkeypatch, tmp_path):
    """Kernels of experiments contain functions of the engine's, such as the tile."""
    from engine.kernels.compiled import compiling

    (tmp_path / "own.py").write_text("x = 1")
    seen = []
    monkeypatch.setattr(compiling, "_digest", lambda folder: seen.append(folder) or "")
    compiling._sources(tmp_path / "own.py")
    assert seen == [tmp_path, Path(compiling.__file__).parent]
