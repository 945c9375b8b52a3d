"""`gradtrace verify`: every question is run, and every claim gets its verdict, in one table."""

from __future__ import annotations

import json
import shlex
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from experiments.cli.ending import say
from experiments.cli.files import write_whole
from experiments.cli.flags import read_flags
from experiments.cli.running import run_and_save
from experiments.data import DataError
from experiments.figures.verdicts import (
    Outcome,
    as_json,
    counts,
    titled,
    verdicts_markdown,
    verdicts_table,
)
from experiments.lab.progress import Shown
from experiments.lab.question import Question, SettingsError
from experiments.lab.records import read_record
from experiments.lab.results import check_folder
from experiments.questions import QUESTIONS

# Its numbers depend on the machine, and on what else the machine does.
_ONLY_IN_FULL = ("speed",)


@dataclass(frozen=True)
class Settings:
    """Runs every experiment and says of every claim whether it holds.

    Exit code: 1 if a claim that is exact does not hold or an experiment breaks down, else 0.
    """

    quick: bool = False
    """The quick presets, under five minutes on two cores."""
    full: bool = False
    """The default presets, and speed too, whose numbers depend on the machine."""
    questions: tuple[str, ...] = ()
    """Names of the experiments to run; without it all, but speed only with --full."""
    data: tuple[Literal["shapeset", "mnist"], ...] = ("shapeset",)
    """Data sets; an experiment that takes either is run on each. MNIST is read from GRADTRACE_DATA,
    or downloaded."""
    results: Path | None = None
    """Folder for the results; without it results, and results/quick with --quick."""

    def __post_init__(self) -> None:
        if self.quick and self.full:
            raise SettingsError("--quick and --full exclude each other; choose one")
        unknown = [name for name in self.questions if name not in QUESTIONS]
        if unknown:
            raise SettingsError(
                f"--questions: no experiment is named {unknown[0]!r}; there are "
                f"{', '.join(QUESTIONS)}"
            )
        if not self.data:
            raise SettingsError("--data: name one data set at least, shapeset or mnist")

    @property
    def folder(self) -> Path:
        return self.results or (Path("results") / "quick" if self.quick else Path("results"))


@dataclass(frozen=True)
class Planned:
    """A question, its preset and what replaces some of it, and the folder for its result."""

    question: Question
    preset: str
    changes: Mapping[str, Any]
    folder: Path
    data: str | None = None


def planned(settings: Settings) -> list[Planned]:
    """What is to be run, in this order: each question on each data set that it can take.

    Questions that read the others' results come last.
    """
    names = settings.questions or [
        name for name in QUESTIONS if settings.full or name not in _ONLY_IN_FULL
    ]
    chosen = sorted((QUESTIONS[name] for name in dict.fromkeys(names)), key=_reads_others)
    preset = "quick" if settings.quick else "default"
    made = []
    for question in chosen:
        takes_one = isinstance(getattr(question.preset(preset), "data", None), str)
        for data in dict.fromkeys(settings.data) if takes_one else [None]:
            name = question.name if data in (None, "shapeset") else f"{question.name}-{data}"
            changes = {"results": settings.folder} | ({} if data is None else {"data": data})
            made.append(Planned(question, preset, changes, settings.folder / name, data))
    return made


def _reads_others(question: Question) -> bool:
    return question.reads_others


def verify_command(args: Sequence[str], console: Console) -> int:
    """Run everything that is planned, print the table and write it. Returns the exit code.

    Raises: FlagError for flags that can't be understood; SettingsError if results can't be written.
    """
    settings = read_flags(Settings, args, "gradtrace verify")
    if settings is None:
        return 0
    check_folder(settings.folder)
    start = time.monotonic()
    outcomes, broken = [], False
    for one in planned(settings):
        outcome, breakdown = _run(one)
        if breakdown:
            broken = True
            path = settings.folder / "verify" / f"{one.folder.name}-error.txt"
            write_whole(path, breakdown)
            outcome = replace(outcome, problem=f"{outcome.problem}; the whole of it is in {path}")
        outcomes.append(outcome)
    seconds = time.monotonic() - start
    written = _write(settings.folder / "verify", outcomes)
    console.print()
    console.print(verdicts_table(outcomes))
    claims = [claim for o in outcomes if o.record for claim in o.record.claims]
    missing = [outcome.title for outcome in outcomes if outcome.record is None]
    said = f"{len(claims)} claims: {counts(claims)}" if claims else "no claims"
    if missing:
        said += f"; not run: {', '.join(missing)}"
    page = shlex.join(["gradtrace", "report", "--results", str(settings.folder)])
    say(console, f"{said}; {seconds:.0f} s.", written, f"the page that `{page}` makes")
    sys.stdout.flush()
    wrong = [claim.id for claim in claims if claim.exact and claim.verdict == "does not hold"]
    if wrong:
        print(f"gradtrace: exact claims that do not hold: {', '.join(wrong)}", file=sys.stderr)
    return 1 if wrong or broken else 0


def _run(one: Planned) -> tuple[Outcome, str]:
    """What became of it, and the traceback if it broke down."""
    name = one.question.name
    print(f"gradtrace: {titled(name, one.data)}", file=sys.stderr, flush=True)
    try:
        settings = replace(one.question.preset(one.preset), **one.changes)
        with Shown() as progress:
            run_and_save(one.question, settings, one.folder, progress)
        return Outcome(name, one.data, read_record(one.folder)), ""
    except (SettingsError, DataError) as error:
        return Outcome(name, one.data, problem=str(error)), ""
    except MemoryError:
        return Outcome(name, one.data, problem="not enough memory"), ""
    except Exception as error:  # the others are to be run all the same
        said = f"{type(error).__name__}: {error}".splitlines()[0]
        return Outcome(name, one.data, problem=said), traceback.format_exc()


def _write(folder: Path, outcomes: Sequence[Outcome]) -> list[Path]:
    rows = json.dumps(as_json(outcomes), indent=1, ensure_ascii=False)
    texts = {"verdicts.json": f"{rows}\n", "verdicts.md": verdicts_markdown(outcomes)}
    return [write_whole(folder / name, text) for name, text in texts.items()]
