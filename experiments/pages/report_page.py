"""The page of all results: contents, verdicts, the article's sentences, and each question.

One file that loads nothing and has no script.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from experiments.figures.article import number_lines, verdict_on_words
from experiments.figures.verdicts import about_number, counts, remarks, titled
from experiments.lab.records import ClaimRecord, Record
from experiments.lab.tables import interval, number
from experiments.pages.pictures import Picture
from experiments.pages.rendering import rendered
from experiments.questions.article_sentences import SENTENCES, Line, Sentence, lines

_OPEN = ("does not hold", "not shown", "not yet measured")


@dataclass(frozen=True)
class Section:
    """One question's part of the page.

    Attributes:
        record: its result.
        pictures: its figures, in the order in which they are to stand.
        command: what repeats the run; "" if that is not known.
    """

    record: Record
    pictures: Sequence[Picture]
    command: str

    @property
    def title(self) -> str:
        return titled(self.record.question, self.record.data)

    @property
    def anchor(self) -> str:
        return anchor(self.record.folder.name)

    def claim_anchor(self, claim: ClaimRecord) -> str:
        return anchor(self.record.folder.name, claim.id)


@dataclass(frozen=True)
class Judged:
    """A sentence of the article with the lines about it; `erratum` is as result.json has it."""

    sentence: Sentence
    lines: Sequence[Line]
    erratum: Mapping[str, Any] | None

    @property
    def verdict(self) -> str:
        return verdict_on_words(self.erratum) if self.erratum else ""


def anchor(*names: str) -> str:
    """The id of a part of the page: of a result's folder, or of a claim in it."""
    return "-".join(["q", *(re.sub(r"\W+", "-", name) for name in names)])


def page(
    sections: Sequence[Section], missing: Mapping[str, str], problems: Sequence[str] = ()
) -> str:
    """The page as text.

    Args:
        sections: in the order in which they are to stand.
        missing: questions that have no result, each with what it asks.
        problems: results that can't be read, a line each.
    """
    records = [section.record for section in sections]
    article = next((record for record in records if record.question == "article"), None)
    errata = {e["id"]: e for e in article.measurements.get("errata", ())} if article else {}
    judged = [
        Judged(sentence, lines(sentence, records), errata.get(sentence.erratum))
        for sentence in SENTENCES
        if not sentence.unmeasured
    ]
    return rendered(
        "report.html",
        sections=sections,
        claims=[claim for record in records for claim in record.claims],
        headings=[(name, list(them)) for name, them in groupby(judged, key=_heading)],
        unmeasured=[sentence for sentence in SENTENCES if sentence.unmeasured],
        missing=missing,
        problems=problems,
        **_FUNCTIONS,
    )


def _heading(judged: Judged) -> str:
    return judged.sentence.section


def _open_claims(
    sections: Sequence[Section],
) -> list[tuple[str, list[tuple[Section, ClaimRecord]]]]:
    """What does not hold, what was not shown, and what is not measured."""
    claims = [(section, claim) for section in sections for claim in section.record.claims]
    return [(verdict, [(s, c) for s, c in claims if c.verdict == verdict]) for verdict in _OPEN]


def _rows(claim: ClaimRecord) -> list[tuple[str, str, str]]:
    """Label, number expected and number measured."""
    labels = [*claim.labels, *[""] * len(claim.measured)][: len(claim.measured)]
    return [
        (label, number(expected), interval(measured))
        for label, expected, measured in zip(labels, claim.expected, claim.measured, strict=True)
    ]


def _setting(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _css_class(verdict: str) -> str:
    known = ("holds", "does not hold", "not shown")
    return verdict.replace(" ", "-") if verdict in known else "other"


_FUNCTIONS: dict[str, Any] = {
    "about_number": about_number,
    "anchor": anchor,
    "counts": counts,
    "css_class": _css_class,
    "number_lines": number_lines,
    "open_claims": _open_claims,
    "remarks": remarks,
    "rows": _rows,
    "setting": _setting,
    "titled": titled,
}
