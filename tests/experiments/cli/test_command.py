"""The command as a user runs it: in a process of its own, on a terminal or in a pipe."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "experiments.cli.entry"]
TINY = shlex.split(
    "run vanishing --depth 3 --width 16 --draws 2 --updates 2 --probe 10 --activations tanh"
)
FIGURES = ["activations", "figure", "loss", "weight-gradients"]
FILES = sorted(
    ["arrays.npz", "result.json", *(f"{f}.{k}" for f in FIGURES for k in ("png", "svg"))]
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def environment(**changed):
    found = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "GRADTRACE_DATA")}
    return found | {"PYTHONPATH": str(ROOT), "TERM": "xterm"} | changed


def gradtrace(*args, cwd, **changed):
    return subprocess.run(
        [*COMMAND, *args],
        cwd=cwd,
        env=environment(**changed),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
    )


def on_a_terminal(args, cwd, columns=80):
    """The exit code and all that a terminal of that width was sent."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *args], cwd=cwd, env=environment(COLUMNS=str(columns)),
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    content = b""
    while True:
        try:
            part = os.read(ours, 65536)
        except OSError:  # Linux's way of saying that the other end is closed
            break
        if not part:
            break
        content += part
    os.close(ours)
    return process.wait(timeout=60), content.decode("utf-8")


def plain(text):
    """Without the sequences that colour text and move the cursor."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    return folder, gradtrace(*TINY, cwd=folder)


def test_a_run_in_a_pipe(finished):
    folder, done = finished
    assert done.returncode == 0
    assert names(folder / "results/vanishing") == FILES
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "\x1b" not in done.stdout and "…" not in done.stdout
    for part in (
        "How does the gradient change",
        "tanh",
        "claims",
        "G13",
        "Seen: At the start",
        "Open: results/vanishing/figure.png\n",
    ):
        assert part in done.stdout
    assert "\nOpen: results/vanishing/figure.png\n" in done.stdout
    # No bar: at most a quiet line now and then.
    assert "\x1b" not in done.stderr and "Traceback" not in done.stderr
    record = json.loads((folder / "results/vanishing/result.json").read_text(encoding="utf-8"))
    assert record["settings"]["depth"] == 3 and record["seed"] == 0
    assert len(record["claims"]) == 8


def test_a_run_on_a_terminal_of_80_columns(tmp_path):
    code, content = on_a_terminal(TINY, tmp_path)
    assert code == 0
    lines = plain(content).replace("\r\n", "\n").replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in content
    assert "\x1b[" in content
    assert names(tmp_path / "results/vanishing") == FILES


@pytest.mark.parametrize(
    "args", [["--help"], ["run", "vanishing", "--help"], ["run", "speed", "--help"]]
)
def test_help_fits_a_terminal_of_80_columns(args, tmp_path):
    code, content = on_a_terminal(args, tmp_path)
    assert code == 0
    # The description is one paragraph, which the terminal itself breaks.
    lines = [line for line in plain(content).splitlines() if not line.startswith("Presets")]
    assert max(map(len, lines)) <= 80


def test_flags_that_are_wrong_in_a_process(tmp_path):
    done = gradtrace("run", "vanishing", "--depht", "3", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "--depht" in done.stderr
    code, content = on_a_terminal(["run", "vanishing", "--depth", "x"], tmp_path)
    assert code == 2
    assert content.count("\n") == 1 and "╭" not in content
    assert names(tmp_path) == []


def test_mnist_from_a_missing_folder(tmp_path):
    done = gradtrace("run", "vanishing", "--data", "mnist", cwd=tmp_path, GRADTRACE_DATA="missing")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gradtrace: missing can't be read")
    assert done.stderr.count("\n") == 1
    assert names(tmp_path) == []


def heed_ctrl_c():
    """Even where the tests themselves were started in a shell's background, which ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def started(folder):
    # Training that would take an hour.
    args = shlex.split("--depth 3 --width 16 --draws 2 --probe 10 --updates 9999999")
    return subprocess.Popen(
        [*COMMAND, "run", "vanishing", *args], cwd=folder, env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        preexec_fn=heed_ctrl_c,
    )  # fmt: skip


def test_ctrl_c_in_a_run(tmp_path):
    for name in ("empty", "used"):
        (tmp_path / name).mkdir()
    earlier = tmp_path / "used/results/vanishing"
    earlier.mkdir(parents=True)
    for name in FILES:
        (earlier / name).write_text("earlier")
    # Both at once, since each says nothing before five seconds have passed.
    processes = [started(tmp_path / "empty"), started(tmp_path / "used")]
    try:
        for process in processes:
            # A line before may say that kernels are being compiled.
            assert any("training" in line for line in iter(process.stderr.readline, ""))
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
            assert process.returncode == 130
            assert out == ""
            assert err.splitlines()[-1] == "gradtrace: interrupted"
            assert "Traceback" not in err
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert names(tmp_path / "empty") == []
    assert names(earlier) == FILES
    assert {(earlier / name).read_text() for name in FILES} == {"earlier"}


def children(pid):
    """The processes that this one has started and that are still there."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:  # it has just ended
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_ctrl_c_leaves_no_worker_of_speed_behind(tmp_path):
    args = shlex.split("run speed --groups small --threads 1 --rounds 1000 --block-ms 10000")
    process = subprocess.Popen(
        [*COMMAND, *args], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, encoding="utf-8", preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    try:
        end = time.monotonic() + 60
        workers = []
        while len(workers) < 2 and time.monotonic() < end:
            time.sleep(0.1)
            workers = children(process.pid)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert len(workers) >= 2
    assert process.returncode == 130 and out == ""
    assert err.splitlines()[-1] == "gradtrace: interrupted" and "Traceback" not in err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert names(tmp_path) == []


def piped(reader, tmp_path):
    """The command's and the reader's exit codes, the reader's output, and the command's stderr."""
    command = subprocess.Popen(
        [*COMMAND, *TINY], cwd=tmp_path, env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    head = subprocess.Popen(reader, stdin=command.stdout, stdout=subprocess.PIPE)
    command.stdout.close()
    out = head.communicate(timeout=120)[0]
    err = command.stderr.read().decode()
    command.stderr.close()
    return command.wait(timeout=60), out.decode(), err


def test_a_reader_that_has_seen_enough(tmp_path):
    _, out, err = piped(["head", "-1"], tmp_path)
    assert out.count("\n") == 1
    assert "Traceback" not in err and "BrokenPipe" not in err
    assert names(tmp_path / "results/vanishing") == FILES


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    assert piped([sys.executable, "-c", ""], tmp_path)[0] == 0


def test_a_list_that_nobody_reads(tmp_path):
    ours, theirs = os.pipe()
    os.close(ours)
    start = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "list"], cwd=tmp_path, env=environment(), stdout=theirs, stderr=subprocess.PIPE,
        timeout=60,
    )  # fmt: skip
    os.close(theirs)
    assert b"Traceback" not in done.stderr
    assert time.monotonic() - start < 30


def test_a_run_on_an_ascii_terminal(tmp_path):
    done = gradtrace(*TINY, "--inits", "standard", cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


def test_an_interruption_while_modules_are_read(tmp_path):
    (tmp_path / "tyro.py").write_text("raise KeyboardInterrupt\n")
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich" / "__init__.py").write_text("raise KeyboardInterrupt\n")
    program = "import sys; from experiments.cli.entry import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, "list"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr == "gradtrace: interrupted\n"
