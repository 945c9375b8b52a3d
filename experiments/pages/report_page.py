"""The page of all results: the article's sentences, and each question with figure and verdicts.

One file that loads nothing and has no script.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from experiments.figures.article import number_lines, verdict_on_words
from experiments.figures.verdicts import counts, remarks, titled
from experiments.lab.records import ClaimRecord, Record
from experiments.lab.tables import interval, number
from experiments.pages.style import STYLE
from experiments.questions.article_sentences import SENTENCES, Line, Sentence, lines

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_MORE_STYLE = """
section { scroll-margin-top: 1rem; }
h2 { border-top: 1px solid var(--line); padding-top: 1.4rem; margin-top: 2.4rem; }
.claim, .sentence { background: var(--card); border-left: 4px solid var(--line);
  padding: .5rem 1rem; margin: .7rem 0; --under: var(--card); scroll-margin-top: 1rem; }
.claim .wide { --under: var(--card); }
.claim p, .sentence p { margin: .3rem 0; }
.holds { border-color: var(--good); } .does-not-hold { border-color: var(--back); }
.not-shown { border-color: var(--doubt); }
.verdict { font-weight: 600; white-space: nowrap; }
.verdict.holds { color: var(--good); } .verdict.does-not-hold { color: var(--back); }
.verdict.not-shown { color: var(--doubt); } .verdict.other { color: var(--soft); }
:root { --good: #00734f; --doubt: #8a6100; }
@media (prefers-color-scheme: dark) { :root { --good: #3fc79a; --doubt: #e0b24a; } }
ul.judges { list-style: none; margin: .3rem 0; padding: 0; }
ul.contents { padding-left: 1.1rem; } ul.contents li { margin: .25rem 0; }
blockquote { margin: 0; font-style: italic; }
pre { overflow-x: auto; background: var(--card); padding: .6rem .9rem; font-size: .9rem; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--forth); }
td { vertical-align: top; } td.left.fold { white-space: normal; min-width: 12ch; }
"""


@dataclass(frozen=True)
class Section:
    """One question's part of the page.

    Attributes:
        record: its result.
        figure: its `<svg>`, with ids that are its own; "" if there is none.
        command: what repeats the run; "" if that is not known.
    """

    record: Record
    figure: str
    command: str

    @property
    def title(self) -> str:
        return titled(self.record.question, self.record.data)

    @property
    def anchor(self) -> str:
        return anchor(self.record.folder.name)


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
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>gradtrace: the verdicts</title>
<style>{STYLE}{_MORE_STYLE}</style>
</head>
<body>
<h1>What the article says, and what was measured</h1>
{_summary(sections, missing, problems)}
<section id="sentences">
<h2>The article, sentence by sentence</h2>
{_sentences(records, article)}
</section>
{"".join(map(_section, sections))}
{_missing(missing)}
</body>
</html>
"""


def _summary(
    sections: Sequence[Section], missing: Mapping[str, str], problems: Sequence[str]
) -> str:
    claims = [claim for section in sections for claim in section.record.claims]
    items = "".join(
        f'<li><a href="#{s.anchor}">{escape(s.title)}</a>: {escape(counts(s.record.claims))}</li>'
        for s in sections
    )
    rest = '<li><a href="#missing">not run</a>: ' + ", ".join(map(escape, missing)) + "</li>"
    said = "".join(f'<p class="finding">{escape(problem)}</p>' for problem in problems)
    open_claims = _open(sections)
    return (
        f"<p>{len(claims)} claims: {escape(counts(claims))}.</p>{said}"
        f'<ul class="contents"><li><a href="#sentences">the article, sentence by sentence</a></li>'
        f"{items}{rest if missing else ''}</ul>{open_claims}"
    )


def _open(sections: Sequence[Section]) -> str:
    """What does not hold and what was not shown, with links."""
    made = ""
    for verdict in ("does not hold", "not shown"):
        links = [
            f'<a href="#{_claim_anchor(section, claim)}">{escape(f"{section.title} {claim.id}")}'
            "</a>"
            for section in sections
            for claim in section.record.claims
            if claim.verdict == verdict
        ]
        if links:
            made += f"<p>{_badge(verdict)}: {', '.join(links)}</p>"
    return made


def _sentences(records: Sequence[Record], article: Record | None) -> str:
    errata = {e["id"]: e for e in article.measurements.get("errata", ())} if article else {}
    made, section = "", ""
    for sentence in SENTENCES:
        if sentence.section != section:
            section = sentence.section
            made += f"<h3>{escape(section)}</h3>"
        made += _sentence(sentence, lines(sentence, records), errata)
    return made


def _sentence(sentence: Sentence, found: Iterable[Line], errata: Mapping[str, Any]) -> str:
    judges, below, verdict = "", "", ""
    if sentence.erratum:
        erratum = errata.get(sentence.erratum)
        verdict = verdict_on_words(erratum) if erratum else "not yet measured"
        judges += f"<li>erratum {escape(sentence.erratum)}: {_badge(verdict)}</li>"
        if erratum:
            below = _erratum(erratum)
    for line in found:
        name = escape(f"{titled(line.question, line.data)} {line.id}")
        if line.result is not None:
            name = f'<a href="#{anchor(line.result, line.id)}">{name}</a>'
        judges += f"<li>{name}: {_badge(line.verdict)}</li>"
    return (
        f'<div class="sentence {_style(verdict)}"><blockquote>“{escape(sentence.quote)}”'
        f'</blockquote><ul class="judges">{judges}</ul>{below}</div>'
    )


def _erratum(erratum: Mapping[str, Any]) -> str:
    numbers = "".join(f"<li>{escape(line)}</li>" for line in number_lines(erratum))
    recalled = ", recalled" if erratum["recalled"] else ""
    listed = f"<ul>{numbers}</ul>" if numbers else ""
    return (
        f"<p>It should say: {escape(erratum['should_say'])}.</p>{listed}"
        f"<p><small>{escape(erratum['source'])}{recalled}</small></p>"
    )


def _section(section: Section) -> str:
    record = section.record
    claims = "".join(_claim(section, claim) for claim in record.claims)
    figure = (
        f'<div class="wide drawn">{section.figure}</div>'
        if section.figure
        else '<p class="soft">There is no figure.</p>'
    )
    again = f"<pre>{escape(section.command)}</pre>" if section.command else ""
    made_by = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return f"""<section id="{section.anchor}">
<h2>{escape(section.title)}</h2>
<p>{escape(record.asks)}</p>
{figure}
<h3>Verdicts: {escape(counts(record.claims))}</h3>
{claims}
<h3>To repeat it</h3>
{again}
<details><summary>Settings</summary>{_settings(record.settings)}
<p class="soft">{record.seconds:.1f} s; {escape(made_by)}</p></details>
</section>
"""


def _claim_anchor(section: Section, claim: ClaimRecord) -> str:
    return anchor(section.record.folder.name, claim.id)


def _claim(section: Section, claim: ClaimRecord) -> str:
    rows = list(_rows(claim))
    shown = ""
    if len(rows) > 4:
        shown = _numbers([rows[claim.worst]])
        shown += f"<details><summary>all {len(rows)} numbers</summary>{_numbers(rows)}</details>"
    elif rows:
        shown = _numbers(rows)
    return (
        f'<div class="claim {_style(claim.verdict)}" id="{_claim_anchor(section, claim)}">'
        f"<p><b>{escape(claim.id)}</b> {_badge(claim.verdict)}</p><p>{escape(claim.text)}</p>"
        f"{shown}<p><small>{escape(remarks(claim))}</small></p></div>"
    )


def _rows(claim: ClaimRecord) -> Iterable[tuple[str, str, str]]:
    for i, (expected, measured) in enumerate(zip(claim.expected, claim.measured, strict=True)):
        label = claim.labels[i] if i < len(claim.labels) else ""
        yield label, number(expected), interval(measured)


def _numbers(rows: Sequence[tuple[str, str, str]]) -> str:
    body = "".join(
        f"<tr><td>{escape(label)}</td><td>{escape(expected)}</td>"
        f'<td class="left">{escape(measured)}</td></tr>'
        for label, expected, measured in rows
    )
    head = '<tr><th></th><th>expected</th><th class="left">measured</th></tr>'
    return f'<div class="wide"><table>{head}{body}</table></div>'


def _settings(settings: Mapping[str, Any]) -> str:
    body = "".join(
        f'<tr><td>{escape(name)}</td><td class="left fold">{escape(_value(value))}</td></tr>'
        for name, value in settings.items()
    )
    return f'<div class="wide"><table>{body}</table></div>'


def _value(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _missing(missing: Mapping[str, str]) -> str:
    if not missing:
        return ""
    items = "".join(
        f"<li><b>{escape(name)}</b>: {escape(asks)} <code>gradtrace run {escape(name)}</code></li>"
        for name, asks in missing.items()
    )
    return f'<section id="missing"><h2>Not run</h2><ul>{items}</ul></section>'


def _badge(verdict: str) -> str:
    return f'<span class="verdict {_style(verdict)}">{escape(verdict)}</span>'


def _style(verdict: str) -> str:
    known = ("holds", "does not hold", "not shown")
    return verdict.replace(" ", "-") if verdict in known else "other"
