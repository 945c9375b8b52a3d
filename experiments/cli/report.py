"""`gradtrace report`: one page of the results on disk, and the README's table of verdicts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.cli.files import write_whole
from experiments.cli.flags import read_flags
from experiments.cli.marked import filled
from experiments.figures.svg import inlined
from experiments.figures.verdicts import Outcome, titled, verdicts_markdown
from experiments.lab.question import SettingsError
from experiments.lab.records import Record, read_records
from experiments.lab.repeating import command
from experiments.pages.report_page import Section, anchor, page
from experiments.questions import QUESTIONS
from experiments.questions.article_sentences import ORDER


@dataclass(frozen=True)
class Settings:
    """One page of the results on disk, for any browser, in the order of the article."""

    results: Path = Path("results")
    """Folder of the results."""
    html: Path | None = None
    """The page; without it report.html in the folder of the results."""
    markdown: Path | None = None
    """A Markdown file, README.md for example, of which parts are to be replaced: the table of
    verdicts between <!-- verdicts --> and <!-- end of verdicts -->, and texts of the results
    between marks with their names, <!-- speed/steps.md --> and <!-- end of speed/steps.md -->."""

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
    records.sort(key=_place)
    text = ""
    if settings.markdown is not None:
        outcomes = [Outcome(record.question, record.data, record) for record in records]
        text = filled(settings.markdown, settings.results, verdicts_markdown(outcomes))
    sections = [Section(record, _figures(record, problems), _command(record)) for record in records]
    missing = {
        name: question.asks
        for name, question in QUESTIONS.items()
        if all(record.question != name for record in records)
    }
    written = [write_whole(settings.page, page(sections, missing, problems))]
    if settings.markdown is not None:
        written.append(write_whole(settings.markdown, text))
    for problem in problems:
        print(f"gradtrace: {problem}", file=sys.stderr)
    names = ", ".join(titled(record.question, record.data) for record in records)
    console.print(f"results of: {names}", highlight=False, markup=False)
    if missing:
        console.print(f"not run: {', '.join(missing)}", highlight=False, markup=False)
    for path in written:
        console.print(f"written: {path}", highlight=False, markup=False, soft_wrap=True)
    sys.stdout.flush()


def _place(record: Record) -> tuple[int, int, str]:
    """In the order of the article; what it does not know comes after, in the order of the list."""
    known = record.question in ORDER
    names = list(QUESTIONS)
    listed = names.index(record.question) if record.question in names else len(names)
    place = ORDER.index(record.question) if known else len(ORDER)
    first = record.data in (None, "shapeset")
    return place, 0 if known else listed, "" if first else str(record.data)


def _figures(record: Record, problems: list[str]) -> str:
    """Its figures as `<svg>`s, one after the other."""
    drawn = ""
    for name, message in record.figures.items():
        path = record.folder / f"{name}.svg"
        try:
            text = path.read_text(encoding="utf-8")
            drawn += inlined(text, message, f"{anchor(record.folder.name, name)}-")
        except OSError as error:
            problems.append(f"{path} can't be read: {error.strerror or error}")
        except ValueError:
            problems.append(f"{path} is no SVG; run {record.question} again")
    return drawn


def _command(record: Record) -> str:
    question = QUESTIONS.get(record.question)
    return "" if question is None else command(question, record.settings)
