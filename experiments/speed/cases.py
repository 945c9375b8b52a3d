"""What is timed: a case is one piece of work, with the operations it takes and the bytes it moves.

A case is plain numbers and words, so that it can be sent to another process, written to
result.json, and read from there again: `case.request()` and `case_from(request)`.

Operations are counted as the definition has them, a multiplication and an addition as two.
Bytes are the fewest possible: each operand read once, each result written once.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar, final

_BYTES = {"float32": 4, "float64": 8}
_LR = 0.05


@dataclass(frozen=True)
class Case(ABC):
    """One piece of work.

    Attributes:
        group: the part of the experiment that it belongs to.
        dtype: float32 or float64.
    """

    work: ClassVar[str]  # what the workers call it
    group: str
    dtype: str

    @property
    @abstractmethod
    def label(self) -> str:
        """Its name in tables and figures, within its group."""

    @property
    @abstractmethod
    def flops(self) -> float:
        """Floating-point operations of one call."""

    @property
    @abstractmethod
    def bytes(self) -> float:
        """The fewest bytes that one call can move."""

    @property
    def itemsize(self) -> int:
        return _BYTES[self.dtype]

    @property
    def tolerance(self) -> float:
        """How far results of two workers may differ, relative to the result's rms."""
        return 1e-4 if self.dtype == "float32" else 1e-9

    def request(self) -> dict[str, Any]:
        """All of it as what JSON knows."""
        return {"work": self.work, **asdict(self)}

    def _precision(self) -> str:
        return "" if self.dtype == "float32" else ", f64"


@final
@dataclass(frozen=True)
class Product(Case):
    """One of a layer's three products: forward X·W, the weights' gradient Xᵀ·G, the input's G·Wᵀ.

    X is (batch, fan_in), W (fan_in, fan_out), and G, in the place of ∂L/∂s, (batch, fan_out). All
    three multiply and add batch · fan_in · fan_out times and touch matrices of the same sizes.
    """

    work: ClassVar[str] = "product"
    form: str
    batch: int
    fan_in: int
    fan_out: int

    @property
    def label(self) -> str:
        if self.batch == self.fan_in == self.fan_out:
            return f"{self.form}, {self.batch}³{self._precision()}"
        return f"{self.form}, {self.batch}×{self.fan_in}×{self.fan_out}{self._precision()}"

    @property
    def flops(self) -> float:
        return 2.0 * self.batch * self.fan_in * self.fan_out

    @property
    def bytes(self) -> float:
        entries = self.batch * self.fan_in + self.fan_in * self.fan_out + self.batch * self.fan_out
        return float(self.itemsize * entries)


# Operations for an entry, forward and backward, as `compiled.scalars` computes it in
# float32. They are for its place on the roofline, where a fifth more or less can't be seen.
_ARITHMETIC = {
    "relu": (1, 1),
    "hardtanh": (2, 1),
    "leaky_relu": (1, 1),
    "softsign": (2, 4),
    "sigmoid": (35, 30),
    "tanh": (37, 30),
    "softplus": (60, 36),
    "elu": (25, 25),
    "selu": (26, 26),
    "gelu": (40, 65),
    "silu": (36, 70),
}


@final
@dataclass(frozen=True)
class Elementwise(Case):
    """An activation of `size` numbers: y = f(s), or with `backward` ∂L/∂s = g ⊙ f′(s)."""

    work: ClassVar[str] = "elementwise"
    f: str
    size: int
    backward: bool

    @property
    def label(self) -> str:
        way = "backward" if self.backward else "forward"
        return f"{self.f} {way}, {count(self.size)}{self._precision()}"

    @property
    def flops(self) -> float:
        return float(self.size * _ARITHMETIC[self.f][self.backward])

    @property
    def bytes(self) -> float:
        return float(self.itemsize * self.size * (3 if self.backward else 2))


@final
@dataclass(frozen=True)
class Training(Case):
    """A step of training: forward, loss, backward, and W ← W − η ∂L/∂W, b the same.

    Hidden layers are tanh, the loss "cross_entropy" or "mse".
    """

    work: ClassVar[str] = "training"
    sizes: tuple[int, ...]
    batch: int
    loss: str

    @property
    def label(self) -> str:
        return f"{_net(self.sizes)}, batch {self.batch}{self._precision()}"

    @property
    def weights(self) -> int:
        return sum(n_in * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def flops(self) -> float:
        """Of the products alone: two a layer going forward and back, ∂L/∂x not for the data."""
        first = self.sizes[0] * self.sizes[1]
        return 2.0 * self.batch * (3 * self.weights - first)

    @property
    def bytes(self) -> float:
        """W is read forward, read backward, and written."""
        return float(self.itemsize * (3 * self.weights + 2 * self.batch * sum(self.sizes)))

    @property
    def tolerance(self) -> float:
        # Compared is by how much a step changes the weights, which are rounded.
        return 2e-2 if self.dtype == "float32" else 1e-7

    def request(self) -> dict[str, Any]:
        return {**super().request(), "lr": _LR}


@final
@dataclass(frozen=True)
class Step(Case):
    """One of `experiments.speed.steps`: the product of two square matrices."""

    work: ClassVar[str] = "step"
    step: str
    size: int

    @property
    def label(self) -> str:
        return f"{self.step.replace('_', ' ')}, {self.size}³"

    @property
    def flops(self) -> float:
        return 2.0 * self.size**3

    @property
    def bytes(self) -> float:
        return 3.0 * self.itemsize * self.size**2


@final
@dataclass(frozen=True)
class Limit(Case):
    """What the machine can do at most: "peak" arithmetic, or "triad" over arrays of `size` entries.

    Of the peak, `size` is how often each thread runs the tile over its panels, and `operations`
    how many operations one such run is.
    """

    work: ClassVar[str] = "limit"
    limit: str
    size: int
    place: str = ""
    operations: float = 2.0

    @property
    def label(self) -> str:
        if self.limit == "peak":
            return f"peak{self._precision()}"
        return f"triad in {self.place}, {self.bytes / 2**20:.3g} MiB"

    @property
    def flops(self) -> float:
        return self.operations * self.size

    @property
    def bytes(self) -> float:
        return 0.0 if self.limit == "peak" else 3.0 * self.itemsize * self.size


_KINDS: dict[str, type[Case]] = {
    kind.work: kind for kind in (Product, Elementwise, Training, Step, Limit)
}


def case_from(request: Mapping[str, Any]) -> Case:
    """The case that `request()` was made from; what isn't a field of it is left out."""
    kind = _KINDS[request["work"]]
    given = {field.name: request[field.name] for field in fields(kind) if field.name in request}
    if "sizes" in given:
        given["sizes"] = tuple(given["sizes"])
    return kind(**given)


def count(n: int) -> str:
    """10⁴ for 10000; other numbers as they are."""
    power = round(math.log10(n)) if n > 0 else 0
    if n == 10**power and power >= 3:
        return "10" + str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return str(n)


def _net(sizes: tuple[int, ...]) -> str:
    """2–16–16–1, or with more than three equal hidden layers 1024–5×1000–10."""
    hidden = sizes[1:-1]
    if len(hidden) > 3 and len(set(hidden)) == 1:
        return f"{sizes[0]}–{len(hidden)}×{hidden[0]}–{sizes[-1]}"
    return "–".join(map(str, sizes))
