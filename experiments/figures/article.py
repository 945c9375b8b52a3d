"""The figure and the tables of `article`: its sentences with verdicts, and its errata."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from experiments.figures.style import (
    BLACK,
    GREEN,
    LINE,
    SMALL,
    VERMILION,
    drawing,
    finish,
    ink,
    legend,
)
from experiments.lab.claims import Measured
from experiments.lab.question import Result
from experiments.lab.tables import STYLE, interval, markdown, number, table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from experiments.questions.article import Settings

_SAYS, _SHOULD = VERMILION, GREEN
_FARTHEST = 2.0  # on the axis, in units of what is measured; what lies beyond is at the edge
_PLACES = (0.1, 0.5, 0.9)  # of the columns of numbers beside it


def figures(settings: Settings, result: Result) -> Mapping[str, Figure]:
    """For each number that the article gives: it and the right one, over what is measured."""
    from matplotlib.lines import Line2D

    rows = list(_given(result.measurements["errata"]))
    wrong = sum(not math.isclose(row["says"], row["should"], rel_tol=1e-6) for _, row in rows)
    figure, axes = drawing(
        f"{wrong} of the {len(rows)} numbers in the article's errata are wrong",
        "Each number over the one that is measured: where the article's cross is off the line, "
        "its number is wrong. Triangle: beyond the axis",
        height=0.29 * len(rows) + 1.3,
        columns=2,
        sharey=True,
        width_ratios=(1.4, 1),
    )
    ax, beside = axes
    ax.axvline(1, color=LINE, linewidth=1)
    for y, (_, row) in enumerate(rows):
        value, says = row["measured"], row["says"] / row["measured"]
        low, high = (max(0.0, end / value) for end in row["interval"])
        ax.plot([low, high], [y, y], color=BLACK, linewidth=2.5, solid_capstyle="butt")
        ax.plot(1, y, "o", color=BLACK, markersize=4)
        ax.plot(row["should"] / value, y, "|", color=_SHOULD, markersize=15, markeredgewidth=2.5)
        mark = ">" if says > _FARTHEST else "X"
        ax.plot(min(says, _FARTHEST), y, mark, color=_SAYS, markersize=8, clip_on=False)
        cells = (number(row["says"]), interval(_measured(row)), number(row["should"]))
        for x, text, colour in zip(_PLACES, cells, (_SAYS, BLACK, _SHOULD), strict=True):
            beside.text(x, y, text, color=ink(colour), va="center", ha="center", fontsize=SMALL)
    for x, text in zip(_PLACES, ("article", "measured", "right"), strict=True):
        beside.text(x, -0.95, text, va="center", ha="center", fontweight="bold", fontsize=SMALL)
    beside.set_axis_off()
    ax.set_yticks(range(len(rows)), [f"{row['label']}   {id}" for id, row in rows])
    ax.set_ylim(len(rows) - 0.4, -1.3)
    ax.set_xlim(-0.08, _FARTHEST)
    finish(ax, "number over the one that is measured")
    legend(
        figure,
        [
            Line2D([], [], color=_SAYS, marker="X", linestyle="", label="what the article says"),
            Line2D([], [], color=BLACK, marker="o", label="measured, 95 % interval"),
            Line2D(
                [], [], color=_SHOULD, marker="|", markersize=12, markeredgewidth=2.5,
                linestyle="", label="what it should say",
            ),
        ],
    )  # fmt: skip
    return {"figure": figure}


def _given(errata: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The numbers that the article gives, each with its erratum's id."""
    for erratum in errata:
        for row in erratum["numbers"]:
            if row["says"] is not None and row["measured"]:
                yield erratum["id"], row


def _measured(row: Mapping[str, Any]) -> Measured:
    return Measured(row["measured"], *row["interval"])


def tables(settings: Settings, result: Result) -> list[Table]:
    """The sentences with the verdicts on their claims, and the errata with their numbers."""
    return [_sentences(result), _errata(result)]


def texts(settings: Settings, result: Result) -> Mapping[str, str]:
    """article.md: the same as Markdown."""
    return {"article.md": "\n".join(map(markdown, _plain_tables(result)))}


def verdict_on_words(erratum: Mapping[str, Any]) -> str:
    """What is said of an erratum where the article's sentence stands."""
    if erratum["article"] is not None:
        return str(erratum["article"])
    return "gives no number" if erratum["numbers"] else "text alone"


