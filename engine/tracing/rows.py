"""The rows of a trace: `LayerRecord`, a layer in one pass.

A layer may be one operation (`dense`) or several (`tanh(x @ W + b)`): `engine.tracing.layers` finds
the layers among the operations. A row holds no arrays, only where each of its quantities is: in
which operation, and there as an operand, the result, or a gradient.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.activations import Activation, identity
from engine.arrays import Array
from engine.core.rule import RULES
from engine.errors import GraphError
from engine.rules.linear import dense_gradients
from engine.spelling import printable
from engine.tracing.nodes import (
    ARRIVED,
    DL_DS,
    OUTPUT,
    SAVED,
    SLOPES,
    Link,
    NodeRecord,
    Slot,
    not_kept,
)
from engine.tracing.places import Place
from engine.tracing.statistics import (
    QUANTITIES,
    DeadUnits,
    Look,
    Statistics,
    dead_units,
    sample_of,
    share_below,
    stride_of,
)


@dataclass
class Parts:
    """The operations of a layer, and where its quantities are among them."""

    links: list[Link]
    s: tuple[NodeRecord, Slot]
    last: NodeRecord  # whose output is x⁽ⁱ⁺¹⁾
    f: Activation = identity
    slopes: NodeRecord | None = None  # the operation f(s), where that is a step of its own
    biases: list[tuple[NodeRecord, int]] = field(default_factory=list)
    members: list[int] = field(default_factory=list)  # the operations, the last at the end
    terms: tuple[Parts, ...] = ()  # the sums of which s is the sum
    views: dict[int, LayerRecord] = field(default_factory=dict)  # the layer's row, by link

    @property
    def is_one_operation(self) -> bool:
        return len(self.members) == 1 and self.last.form is not None


@printable
class LayerRecord:
    """One layer x⁽ⁱ⁺¹⁾ = f(s), s = xW + b, in one pass.

    Attributes, all arrays: `x` (batch, fan_in), `W` (fan_in, fan_out), `b` (fan_out,) or None,
    `s`, `df_ds` (f′(s)) and `x_next` (batch, fan_out); after the backward pass `dL_dx_next`,
    `dL_ds` (batch, fan_out), `dL_dW`, `dL_db` with the shapes of W and b, and `dL_dx`. What was
    not needed in the pass (∂L/∂x of the data) is None. `batch`, `fan_in` and `fan_out` are the
    sizes. `name` is where the layer is in the program, `step` the time step (without steps of the
    program's own, the number of the use, if the layer is used more than once), and `label` both.
    `node` is the record of the last operation, `members` are the positions in `Trace.nodes` of all
    operations of the layer.

    A layer with several inputs, s = x W + h U + b, has several `links`; x, W, fan_in and their
    gradients are those of the first, and `link(1)` is the row as seen from the second.

    With keep="stats" there are `statistics`, `saturated` and `dead`, and to ask for an array
    raises GraphError.
    """

    def __init__(self, parts: Parts, place: Place, at: int = 0) -> None:
        self.parts, self.place, self.at = parts, place, at
        self.name, self.step, self.label = place.name, place.step, str(place)
        self.node, self.f = parts.last, parts.f
        self.links, self.members = tuple(parts.links), frozenset(parts.members)
        link = self.links[at]
        self.weights, self.source = link.weights, link.source
        self.is_transposed = link.is_transposed
        self.fan_in, self.fan_out = link.fans
        self.batch = math.prod(parts.s[0].output_shape[:-1])
        self._slots: dict[str, tuple[NodeRecord, Slot]] = {
            "x": (link.node, Slot("inputs", link.x)),
            "W": (link.node, Slot("inputs", link.W)),
            "s": parts.s,
            "x_next": (parts.last, OUTPUT),
            "dL_dx_next": (parts.last, ARRIVED),
            "dL_dW": (link.node, Slot("dL_dx", link.W)),
            "dL_dx": (link.node, Slot("dL_dx", link.x)),
        }
        is_one = parts.s[1] == SAVED and parts.slopes is None
        self._slots["dL_ds"] = (parts.s[0], DL_DS if parts.s[1] == SAVED else ARRIVED)
        if is_one or parts.slopes is not None:
            self._slots["df_ds"] = (parts.last if is_one else parts.slopes or parts.last, SLOPES)
        if parts.biases:
            node, position = parts.biases[0]
            self._slots["b"] = (node, Slot("inputs", position))
            self._slots["dL_db"] = (node, Slot("dL_dx", position))
        parts.views[at] = self
        self._statistics: dict[str, tuple[int, Statistics | None]] = {}
        self._dead: DeadUnits | None = None

    def link(self, at: int) -> LayerRecord:
        """The same layer with x, W, ∂L/∂x and ∂L/∂W of another of its links."""
        if at not in self.parts.views:
            self.parts.views[at] = LayerRecord(self.parts, self.place, at)
        return self.parts.views[at]

    @property
    def by_link(self) -> list[LayerRecord]:
        """The row as seen from each of its links."""
        return [self.link(at) for at in range(len(self.links))]

    def size(self, arrow: str = "→") -> str:
        """fan_in→fan_out, as in "64→10"; of a layer with two links "12+32→32"."""
        return "+".join(str(link.fans[0]) for link in self.links) + f"{arrow}{self.fan_out}"

    @property
    def is_one_operation(self) -> bool:
        """Whether the layer was computed by one operation, `dense` or `affine`."""
        return self.parts.is_one_operation

    @property
    def kept(self) -> bool:
        """Whether the trace has the layer's arrays, and not statistics alone."""
        return self.node.kept

    @property
    def sweeps(self) -> int:
        """How many backward passes have come through the layer."""
        return self.node.sweeps

    @property
    def x(self) -> Array:
        return self._array("x")

    @property
    def W(self) -> Array:
        return self._array("W")

    @property
    def b(self) -> Array | None:
        return self._find("b")

    @property
    def s(self) -> Array:
        return self._array("s")

    @property
    def x_next(self) -> Array:
        return self._array("x_next")

    @property
    def dL_dx_next(self) -> Array | None:
        return self._find("dL_dx_next")

    @property
    def dL_dx(self) -> Array | None:
        return self._find("dL_dx")

    @property
    def dL_dW(self) -> Array | None:
        return self._find("dL_dW")

    @property
    def dL_db(self) -> Array | None:
        return self._find("dL_db")

    @property
    def df_ds(self) -> Array:
        """f′(s), with all its digits also where training takes it from x⁽ⁱ⁺¹⁾."""
        return self._array("df_ds")

    @property
    def dL_ds(self) -> Array | None:
        """∂L/∂s = ∂L/∂x⁽ⁱ⁺¹⁾ ⊙ f′, with the bits of the pass."""
        return self._find("dL_ds")

    @property
    def learned(self) -> dict[str, tuple[Array, Array | None]]:
        """The learned parameters of f and their gradients, by name: {"a": (a, ∂L/∂a)} for prelu."""
        node = self.parts.slopes
        if node is None or len(node.input_shapes) == 1:
            return {}
        names = RULES[node.name].letters[1:]
        return dict(zip(names, zip(node.inputs[1:], node.dL_dx[1:], strict=True), strict=True))

    def slopes_used(self) -> Array:
        """f′(s) as the backward pass used it: for tanh, sigmoid and others taken from x⁽ⁱ⁺¹⁾."""
        if not self.is_one_operation:
            return self.df_ds
        return slopes_of(self.f, np.ones_like(self.x_next), self.x_next, self.s, self.x, self.W)

    def _array(self, name: str) -> Array:
        array = self._find(name)
        if array is None:
            raise GraphError(f"layer {self.label} has no {name} in this trace")
        return array

    def _find(self, name: str) -> Array | None:
        """An array of the layer, with examples along the first axis; None where there is none."""
        if not self.kept:
            raise not_kept(name, self.name)
        node, (attribute, position) = self._slots.get(name, (None, OUTPUT))
        if node is None:
            return np.ones_like(self.s) if name == "df_ds" else None
        if attribute == "slopes":
            array = self.f.slope(self.s) if node.slope is None else node.slope(*node.inputs)
        elif attribute == "dL_ds":
            g = node.dL_dy
            x, W = node.inputs[:2]
            f = self.f if node.form is None else node.parameters[node.form.f]
            array = None if g is None else slopes_of(f, g, node.output, node.saved, x, W)
        else:
            array = getattr(node, attribute)
            array = array if position is None else array[position]
        return None if array is None else _as_rows(array, self._shape(name))

    def _shape(self, name: str) -> tuple[int, ...]:
        if name in ("W", "dL_dW"):
            return self.fan_in, self.fan_out
        if name in ("b", "dL_db"):
            return (self.fan_out,)
        return (-1, self.fan_in if name in ("x", "dL_dx") else self.fan_out)

    def _look(self, name: str) -> Look | None:
        node, slot = self._slots.get(name, (None, OUTPUT))
        return None if node is None else node.looks.get(slot)

    def statistics(self, name: str) -> Statistics | None:
        """The statistics of one of the arrays, by its name; None where the array is.

        Raises: KeyError for a name that is not among `engine.QUANTITIES`.
        """
        if name not in QUANTITIES:
            raise KeyError(f"{self.name} has no {name!r}; there are {', '.join(QUANTITIES)}")
        sweeps, statistics = self._statistics.get(name, (-1, None))
        if sweeps != self.sweeps:  # a backward pass has changed the sums since
            statistics = self._new_statistics(name)
            self._statistics[name] = self.sweeps, statistics
        return statistics

    def _new_statistics(self, name: str) -> Statistics | None:
        if self.kept:
            array = self._find(name)
            return None if array is None else Statistics.of(array)
        look = self._look(name)
        if look is None:
            has_slopes = name == "df_ds" and self._look("s") is not None
            return Statistics.of(np.ones(self._whole_shape("s"))) if has_slopes else None
        return look.statistics(self._whole_shape(name))

    def _whole_shape(self, name: str) -> tuple[int, ...]:
        first, *rest = self._shape(name)
        return (self.batch if first == -1 else first, *rest)

    def sample(self, name: str) -> tuple[Array, int]:
        """The entries that percentiles are taken of, and k: they are every k-th, from the first."""
        if self.kept:
            array = self._array(name)
            return sample_of(array), stride_of(array.shape)
        look, shape = self._look(name), self._whole_shape(name)
        return np.ones(1) if look is None else look.sample, stride_of(shape)

    def saturated(self, threshold: float = 0.05) -> float:
        """The share of entries with |f′(s)| < threshold · max |f′|; NaN if none is finite.

        With keep="stats" it is that of the sample of f′(s), all of up to 4,096 entries; of more,
        right to .8 points at most (one standard error).

        Raises: ValueError unless 0 < threshold ≤ 1.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"saturated({threshold}): the threshold is a share, 0 < share ≤ 1")
        slopes = self.df_ds if self.kept else self.sample("df_ds")[0]
        return share_below(slopes, self.f, threshold)

    def dead(self) -> DeadUnits:
        """The units whose f′(s) is exactly 0 for every example: their share, count and indices."""
        if self._dead is None:
            look = None if self.kept else self._look("df_ds")
            if self.kept:
                self._dead = dead_units(self.df_ds, indices=True)
            else:
                self._dead = DeadUnits(0.0, 0, None) if look is None else look.dead()
        return self._dead

    def __repr__(self) -> str:
        state = "forward and backward" if self.sweeps else "forward only"
        return f"LayerRecord({self.label}, {self.size('×')}, {self.f.name}, {state})"


def slopes_of(f: Activation, g: Array, y: Any, s: Any, x: Array, W: Array) -> Array:
    """∂L/∂s from ∂L/∂x⁽ⁱ⁺¹⁾, for a layer in one operation: by the same kernel, so the same bits."""
    return np.asarray(dense_gradients(g, y, s, x, W, f=f, needs=(False, False))[0])


def _as_rows(array: Array, shape: tuple[int, ...]) -> Array:
    return array if array.ndim == len(shape) else array.reshape(shape)
