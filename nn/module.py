"""`Module`: a net, or a part of a net. Modules form a tree, and names are paths in the tree.

    class ActorCritic(Module):
        def __init__(self, rng):
            self.actor = MLP([4, 16, 2], rng=rng)
            self.critic = MLP([4, 16, 1], rng=rng)

        def forward(self, x):
            return self.actor(x), self.critic(x)

    net = ActorCritic(np.random.default_rng(0))
    [name for name, _ in net.named_parameters()]  # ["actor.layer 1.W", "actor.layer 1.b", …]
    net.save("net.npz")

An operation in this net has a place such as "actor / layer 1".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from textwrap import indent
from typing import Any, Self

import numpy.typing as npt

from engine import Tensor, place, printable, read_arrays, write_arrays
from nn.state import Array, fitted


@printable
class Module:
    """Something with parameters that maps a batch to a batch. A subclass writes `forward`.

    A module finds its parts in its attributes, in the order of assignment, and in lists, tuples and
    dicts among the attributes:

    - A module is a part, and its label is the attribute's name. The label in a list `blocks` is
      "blocks.0", in a dict `heads` "heads.left". A `Dense` with a name of its own keeps that name.
    - A tensor with `requires_grad=True` that no operation computed is a parameter.
    - A tensor that needs no gradient is a buffer: a constant that is saved with the net, such as a
      running mean. A NumPy array is not saved.

    A module or tensor that the tree contains twice counts once, under its first path. A part used
    in two nets has the label that the net named last gives.

    Labels are set at the first call, by every question for names, and at the next call after an
    attribute has changed. A part appended to a list gets its label at the next question for names;
    `parameters()` contains the part at once.
    """

    training: bool  # what train() and eval() set
    _label: str  # what the container calls this module; "" for the outermost
    _inside: str  # the container's path, "" or "actor."
    _has_own_name: bool  # was the label chosen by the user?
    _place: Any  # place(_label), None for the outermost
    _ready: bool  # do all parts have their labels?
    # Does the class define both `__call__` and `named_parameters`? Such a module enters no place,
    # and its names are final: the container adds no label of its own.
    _names_itself: bool = False
    # Does the class define `parameters` or `named_parameters`?
    _lists_parameters: bool = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._names_itself = (
            cls.named_parameters is not Module.named_parameters
            and cls.__call__ is not Module.__call__
        )
        cls._lists_parameters = (
            cls.parameters is not Module.parameters
            or cls.named_parameters is not Module.named_parameters
        )

    def __new__(cls, *args: Any, **keywords: Any) -> Self:
        module = super().__new__(cls)  # a subclass need not call super().__init__()
        module._ready, module._place, module._label, module._inside = False, None, "", ""
        module._has_own_name, module.training = False, True
        return module

    def forward(self, *args: Any, **keywords: Any) -> Any:
        """The module's output for a batch; a call of the module runs this at the module's place."""
        name = type(self).__name__
        raise NotImplementedError(f"{name} has no forward; write def forward(self, x) in {name}")

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        if not self._ready:
            self._tensors()
        if self._place is None:
            return self.forward(*args, **keywords)
        with self._place:
            return self.forward(*args, **keywords)

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        # A forward pass may keep its results as attributes; results have no label to set.
        if self._ready and any(_has_a_label(part) for _, part in _search(name, value)):
            self._ready = False

    def children(self) -> Iterator[tuple[str, Module]]:
        """(label, part) for each part of this module itself."""
        seen: set[int] = set()
        for label, part in self._held():
            if isinstance(part, Module) and id(part) not in seen:
                seen.add(id(part))
                yield part._label if part._has_own_name else label, part

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(path, parameter) for each parameter of the tree, which is named by that path."""
        return iter([(name, t) for name, t in self._tensors() if _is_parameter(t)])

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """(path, tensor) for each constant of the tree."""
        if self._names_itself:
            return iter(())
        return iter([(name, t) for name, t in self._tensors() if not t.requires_grad])

    def parameters(self) -> list[Tensor]:
        """Each parameter of the tree, once."""
        if not self._ready or type(self).named_parameters is not Module.named_parameters:
            return [parameter for _, parameter in self.named_parameters()]
        seen: dict[int, Module | Tensor] = {id(self): self}
        self._gather(seen)  # zero_grad needs no names, and every update needs zero_grad
        return [t for t in seen.values() if isinstance(t, Tensor) and _is_parameter(t)]

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.zero_grad()

    def train(self, mode: bool = True) -> Self:
        """Set `training` of this module and all parts, and return this module."""
        modules: list[Module] = [self]
        seen = {id(self)}
        for module in modules:
            module.training = mode
            for _, part in module.children():
                if id(part) not in seen:
                    seen.add(id(part))
                    modules.append(part)
        return self

    def eval(self) -> Self:
        """`train(False)`."""
        return self.train(False)

    def state_dict(self) -> dict[str, Array]:
        """A copy of every parameter and buffer, by path.

        Raises: ValueError if two tensors have one name, of which one would be lost.
        """
        return {name: tensor.numpy().copy() for name, tensor in self._by_name().items()}

    def load_state_dict(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Set every parameter and buffer; all of them, or none.

        Raises: ValueError naming missing and unknown parameters and wrong shapes, and if two
            tensors have one name; the tensors are then as they were.
        """
        tensors = self._by_name()
        own = {name: tensor.numpy() for name, tensor in tensors.items()}
        unknown = "is not a parameter of this net"
        for name, array in fitted(own, state, "the net", unknown).items():
            tensors[name].assign(array)

    def save(self, path: str | Path) -> None:
        """Write the state to an .npz file, which appears whole or not at all."""
        write_arrays(path, self.state_dict())

    def load(self, path: str | Path) -> None:
        """Read the state from a file that `save` wrote; see `load_state_dict`."""
        self.load_state_dict(read_arrays(path))

    def __repr__(self) -> str:
        if not self._ready:
            self._tensors()
        label = f"{self._label}: " if self._label else ""
        parts = "\n".join(indent(repr(part), "  ") for part in self._shown())
        inside = f"\n{parts}\n" if parts else ""
        return f"{label}{type(self).__name__}({inside})"

    def _shown(self) -> Sequence[object]:
        """What the module's repr lists."""
        return [part for _, part in self.children()]

    def _held(self) -> Iterable[tuple[str, Module | Tensor]]:
        """(label, part) for each module and tensor of this module itself."""
        for name, value in vars(self).items():
            yield from _search(name, value)

    def _path(self) -> str:
        """What the names of this module's own tensors begin with."""
        return f"{self._inside}{self._label}." if self._label else ""

    def _hidden(self) -> str:
        """What `named_parameters` leaves out of the names of tensors."""
        return self._path()

    def _tensors(self) -> list[tuple[str, Tensor]]:
        """(path, tensor) for each tensor of the tree; all parts get their labels."""
        listed: list[tuple[str, Tensor]] = []
        self._list(listed, {id(self)})
        start = len(self._hidden())
        return [(name[start:], tensor) for name, tensor in listed]

    def _list(self, listed: list[tuple[str, Tensor]], seen: set[int]) -> None:
        path = self._path()
        for label, part in self._held():
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, Tensor):
                _add(listed, f"{path}{label}", part)
                continue
            part._be_called(label, path)
            if type(part).named_parameters is Module.named_parameters:
                part._list(listed, seen)
                continue
            start = path if part._names_itself else part._path()
            for name, tensor in chain(part.named_parameters(), part.named_buffers()):
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    _add(listed, f"{start}{name}", tensor)
        self._ready = True

    def _gather(self, seen: dict[int, Module | Tensor]) -> None:
        """Add the modules and tensors of the tree, by id, in the order of `_list`."""
        for _, part in self._held():
            if id(part) in seen:
                continue
            seen[id(part)] = part
            if isinstance(part, Module):
                if part._lists_parameters:
                    seen.update((id(p), p) for p in part.parameters())
                else:
                    part._gather(seen)

    def _be_called(self, label: str, inside: str) -> None:
        if self._has_own_name:
            label = self._label
        if (label, inside) != (self._label, self._inside) or self._place is None:
            self._label, self._inside, self._place = label, inside, place(label)

    def _by_name(self) -> dict[str, Tensor]:
        named = [*self.named_parameters(), *self.named_buffers()]
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


def _search(name: str, value: object) -> Iterator[tuple[str, Module | Tensor]]:
    """(label, part) for each module and tensor that an attribute is or contains."""
    if isinstance(value, Module | Tensor):
        yield name, value
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from _search(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _search(f"{name}.{key}", item)


def _is_parameter(tensor: Tensor) -> bool:
    return tensor.requires_grad and tensor.is_leaf


def _has_a_label(part: Module | Tensor) -> bool:
    return isinstance(part, Module) or _is_parameter(part)


def _add(listed: list[tuple[str, Tensor]], path: str, tensor: Tensor) -> None:
    listed.append((path, tensor))
    if _is_parameter(tensor) and tensor.name != path:
        tensor.name = path


def _places_of(name: str, named: Sequence[tuple[str, Tensor]]) -> list[str]:
    """The positions of the different parameters of that name, each with its shape."""
    places = {id(p): f"{i} {p.shape}" for i, (own, p) in enumerate(named, 1) if own == name}
    return list(places.values())
