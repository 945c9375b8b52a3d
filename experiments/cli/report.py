"""`gradtrace report`: one page of the results on disk, and the README's table of verdicts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from experiments.cli.ending import say
from experiments.cli.files import write_whole
from experiments.cli.flags import read_flags
from experiments.cli.marked import COUNTS, VERDICTS, filled
from experiments.figures.verdicts import Outcome, counts, titled, verdicts_markdown
from experiments.lab.question import SettingsError
from experiments.lab.records import Record, read_records
from experiments.lab.repeating import command
from experiments.pages.pictures import pictures_of
from experiments.pages.report_page import Section, page
from experiments.questions import QUESTIONS
from experiments.questions.article_sentences import ORDER


@dataclass(frozen=True)
class Settings:
    """One page of the results on disk, for any browser, in the order of the article."""

    results: Path = Path("results")
    """Folder of the results."""
    html: Path | None = None
    """The page; without it report.html in the folder of the results."""
    markdown: tuple[Path, ...] = ()
    """Markdown files, VERDICTS.md for example, of which parts are to be replaced: the table of
    verdicts between <!-- verdicts --> and <!-- end of verdicts -->, how many claims have which
    verdict between <!-- counts --> and <!-- end of counts -->, and texts of the results between
    marks with their names, <!-- speed/steps.md --> and <!-- end of speed/steps.md -->."""

    def __post_init__(self) -> None:
        if self.html is not None and self.html.is_dir():
            raise SettingsError(f"--html: {self.html} is a folder; name a file")

    @property
    def page(self) -> Path:
        return self.html or self.results / "report.html"


def report_command(args: Sequence[str], console: Console) -> None:
    """Write the page and, if asked for, the table of verdicts.

    Raises: FlagError, SettingsError.
    """
    settings = read_flags(Settings, args, "gradtrace report")
    if settings is None:
        return
    records, problems = read_records(settings.results)
    if not records and not problems:
        quick = settings.results / "quick"
        some = (
            f"take --results {quick}" if read_records(quick)[0] else "`gradtrace verify` makes some"
        )
        raise SettingsError(f"--results: {settings.results} holds no results; {some}")
    records = sorted(map(_without_commands, records), key=_place)
    outcomes = [Outcome(record.question, record.data, record) for record in records]
    claims = [claim for record in records for claim in record.claims]
    said = f"{len(claims)} claims: {counts(claims)}"
    parts = {VERDICTS: verdicts_markdown(outcomes), COUNTS: f"{said}."}
    texts = {path: filled(path, settings.results, parts) for path in settings.markdown}
    sections = []
    for record in records:
        pictures, wrong = pictures_of(record)
        sections.append(Section(record, pictures, _command(record)))
        problems += wrong
    missing = {
        name: question.asks
        for name, question in QUESTIONS.items()
        if all(record.question != name for record in records)
    }
    written = [write_whole(settings.page, page(sections, missing, problems))]
    written += [write_whole(path, text) for path, text in texts.items()]
    for problem in problems:
        print(f"gradtrace: {problem}", file=sys.stderr)
    names = ", ".join(titled(record.question, record.data) for record in records)
    others = {"Not run": ", ".join(missing)}
    say(console, f"results of {names}; {said}.", written, "VERDICTS.md", **others)
    sys.stdout.flush()


def _place(record: Record) -> tuple[int, int, str]:
    """In the order of the article; what it does not know comes after, in the order of the list."""
    known = record.question in ORDER
    names = list(QUESTIONS)
    listed = names.index(record.question) if record.question in names else len(names)
    place = ORDER.index(record.question) if known else len(ORDER)
    first = record.data in (None, "shapeset")
    return place, 0 if known else listed, "" if first else str(record.data)


def _without_commands(record: Record) -> Record:
    """Claims of a question that is no more name no command."""
    if record.question in QUESTIONS:
        return record
    return replace(record, claims=tuple(replace(claim, needs=None) for claim in record.claims))


def _command(record: Record) -> str:
    question = QUESTIONS.get(record.question)
    return "" if question is None else command(question, record.settings)
