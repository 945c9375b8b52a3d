"""What `diagnose` returns: findings with their evidence, cause and remedy."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from engine.spelling import printable


@printable
@dataclass(frozen=True)
class Finding:
    """Something that keeps a net from learning.

    Attributes:
        kind: "non-finite", "symmetric weights", "no gradient", "dead units", "saturation",
            "vanishing gradient", "exploding gradient", "input scale", "equal examples", "high
            loss", "equal logits" or "update ratio".
        layers: the names of those concerned, from the input's side.
        evidence, cause, remedy: sentences with this pass's numbers.
        numbers: the same numbers by name.
        table: for a gradient, a row (layer, E[f′²], n Var W, factor, what is off) for each layer.
    """

    kind: str
    layers: tuple[str, ...]
    evidence: str
    cause: str
    remedy: str
    numbers: dict[str, float] = field(default_factory=dict)
    table: tuple[tuple[str, float, float, float, str], ...] = ()

    def __str__(self) -> str:
        """Some lines of at most 80 columns."""
        lines = textwrap.wrap(f"{self.kind}: {self.evidence}", 80, subsequent_indent="  ")
        lines += _rows(self.table)
        for word, text in (("cause", self.cause), ("remedy", self.remedy)):
            lines += textwrap.wrap(f"  {word}: {text}", 80, subsequent_indent="    ")
        return "\n".join(lines)


@printable
class Diagnosis(Sequence[Finding]):
    """The findings of one pass; none for a healthy net.

    Attributes:
        findings: the gravest first.
        summary: a sentence on what was looked at.
        judged: False if the trace holds nothing that could be judged.
    """

    def __init__(self, findings: Sequence[Finding], summary: str, judged: bool = True) -> None:
        self.findings, self.summary, self.judged = tuple(findings), summary, judged

    @property
    def healthy(self) -> bool:
        """Whether something was judged, and nothing found."""
        return self.judged and not self.findings

    @overload
    def __getitem__(self, i: int) -> Finding: ...
    @overload
    def __getitem__(self, i: slice) -> Sequence[Finding]: ...
    def __getitem__(self, i: int | slice) -> Finding | Sequence[Finding]:
        return self.findings[i]

    def __len__(self) -> int:
        return len(self.findings)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __str__(self) -> str:
        count = len(self.findings)
        if not count and not self.judged:
            head = f"Not judged. {self.summary}"
        elif not count:
            head = f"Healthy: nothing found. {self.summary}"
        else:
            head = f"{count} {'finding' if count == 1 else 'findings'}. {self.summary}"
        return "\n\n".join(["\n".join(textwrap.wrap(head, 80)), *map(str, self.findings)])

    def __repr__(self) -> str:
        kinds = ", ".join(f.kind for f in self)
        return f"Diagnosis({kinds or ('healthy' if self.judged else 'not judged')})"


def named(names: tuple[str, ...]) -> str:
    """The layers' names; of more than four, how many, the first and the last."""
    if len(names) <= 4:
        return ", ".join(names)
    return f"{len(names)} layers, {names[0]} … {names[-1]}"


def _rows(table: tuple[tuple[str, float, float, float, str], ...]) -> list[str]:
    """At most twelve rows: the first six and the last six."""
    if not table:
        return []
    lines = [f"    {'layer':<24} {'E[f′²]':>9} {'n Var W':>9} {'factor':>9}   off"]
    for i, (name, slope2, n_var_W, factor, off) in enumerate(table):
        if len(table) > 12 and 6 <= i < len(table) - 6:
            if i == 6:
                lines.append(f"    … {len(table) - 12} more")
            continue
        shown = name if len(name) <= 24 else f"{name[:23]}…"
        line = f"    {shown:<24} {slope2:>9.3g} {n_var_W:>9.3g} {factor:>9.3g}   {off}"
        lines.append(line if len(line) <= 80 else f"{line[:79]}…")
    return lines
