"""A net from a user's file: `file.py:make_net`."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine import Tensor
from engine.user_files import run_file, user_code
from experiments.lab.question import SettingsError

_SIZES = ("n_features", "n_classes")


@dataclass(frozen=True)
class NetFile:
    """`path:name`, a function that returns a net: something to be called with a batch."""

    path: Path
    name: str

    @classmethod
    def named(cls, text: str) -> NetFile:
        """Raises: SettingsError unless text is FILE.py:FUNCTION and the file is there."""
        path, colon, name = text.rpartition(":")
        if not colon or not path.endswith(".py") or not name.isidentifier():
            raise SettingsError(f"--net must be FILE.py:FUNCTION, got {text!r}")
        if not os.path.isfile(path):  # noqa: PTH113 - Path's raises for a name that is too long
            raise SettingsError(f"--net {text}: there is no file {path}")
        return cls(Path(path), name)

    def __str__(self) -> str:
        return f"{self.path}:{self.name}"

    def running(self) -> AbstractContextManager[None]:
        """Where the net runs, or what it left in a trace is worked on: errors are one line."""
        return user_code(self.path, SettingsError, self.name)

    def make(self, n_features: int, n_classes: int) -> Callable[..., Any]:
        """What the function returns for data of these sizes, which it gets if it takes them.

        Raises: SettingsError if there is no such function, or if it returns what can't be called.
        """
        found = run_file(self.path, SettingsError)
        if self.name not in found:
            own = [k for k, v in found.items() if inspect.isfunction(v) and k[0] != "_"]
            functions = [k for k in own if found[k].__module__ == found["__name__"]]
            there = f"; there are {', '.join(functions)}" if functions else ""
            raise SettingsError(f"{self.path} defines no {self.name}{there}")
        if not callable(found[self.name]):
            raise SettingsError(f"{self} is no function, but {type(found[self.name]).__name__}")
        net = found[self.name](**self._sizes(found[self.name], n_features, n_classes))
        if not callable(net):
            raise SettingsError(
                f"{self} returned {type(net).__name__}, which can't be called with a batch; return "
                "a net, for example an nn.MLP"
            )
        return net  # type: ignore[no-any-return]

    def _sizes(self, make: Callable[..., Any], *sizes: int) -> dict[str, int]:
        wanted = inspect.signature(make).parameters.values()
        anything = any(p.kind is p.VAR_KEYWORD for p in wanted)
        given = {
            name: size
            for name, size in zip(_SIZES, sizes, strict=True)
            if anything or name in (p.name for p in wanted)
        }
        optional = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
        for p in wanted:
            if p.name not in given and p.default is p.empty and p.kind not in optional:
                raise SettingsError(
                    f"{self} needs {p.name}; it can be given n_features and n_classes, by these "
                    "names, and else needs defaults"
                )
        return given

    def check_output(self, outputs: Any, batch: int, n_classes: int) -> None:
        """Raises: SettingsError unless outputs are logits, a Tensor (batch, n_classes or more)."""
        if not isinstance(outputs, Tensor):
            raise SettingsError(
                f"the net of {self} returned {type(outputs).__name__}, not a Tensor"
            )
        shape = outputs.shape
        if len(shape) != 2 or shape[0] != batch or shape[1] < n_classes:
            raise SettingsError(
                f"the net of {self} returned shape {shape} for {batch} examples; it must return "
                f"({batch}, {n_classes}), a number for each class"
            )
