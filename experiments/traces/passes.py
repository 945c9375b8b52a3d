"""A forward and backward pass over test examples, traced: of a net drawn here, or of a user's."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import engine
import nn
from engine import OwnActivation, Trace
from experiments.data import DataSet, load
from experiments.lab.activations import activation_of, at_work
from experiments.lab.limits import check_data_dir, check_known, check_limits, check_positive
from experiments.lab.question import SettingsError
from experiments.traces.net_files import NetFile

_LIMITS = {"depth": (1, 1000), "width": (1, 20_000), "batch": (1, 10_000), "seed": (0, 2**63 - 1)}
_OF_OUR_NET = ("activation", "init", "depth", "width")


@dataclass(frozen=True)
class Settings:
    """One backward pass, layer by layer: table, diagnosis, figure, and a page."""

    activation: str = "sigmoid"
    """Of the hidden layers: a name, or FILE.py:NAME for one of yours."""
    init: str = "xavier_uniform"
    """Initialisation of the weights, see nn.init."""
    depth: int = 10
    """Hidden layers."""
    width: int = 256
    """Units in each hidden layer."""
    net: str | None = None
    """FILE.py:FUNCTION; the function returns the net, instead of one drawn here."""
    data: Literal["shapeset", "mnist"] = "shapeset"
    """Shapeset-3x2 is generated; mnist is read from --data-dir or GRADTRACE_DATA, or downloaded."""
    data_dir: Path | None = None
    """Folder with the MNIST files."""
    batch: int = 300
    """Test examples in the pass."""
    seed: int = 0
    """Of the images and the weights."""
    lr: float | None = None
    """Learning rate; with it the diagnosis judges the size of a step too."""
    html: Path | None = None
    """A page to write, in which one walks through the backward pass."""
    walk: bool = False
    """Show the backward pass here too, on a terminal one step at a time."""
    results: Path = Path("results")
    """Folder for the figure, which goes into its subfolder trace."""

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        check_data_dir(self.data, self.data_dir)
        check_positive(self, "lr")
        check_known("init", self.init, nn.init.SCHEMES)
        if self.net is None:
            return
        for field in fields(self):
            if field.name in _OF_OUR_NET and getattr(self, field.name) != field.default:
                raise SettingsError(
                    f"--{field.name} is for a net drawn here, and --net brings its own; leave one "
                    "of them out"
                )


@dataclass(frozen=True, eq=False)
class Pass:
    """A traced pass.

    Attributes:
        trace: with arrays.
        net, data: in words.
        loss: the mean cross-entropy.
        theory: the prediction for the net at its initialisation; None for a user's net, whose
            weights may be trained, and where theory has none.
        beware: what was found when a user's activation was defined.
        reading: a context for all that is computed from the trace. What a user's net left there can
            be a surprise, and an error is then one line about the user's file.
    """

    trace: Trace
    net: str
    data: str
    loss: float
    theory: nn.theory.profiles.Profile | None
    beware: tuple[str, ...]
    reading: Callable[[], AbstractContextManager[None]]


def traced(settings: Settings) -> Pass:
    """One forward and backward pass of cross-entropy over the first test examples.

    Raises: SettingsError for an activation or a net that can't be used, DataError.
    """
    if settings.net is not None:
        return _user_pass(NetFile.named(settings.net), settings)
    f = activation_of(settings.activation, "activation")
    data = _load(settings)
    at_work_on_f = partial(at_work, settings.activation)
    with at_work_on_f():
        sizes = [data.n_features, *[settings.width] * settings.depth, data.n_classes]
        net = nn.MLP(sizes, f, settings.init, rng=settings.seed)
        trace, loss = _run(net, data)
        theory = _theory(net, data)
    layers = f"{settings.depth} hidden layer{'s' * (settings.depth > 1)} of {settings.width}"
    return Pass(
        trace,
        f"{f.name}, {settings.init}, {layers}",
        _in_words(settings),
        loss,
        theory,
        tuple(map(str, f.findings)) if isinstance(f, OwnActivation) else (),
        at_work_on_f,
    )


def _user_pass(file: NetFile, settings: Settings) -> Pass:
    data = _load(settings)
    with file.running():
        net = file.make(data.n_features, data.n_classes)
        trace, loss = _run(net, data, file.check_output)
    if not any(row.sweeps for row in trace.layers):
        raise SettingsError(
            f"{file}: no gradient came to a layer, that is a product with a variable W, as in "
            "nn.Dense or x @ W; there is nothing to show"
        )
    return Pass(trace, str(file), _in_words(settings), loss, None, (), file.running)


def _run(net: Any, data: DataSet, check: Any = None) -> tuple[Trace, float]:
    with np.errstate(all="ignore"), engine.trace() as t:  # what overflows is seen in the trace
        outputs = net(data.x_test)
        if check is not None:
            check(outputs, len(data.x_test), data.n_classes)
        loss = nn.cross_entropy(outputs, data.y_test)
        loss.backward()
    return t, loss.item()


def _load(settings: Settings) -> DataSet:
    return load(
        settings.data,
        data_dir=settings.data_dir,
        n_train=1,
        n_test=settings.batch,
        seed=settings.seed,
    )


def _in_words(settings: Settings) -> str:
    return f"{settings.batch} test example{'s' * (settings.batch > 1)} of {settings.data}"


def _theory(net: nn.MLP, data: DataSet) -> nn.theory.profiles.Profile | None:
    try:
        with np.errstate(all="ignore"):  # weights of 0 send no gradient, and 0 / 0 is drawn as none
            return nn.theory.predict_profile(net, _second_moments(data.x_test))
    except ValueError:  # an activation with an infinite moment
        return None


def _second_moments(x: npt.NDArray[np.float32], groups: int = 16) -> npt.NDArray[np.float64]:
    """E[x²] in groups of examples from the faintest to the strongest: they differ widely."""
    each = np.sort(np.mean(np.square(x, dtype=np.float64), axis=1))
    return np.array([part.mean() for part in np.array_split(each, min(groups, len(each)))])
