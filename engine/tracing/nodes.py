"""The operations of a trace: `NodeRecord`, and what is in it: `Variable`, `Slot`, `Link`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from engine.activations import Activation
from engine.arrays import Array
from engine.core.rule import Rule
from engine.errors import GraphError
from engine.spelling import printable
from engine.tracing.statistics import Look, Statistics


@dataclass(frozen=True)
class Variable:
    """A variable as an operation met it: which variable, and how often it had been changed.

    `str()` gives the name. Two variables may have one name, so `number` tells them apart.
    """

    name: str
    number: int
    version: int

    def __str__(self) -> str:
        return self.name


Source: TypeAlias = int | Variable | None


@printable
class NodeRecord:
    """One operation of the pass, in the order in which they were carried out.

    Attributes:
        name: the operation's; `kind`: that of its `engine.Rule`; `place`: where in the program, for
            example "layer 3".
        inputs, output: arrays, as the operation saw them; `input_shapes`, `output_shape`.
        sources: for each input, the number in `Trace.nodes` of the operation that made it, the
            `Variable` that it is, or None for a constant.
        parameters: what else the operation was given (an axis, an activation).
        activation, slope: f, and f′(s) as a function of the inputs, for an operation f(s) with s
            the first input; otherwise None.
        form: the `LayerForm` of an operation that is a layer; otherwise None.
        saved: s of a layer that is one operation; otherwise None.
        of_sweep: whether the operation belongs to a backward pass that was itself recorded; then
            the operation is no part of a layer.
        sweeps: how many backward passes have come through.
        dL_dy: the gradient that arrived at its output, None before the backward pass.
        dL_dx: those that it sent on, one for each input, None where none was wanted.
        number: the output, where it is a single number, as a loss is; otherwise None.

    With keep="stats" there are no arrays: to ask for one raises GraphError.
    """

    inputs: list[Array]
    output: Array
    saved: Array | None
    dL_dy: Array | None
    dL_dx: list[Array | None]

    def __init__(
        self,
        rule: Rule,
        place: str,
        input_shapes: list[tuple[int, ...]],
        output_shape: tuple[int, ...],
        sources: list[Source],
        parameters: dict[str, Any],
    ) -> None:
        self.name, self.kind, self.place = rule.name, rule.kind, place
        self.form = None if rule.layer is None else rule.layer(len(input_shapes))
        self.slope = rule.slope
        self.input_shapes, self.output_shape = input_shapes, output_shape
        self.sources, self.parameters = sources, parameters
        self.activation: Activation | None = None
        self.of_sweep = False
        self.sweeps = 0
        self.number: float | None = None
        self.kept = False
        self.looks: dict[Slot, Look] = {}

    def keep(self, inputs: Sequence[Array], output: Array, saved: Array | None) -> None:
        """Called by the trace: keep the arrays of the forward pass."""
        self.kept = True
        self.inputs, self.output, self.saved = list(inputs), output, saved
        self.number = float(output) if output.ndim == 0 else None
        self.dL_dy = None
        self.dL_dx = [None] * len(self.inputs)

    def add_backward(self, g: Array, gradients: Sequence[Array | None]) -> None:
        """Called by the trace: add a backward pass through the operation."""
        self.sweeps += 1
        self.dL_dy = _sum(self.dL_dy, g)
        self.dL_dx = [_sum(a, b) for a, b in zip(self.dL_dx, gradients, strict=True)]

    def statistics(self, quantity: str) -> Statistics | None:
        """Of "y", the output, or "dL_dy", the gradient that arrived; None if it isn't known."""
        slot, shape = (OUTPUT if quantity == "y" else ARRIVED), self.output_shape
        if self.kept:
            array = getattr(self, slot.attribute)
            return None if array is None else Statistics.of(array)
        look = self.looks.get(slot)
        return None if look is None else look.statistics(shape)

    @property
    def built_in(self) -> str:
        """The name of an operation of the engine; "" for a user's, which may have any name."""
        return self.name if self.kind == "built-in" else ""

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not there.
        if name in ("inputs", "output", "saved", "dL_dy", "dL_dx"):
            raise not_kept(name, f"{self.name} in {self.place}" if self.place else self.name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"NodeRecord({self.name}{where}, {self.output_shape})"


class Slot(NamedTuple):
    """Where in a `NodeRecord` an array is: an attribute, and the position in it if it is a list.

    The attribute "slopes" stands for f′(s) of an operation f(s), or of a layer that is one
    operation, and "dL_ds" for ∂L/∂s of such a layer.
    """

    attribute: str
    position: int | None = None


OUTPUT, ARRIVED = Slot("output"), Slot("dL_dy")
SAVED, SLOPES, DL_DS = Slot("saved"), Slot("slopes"), Slot("dL_ds")


@dataclass(frozen=True)
class Link:
    """One product x·W of a layer.

    Attributes: `node`, the operation; `x`, `W`, the positions of x and W among its inputs;
    `weights`, the variable W (seen through transpositions) or the number of the operation that made
    W; `is_transposed`, whether W is the variable's transpose; `source`, where x comes from.
    """

    node: NodeRecord
    x: int
    W: int
    weights: Source
    is_transposed: bool

    @property
    def source(self) -> Source:
        return self.node.sources[self.x]

    @property
    def fans(self) -> tuple[int, int]:
        fan_in, fan_out = self.node.input_shapes[self.W]
        return fan_in, fan_out


def not_kept(name: str, where: str) -> GraphError:
    """The error for an array of a trace that keeps statistics only."""
    return GraphError(
        f"{where}: its arrays ({name} was asked for) were not kept, since the trace was opened "
        'with keep="stats"; open it with trace(keep="arrays"), or ask the layer for statistics, as '
        'in statistics("dL_ds")'
    )


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a + b
