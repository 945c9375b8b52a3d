"""Ctrl-C and SIGTERM, once and more often: the command ends in order, and soon."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from experiments.cli.interruptions import Interruptions

ROOT = Path(__file__).parents[3]
# Training that would take hours, in two processes.
LONG = shlex.split(
    "run saturation --quick --width 16 --updates 9999999 --sigmoid-updates 9999999 --workers 2 "
    "--save-every 0.05"
)
pytestmark = pytest.mark.skipif(not hasattr(os, "killpg"), reason="signals to a group")


def heed_signals():
    """Even where the tests themselves were started in a shell's background, which ignores one."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def started(*command, cwd):
    return subprocess.Popen(
        [sys.executable, *command], cwd=cwd, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        start_new_session=True, preexec_fn=heed_signals,
    )  # fmt: skip


def workers(session):
    """The processes of multiprocessing in that session, the tracker of its semaphores left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            its = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[3])
            command = (folder / "cmdline").read_text()
        except OSError:  # it has just ended
            continue
        if its == session and "spawn_main" in command:
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("when", ["starting", "training"])
def test_a_run_in_two_processes_ends(tmp_path, number, when):
    process = started("-m", "experiments.cli.entry", *LONG, cwd=tmp_path)

    def reached():
        if when == "starting":
            return workers(process.pid)
        return len(list(tmp_path.glob("results/saturation/checkpoints/*/*.npz"))) == 2

    try:
        limit = time.monotonic() + 100
        while not reached() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.005)
        assert reached()
        if when == "starting":
            time.sleep(0.3)  # before it reads modules, Python itself ends without a word
        start = time.monotonic()
        os.killpg(process.pid, number)  # as a terminal does
        time.sleep(0.2)
        os.killpg(process.pid, number)
        out, err = process.communicate(timeout=60)
        assert time.monotonic() - start < 30
        assert not workers(process.pid)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    said = [line for line in err.splitlines() if not re.search("compiling kernels| %  ", line)]
    resume = "; the same command with --resume goes on from its checkpoints"
    assert said == [f"gradtrace: interrupted{resume if when == 'training' else ''}"]
    # The second may come when all is done and only Python's own end is left.
    assert process.returncode in (128 + number, -number) and out == ""


def ended(program, cwd):
    """How a program ends that interrupts itself: the exit code and what it says."""
    lines = ["import os, signal, sys, time",
             "from experiments.cli import interruptions as module",
             "from experiments.cli.interruptions import Interruptions"]  # fmt: skip
    process = started("-c", "\n".join([*lines, program]), cwd=cwd)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def test_the_first_counts_and_the_next_are_ignored(tmp_path):
    program = """
with Interruptions() as interruptions:
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGINT)
        print("in order", interruptions.number == signal.SIGINT)
"""
    assert ended(program, tmp_path) == (0, "in order True\n", "")


def test_after_a_while_the_next_ends_it_at_once(tmp_path):
    program = """
module.ORDERLY = 0.1
with Interruptions():
    try:
        signal.raise_signal(signal.SIGINT)
    finally:
        time.sleep(0.2)
        signal.raise_signal(signal.SIGINT)
        print("not reached")
"""
    assert ended(program, tmp_path) == (130, "", "gradtrace: interrupted\n")


def test_one_that_comes_in_a_callback_is_not_lost(tmp_path):
    program = """
class Last:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)

start = time.monotonic()
with Interruptions() as interruptions:
    try:
        Last()  # Python can only ignore what is raised there
        time.sleep(30)
        print("lost")
    except KeyboardInterrupt:
        print("found", time.monotonic() - start < 20)
"""
    assert ended(program, tmp_path) == (0, "found True\n", "")


def test_signals_have_their_usual_effect_afterwards(tmp_path):
    program = """
with Interruptions():
    pass
signal.raise_signal(signal.SIGINT)
"""
    assert ended(program, tmp_path)[0] == -signal.SIGINT


def test_what_a_shell_has_told_to_ignore_ctrl_c_ignores_it(tmp_path):
    program = """
signal.signal(signal.SIGINT, signal.SIG_IGN)
with Interruptions():
    signal.raise_signal(signal.SIGINT)
    print("ignored")
"""
    assert ended(program, tmp_path) == (0, "ignored\n", "")


def test_what_a_compiler_makes_of_an_interruption_is_one(tmp_path):
    program = """
from experiments.cli import entry, main

def command():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise RuntimeError("no compiled object yet") from None

main.main = command
sys.exit(entry.main())
"""
    code, out, err = ended(program, tmp_path)
    assert (code, out, err) == (130, "", "gradtrace: interrupted\n")
    program = program.replace("signal.raise_signal(signal.SIGINT)", "raise KeyboardInterrupt")
    code, _, err = ended(program, tmp_path)
    assert code == 1 and "RuntimeError: no compiled object yet" in err


@pytest.mark.parametrize("number", [0, signal.SIGTERM])
def test_errors_of_threads_are_told_unless_an_interruption_came_before(monkeypatch, number):
    """Python's own end, after an interruption, may find a pool of processes half closed."""
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with Interruptions() as interruptions:
        interruptions.number = number
        threading.excepthook("in the block")
    threading.excepthook("after it")
    sys.unraisablehook("after it")
    assert told == ([] if number else ["in the block", "after it", "after it"])