def _sentences(result: Result) -> Table:
    made = table("the article's sentences", ("sentence", "measured by", "verdict"), left=3)
    made.columns[0].ratio = 1
    for column in made.columns[1:]:
        column.no_wrap = True
    errata = {erratum["id"]: erratum for erratum in result.measurements["errata"]}
    section = ""
    measured, caption = _measured_sentences(result)
    for sentence in measured:
        if sentence["section"] != section:
            section = sentence["section"]
            made.add_row(Text(section, "bold"))
        measured_by, verdicts = Text(), Text()
        for name, verdict in _judges(sentence, errata):
            measured_by.append(f"{name}\n")
            verdicts.append(f"{verdict}\n", STYLE.get(verdict, ""))
        measured_by.rstrip()
        verdicts.rstrip()
        made.add_row(Text(f"“{sentence['quote']}”"), measured_by, verdicts, end_section=True)
    made.caption, made.caption_justify = Text("\n".join(caption)), "left"
    return made


def _measured_sentences(result: Result) -> tuple[list[Mapping[str, Any]], list[str]]:
    """The sentences that an experiment measures; and in words, the others and what is not run."""
    sentences = result.measurements["sentences"]
    measured = [one for one in sentences if one["claims"] or one["erratum"]]
    commands = {line["command"]: None for one in measured for line in one["claims"]}
    caption = [f"`{command}` measures what is not yet measured." for command in commands if command]
    others = "; ".join(f"“{one['quote']}”" for one in sentences if one not in measured)
    if others:
        caption.append(f"No experiment measures these sentences yet: {others}.")
    return measured, caption


def _judges(
    sentence: Mapping[str, Any], errata: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str]]:
    """What measures a sentence, and the verdict."""
    if sentence["erratum"]:
        yield f"erratum {sentence['erratum']}", verdict_on_words(errata[sentence["erratum"]])
    for line in sentence["claims"]:
        data = f", {line['data']}" if line["data"] not in (None, "shapeset") else ""
        yield f"{line['question']} {line['id']}{data}", line["verdict"]


def _errata(result: Result) -> Table:
    made = table("errata: what the article says, what is measured, what it should say", ("", ""), 2)
    made.columns[0].no_wrap = True
    made.columns[1].ratio = 1
    for erratum in result.measurements["errata"]:
        verdict = verdict_on_words(erratum)
        recalled = ", recalled" if erratum["recalled"] else ""
        made.add_row(
            Text.assemble((f"{erratum['id']}\n", "bold"), (verdict, STYLE.get(verdict, ""))),
            Text.assemble(
                f"“{erratum['says']}”\n",
                *((f"{line}\n", "bold") for line in number_lines(erratum)),
                f"should say: {erratum['should_say']}\n",
                (f"{erratum['source']}{recalled}", "italic"),
            ),
            end_section=True,
        )
    return made


def number_lines(erratum: Mapping[str, Any]) -> Iterator[str]:
    """Each number of an erratum in words."""
    for row in erratum["numbers"]:
        says = "" if row["says"] is None else f"says {number(row['says'])}, "
        yield (
            f"{row['label']}: {says}measured {interval(_measured(row))}, "
            f"should be {number(row['should'])}"
        )


def _plain_tables(result: Result) -> Iterator[Table]:
    """The two tables with a line for everything, as Markdown wants it."""
    errata = {erratum["id"]: erratum for erratum in result.measurements["errata"]}
    sentences = table("The article's sentences", ("sentence", "measured by"), 2)
    measured, caption = _measured_sentences(result)
    for sentence in measured:
        judges = "; ".join(f"{name}: {verdict}" for name, verdict in _judges(sentence, errata))
        sentences.add_row(f"“{sentence['quote']}”", judges)
    sentences.caption = "\n\n".join(caption)
    yield sentences
    made = table("Errata", ("", "the article", "", "should say", "source"), 5)
    for erratum in errata.values():
        recalled = " (recalled)" if erratum["recalled"] else ""
        made.add_row(
            erratum["id"],
            f"“{erratum['says']}”",
            "; ".join(number_lines(erratum)) or "text alone",
            erratum["should_say"],
            f"{erratum['source']}{recalled}",
        )
    yield made
