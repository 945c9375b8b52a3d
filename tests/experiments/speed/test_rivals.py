"""Who takes part, with which environment, and why somebody does not."""

import sys
from pathlib import Path

import pytest

from experiments.lab.question import SettingsError
from experiments.speed import rivals
from experiments.speed.machine import Machine
from experiments.speed.rivals import NUMPY, OPENBLAS, OURS, TORCH, Rival, find_rivals

NEW = Machine(features=("avx2", "avx512f"))
OLD = Machine(features=("avx2",))


@pytest.fixture(autouse=True)
def no_torch_here(monkeypatch):
    monkeypatch.setattr(rivals.importlib.util, "find_spec", lambda name: None)


class TestEnvironment:
    def test_the_threads_are_said_under_every_name(self, monkeypatch):
        monkeypatch.setenv("OMP_NUM_THREADS", "7")
        found = Rival(NUMPY, "python", "x.py").environment(3)
        for name in ("OMP", "OPENBLAS", "MKL", "NUMBA"):
            assert found[f"{name}_NUM_THREADS"] == "3"

    def test_numpy_is_as_installed_whatever_the_user_has_set(self, monkeypatch):
        monkeypatch.setenv("OPENBLAS_CORETYPE", "Nehalem")
        found = {rival.name: rival for rival in find_rivals(None, NEW)[0]}
        assert "OPENBLAS_CORETYPE" not in found[NUMPY].environment(1)
        assert found[OPENBLAS].environment(1)["OPENBLAS_CORETYPE"] == "SkylakeX"

    def test_all_workers_keep_memory_alike(self):
        kept = {
            tuple(v for k, v in rival.working(1).items() if k.startswith("MALLOC"))
            for rival in find_rivals(None, NEW)[0]
        }
        assert len(kept) == 1 and len(next(iter(kept))) == 3


class TestWhoIsThere:
    def test_without_torch(self):
        found, missing = find_rivals(None, NEW)
        assert [rival.name for rival in found] == [OURS, NUMPY, OPENBLAS]
        assert list(missing) == [TORCH]
        assert "PyTorch isn't installed" in missing[TORCH]
        assert "--torch-python" in missing[TORCH] and "\n" not in missing[TORCH]

    def test_torch_in_this_interpreter(self, monkeypatch):
        monkeypatch.setattr(rivals.importlib.util, "find_spec", lambda name: name == "torch")
        found, missing = find_rivals(None, NEW)
        assert found[-1].name == TORCH and found[-1].python == sys.executable
        assert not missing

    def test_a_processor_without_avx512(self):
        found, missing = find_rivals(None, OLD)
        assert OPENBLAS not in [rival.name for rival in found]
        assert "AVX-512" in missing[OPENBLAS]

    def test_the_scripts_are_there(self):
        for rival in find_rivals(None, NEW)[0]:
            _, serve, work = rival.command()
            assert Path(serve).is_file() and Path(work).is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for an interpreter")
class TestTorchPython:
    """Interpreters that are made up, since PyTorch may not be here."""

    def interpreter(self, folder, script):
        path = folder / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    def test_one_that_has_it(self, tmp_path):
        path = self.interpreter(tmp_path, "exit 0")
        found, missing = find_rivals(path, NEW)
        torch = found[-1]
        assert (torch.name, torch.python, missing) == (TORCH, str(path), {})
        # The packages of this interpreter are not for that one.
        assert torch.environment(1)["PYTHONPATH"] == ""

    def test_one_that_has_not(self, tmp_path):
        script = "echo 'Traceback' >&2; echo \"ModuleNotFoundError: No module 'torch'\" >&2; exit 1"
        path = self.interpreter(tmp_path, script)
        with pytest.raises(SettingsError, match=r"--torch-python: .* can't import numpy and torch"):
            find_rivals(path, NEW)
        with pytest.raises(SettingsError, match=r"No module 'torch'$"):
            find_rivals(path, NEW)

    def test_one_that_is_none(self, tmp_path):
        with pytest.raises(SettingsError, match="missing can't be run"):
            find_rivals(tmp_path / "missing", NEW)
        (tmp_path / "file").write_text("no program")
        with pytest.raises(SettingsError, match="can't be run"):
            find_rivals(tmp_path / "file", NEW)
