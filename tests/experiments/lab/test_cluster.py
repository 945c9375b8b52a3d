"""A real Dask scheduler and two workers on this machine; needs the extra `cluster`."""

import builtins
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.lab import cluster as module
from experiments.lab.cluster import cluster
from experiments.lab.long_runs import LongRuns, train_all
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.side_by_side import map_runs
from experiments.lab.training import Training, train

ROOT = Path(__file__).parents[3]
NET = Training(
    "tanh", "xavier_uniform", depth=2, width=8, n_train=40, n_test=30, updates=30, probe=10,
    every=20, batch=4, lr=0.1,
)  # fmt: skip
NETS = [replace(NET, seed=seed) for seed in range(5)]


def test_without_dask(monkeypatch):
    def importing(name, *rest, **more):
        if name == "distributed":
            raise ImportError(name)
        return real(name, *rest, **more)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", importing)
    with pytest.raises(SettingsError, match=r'pip install "gradtrace\[cluster\]"'):
        train_all(NETS, LongRuns(scheduler="tcp://127.0.0.1:1"), Path("unused"), Silent())


@pytest.fixture(scope="module")
def distributed():
    return pytest.importorskip("distributed")


def dask(*args, **changed):
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | changed
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *args],
        env={k: v for k, v in environment.items() if v is not None},
        stderr=subprocess.PIPE,
        text=True,
    )


def scheduler(folder):
    """A running scheduler and its address."""
    file = folder / "scheduler.json"
    process = dask(
        "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file",
        str(file),
    )  # fmt: skip
    for line in process.stderr:
        if "Scheduler at:" in line:
            return process, line.split()[-1]
    raise AssertionError("the scheduler did not start")


def worker(address, cwd, **changed):
    process = dask(
        "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host",
        "127.0.0.1", "--local-directory", str(cwd), **changed,
    )  # fmt: skip
    for line in process.stderr:
        if "Registered to" in line:
            return process
    raise AssertionError("the worker did not start")


@pytest.fixture(scope="module")
def address(distributed, tmp_path_factory):
    """The address of a scheduler with two workers."""
    folder = tmp_path_factory.mktemp("dask")
    main, address = scheduler(folder)
    workers = [worker(address, folder / name) for name in "ab"]
    yield address
    for process in (*workers, main):
        end(process)


def bits(trained):
    arrays = [t.checkpoint(NET) for t in trained]
    return [
        (t.test_error, *(a.tobytes() for a in (*c.net.values(), *c.recorder.values(), c.losses)))
        for t, c in zip(trained, arrays, strict=True)
    ]


class Counting(Silent):
    done = 0

    def step(self, what, steps=1):
        self.done += steps


def test_a_cluster_trains_the_same_nets(address, tmp_path):
    progress = Counting()
    trained = train_all(NETS, LongRuns(scheduler=address), tmp_path, progress)
    assert bits(trained) == bits([train(t) for t in NETS])
    assert progress.done == 5 * 30


def test_both_workers_work(address):
    with cluster(address) as executor:
        made = map_runs(process_after, [0.3] * 4, executor=executor, progress=Silent())
    assert len(set(made)) == 2 and os.getpid() not in made


def process_after(seconds, progress):
    time.sleep(seconds)
    return os.getpid()


def test_a_run_that_was_interrupted_goes_on_there(address, tmp_path):
    class Stopping(Counting):
        def step(self, what, steps=1):
            super().step(what, steps)
            if self.done >= 60:
                raise KeyboardInterrupt

    settings = LongRuns(scheduler=address, save_every=0)
    with pytest.raises(KeyboardInterrupt):
        train_all(NETS, settings, tmp_path, Stopping())
    assert list(tmp_path.glob("checkpoints/*/*.npz"))
    again = replace(settings, resume=True)
    assert bits(train_all(NETS, again, tmp_path, Silent())) == bits([train(t) for t in NETS])


def test_no_scheduler_answers(distributed, monkeypatch):
    monkeypatch.setattr(module, "_SECONDS", 0.5)
    with (
        pytest.raises(SettingsError, match=r"tcp://127\.0\.0\.1:9: no Dask scheduler answers"),
        cluster("tcp://127.0.0.1:9"),
    ):
        pass


BROKEN = {
    "gradtrace does not run on the worker": "import sys; sys.modules['experiments'] = None",
    "has python 3.1": "import platform; platform.python_version_tuple = lambda: ('3', '1', '0')",
}


def test_no_workers_and_workers_that_would_not_do(distributed, tmp_path):
    main, address = scheduler(tmp_path)
    try:
        with pytest.raises(SettingsError, match="has no workers"), cluster(address):
            pass
        for said, change in BROKEN.items():
            (tmp_path / "sitecustomize.py").write_text(change)
            path = os.pathsep.join([str(tmp_path), str(ROOT)])
            only = worker(address, tmp_path, PYTHONPATH=path)
            try:
                with pytest.raises(SettingsError, match=said) as caught, cluster(address):
                    pass
                assert len(str(caught.value).splitlines()) == 1
            finally:
                end(only)
    finally:
        end(main)


def end(process):
    process.terminate()
    process.stderr.close()
    process.wait(30)
