"""`gradtrace report`: one page of the results on disk, and the README's table of verdicts."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.cli.files import write_whole
from experiments.cli.flags import read_flags
from experiments.figures.svg import inlined
from experiments.figures.verdicts import Outcome, titled, verdicts_markdown
from experiments.lab.question import SettingsError
from experiments.lab.records import Record, read_records
from experiments.lab.repeating import command
from experiments.pages.report_page import Section, anchor, page
from experiments.questions import QUESTIONS
from experiments.questions.article_sentences import ORDER

BEGIN, END = "<!-- verdicts -->", "<!-- end of verdicts -->"


@dataclass(frozen=True)
class Settings:
    """One page of the results on disk, for any browser, in the order of the article."""

    results: Path = Path("results")
    """Folder of the results."""
    html: Path | None = None
    """The page; without it report.html in the folder of the results."""
    markdown: Path | None = None
    """A Markdown file, README.md for example, whose table of verdicts is to be replaced: what
    stands between <!-- verdicts --> and <!-- end of verdicts -->."""

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
    around = None if settings.markdown is None else _around(settings.markdown)
    sections = [Section(record, _figure(record, problems), _command(record)) for record in records]
    missing = {
        name: question.asks
        for name, question in QUESTIONS.items()
        if all(record.question != name for record in records)
    }
    written = [write_whole(settings.page, page(sections, missing, problems))]
    if settings.markdown is not None and around is not None:
        outcomes = [Outcome(record.question, record.data, record) for record in records]
        text = f"{around[0]}{BEGIN}\n\n{verdicts_markdown(outcomes)}\n{END}{around[1]}"
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


def _figure(record: Record, problems: list[str]) -> str:
    path = record.folder / "figure.svg"
    try:
        return inlined(
            path.read_text(encoding="utf-8"), record.asks, f"{anchor(record.folder.name)}-"
        )
    except OSError as error:
        problems.append(f"{path} can't be read: {error.strerror or error}")
    except ValueError:
        problems.append(f"{path} is no SVG; run {record.question} again")
    return ""


def _command(record: Record) -> str:
    question = QUESTIONS.get(record.question)
    return "" if question is None else command(question, record.settings)


def _around(path: Path) -> tuple[str, str]:
    """What stands before and after the table in a Markdown file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"--markdown: {path} can't be read: {why}") from None
    found = re.split(f"{re.escape(BEGIN)}.*?{re.escape(END)}", text, flags=re.S)
    if len(found) != 2:
        raise SettingsError(
            f"--markdown: {path} must hold {BEGIN} and, below it, {END} once; the table goes "
            "between them"
        )
    return found[0], found[1]
