"""What stands at a path decides how a file is written there, and a failure leaves it as it was."""

import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from engine import read_arrays, write_arrays
from engine.writing import check_target, write_file, write_files

ROOT = Path(__file__).parents[2]
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
NOT_ROOT = pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
PYTHON = [sys.executable, "-c"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("content", "bytes_"),
    [
        ("∂L/∂s\n", "∂L/∂s\n".encode()),
        (b"\0\1", b"\0\1"),
        (lambda stream: stream.write(b"made"), b"made"),
        ("", b""),
        ("a\ud800b", b"a\\ud800b"),
    ],
    ids=["text", "bytes", "function", "empty", "half a surrogate pair"],
)
def test_contents(tmp_path, content, bytes_):
    write_file(tmp_path / "new", content)
    assert (tmp_path / "new").read_bytes() == bytes_


class TestLinks:
    def test_the_link_stays_and_its_target_gets_the_content(self, tmp_path):
        (tmp_path / "real").write_text("old")
        (tmp_path / "first").symlink_to("second")
        (tmp_path / "second").symlink_to(tmp_path / "real")
        write_file(tmp_path / "first", "new")
        assert (tmp_path / "first").readlink() == Path("second")
        assert (tmp_path / "second").is_symlink()
        assert (tmp_path / "real").read_text() == "new"
        assert names(tmp_path) == ["first", "real", "second"]

    def test_a_link_to_nothing_makes_its_target(self, tmp_path):
        (tmp_path / "link").symlink_to("real")
        write_file(tmp_path / "link", "new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_text() == "new"

    def test_a_link_into_a_missing_folder(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "there" / "real")
        with pytest.raises(FileNotFoundError, match=r"link can't be written: .*no folder .*there"):
            write_file(tmp_path / "link", "new")
        write_file(tmp_path / "link", "new", make_folders=True)
        assert (tmp_path / "there" / "real").read_text() == "new"

    def test_the_other_name_is_in_the_targets_folder(self, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "there" / "real")
        seen = []
        write_file(tmp_path / "link", lambda stream: seen.extend(names(tmp_path / "there")))
        assert len(seen) == 1
        assert names(tmp_path / "there") == ["real"]
        assert names(tmp_path) == ["link", "there"]

    def test_a_loop(self, tmp_path):
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        with pytest.raises(OSError, match=r"/a can't be written: .*links"):
            write_file(tmp_path / "a", "new")
        assert names(tmp_path) == ["a", "b"]

    def test_a_folder_that_is_a_link(self, tmp_path):
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to("there")
        write_file(tmp_path / "link" / "new", "new")
        assert names(tmp_path / "there") == ["new"]

    def test_of_a_file_with_two_names_one_gets_the_content(self, tmp_path):
        (tmp_path / "a").write_text("old")
        (tmp_path / "b").hardlink_to(tmp_path / "a")
        write_file(tmp_path / "a", "new")
        assert ((tmp_path / "a").read_text(), (tmp_path / "b").read_text()) == ("new", "old")


class TestModes:
    @pytest.mark.parametrize("kept", [0o600, 0o640, 0o755, 0o666])
    def test_a_file_keeps_its_mode(self, tmp_path, kept):
        (tmp_path / "a").write_text("old")
        (tmp_path / "a").chmod(kept)
        write_arrays(tmp_path / "a", {"x": np.ones(2)})
        assert mode(tmp_path / "a") == kept

    @pytest.mark.parametrize(("mask", "new"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
    def test_a_new_file_has_the_mode_that_the_umask_gives(self, tmp_path, mask, new):
        before = os.umask(mask)
        try:
            write_file(tmp_path / "a", "new")
        finally:
            os.umask(before)
        assert mode(tmp_path / "a") == new

    def test_nobody_reads_a_private_files_content_under_its_other_name(self, tmp_path):
        (tmp_path / "a").write_text("old")
        (tmp_path / "a").chmod(0o600)
        modes = []
        write_file(
            tmp_path / "a",
            lambda stream: modes.extend(map(mode, tmp_path.glob(".unfinished-*"))),
        )
        assert modes == [0o600]

    @ROOT_ONLY
    def test_root_leaves_a_file_to_its_owner(self, tmp_path):
        (tmp_path / "a").write_text("old")
        os.chown(tmp_path / "a", 12345, 23456)
        write_file(tmp_path / "a", "new")
        assert ((tmp_path / "a").stat().st_uid, (tmp_path / "a").stat().st_gid) == (12345, 23456)

    @NOT_ROOT
    def test_a_read_only_file_and_folder_are_refused(self, tmp_path):
        (tmp_path / "a").write_text("old")
        (tmp_path / "a").chmod(0o444)
        with pytest.raises(PermissionError, match="a can't be written: no permission"):
            write_file(tmp_path / "a", "new")
        (tmp_path / "closed").mkdir(mode=0o555)
        with pytest.raises(PermissionError, match="closed/a can't be written: no permission"):
            write_file(tmp_path / "closed" / "a", "new")
        assert names(tmp_path / "closed") == []


def read_later(path):
    """A thread that reads the FIFO to its end, and the list that gets what it has read."""
    content = []
    thread = threading.Thread(target=lambda: content.append(path.read_bytes()), daemon=True)
    thread.start()
    return thread, content


class TestWhatIsNoRegularFile:
    def test_a_fifo_gets_the_content_and_stays(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")
        (tmp_path / "link").symlink_to("fifo")
        for path in (tmp_path / "fifo", tmp_path / "link"):
            thread, content = read_later(tmp_path / "fifo")
            write_arrays(path, {"x": np.arange(1e5)})
            thread.join(30)
            (tmp_path / "copy").write_bytes(content[0])
            np.testing.assert_array_equal(read_arrays(tmp_path / "copy")["x"], np.arange(1e5))
        assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)
        assert names(tmp_path) == ["copy", "fifo", "link"]

    def test_a_fifo_gets_nothing_of_what_fails(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")

        def fails(stream):
            stream.write(b"half")
            raise RuntimeError("no font")

        with pytest.raises(RuntimeError, match="no font"):  # and nobody waits for a reader
            write_file(tmp_path / "fifo", fails)

    def test_a_fifo_that_nobody_reads(self, tmp_path, monkeypatch):
        monkeypatch.setattr("engine.writing.READER_WAIT", 0.1)
        os.mkfifo(tmp_path / "fifo")
        failed = []

        def writes():
            try:
                write_file(tmp_path / "fifo", "x")
            except OSError as error:
                failed.append(str(error))

        thread = threading.Thread(target=writes, daemon=True)
        thread.start()
        thread.join(10)
        assert "fifo can't be written: it is a FIFO that nobody reads" in failed[0]

    def test_a_reader_who_has_seen_enough(self, tmp_path):
        os.mkfifo(tmp_path / "fifo")

        def reads_a_little():
            with (tmp_path / "fifo").open("rb") as file:
                file.read(1)

        threading.Thread(target=reads_a_little, daemon=True).start()
        with pytest.raises(BrokenPipeError, match="fifo can't be written: Broken pipe"):
            write_file(tmp_path / "fifo", b"x" * 10_000_000)

    @ROOT_ONLY
    def test_a_device_stays_one(self, tmp_path):
        try:
            os.mknod(tmp_path / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
            os.mknod(tmp_path / "full", 0o666 | stat.S_IFCHR, os.makedev(1, 7))
        except PermissionError:
            pytest.skip("no devices may be made here")
        write_file(tmp_path / "null", "gone")
        with pytest.raises(OSError, match="full can't be written: No space left"):
            write_file(tmp_path / "full", "gone")
        assert all(stat.S_ISCHR((tmp_path / n).stat().st_mode) for n in ("null", "full"))

    def test_a_terminal_shows_it(self):
        pty = pytest.importorskip("pty")
        ours, theirs = pty.openpty()
        try:
            write_file(os.ttyname(theirs), "shown")
            assert os.read(ours, 100) == b"shown"
        finally:
            os.close(ours)
            os.close(theirs)

    def test_a_socket_is_refused(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)  # a socket's path is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket")
            with pytest.raises(OSError, match="socket can't be written: it is a disk or a socket"):
                write_file("socket", "new")
        assert names(tmp_path) == ["socket"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /dev/stdout as on Linux")
class TestDescriptors:
    def run(self, code, **streams):
        program = f"import sys\nfrom engine.writing import write_file\n{code}"
        return subprocess.run([*PYTHON, program], cwd=ROOT, timeout=60, check=False, **streams)

    @pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
    def test_standard_output_goes_on_in_its_file(self, tmp_path, name):
        code = f"print('before')\nwrite_file({name!r}, 'content\\n')\nprint('after')"
        with (tmp_path / "out").open("wb") as out:
            inode = (tmp_path / "out").stat().st_ino
            self.run(code, stdout=out)
        assert (tmp_path / "out").read_text() == "before\ncontent\nafter\n"
        assert (tmp_path / "out").stat().st_ino == inode
        done = self.run(code, stdout=subprocess.PIPE)
        assert done.stdout == b"before\ncontent\nafter\n"

    def test_a_closed_one(self):
        done = self.run("write_file('/dev/fd/77', 'x')", stderr=subprocess.PIPE)
        assert b"OSError: /dev/fd/77 can't be written: " in done.stderr


class TestRefusals:
    @pytest.mark.parametrize(
        ("name", "kind", "said"),
        [
            ("", FileNotFoundError, "the name is empty"),
            ("folder", IsADirectoryError, "it is a folder; name a file"),
            ("new/", IsADirectoryError, "it is a folder"),
            (".", IsADirectoryError, "it is a folder"),
            ("nowhere/new", FileNotFoundError, "there is no folder nowhere; make it first"),
            ("file/new", NotADirectoryError, ""),
            ("x" * 300, OSError, "name too long"),
            ("a\0b", OSError, "null"),
        ],
    )
    @pytest.mark.parametrize("ask", [write_file, lambda path, content: check_target(path)])
    def test_names_that_can_not_be_written(self, tmp_path, monkeypatch, name, kind, said, ask):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").write_text("mine")
        with pytest.raises(kind, match="can't be written: ") as told:
            ask(name, "new")
        assert said.lower() in str(told.value).lower()
        assert "unfinished" not in str(told.value)
        assert "\0" not in str(told.value)
        assert told.value.errno
        assert names(tmp_path) == ["file", "folder"]

    def test_a_path_with_a_line_break_makes_no_second_line(self, tmp_path):
        with pytest.raises(FileNotFoundError) as told:
            write_file(tmp_path / "a\nb" / "c", "new")
        assert "\n" not in str(told.value)

    def test_a_name_as_long_as_names_can_be(self, tmp_path):
        write_file(tmp_path / ("x" * 255), "new")
        assert names(tmp_path) == ["x" * 255]

    def test_asking_leaves_nothing(self, tmp_path):
        check_target(tmp_path / "a" / "b" / "new", make_folders=True)
        check_target(tmp_path / "new")
        assert names(tmp_path) == []


class TestFailures:
    @pytest.mark.parametrize("error", [RuntimeError("no font"), KeyboardInterrupt(), SystemExit(3)])
    def test_what_was_there_stays(self, tmp_path, error):
        (tmp_path / "a").write_text("old")

        def fails(stream):
            stream.write(b"half")
            raise error

        for name in ("a", "new"):
            with pytest.raises(type(error)):
                write_files({tmp_path / "b": "b", tmp_path / name: fails})
        assert names(tmp_path) == ["a"]
        assert (tmp_path / "a").read_text() == "old"

    def test_a_disk_that_is_full(self, tmp_path):
        """As far as this process is concerned: it may write 1,000 bytes into a file."""
        (tmp_path / "a").write_text("old")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            with pytest.raises(OSError, match=r"/a can't be written: File too large"):
                write_file(tmp_path / "a", b"x" * 2000)
            with pytest.raises(OSError, match=r"/n.npz can't be written: File too large"):
                write_arrays(tmp_path / "n.npz", {"x": np.ones(10_000)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert names(tmp_path) == ["a"]
        assert (tmp_path / "a").read_text() == "old"
