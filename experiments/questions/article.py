"""`article`: which of the article's sentences hold, and what should the others say?

Every sentence that can be measured stands beside the claims that measure it, with their verdicts
from the results on disk. The errata are measured here: what the article says, what is measured,
what it should say.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.figures.article import figures, tables, texts
from experiments.lab.limits import check_limits
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result
from experiments.lab.records import Record, read_records
from experiments.questions.answers import article_answer
from experiments.questions.article_errata import ERRATA, R8, Judged
from experiments.questions.article_measures import exact_zeros
from experiments.questions.article_sentences import SENTENCES, Line, lines

_LIMITS = {"width": (10, 10_000), "draws": (2, 10_000), "seed": (0, 2**63 - 1)}


@dataclass(frozen=True)
class Settings:
    """Which of the article's sentences hold, and what should the others say?"""

    width: int = 500
    """Units of the layers in which the errata are measured."""
    draws: int = 60
    """Draws of weights for each number."""
    seed: int = 0
    """Of weights and inputs."""
    results: Path = Path("results")
    """Folder of the other experiments' results, and for this one's, in its subfolder article."""

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"width": 200, "draws": 60},
    "paper": {"width": 1000, "draws": 200},
}


def run(settings: Settings, progress: Progress) -> Result:
    """Measure the errata, and read what other experiments have found."""
    progress.expect(len(ERRATA) + 1)
    judged = []
    for i, erratum in enumerate(ERRATA):
        rng = np.random.default_rng([settings.seed, i])
        measure = erratum.measure
        found = measure(settings.width, settings.draws, rng) if measure else []
        judged.append(Judged(erratum, tuple(found)))
        progress.step(erratum.id)
    rng = np.random.default_rng([settings.seed, len(ERRATA)])
    zeros = exact_zeros(settings.width, settings.draws, rng)[0]
    r8 = R8.measured((zeros.should,), (zeros.measured,))
    progress.step("R8")
    records, problems = read_records(settings.results)
    own = {one.erratum.id: one.article for one in judged}
    others = [record for record in records if record.question != "article"]
    measurements = {
        "errata": [_erratum(one) for one in judged],
        "sentences": [
            {
                "section": sentence.section,
                "quote": sentence.quote,
                "erratum": sentence.erratum,
                "article": own[sentence.erratum] if sentence.erratum else None,
                "claims": [asdict(line) for line in _lines(sentence, others, r8.verdict)],
            }
            for sentence in SENTENCES
        ],
        "unreadable": problems,
    }
    measured = [one for one in judged if one.quantities]
    values = [q.measured for one in measured for q in one.quantities]
    arrays = {
        "measured": np.array([(m.value, m.low, m.high) for m in values]),
        "should": np.array([q.should for one in measured for q in one.quantities]),
        "says": np.array(
            [np.nan if q.says is None else q.says for one in measured for q in one.quantities]
        ),
    }
    return Result(measurements, arrays, [*(one.claim for one in measured), r8])


def _lines(sentence: Any, others: list[Record], r8: str) -> list[Line]:
    """R8 is measured in this very run, so an earlier result of it does not count."""
    return [
        Line("article", "R8", r8, result="article")
        if (line.question, line.id) == ("article", "R8")
        else line
        for line in lines(sentence, others)
    ]


def _erratum(one: Judged) -> dict[str, Any]:
    statement = one.erratum.statement
    return {
        "id": statement.id,
        "says": one.erratum.quote,
        "should_say": statement.text,
        "source": statement.source,
        "recalled": statement.recalled,
        "article": one.article,
        "correction": one.claim.verdict if one.quantities else None,
        "numbers": [
            {
                "label": q.label,
                "says": q.says,
                "measured": q.measured.value,
                "interval": [q.measured.low, q.measured.high],
                "should": q.should,
            }
            for q in one.quantities
        ],
    }


ARTICLE = Question(
    name="article",
    asks="Which of the article's sentences hold, and what should the others say?",
    settings=Settings,
    run=run,
    answer=article_answer,
    read_next="README.md",
    takes="5 s",
    figures=figures,
    tables=tables,
    presets=PRESETS,
    texts=texts,
    reads_others=True,
)
