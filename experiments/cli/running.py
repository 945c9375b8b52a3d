"""One question measured and saved: what `gradtrace run` and `gradtrace verify` share."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.lab.checkpoints import discard_checkpoints
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result
from experiments.lab.results import check_folder, save_result


@dataclass(frozen=True)
class Run:
    """A run that is done: its result, the files written, and how long the measuring took."""

    result: Result
    files: list[Path]
    seconds: float


def run_and_save(question: Question, settings: Any, folder: Path, progress: Progress) -> Run:
    """Measure, draw, and write the files into `folder`.

    Raises: SettingsError, DataError.
    """
    check_folder(folder)
    start = time.monotonic()
    result = question.run(settings, progress)
    seconds = time.monotonic() - start
    figures = question.figures(settings, result)
    files = save_result(folder, question, settings, result, figures, seconds)
    # Checkpoints lie where `gradtrace run` puts a result, whatever folder this one has.
    discard_checkpoints(settings.results / question.name)
    return Run(result, files, seconds)
