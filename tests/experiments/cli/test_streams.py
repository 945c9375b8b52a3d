"""The command where its standard streams are closed, full, left by their reader, or not UTF-8."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COMMAND = f"{sys.executable} -m experiments.cli.entry"
TRACE = "trace --depth 2 --width 8 --batch 10"
FIGURES = ["figure.png", "figure.svg"]
CLOSED = "gradtrace: standard output can't be written: it is closed; send it to /dev/null"
FULL = "gradtrace: standard output can't be written: No space left on device"

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="redirections as on Linux")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def shell(line, cwd, **changed):
    """What a shell says of a line in which GRADTRACE is the command: (code, stdout, stderr)."""
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "GRADTRACE_DATA")}
    done = subprocess.run(
        ["bash", "-c", line.replace("GRADTRACE", COMMAND)],
        cwd=cwd,
        env=environment | {"PYTHONPATH": str(ROOT)} | changed,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=240,
        check=False,
    )
    said = [
        line
        for line in done.stderr.decode("utf-8", "replace").splitlines()
        if "compiling kernels" not in line
    ]
    return done.returncode, done.stdout, said


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("GRADTRACE list >&-", 2, CLOSED),
        ("GRADTRACE --help >&-", 2, CLOSED),
        (f"GRADTRACE {TRACE} >&-", 2, CLOSED),
        ("GRADTRACE activation tanh >&-", 2, CLOSED),
        ("GRADTRACE list <&- >&-", 2, CLOSED),
        ("GRADTRACE list 1</dev/null", 2, "output can't be written: Bad file descriptor"),
        ("GRADTRACE list >/dev/full", 2, FULL),
        ("GRADTRACE trace --help >/dev/full", 2, FULL),
        (f"GRADTRACE {TRACE} >/dev/full", 2, FULL),
        ("PYTHONUNBUFFERED=1 GRADTRACE list >/dev/full", 2, FULL),
        ("GRADTRACE list <&- >&- 2>&-", 2, None),
        ("GRADTRACE list >/dev/full 2>/dev/full", 2, None),
        ("GRADTRACE trace --depth x 2>&-", 2, None),
        ("GRADTRACE trace --depth x 2>/dev/full", 2, None),
        ("GRADTRACE trace --depth x <&-", 2, "invalid choice"),
        ("GRADTRACE list <&-", 0, None),
        ("GRADTRACE list 2>&-", 0, None),
        ("GRADTRACE list | true; exit ${PIPESTATUS[0]}", 0, None),
        ("PYTHONUNBUFFERED=1 GRADTRACE list | head -1; exit ${PIPESTATUS[0]}", 0, None),
        ("MPLBACKEND=nonsense GRADTRACE list", 0, None),
    ],
)
def test_one_line_and_the_right_code(tmp_path, line, code, said):
    got, _, lines = shell(line, tmp_path)
    assert got == code, lines
    assert len(lines) == (said is not None), lines
    if said == "invalid choice":
        assert lines[0].startswith("gradtrace: ")
    elif said:
        assert said in lines[0]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "how", ["<&-", "2>&-", "2>/dev/full", "<&- 2>&-", "| cat; exit ${PIPESTATUS[0]}"]
)
def test_what_is_not_needed_is_not_missed(tmp_path, how):
    code, out, lines = shell(
        f"MPLBACKEND=nonsense GRADTRACE {TRACE} --walk --html p.html {how}", tmp_path
    )
    assert (code, lines) == (0, [])
    assert "step 1 of 4" in out.decode()
    assert names(tmp_path / "results" / "trace") == FIGURES
    assert (tmp_path / "p.html").read_text(encoding="utf-8").endswith("</html>\n")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437"])
def test_signs_that_a_pipe_lacks_are_spelled(tmp_path, encoding):
    code, out, lines = shell(f"GRADTRACE {TRACE} --walk", tmp_path, PYTHONIOENCODING=encoding)
    assert (code, lines) == (0, [])
    said = out.decode(encoding)
    assert "dL/ds" in said and "?" not in said
    code, out, lines = shell("GRADTRACE list", tmp_path, LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert (code, lines) == (0, [])


def test_pages_into_pipes_devices_and_links(tmp_path):
    (tmp_path / "link.html").symlink_to("real.html")
    for page in ("/dev/stdout", ">(cat >copy.html)", "/dev/null", "link.html"):
        code, out, lines = shell(
            f"GRADTRACE {TRACE} --html {page} | cat; c=${{PIPESTATUS[0]}}; sleep 1; exit $c",
            tmp_path,
        )
        assert (code, lines) == (0, []), page
        assert ("</html>" in out.decode()) == (page == "/dev/stdout")
    assert not Path("/dev/null").is_file()
    assert (tmp_path / "link.html").is_symlink()
    pages = [(tmp_path / name).read_text(encoding="utf-8") for name in ("real.html", "copy.html")]
    assert all(page.startswith("<!DOCTYPE html>") for page in pages)
    assert all(page.endswith("</html>\n") for page in pages)


def test_a_page_whose_reader_has_seen_enough(tmp_path):
    code, out, lines = shell(f"GRADTRACE {TRACE} --html >(head -c 10 >/dev/null)", tmp_path)
    assert (code, lines) == (0, [])
    assert "Open: results/trace/figure.png" in out.decode()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.stdout.close()", "standard output can't be written: I/O operation"),
        ("raise SystemExit", "own.py, line 4: the file ended the program (SystemExit)"),
        ("input()", "own.py, line 4: EOFError"),
        ("print('x' * 100)\nraise ValueError", "own.py, line 5: ValueError"),
    ],
)
@pytest.mark.parametrize(
    "command", ["activation own.py:f --depth 2 --width 4", f"{TRACE} --activation own.py:f"]
)
def test_files_of_users(tmp_path, code, said, command):
    head = "from engine import activation\n@activation\ndef f(s): return s * 2.0\n"
    (tmp_path / "own.py").write_text(head + code)
    got, _, lines = shell(f"GRADTRACE {command}", tmp_path)
    assert got == 2
    assert len(lines) == 1 and said in lines[0], lines
    assert not (tmp_path / "results").exists()


def test_a_full_disk_leaves_the_earlier_card(tmp_path):
    folder = tmp_path / "results" / "activation"
    folder.mkdir(parents=True)
    (folder / "tanh.png").write_bytes(b"earlier")
    small = "--depth 2 --width 4 --draws 1"
    code, _, lines = shell(f"ulimit -f 4; GRADTRACE activation tanh {small}", tmp_path)
    assert code == 2
    assert "results/activation/tanh.png can't be written: File too large" in lines[-1]
    assert names(folder) == ["tanh.png"]
    assert (folder / "tanh.png").read_bytes() == b"earlier"
