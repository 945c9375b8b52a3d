"""Worker processes: what they answer, how they die, and that none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.speed.processes import Worker, WorkerDiedError, WorkerError

ROOT = Path(__file__).parents[3]

ECHO = """
import json, os, sys, time
for line in sys.stdin:
    asked = json.loads(line)
    if "exit" in asked:
        print("first words", file=sys.stderr)
        print("last words", file=sys.stderr, flush=True)
        os._exit(asked["exit"])
    if "kill" in asked:
        os.kill(os.getpid(), asked["kill"])
    time.sleep(asked.get("sleep", 0))
    print(asked["say"] if "say" in asked else json.dumps({"pid": os.getpid(), **asked}), flush=True)
"""


@pytest.fixture
def worker():
    with Worker([sys.executable, "-c", ECHO], os.environ) as started:
        yield started


def is_there(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"  # a zombie has ended, and waits for whoever adopted it


def wait_until_gone(pid, seconds=10):
    end = time.monotonic() + seconds
    while is_there(pid) and time.monotonic() < end:
        time.sleep(0.02)
    return not is_there(pid)


linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


def test_answers_in_turn(worker):
    assert worker.ask(10, a=1)["a"] == 1
    assert worker.ask(10, a="ü")["a"] == "ü"


def test_what_it_can_not_do_is_an_error_and_it_lives_on(worker):
    with pytest.raises(WorkerError, match=r"^no such thing$") as caught:
        worker.ask(10, error="no\n such  thing")
    assert not isinstance(caught.value, WorkerDiedError)
    assert worker.ask(10, a=1)["a"] == 1


def test_its_last_words_are_the_reason(worker):
    with pytest.raises(WorkerDiedError, match=r"exit code 3\): last words$"):
        worker.ask(10, exit=3)
    with pytest.raises(WorkerDiedError):
        worker.ask(10, a=1)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_signal_is_the_reason(worker):
    with pytest.raises(WorkerDiedError, match="signal 9"):
        worker.ask(10, kill=int(signal.SIGKILL))


def test_no_answer_in_time_is_the_end_of_it(worker):
    pid = worker.ask(10)["pid"]
    with pytest.raises(WorkerDiedError, match=r"no answer within 0\.2 s"):
        worker.ask(0.2, sleep=60)
    if Path("/proc").exists():
        assert not is_there(pid)


def test_an_answer_that_is_none(worker):
    with pytest.raises(WorkerDiedError, match="no JSON"):
        worker.ask(10, say="hello")


def test_an_interpreter_that_is_not_there():
    with pytest.raises(WorkerDiedError, match="nowhere/python can't be started"):
        Worker(["nowhere/python"], os.environ)


@linux
def test_it_ends_with_the_block_even_while_it_works():
    with (
        pytest.raises(KeyboardInterrupt),
        Worker([sys.executable, "-c", ECHO], os.environ) as worker,
    ):
        pid = worker.ask(10)["pid"]
        worker._process.stdin.write('{"sleep": 60}\n')
        worker._process.stdin.flush()
        raise KeyboardInterrupt
    assert not is_there(pid)
    worker.close()  # a second time does nothing


@linux
def test_it_ends_when_the_parent_is_killed():
    program = f"""
import os, sys
from experiments.speed.processes import Worker
worker = Worker([sys.executable, "-c", {ECHO!r}], os.environ)
print(worker.ask(10)["pid"], flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -9
    assert wait_until_gone(int(done.stdout))


@linux
def test_ctrl_c_in_the_terminal_does_not_reach_it(worker):
    assert os.getpgid(worker.ask(10)["pid"]) != os.getpgid(0)
