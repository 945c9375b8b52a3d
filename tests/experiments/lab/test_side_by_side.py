"""`map_runs`: here, in processes, and with executors of somebody else's."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments.data import DataError
from experiments.lab.progress import Silent
from experiments.lab.question import SettingsError
from experiments.lab.side_by_side import map_runs

ROOT = Path(__file__).parents[3]

# Processes import what they run, and pytest's modules have no name by which they could.
WORK = """
import os, time
from experiments.data import DataError

def square(item, progress):
    number, seconds = item
    time.sleep(seconds)
    progress.skip(1)
    progress.step(f"item {number}", number)
    return number**2, os.getpid()

def fail(item, progress):
    if item == 1:
        raise DataError("a folder lacks a file")
    for _ in range(10_000):
        time.sleep(0.01)
        progress.step("waiting")

def sleep(path, progress):
    with open(path + ".part", "w") as file:
        file.write(str(os.getpid()))
    os.rename(path + ".part", path)
    time.sleep(120)

def fail_after(path, progress):
    while not os.path.exists(path):
        time.sleep(0.01)
    raise DataError("a folder lacks a file")

def by_name(item, progress):
    function, path = item
    globals()[function](path, progress)

def die(item, progress):
    os._exit(3)

def endless(path, progress):
    while True:
        with open(path, "a") as file:
            file.write(".")
        progress.step("alive")
        time.sleep(0.01)
"""
ITEMS = [(3, 1.0), (1, 0.0), (4, 0.02), (1, 0.0), (5, 0.0)]


@pytest.fixture
def work(tmp_path, monkeypatch):
    (tmp_path / "work_of_processes.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    import work_of_processes

    yield work_of_processes
    del sys.modules["work_of_processes"]


class Adding(Silent):
    def __init__(self):
        self.steps, self.skipped, self.said = 0, 0, []

    def step(self, what, steps=1):
        self.steps += steps
        self.said.append(what)

    def skip(self, steps):
        self.skipped += steps


@pytest.mark.parametrize("how", ["here", "processes", "executor"])
def test_results_are_in_the_order_of_the_items(work, how):
    progress, kept = Adding(), {}
    with ThreadPoolExecutor(3) as threads:
        results = map_runs(
            work.square,
            ITEMS,
            executor=threads if how == "executor" else None,
            workers=2 if how == "processes" else 1,
            progress=progress,
            keep=kept.__setitem__,
        )
    assert [square for square, _ in results] == [9, 1, 16, 1, 25]
    assert kept == dict(enumerate(results))
    assert list(kept).index(0) == (0 if how == "here" else 4)  # kept as soon as it is there
    assert (progress.steps, progress.skipped) == (14, 5)
    assert set(progress.said) == {"item 3", "item 1", "item 4", "item 5"}
    elsewhere = {process for _, process in results} - {os.getpid()}
    assert bool(elsewhere) == (how == "processes")


def test_nothing_to_do_and_one_item(work):
    assert map_runs(work.square, [], workers=8, progress=Silent()) == []
    ((square, process),) = map_runs(work.square, [(2, 0)], workers=8, progress=Silent())
    assert square == 4 and process == os.getpid()


def test_a_failure_stops_the_others(work):
    start = time.monotonic()
    with pytest.raises(DataError, match="lacks a file"):
        map_runs(work.fail, [0, 1, 2], workers=2, progress=Silent())
    assert time.monotonic() - start < 30  # the others would have taken 100 s


def test_a_process_that_does_not_listen_is_killed(work, tmp_path):
    sign = tmp_path / "asleep"
    items = [("sleep", str(sign)), ("fail_after", str(sign))]
    start = time.monotonic()
    with pytest.raises(DataError, match="lacks a file"):
        map_runs(work.by_name, items, workers=2, progress=Silent())
    assert time.monotonic() - start < 60
    assert within(10, lambda: not alive(int(sign.read_text())))


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_not_begun_yet_is_not_begun_after_a_failure(work, tmp_path):
    sign = str(tmp_path / "begun")
    # One process fails and falls asleep over item 2; the other hears of it, and leaves item 3.
    items = [("fail_after", sign), ("endless", sign)]
    items += [("sleep", str(tmp_path / str(i))) for i in range(2, 6)]
    with pytest.raises(DataError):
        map_runs(work.by_name, items, workers=2, progress=Silent())
    assert [path.name for path in tmp_path.glob("[0-9]")] in ([], ["2"])


def test_a_process_that_ends_without_a_word(work):
    with pytest.raises(SettingsError, match="a process ended abruptly"):
        map_runs(work.die, [0, 1], workers=2, progress=Silent())


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_the_one_that_started_them(work, tmp_path, end):
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from work_of_processes import endless\n"
        "from experiments.lab.side_by_side import map_runs\n"
        "from experiments.lab.progress import Silent\n"
        f"map_runs(endless, {[str(tmp_path / 'a'), str(tmp_path / 'b')]!r}, workers=2, "
        "progress=Silent())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)])},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    signs = [tmp_path / "a", tmp_path / "b"]
    assert within(60, lambda: all(sign.exists() and sign.stat().st_size > 3 for sign in signs))
    process.send_signal(end)
    process.wait(30)
    assert within(10, lambda: all(at_rest(sign) for sign in signs))


def within(seconds, happens):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if happens():
            return True
        time.sleep(0.05)
    return False


def at_rest(sign):
    before = sign.stat().st_size
    time.sleep(0.3)
    return sign.stat().st_size == before
