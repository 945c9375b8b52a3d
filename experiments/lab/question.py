"""The form of an experiment: a question, its settings with presets, and what it yields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from experiments.lab.claims import Claim
from experiments.lab.progress import Progress

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table


class SettingsError(ValueError):
    """Settings that can't be run: one line, naming the flag and what it may be."""


@dataclass(frozen=True)
class Result:
    """What a run measured.

    `measurements` is what goes into result.json beside the claims (numbers, lists, dicts);
    `arrays` what goes into arrays.npz.
    """

    measurements: Mapping[str, Any]
    arrays: Mapping[str, npt.NDArray[np.generic]]
    claims: Sequence[Claim]


@dataclass(frozen=True)
class Question:
    """One experiment.

    Attributes:
        name: `gradtrace run NAME`.
        asks: the question, in one sentence.
        settings: a frozen dataclass; its fields are the flags, its defaults the default preset.
        run: measures. Raises SettingsError or DataError for what a user can mend.
        answer: what a result says, as one sentence with numbers.
        read_next: a file of the project that explains what was seen.
        takes: how long the default preset takes on two cores, for example "30 s".
        figures: a result's figures by the names of their files. The first is "figure", which
            has the question's main message; each has one message, its label.
        tables: show a result.
        texts: further files from a result, for example a table for the docs: name to content.
        reads_others: it reads the results of other questions, so it is to be run after them.
        presets: which settings "quick" and "paper" replace.
    """

    name: str
    asks: str
    settings: type[Any]
    run: Callable[[Any, Progress], Result]
    figures: Callable[[Any, Result], Mapping[str, Figure]]
    tables: Callable[[Any, Result], list[Table]]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    texts: Callable[[Any, Result], Mapping[str, str]] = lambda settings, result: {}
    reads_others: bool = False
    answer: Callable[[Any, Result], str] = lambda settings, result: ""
    read_next: str = ""
    takes: str = ""

    def preset(self, name: str) -> Any:
        """The settings of that preset; "default" is the dataclass's own."""
        return self.settings(**self.presets.get(name, {}))
