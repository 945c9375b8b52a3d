"""A process that trains is killed, again and again, and what it began is finished all the same."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.lab.checkpoints import Checkpoint
from experiments.lab.long_runs import LongRuns, train_all
from experiments.lab.progress import Silent
from experiments.lab.training import Training, train

ROOT = Path(__file__).parents[3]
KILLS = 10
NET = Training(
    "tanh", "xavier_uniform", depth=2, width=8, n_train=40, n_test=30, updates=300, probe=10,
    every=20, batch=4, lr=0.1,
)  # fmt: skip

# Starting Python costs more than the training, so one process starts the others by fork.
TRAINING = """
import os, pickle, sys
from pathlib import Path
from experiments.lab.training import train

t, path, out = pickle.loads(bytes.fromhex(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
train(t)  # so that data are there and kernels are loaded
print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        trained = train(t, checkpoint=path, save_every=0, resume=True)
        trained.checkpoint(t).write(out)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def bits(checkpoint):
    arrays = {**checkpoint.net, **checkpoint.recorder, "losses": checkpoint.losses}
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_ten_kills_at_random_points_change_no_bit(tmp_path):
    rng = np.random.default_rng()  # any points will do
    checkpoint, out = tmp_path / "net.npz", tmp_path / "out.npz"
    forking = subprocess.Popen(
        [sys.executable, "-c", TRAINING, pickle.dumps(NET).hex(), str(checkpoint), str(out)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def attempt(seconds=None):
        """Go on for that long, or to the end; the seconds it took and how it ended."""
        start = time.monotonic()
        print("go", file=forking.stdin, flush=True)
        child = int(forking.stdout.readline())
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        ended = int(forking.stdout.readline())
        return time.monotonic() - start, ended

    with forking:
        assert forking.stdout.readline() == "ready\n"
        whole, ended = attempt()
        assert ended == 0
        checkpoint.unlink()
        expected = bits(train(NET).checkpoint(NET))
        assert bits(Checkpoint.read(out, NET.identity)) == expected
        out.unlink()

        kills, reached, longest = 0, [], 1.5 * whole / KILLS
        while kills < KILLS or not reached:
            ended = attempt(rng.uniform(0, longest))[1]
            if ended == 0:  # it was quicker than the kill: once more from the start
                checkpoint.unlink()
                continue
            kills += 1
            if checkpoint.exists():
                reached.append(Checkpoint.read(checkpoint, NET.identity).update)
            else:
                longest *= 1.2  # a busy machine is slower now than it was for the whole
        assert 0 < max(reached) <= NET.updates
        out.unlink(missing_ok=True)
        assert attempt()[1] == 0
        forking.stdin.close()
    assert bits(Checkpoint.read(out, NET.identity)) == expected


# A run of several nets in two processes, which is killed as a whole.
SIDE_BY_SIDE = """
import pickle, sys
from pathlib import Path
from experiments.lab.long_runs import LongRuns, train_all
from experiments.lab.progress import Silent

trainings, folder = pickle.loads(bytes.fromhex(sys.argv[1])), Path(sys.argv[2])
train_all(trainings, LongRuns(workers=2, save_every=0), folder, Silent())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_a_run_of_several_nets_is_killed_and_resumed(tmp_path):
    trainings = [replace(NET, seed=seed, updates=400) for seed in range(4)]
    process = subprocess.Popen(
        [sys.executable, "-c", SIDE_BY_SIDE, pickle.dumps(trainings).hex(), str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    limit = time.monotonic() + 60
    while len(list(tmp_path.glob("checkpoints/*/*.npz"))) < 3:  # the first two, or one, are done
        assert time.monotonic() < limit and process.poll() is None
        time.sleep(0.005)
    process.kill()
    process.wait()

    class Counting(Silent):
        done = skipped = 0

        def step(self, what, steps=1):
            self.done += steps

        def skip(self, steps):
            self.skipped += steps

    progress = Counting()
    settings = LongRuns(resume=True)
    resumed = train_all(trainings, settings, tmp_path, progress)
    assert progress.skipped > 400 and progress.done + progress.skipped == 1600
    for t, trained in zip(trainings, resumed, strict=True):
        assert bits(trained.checkpoint(t)) == bits(train(t).checkpoint(t))
