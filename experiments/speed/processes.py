"""A worker process, spoken to in JSON lines, that can die without taking the experiment along."""

from __future__ import annotations

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

_END = None  # what the reading thread leaves when the worker's stdout has ended


class WorkerError(Exception):
    """A piece of work that could not be done, and why, in one line. The worker lives on."""


class WorkerDiedError(WorkerError):
    """The worker is gone, and why."""


class Worker:
    """A process that answers one JSON line to each, `with Worker(command, env) as worker: …`.

    It is in a group of its own, so that Ctrl-C reaches the parent alone, which then ends it; and
    it ends by itself when its stdin does, that is, when the parent is gone without a word.

    Raises: WorkerDiedError if it can't be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        # A thread reads, because a pipe can't be waited for with a time limit everywhere.
        self._lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        group: dict[str, Any] = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        try:
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                encoding="utf-8",
                **group,
            )
        except OSError as error:
            self._errors.close()
            raise WorkerDiedError(f"{command[0]} can't be started ({error.strerror})") from None
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stdout = self._process.stdout
        with contextlib.suppress(OSError, ValueError):
            for line in stdout or ():
                self._lines.put(line)
        self._lines.put(_END)

    def ask(self, limit: float, **request: Any) -> dict[str, Any]:
        """The worker's answer.

        Args:
            limit: seconds after which it is given up and killed.

        Raises: WorkerError with the reason that the worker gave, WorkerDiedError if it is gone.
        """
        stdin = self._process.stdin
        try:
            if stdin is None or stdin.closed:
                raise BrokenPipeError
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            line = self._lines.get(timeout=limit)
        except queue.Empty:
            self.close()
            raise WorkerDiedError(f"no answer within {limit:g} s") from None
        except OSError:
            line = _END
        if line is _END:
            raise WorkerDiedError(self._last_words())
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            self.close()
            raise WorkerDiedError("it answered with something that is no JSON") from None
        if "error" in answer:
            raise WorkerError(_one_line(str(answer["error"])))
        return answer

    def _last_words(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        self._process.kill()
        code = self._process.wait()
        said: list[str] = []
        if not self._errors.closed:
            self._errors.seek(0)
            said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"its process ended ({how})" + (f": {_one_line(said[-1])}" if said else "")

    def close(self) -> None:
        """End the process, whatever it is doing; a second time does nothing."""
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=5)
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _one_line(text: str, longest: int = 200) -> str:
    line = " ".join(text.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"
