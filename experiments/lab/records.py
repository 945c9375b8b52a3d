"""Results read back from disk: what `save_result` wrote, as `Record`s.

    records, problems = read_records(Path("results"))

A record may be an earlier version's: what it lacks has the value that it had then.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from experiments.lab.claims import Measured


class RecordError(ValueError):
    """A result on disk that can't be read: one line, naming the file and what to do."""


@dataclass(frozen=True)
class ClaimRecord:
    """A claim with its verdict, as `Claim.as_json` wrote it.

    Attributes:
        expected: one number for each in `measured`; NaN where it was not finite.
        worst: the position of the number that decides the verdict.
        needs: the flags that measure it, as in `Statement`; None where an earlier version did not
            say.
    """

    id: str
    text: str
    source: str
    tolerance: str
    verdict: str
    recalled: bool
    exact: bool
    labels: tuple[str, ...]
    expected: tuple[float, ...]
    measured: tuple[Measured, ...]
    worst: int
    needs: str | None = None


@dataclass(frozen=True)
class Record:
    """One question's result: `folder` is where it lies, and the other fields are result.json's.

    `figures` are the names of its figures, each with the message that is its title; an earlier
    version did not list them.
    """

    folder: Path
    question: str
    asks: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    seconds: float
    claims: tuple[ClaimRecord, ...]
    measurements: Mapping[str, Any]
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> str | None:
        """The data set, for a question whose settings name one."""
        data = self.settings.get("data")
        return data if isinstance(data, str) else None

    def claim(self, id: str) -> ClaimRecord | None:
        return next((claim for claim in self.claims if claim.id == id), None)

    def to_measure(self, claim: ClaimRecord) -> str:
        """The command that measures a claim which this run did not; "" where it is not known."""
        if claim.measured or claim.needs is None:
            return ""
        return f"gradtrace run {self.question} {claim.needs}".rstrip()


def read_records(folder: Path) -> tuple[list[Record], list[str]]:
    """The results in the subfolders of `folder`, by name, and what is wrong with the others.

    A claim that one result has no number for is left out of it where another result of the same
    question, on other data for example, measures it. A folder that isn't there has no results.
    """
    records, problems = [], []
    try:
        places = sorted(path.parent for path in folder.glob("*/result.json"))
    except OSError as error:
        return [], [f"{folder} can't be read: {error.strerror or error}"]
    for place in places:
        try:
            records.append(read_record(place))
        except RecordError as error:
            problems.append(str(error))
    measured = {(r.question, claim.id) for r in records for claim in r.claims if claim.measured}
    return [
        replace(
            record,
            claims=tuple(
                claim
                for claim in record.claims
                if claim.measured or (record.question, claim.id) not in measured
            ),
        )
        for record in records
    ], problems


def read_record(folder: Path) -> Record:
    """The result in a folder.

    Raises: RecordError if result.json is missing, is no JSON, or is another program's.
    """
    path = folder / "result.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Record(
            folder,
            str(found["question"]),
            str(found["asks"]),
            dict(found["settings"]),
            {str(name): str(version) for name, version in found.get("versions", {}).items()},
            float(found["seconds"]),
            tuple(map(_claim, found["claims"])),
            dict(found["measurements"]),
            _figures(found.get("figures", {})),
        )
    except OSError as error:
        raise RecordError(f"{path} can't be read: {error.strerror or error}") from None
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise RecordError(f"{path} is no result of gradtrace's ({what}); run it again") from None


def _figures(found: Mapping[str, Any]) -> Mapping[str, str]:
    for name in found:
        if not re.fullmatch(r"[\w-]+", name):  # a part of the names of files
            raise ValueError(f"{name!r} is no name of a figure")
    return {name: str(message) for name, message in found.items()}


def _claim(found: Mapping[str, Any]) -> ClaimRecord:
    values = _several(found["measured"])
    intervals = found["interval"] if isinstance(found["measured"], list) else [found["interval"]]
    measured = tuple(
        Measured(_number(value), _number(low, -math.inf), _number(high, math.inf))
        for value, (low, high) in zip(values, intervals, strict=True)
    )
    expected = tuple(map(_number, _several(found["expected"])))
    if len(expected) != len(measured):
        raise ValueError(f"{found['id']} expects {len(expected)} numbers and has {len(measured)}")
    worst = int(found.get("worst", 0))
    return ClaimRecord(
        id=str(found["id"]),
        text=str(found["text"]),
        source=str(found["source"]),
        tolerance=str(found["tolerance"]),
        verdict=str(found["verdict"]),
        recalled=bool(found.get("recalled", False)),
        exact=bool(found.get("exact", False)),
        labels=tuple(map(str, found.get("labels", ()))),
        expected=expected,
        measured=measured,
        worst=worst if 0 <= worst < len(measured) else 0,
        needs=None if found.get("needs") is None else str(found["needs"]),
    )


def _several(found: Any) -> Sequence[Any]:
    return found if isinstance(found, list) else [found]


def _number(found: Any, missing: float = math.nan) -> float:
    return missing if found is None else float(found)
