"""The table of all claims with their verdicts: for a terminal, and as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.figures.style import DATA_NAMES
from experiments.lab.claims import Claim
from experiments.lab.records import ClaimRecord, Record
from experiments.lab.tables import STYLE, interval, number

VERDICTS = ("holds", "does not hold", "not shown", "not yet measured")


@dataclass(frozen=True)
class Outcome:
    """What became of one question: its result, or why there is none."""

    question: str
    data: str | None = None
    record: Record | None = None
    problem: str = ""

    @property
    def title(self) -> str:
        return titled(self.question, self.data)


def titled(question: str, data: str | None) -> str:
    """The question's name, with its data set where that is not the usual one."""
    return question if data in (None, "shapeset") else f"{question}, {DATA_NAMES.get(data, data)}"


def counts(claims: Iterable[Claim | ClaimRecord]) -> str:
    """How many claims have which verdict, in words."""
    found = Counter(claim.verdict for claim in claims)
    parts = [f"{found[v]} {_several(v, found[v])}" for v in VERDICTS if found[v]]
    return ", ".join(parts) or "no claims"


def _several(verdict: str, count: int) -> str:
    plural = {"holds": "hold", "does not hold": "do not hold"}
    return verdict if count == 1 else plural.get(verdict, verdict)


def about_number(claim: ClaimRecord) -> str:
    """Which of several numbers is shown: the one that decides the verdict."""
    if len(claim.measured) < 2:
        return ""
    label = claim.labels[claim.worst] if claim.worst < len(claim.labels) else ""
    return f"{label}, of {len(claim.measured)}".removeprefix(", ")


def remarks(claim: ClaimRecord) -> str:
    """Source and tolerance, and whether the claim is exact or its number recalled."""
    parts = [claim.source + (", recalled" if claim.recalled else ""), claim.tolerance]
    return "; ".join(parts + ["exact"] * claim.exact)


def verdicts_table(outcomes: Sequence[Outcome]) -> Table:
    """A row for every claim, by question, with the number that decides the verdict."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
    made.add_column("id", width=9, overflow="fold")
    made.add_column("claim, source", ratio=1, min_width=24, overflow="fold")
    made.add_column("expected", justify="right", no_wrap=True)
    made.add_column("measured", max_width=18, overflow="fold")
    made.add_column("verdict", width=10)
    made.add_column("time", justify="right", no_wrap=True)
    for outcome in outcomes:
        record = outcome.record
        if record is None:
            why = Text.assemble((f"{outcome.title}\n", "bold"), outcome.problem)
            made.add_row("", why, "", "", Text("not run", "bold red"), end_section=True)
            continue
        made.add_row("", Text(outcome.title, "bold"), "", "", "", f"{record.seconds:.1f} s")
        for claim in record.claims:
            made.add_row(*_cells(record, claim), "", end_section=claim is record.claims[-1])
    return made


def _cells(record: Record, claim: ClaimRecord) -> tuple[str | Text, ...]:
    expected = measured = ""
    command = record.to_measure(claim)
    if claim.measured:
        expected = number(claim.expected[claim.worst])
        measured = f"{interval(claim.measured[claim.worst])}\n{about_number(claim)}".rstrip()
    return (
        Text(claim.id, "bold"),
        Text.assemble(
            f"{claim.text}\n",
            (remarks(claim), "italic"),
            f"\nto measure it: {command}" if command else "",
        ),
        expected,
        Text(measured),
        Text(claim.verdict, STYLE.get(claim.verdict, "")),
    )


def verdicts_markdown(outcomes: Sequence[Outcome]) -> str:
    """The same for the docs: a claim's verdicts on several data sets stand in one row."""
    others = sorted({o.data for o in outcomes if o.data not in (None, "shapeset")} - {None})
    header = ("", "claim", "expected", "measured", "verdict")
    lines = [_row([*header, *(f"on {DATA_NAMES.get(str(d), str(d))}" for d in others), "source"])]
    lines.append(_row([":--"] * (len(header) + len(others) + 1)))
    for question in dict.fromkeys(outcome.question for outcome in outcomes):
        here = {o.data: o for o in outcomes if o.question == question}
        main = next((here[d] for d in (None, "shapeset") if d in here), next(iter(here.values())))
        blank = [""] * (len(others) + 1)
        if main.record is None:
            lines.append(_row([f"**{question}**", main.problem, "", "", "not run", *blank]))
            continue
        lines.append(_row([f"**{question}**", main.record.asks, "", "", "", *blank]))
        for claim in main.record.claims:
            expected, measured = "", _how(main.record, claim)
            if claim.measured:
                expected = number(claim.expected[claim.worst])
                measured = interval(claim.measured[claim.worst])
                about = about_number(claim)
                measured += f" ({about})" if about else ""
            elsewhere = [_elsewhere(here.get(data), claim.id) for data in others]
            cells = [claim.id, claim.text, expected, measured, _loud(claim.verdict)]
            lines.append(_row([*cells, *elsewhere, remarks(claim)]))
    return "\n".join(lines) + "\n"


def _how(record: Record, claim: ClaimRecord) -> str:
    command = record.to_measure(claim)
    return f"`{command}` measures it" if command else ""


def _elsewhere(outcome: Outcome | None, id: str) -> str:
    """The verdict on another data set, with its number; "" without one."""
    if outcome is None:
        return ""
    if outcome.record is None:
        return "not run"
    claim = outcome.record.claim(id)
    if claim is None or not claim.measured:
        return ""
    at = claim.worst
    found = f"{interval(claim.measured[at])}, expected {number(claim.expected[at])}"
    return f"{_loud(claim.verdict)}: {found}"


def _loud(verdict: str) -> str:
    return f"**{verdict}**" if verdict == "does not hold" else verdict


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def as_json(outcomes: Sequence[Outcome]) -> list[Mapping[str, object]]:
    """The rows for `verdicts.json`."""
    rows: list[Mapping[str, object]] = []
    for outcome in outcomes:
        about: dict[str, object] = {"question": outcome.question, "data": outcome.data}
        if outcome.record is None:
            rows.append(about | {"problem": outcome.problem})
            continue
        about["seconds"] = outcome.record.seconds
        rows += [
            about
            | {
                "id": claim.id,
                "text": claim.text,
                "source": claim.source,
                "recalled": claim.recalled,
                "exact": claim.exact,
                "verdict": claim.verdict,
            }
            for claim in outcome.record.claims
        ]
    return rows
