"""Layers: `Dense`, chains of layers, and `MLP`, the net of the article.

Errors, traces and saved files name parameters by layer: "layer 2.W". A chain in a chain gives
"layer 1.layer 2.W".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from operator import index
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt

from engine import Activation, ShapeError, Tensor, dense, find_activation, place, printable
from nn.init import Initializer, find_initializer, weights_dtype
from nn.module import Module
from nn.parametric import Learned, as_learned
from nn.randomness import Rng, generator


@printable
@final
class Dense(Module):
    """The article's layer, x⁽ⁱ⁺¹⁾ = f(xW + b).

    Args:
        n_in, n_out: W is (n_in, n_out), b is (n_out,).
        activation: f, an `Activation` or its name. The slope of "prelu" is learned (`f_parameters`
            holds a for each unit); a fixed slope is "leaky_relu". See `learned` for others.
        weight_init, bias_init: an `nn.init` scheme or its name.
        rng: a seed or a generator; without either, every layer and every run gets other weights.
            Give the layers of one net the same generator, or different seeds, since equal seeds
            give equal weights.
        dtype: float32 or float64.
        name: what errors, traces and files call it.

    Raises: ValueError for sizes below 1 or an unknown name; TypeError for sizes that are no
        integers, another dtype, and what is no seed.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        activation: Activation | Learned | str = "identity",
        weight_init: Initializer | str = "xavier_uniform",
        bias_init: Initializer | str = "zeros",
        rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
        name: str | None = None,
    ) -> None:
        n_in, n_out = _sizes((n_in, n_out), f"Dense({n_in!r}, {n_out!r})")
        dtype = weights_dtype(dtype, "Dense")
        self.learned = as_learned(activation)
        self.f = self.learned.f if self.learned else find_activation(cast(Any, activation))
        self.weight_init, self.bias_init = map(find_initializer, (weight_init, bias_init))
        rng = generator(rng)
        fans = (n_in, n_out)
        W = self.weight_init((n_in, n_out), rng, dtype)
        b = self.bias_init((n_out,), rng, dtype, fans)
        self.W = Tensor(W, requires_grad=True)
        self.b = Tensor(b, requires_grad=True)
        self.f_parameters = self.learned.parameters(n_out, dtype) if self.learned else {}
        self._has_own_name = name is not None
        self._be_named(name or "dense")

    @property
    def name(self) -> str:
        """The layer's own name, or else what its container calls it."""
        return self._label

    def rename(self, name: str) -> None:
        """Give the layer, and so its parameters, another name."""
        self._has_own_name = True
        self._be_named(name)

    def __call__(self, x: Tensor | npt.ArrayLike) -> Tensor:
        # As in the base class, in less time.
        if not self._ready:
            self._tensors()
        with self._place:
            return self.forward(x)

    def forward(self, x: Tensor | npt.ArrayLike) -> Tensor:
        # Data are constants: in the layer's own precision they do not promote the whole net.
        data = x if isinstance(x, Tensor) else Tensor(x, dtype=self.W.dtype)
        if self.learned is None:
            return dense(data, self.W, self.b, self.f)
        return self.learned(dense(data, self.W, self.b), self.f_parameters)

    def parameters(self) -> list[Tensor]:
        return [self.W, self.b, *self.f_parameters.values()]

    def _be_named(self, name: str) -> None:
        self._label, self._place = name, place(name)
        self._tensors()

    def _held(self) -> Iterable[tuple[str, Module | Tensor]]:
        learned = [(f"f.{name}", tensor) for name, tensor in self.f_parameters.items()]
        return [("W", self.W), ("b", self.b), *learned]

    def _hidden(self) -> str:
        return self._inside  # a layer alone says its name, too: "layer 1.W"

    def __repr__(self) -> str:
        n_in, n_out = self.W.shape
        return f"{self.name}: Dense({n_in}, {n_out}, {self.f.name}, {self.weight_init.name})"


