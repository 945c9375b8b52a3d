"""The rows of a trace: `LayerRecord`, a layer in one pass, and `NodeRecord`, one operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from engine.activations import Activation
from engine.arrays import Array
from engine.core.rule import Rule
from engine.errors import GraphError
from engine.kernels import empty
from engine.rules.linear import dense_gradients
from engine.spelling import printable
from engine.tracing.look import Look
from engine.tracing.statistics import (
    QUANTITIES,
    DeadUnits,
    Statistics,
    dead_units,
    sample_of,
    share_below,
    stride_of,
)


@printable
class NodeRecord:
    """One operation of the pass, in the order in which they were carried out.

    Attributes:
        name: the operation's; `kind`: that of its `engine.Rule`; `place`: where in the program, for
            example "layer 3".
        inputs, output: arrays, as the operation saw them; `input_shapes`, `output_shape`.
        sources: for each input, the number in `Trace.nodes` of the operation that made it, the name
            of the variable that it is, or None for a constant.
        parameters: what else the operation was given (an axis, an activation).
        sweeps: how many backward passes have come through.
        dL_dy: the gradient that arrived at its output, None before the backward pass.
        dL_dx: those that it sent on, one for each input, None where none was wanted.
        number: the output, where it is a single number, as a loss is; otherwise None.

    With keep="stats" there are no arrays: to ask for one raises GraphError.
    """

    inputs: list[Array]
    output: Array
    dL_dy: Array | None
    dL_dx: list[Array | None]

    def __init__(
        self,
        rule: Rule,
        place: str,
        input_shapes: list[tuple[int, ...]],
        output_shape: tuple[int, ...],
        sources: list[int | str | None],
        parameters: dict[str, Any],
    ) -> None:
        self.name, self.kind, self.place = rule.name, rule.kind, place
        self.input_shapes, self.output_shape = input_shapes, output_shape
        self.sources, self.parameters = sources, parameters
        self.sweeps = 0
        self.number: float | None = None
        self.kept = False

    def keep(self, inputs: Sequence[Array], output: Array, changeable: Sequence[int]) -> None:
        """Keep the arrays; of inputs that can be changed in place, as parameters are, copies."""
        self.kept = True
        self.inputs, self.output = list(inputs), output
        for position in changeable:
            self.inputs[position] = _copied(self.inputs[position])
        self.number = float(output) if output.ndim == 0 else None
        self.dL_dy = None
        self.dL_dx = [None] * len(self.inputs)

    def add_backward(self, g: Array, gradients: Sequence[Array | None]) -> None:
        """Add a backward pass through the operation, whose arrays are kept."""
        self.sweeps += 1
        self.dL_dy = _sum(self.dL_dy, g)
        self.dL_dx = [_sum(a, b) for a, b in zip(self.dL_dx, gradients, strict=True)]

    def __getattr__(self, name: str) -> Any:
        # Reached only for what is not there.
        if name in ("inputs", "output", "dL_dy", "dL_dx"):
            raise _not_kept(name, f"{self.name} in {self.place}" if self.place else self.name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        where = f" in {self.place}" if self.place else ""
        return f"NodeRecord({self.name}{where}, {self.output_shape})"


@printable
class LayerRecord:
    """One layer x⁽ⁱ⁺¹⁾ = f(s), s = xW + b, in one pass.

    Attributes, all arrays: `x` (batch, fan_in), `W` (fan_in, fan_out), `b` (fan_out,) or None,
    `s`, `df_ds` (f′(s)) and `x_next` (batch, fan_out); after the backward pass `dL_dx_next`,
    `dL_ds` (batch, fan_out), `dL_dW`, `dL_db` with the shapes of W and b, and `dL_dx`. What was
    not needed in the pass (∂L/∂x of the data) is None. `node` is the operation's record, `batch`,
    `fan_in` and `fan_out` are the sizes.

    With keep="stats" there are `statistics`, `saturated` and `dead`, and to ask for an array
    raises GraphError.
    """

    def __init__(self, node: NodeRecord) -> None:
        self.node = node
        self.name = node.place or "dense"
        self.f: Activation = node.parameters["f"]
        self.batch, self.fan_in = node.input_shapes[0]
        self.fan_out: int = node.input_shapes[1][1]
        self._s: Array | None = None
        self.looked: dict[str, tuple[Look, int]] = {}
        self._statistics: dict[str, tuple[int, Statistics | None]] = {}
        self._dead: DeadUnits | None = None

    @property
    def x(self) -> Array:
        return self.node.inputs[0]

    @property
    def W(self) -> Array:
        return self.node.inputs[1]

    @property
    def b(self) -> Array | None:
        return self.node.inputs[2] if len(self.node.inputs) > 2 else None

    @property
    def s(self) -> Array:
        if self._s is None:
            raise _not_kept("s", self.name)
        return self._s

    @property
    def x_next(self) -> Array:
        return self.node.output

    @property
    def dL_dx_next(self) -> Array | None:
        return self.node.dL_dy

    @property
    def dL_dx(self) -> Array | None:
        return self.node.dL_dx[0]

    @property
    def dL_dW(self) -> Array | None:
        return self.node.dL_dx[1]

    @property
    def dL_db(self) -> Array | None:
        return self.node.dL_dx[2] if len(self.node.dL_dx) > 2 else None

    @property
    def df_ds(self) -> Array:
        """f′(s), with all its digits also where training takes it from x⁽ⁱ⁺¹⁾."""
        return self.f.slope(self.s)

    @property
    def dL_ds(self) -> Array | None:
        """∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′; the same kernel as in the pass, so the same bits."""
        if self.dL_dx_next is None:
            return None
        return slopes_of(self.f, self.dL_dx_next, self.x_next, self.s, self.x, self.W)

    def keep(self, s: Array) -> None:
        """Called by the trace, since s is no input or output of the operation."""
        self._s = s

    def statistics(self, name: str) -> Statistics | None:
        """The statistics of one of the arrays, by its name; None where the array is.

        Raises: KeyError for a name that is not among `engine.QUANTITIES`.
        """
        if name not in QUANTITIES:
            raise KeyError(f"{self.name} has no {name!r}; there are {', '.join(QUANTITIES)}")
        sweeps, made = self._statistics.get(name, (-1, None))
        if sweeps != self.node.sweeps:  # a backward pass has changed the sums since
            if self.node.kept:
                array = getattr(self, name)
                made = None if array is None else Statistics.of(array)
            else:
                look, i = self.looked.get(name, (None, 0))
                made = None if look is None else look.statistics(i)
            self._statistics[name] = self.node.sweeps, made
        return made

    def sample(self, name: str) -> tuple[Array, int]:
        """The entries that percentiles are taken of, and k: they are every k-th, from the first."""
        if self.node.kept:
            array = getattr(self, name)
            return sample_of(array), stride_of(array.shape)
        look, i = self.looked[name]
        return look.sample(i), stride_of(look.statistics(i).shape)

    def saturated(self, threshold: float = 0.05) -> float:
        """The share of entries with |f′(s)| < threshold · max |f′|; NaN if none is finite.

        With keep="stats" it is that of the sample of f′(s), all of up to 4,096 entries; of more,
        right to .8 points at most (one standard error).

        Raises: ValueError unless 0 < threshold ≤ 1.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"saturated({threshold}): the threshold is a share, 0 < share ≤ 1")
        if self.node.kept:
            return share_below(self.df_ds, self.f, threshold)
        look, i = self.looked["df_ds"]
        return look.saturated(i, self.f, threshold)

    def dead(self) -> DeadUnits:
        """The units whose f′(s) is exactly 0 for every example: their share, count and indices."""
        if self._dead is None:
            if self.node.kept:
                self._dead = dead_units(self.df_ds, indices=True)
            else:
                look, i = self.looked["df_ds"]
                self._dead = look.dead(i)
        return self._dead

    def __repr__(self) -> str:
        state = "forward and backward" if self.node.sweeps else "forward only"
        shape = f"{self.fan_in}×{self.fan_out}"
        return f"LayerRecord({self.name}, {shape}, {self.f.name}, {state})"


def slopes_of(f: Activation, g: Array, y: Any, s: Any, x: Array, W: Array) -> Array:
    return np.asarray(dense_gradients(g, y, s, x, W, f=f, needs=(False, False))[0])


def _copied(x: Array) -> Array:
    """Into memory that an earlier trace may have had: fresh pages cost more than the copy."""
    copy = empty(x.shape, x.dtype)
    np.copyto(copy, x)
    return copy


def _not_kept(name: str, where: str) -> GraphError:
    return GraphError(
        f"{where}: its arrays ({name} was asked for) were not kept, since the trace was opened "
        'with keep="stats"; open it with trace(keep="arrays"), or ask the layer for statistics, as '
        'in statistics("dL_ds")'
    )


def _sum(a: Array | None, b: Array | None) -> Array | None:
    return b if a is None else a if b is None else a + b
