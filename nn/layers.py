"""Layers: `Dense`, chains of them, and `MLP`, the net of the article.

Parameters are named by layer ("layer 2.W"), which is what errors, traces and saved files say.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from operator import index
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt

from engine import (
    Activation,
    ShapeError,
    Tensor,
    dense,
    find_activation,
    place,
    printable,
    read_arrays,
    write_arrays,
)
from nn.init import Initializer, find_initializer, weights_dtype
from nn.randomness import Rng, generator

Array = npt.NDArray[Any]


class Layer(ABC):
    """Something with parameters that maps a batch to a batch."""

    @abstractmethod
    def __call__(self, x: Tensor | npt.ArrayLike) -> Tensor:
        """The layer's output for a batch."""

    @abstractmethod
    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Each parameter with its name, in the order of the forward pass."""

    def parameters(self) -> list[Tensor]:
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.zero_grad()

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter, by name.

        Raises: ValueError if two parameters have one name, of which one would be lost.
        """
        return {name: p.numpy().copy() for name, p in self._by_name().items()}

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Set every parameter; all of them, or none.

        Raises: ValueError naming missing and unknown parameters and wrong shapes, and if two
            parameters have one name; the parameters are then as they were.
        """
        own = self._by_name()
        new = {name: np.asarray(value) for name, value in state.items()}
        wrong = [f"{name} is missing" for name in own if name not in new]
        wrong += [f"{name} is not a parameter of this net" for name in new if name not in own]
        for name, parameter in own.items():
            if name not in new:
                continue
            if new[name].shape != parameter.shape:
                wrong.append(f"{name} has shape {new[name].shape}, not {parameter.shape}")
            elif new[name].dtype.kind not in "fiu":
                wrong.append(f"{name} holds {new[name].dtype}, not numbers")
        if wrong:
            raise ValueError(f"this state doesn't fit the net: {'; '.join(wrong)}")
        for name, parameter in own.items():
            parameter.assign(new[name].astype(parameter.dtype))

    def save(self, path: str | Path) -> None:
        """Write the parameters to an .npz file, which appears whole or not at all."""
        write_arrays(path, self.state_dict())

    def load(self, path: str | Path) -> None:
        """Read the parameters from a file that `save` wrote; see `load_state_dict`."""
        self.load_state_dict(read_arrays(path))

    def _by_name(self) -> dict[str, Tensor]:
        named = list(self.named_parameters())
        by_name = dict(named)
        twice = [
            f"parameters {' and '.join(same)} are named {name!r}"
            for name in by_name
            if len(same := _places_of(name, named)) > 1
        ]
        if twice:
            raise ValueError(
                f"{type(self).__name__}: {'; '.join(twice)}, so only one of each could be saved "
                "and loaded; give the layers names, Dense(…, name=…), or yield other names from "
                "named_parameters()"
            )
        return by_name


def _places_of(name: str, named: Sequence[tuple[str, Tensor]]) -> list[str]:
    """The positions of the different parameters of that name, each with its shape."""
    places = {id(p): f"{i} {p.shape}" for i, (own, p) in enumerate(named, 1) if own == name}
    return list(places.values())


@printable
@final
class Dense(Layer):
    """The article's layer, x⁽ⁱ⁺¹⁾ = f(xW + b).

    Args:
        n_in, n_out: W is (n_in, n_out), b is (n_out,).
        activation: f, an `Activation` or its name.
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
        activation: Activation | str = "identity",
        weight_init: Initializer | str = "xavier_uniform",
        bias_init: Initializer | str = "zeros",
        rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
        name: str | None = None,
    ) -> None:
        n_in, n_out = _sizes((n_in, n_out), f"Dense({n_in!r}, {n_out!r})")
        dtype = weights_dtype(dtype, "Dense")
        self.f = find_activation(activation)
        self.weight_init, self.bias_init = map(find_initializer, (weight_init, bias_init))
        rng = generator(rng)
        fans = (n_in, n_out)
        W = self.weight_init((n_in, n_out), rng, dtype)
        b = self.bias_init((n_out,), rng, dtype, fans)
        self.W = Tensor(W, requires_grad=True)
        self.b = Tensor(b, requires_grad=True)
        self.named = name is not None
        self.rename(name or "dense")

    def rename(self, name: str) -> None:
        """Give the layer, and so its parameters, another name."""
        self.name, self._place = name, place(name)
        self.W.name, self.b.name = f"{name}.W", f"{name}.b"

    def __call__(self, x: Tensor | npt.ArrayLike) -> Tensor:
        # Data are constants: in the layer's own precision they do not promote the whole net.
        data = x if isinstance(x, Tensor) else Tensor(x, dtype=self.W.dtype)
        with self._place:
            return dense(data, self.W, self.b, self.f)

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        yield f"{self.name}.W", self.W
        yield f"{self.name}.b", self.b

    def parameters(self) -> list[Tensor]:
        return [self.W, self.b]

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


@printable
class Chain(Layer):
    """Layers one after another."""

    layers: Sequence[Callable[..., Any]]

    def __call__(self, x: Tensor | npt.ArrayLike) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        if not isinstance(x, Tensor):
            raise TypeError(f"the chain's last part returned {type(x).__name__}, not a Tensor")
        return x

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        for layer in self.layers:
            if isinstance(layer, Layer):
                yield from layer.named_parameters()

    def parameters(self) -> list[Tensor]:
        layers = [layer for layer in self.layers if isinstance(layer, Layer)]
        return [parameter for layer in layers for parameter in layer.parameters()]

    def __repr__(self) -> str:
        inside = "\n".join(f"  {layer!r}" for layer in self.layers)
        return f"{type(self).__name__}(\n{inside}\n)"


@final
class Sequential(Chain):
    """`Sequential(Dense(…), Dense(…), …)`: layers, and functions of a tensor, in that order.

    Layers without a name get "layer 1", "layer 2" … by their position among the layers.

    Raises: ValueError for two parameters of one name, TypeError for what can't be called.
    """

    def __init__(self, *layers: Callable[..., Any]) -> None:
        self.layers = layers
        number = 0
        for layer in layers:
            if not callable(layer):
                raise TypeError(f"Sequential takes layers and functions, not {layer!r}")
            number += isinstance(layer, Layer)
            if isinstance(layer, Dense) and not layer.named:
                layer.rename(f"layer {number}")
        names = [name for name, _ in self.named_parameters()]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"two parameters are named {', '.join(twice)}; give the layers different names, "
                "and use each layer once"
            )


@final
class MLP(Chain):
    """The net of the article: hidden layers x⁽ⁱ⁺¹⁾ = f(x⁽ⁱ⁾W⁽ⁱ⁾ + b⁽ⁱ⁾), then an output layer.

    Args:
        sizes: (inputs, hidden 1, …, outputs); `MLP([784, 256, 256, 10])` has two hidden layers,
            "layer 1" and "layer 2", and "output".
        activation: f of the hidden layers.
        weight_init, bias_init: schemes of all layers.
        output_activation: of the last layer; identity, since losses take logits.
        rng, dtype: see `Dense`.

    Raises: ShapeError for fewer than two sizes, and as `Dense` does.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        activation: Activation | str = "tanh",
        weight_init: Initializer | str = "xavier_uniform",
        bias_init: Initializer | str = "zeros",
        rng: Rng = None,
        dtype: npt.DTypeLike = np.float32,
        output_activation: Activation | str = "identity",
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