def _sizes(sizes: Iterable[int], call: str) -> tuple[int, ...]:
    """Numbers of inputs and units."""
    checked = []
    for size in sizes:
        if isinstance(size, bool | np.bool_) or not hasattr(size, "__index__"):
            raise TypeError(f"{call}: {size!r} is no number of inputs or units; give integers")
        checked.append(index(size))
        if checked[-1] < 1:
            raise ValueError(f"{call}: a layer needs at least 1 input and 1 unit, not {size}")
    return tuple(checked)


class Chain(Module):
    """Layers one after another."""

    layers: Sequence[Callable[..., Any]]

    def __call__(self, x: Tensor | npt.ArrayLike) -> Tensor:
        if self._ready and self._place is None:
            return self.forward(x)
        return cast(Tensor, super().__call__(x))

    def forward(self, x: Tensor | npt.ArrayLike) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        if not isinstance(x, Tensor):
            raise TypeError(f"the chain's last part returned {type(x).__name__}, not a Tensor")
        return x

    def _held(self) -> Iterable[tuple[str, Module | Tensor]]:
        modules = [layer for layer in self.layers if isinstance(layer, Module)]
        return [(f"layer {number}", module) for number, module in enumerate(modules, 1)]

    def parameters(self) -> list[Tensor]:
        # Faster than the walk of the base class: zero_grad calls this for each update.
        layers = [layer for layer in self.layers if isinstance(layer, Module)]
        return list({id(p): p for layer in layers for p in layer.parameters()}.values())

    def _shown(self) -> Sequence[object]:
        return self.layers


@final
class Sequential(Chain):
    """`Sequential(Dense(…), Dense(…), …)`: layers, and functions of a tensor, in that order.

    Layers without a name get "layer 1", "layer 2" … by their position among the layers. A layer may
    be a chain or another `Module`: its parameters are then "layer 1.layer 2.W". A layer that is
    given twice has one set of parameters.

    Raises: ValueError for two parameters of one name, TypeError for what can't be called.
    """

    def __init__(self, *layers: Callable[..., Any]) -> None:
        self.layers = layers
        for layer in layers:
            if not callable(layer):
                raise TypeError(f"Sequential takes layers and functions, not {layer!r}")
        names = [name for name, _ in self.named_parameters()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"two parameters are named {', '.join(twice)}; give the layers different names"
            )


@final
class MLP(Chain):
    """The net of the article: hidden layers x⁽ⁱ⁺¹⁾ = f(x⁽ⁱ⁾W⁽ⁱ⁾ + b⁽ⁱ⁾), then an output layer.

    Args:
        sizes: (inputs, hidden 1, …, outputs); `MLP([784, 256, 256, 10])` has two hidden layers,
            "layer 1" and "layer 2", and "output".
        activation: f of the hidden layers, as `Dense` takes it.
        weight_init, bias_init: schemes of all layers.
        output_activation: of the last layer; identity, since losses take logits.
        rng, dtype: see `Dense`.

    Raises: ShapeError for fewer than two sizes, and as `Dense` does.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation | Learned | str = "tanh",
        weight_init: Initializer | str = "xavier_uniform",
        bias_init: Initializer | str = "zeros",
        rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
        output_activation: Activation | Learned | str = "identity",
    ) -> None:
        if isinstance(sizes, str) or not isinstance(sizes, Iterable):
            raise TypeError(
                f"MLP({sizes!r}, …): the sizes are one sequence, MLP([20, 16, 3]): inputs, hidden "
                "units of each layer, outputs"
            )
        sizes = list(sizes)
        self.sizes = _sizes(sizes, f"MLP({sizes})")
        if len(sizes) < 2:
            raise ShapeError(f"MLP({sizes}): sizes must name at least inputs and outputs")
        if not isinstance(activation, Learned):
            activation = find_activation(activation)  # even where no hidden layer uses it
        rng = generator(rng)
        last = len(sizes) - 2
        self.layers: list[Dense] = [
            Dense(
                n_in,
                n_out,
                output_activation if i == last else activation,
                weight_init,
                bias_init,
                rng=rng,
                dtype=dtype,
                name="output" if i == last else f"layer {i + 1}",
            )
            for i, (n_in, n_out) in enumerate(pairwise(self.sizes))
        ]
