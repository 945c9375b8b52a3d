"""`walk`: the backward pass as steps, from the loss to the input, in the order of the sweep."""

from __future__ import annotations

import builtins
import math
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from engine.errors import GraphError
from engine.spelling import printable
from engine.tracing.data import TraceData
from engine.tracing.nodes import NodeRecord, Source
from engine.tracing.read.diagnose.measures import norm
from engine.tracing.read.formulas import formula, letters
from engine.tracing.rows import LayerRecord


@printable
@dataclass(frozen=True)
class Sent:
    """What a step sent to one operand: ∂L/∂x of that shape and norm, and to whom.

    `norm` is None where no gradient was wanted; `factor` is norm / the step's norm in.
    """

    letter: str
    to: str
    shape: tuple[int, ...]
    norm: float | None
    factor: float | None


@printable
@dataclass(frozen=True)
class Step:
    """One operation of the backward pass.

    Attributes:
        number: its place in the walk, from 1; `of` steps.
        rule, place, formula: the operation, where in the program it is, and what it sends back.
        shape, norm: of g = ∂L/∂y, which comes in; ‖g‖ = √Σ g².
        out: what goes to each operand.
        dL_ds_norm: ‖∂L/∂s‖, between f′ and W, in a layer.
        node: the record.
    """

    number: int
    of: int
    rule: str
    place: str
    formula: str
    shape: tuple[int, ...]
    norm: float
    out: tuple[Sent, ...]
    dL_ds_norm: float | None
    node: NodeRecord

    def __str__(self) -> str:
        """Some lines of at most 80 columns."""
        where = f" in {self.place}" if self.place else ""
        lines = textwrap.wrap(f"step {self.number} of {self.of}: {self.rule}{where}", 80)
        lines += [line for part in self.formula.split("; ") for line in _wrapped(part, "  ")]
        lines.append(_line("in", "g = ∂L/∂y", self.shape, self.norm, None))
        if self.dL_ds_norm is not None:
            factor = _ratio(self.dL_ds_norm, self.norm)
            lines.append(_line("", "∂L/∂s", self.shape, self.dL_ds_norm, factor))
        for i, sent in enumerate(self.out):
            name = f"∂L/∂{sent.letter}"
            line = _line("" if i else "out", name, sent.shape, sent.norm, sent.factor)
            lines += _wrapped(f"{line}  to {sent.to}", " " * 8, first="")
        return "\n".join(line.rstrip() for line in lines)


@printable
class Walk(Sequence[Step]):
    """The steps of a backward pass; `print(walk[0])`, `for step in walk`, `walk.interactive()`."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self.steps = tuple(steps)

    @overload
    def __getitem__(self, i: int) -> Step: ...
    @overload
    def __getitem__(self, i: slice) -> Walk: ...
    def __getitem__(self, i: int | slice) -> Step | Walk:
        return Walk(self.steps[i]) if isinstance(i, slice) else self.steps[i]

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.steps))

    def __repr__(self) -> str:
        return f"Walk({len(self)} steps: {', '.join(step.rule for step in self)})"

    def interactive(
        self,
        input: Callable[[str], str] | None = None,
        output: Callable[[str], Any] | None = None,
    ) -> None:
        """Show one step at a time: Enter the next, b back, a number jumps to it, q ends.

        Enter after the last step ends too, as does the end of the input or Ctrl-C. `input` and
        `output` stand in for Python's input and print.
        """
        ask, output = input or builtins.input, output or builtins.print
        at, last = 0, len(self.steps)
        while at < last:
            output(str(self.steps[at]))
            try:
                at = self._after(at, ask, output)
            except (EOFError, KeyboardInterrupt):
                output("")
                return

    def _after(self, at: int, ask: Callable[[str], str], output: Callable[[str], Any]) -> int:
        """The position that the user asks for; the number of steps to end."""
        last = len(self.steps)
        while True:
            answer = ask(f"[{at + 1}/{last}] Enter next, b back, a number, q: ").strip().lower()
            if answer in ("", "n"):
                return at + 1
            if answer == "q":
                return last
            if answer == "b":
                if at:
                    return at - 1
                output("This is the first step.")
            elif answer.isdecimal():
                if 1 <= int(answer) <= last:
                    return int(answer) - 1
                output(f"There is no step {answer}; there are 1 … {last}.")
            else:
                output(f"{answer!r} is not known: Enter, b, a number 1 … {last}, or q.")


def walk(t: TraceData) -> Walk:
    """The backward pass of a trace, step by step, from the loss to the input.

    The norms are √Σ over all entries, in float64. A gradient that arrives on several ways is shown
    once, as their sum, as in the sweep.

    Raises: GraphError if the trace saw no backward pass.
    """
    seen = [(i, node) for i, node in enumerate(t.nodes) if node.dL_dy is not None]
    if not seen:
        raise GraphError(
            "walk: the trace saw no backward pass; call loss.backward() inside the trace() block"
        )
    rows = {id(row.node): row for row in t.layers if row.is_one_operation}
    total = len(seen)
    return Walk(
        [
            _step(n, total, node, t.nodes, rows.get(id(node)))
            for n, (_, node) in enumerate(reversed(seen), start=1)
        ]
    )


def _step(
    number: int, of: int, node: NodeRecord, nodes: list[NodeRecord], row: LayerRecord | None
) -> Step:
    arrived = norm(node.dL_dy)
    out = [
        Sent(
            letter,
            _target(source, nodes),
            x.shape,
            None if g is None else norm(g),
            None if g is None else _ratio(norm(g), arrived),
        )
        for letter, source, x, g in zip(
            letters(node), node.sources, node.inputs, node.dL_dx, strict=True
        )
    ]
    return Step(
        number=number,
        of=of,
        rule=node.name + (f" ({row.f.name})" if row is not None else ""),
        place=node.place,
        formula=formula(node, None if row is None else row.f),
        shape=node.output.shape,
        norm=arrived,
        out=tuple(out),
        dL_ds_norm=None if row is None else norm(row.dL_ds),
        node=node,
    )


def _target(source: Source, nodes: list[NodeRecord]) -> str:
    if not isinstance(source, int):
        return "a constant" if source is None else source.name
    operation = nodes[source]
    return f"{operation.name} in {operation.place}" if operation.place else operation.name


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


def _line(
    side: str, name: str, shape: tuple[int, ...], norm: float | None, factor: float | None
) -> str:
    size = "×".join(map(str, shape)) or "scalar"
    if norm is None:
        return f"  {side:<4}{name:<10} {size:>10}   not wanted{'':19}"
    times = "" if factor is None or math.isnan(factor) else f"  × {factor:<8.4g}"
    return f"  {side:<4}{name:<10} {size:>10}   norm {norm:<9.4g}{times}"


def _wrapped(text: str, indent: str, first: str | None = None) -> list[str]:
    if first is not None and len(text) <= 80:
        return [text]
    return textwrap.wrap(
        text,
        80,
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        drop_whitespace=first is None,
    )
