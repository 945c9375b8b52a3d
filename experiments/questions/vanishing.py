"""`vanishing`: how does the gradient change from layer to layer, at the start and in training?

For each activation and each initialisation: a net of `depth` hidden layers of `width` units is
drawn several times; on fixed test examples, the standard deviations of s and x⁽ⁱ⁺¹⁾ and the root
mean squares of ∂L/∂s, ∂L/∂x⁽ⁱ⁺¹⁾ and ∂L/∂W are measured layer by layer. The first draw is then
trained for a while by plain SGD on cross-entropy and measured again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

import engine
import nn
from engine.kernels import number_of_threads
from engine.names import meant
from experiments.data import DataSet, load
from experiments.figures.vanishing import figures, tables
from experiments.lab.activations import activation_of, label, stream
from experiments.lab.limits import check_data_dir, check_limits, check_positive
from experiments.lab.progress import Progress
from experiments.lab.question import Question, Result, SettingsError
from experiments.lab.training import error_rate, kernel_threads
from experiments.questions.answers import vanishing_answer
from experiments.questions.profiles import (
    PREDICTED,
    QUANTITIES,
    n_var_W,
    profile,
    second_moments,
    traced_layers,
)
from experiments.questions.vanishing_claims import claims

Array = npt.NDArray[np.float64]

_LIMITS = {
    "depth": (2, 1000),
    "width": (1, 20_000),
    "draws": (2, 10_000),
    "probe": (1, 10_000),
    "updates": (0, 10_000_000),
    "batch": (1, 10_000),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True)
class Settings:
    """How does the gradient change from layer to layer, at the start and in training?"""

    data: Literal["shapeset", "mnist"] = "shapeset"
    """Shapeset-3x2 is generated; mnist is read from --data-dir or GRADTRACE_DATA, or downloaded."""
    data_dir: Path | None = None
    """Folder with the MNIST files."""
    depth: int = 10
    """Hidden layers."""
    width: int = 256
    """Units in each hidden layer."""
    activations: tuple[str, ...] = ("sigmoid", "tanh", "relu")
    """Names of activations, for example sigmoid tanh softsign relu gelu; FILE.py:NAME for yours."""
    inits: tuple[str, ...] = ("standard", "xavier_uniform", "kaiming_normal")
    """Names of initialisations, see nn.init."""
    draws: int = 8
    """Nets drawn for the statistics at initialisation."""
    probe: int = 300
    """Fixed test examples on which the layers are measured."""
    updates: int = 300
    """Training updates of the first net of each kind; 0 leaves the training out."""
    batch: int = 32
    """Examples in an update."""
    lr: float = 0.1
    """Learning rate of plain SGD."""
    seed: int = 0
    """Of the images, the weights and the order of training."""
    results: Path = Path("results")
    """Folder for the results, which go into its subfolder vanishing."""

    def __post_init__(self) -> None:
        check_limits(self, _LIMITS)
        check_data_dir(self.data, self.data_dir)
        check_positive(self, "lr")
        _check_names("activations", self.activations)
        for name in self.activations:
            activation_of(name, "activations")
        _check_names("inits", self.inits, [s for s in nn.init.SCHEMES if s != "zeros"])

    def kinds(self) -> Iterator[tuple[int, int, str, str]]:
        """Every combination: (a, i, activation, init)."""
        for a, f in enumerate(self.activations):
            for i, scheme in enumerate(self.inits):
                yield a, i, f, scheme


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {"depth": 5, "width": 128, "draws": 12, "updates": 30, "probe": 64},
    "paper": {"depth": 5, "width": 1000, "draws": 5, "updates": 2000, "batch": 10, "lr": 0.05},
}


def run(settings: Settings, progress: Progress) -> Result:
    """Measure every kind of net at initialisation, train one of each, measure it again.

    Raises: DataError if the data can't be had or there are too few of them.
    """
    # A net as small as the quick run's gains nothing from a second thread, and the kernels for
    # several threads need not be compiled for it.
    threads = 1 if settings.width <= 128 else number_of_threads()
    # A net that is dead or diverges gives 0/0 and ∞, and shows them.
    with kernel_threads(threads), np.errstate(all="ignore"):
        return _measured(settings, progress)


def _measured(settings: Settings, progress: Progress) -> Result:
    n_kinds = len(settings.activations) * len(settings.inits)
    # A training update costs about a tenth of a measurement with its probe of 300.
    progress.expect(n_kinds * (10 * (settings.draws + 1) + settings.updates))
    progress.step("data", 0)
    data = _load(settings)
    x, y = data.x_test[: settings.probe], data.y_test[: settings.probe]
    shape = (len(settings.activations), len(settings.inits))
    at_init = {q: np.zeros((*shape, settings.draws, settings.depth)) for q in QUANTITIES}
    after = {q: np.full((*shape, settings.depth), np.nan) for q in QUANTITIES}
    predicted = {q: np.zeros((*shape, settings.depth)) for q in PREDICTED}
    extra = {name: np.zeros((*shape, settings.draws)) for name in ("n_var_W", "E_x2", "var_x")}
    losses = np.zeros((*shape, settings.updates))
    probe_loss = np.full((2, *shape), np.nan)  # before and after training, of the same examples
    errors = np.full(shape, np.nan)
    moments = second_moments(data.x_test[: settings.probe])
    for a, i, f, scheme in settings.kinds():
        for draw in range(settings.draws):
            net = _net(settings, data, a, i, draw)
            for name, value in _profile(net, x, y, extra, (a, i, draw)).items():
                at_init[name][a, i, draw] = value
            progress.step(f"{f}, {scheme}: at the start", 10)
        theory = nn.theory.predict_profile(net, moments)
        for name in PREDICTED:
            predicted[name][a, i] = getattr(theory, name)
        if settings.updates:
            net = _net(settings, data, a, i, 0)
            probe_loss[0, a, i] = _loss(net, x, y)
            for k, loss in enumerate(_train(net, data, settings)):
                losses[a, i, k] = loss
                progress.step(f"{f}, {scheme}: training")
            for name, value in _profile(net, x, y).items():
                after[name][a, i] = value
            probe_loss[1, a, i] = _loss(net, x, y)
            errors[a, i] = error_rate(net, data.x_test, data.y_test)
        progress.step(f"{f}, {scheme}: trained", 10)
    arrays = {
        **{f"init_{name}": value for name, value in at_init.items()},
        **{f"after_{name}": value for name, value in after.items()},
        **{f"predicted_{name}": value for name, value in predicted.items()},
        **extra,
        "losses": losses,
        "test_error": errors,
    }
    measurements = {
        "data": data.description,
        "E_x2": float(moments.mean()),
        "activations": settings.activations,
        "inits": settings.inits,
        "factor_per_layer": _factors(at_init["dL_ds"]),
        "factor_per_layer_after": _factors(after["dL_ds"][:, :, None, :]),
        "factor_per_layer_predicted": _factors(predicted["dL_ds"][:, :, None, :]),
        "loss_at_start": probe_loss[0] if settings.updates else None,
        "loss_at_end": probe_loss[1] if settings.updates else None,
        "test_error": errors,
    }
    return Result(measurements, arrays, claims(settings, arrays))


def _load(settings: Settings) -> DataSet:
    n_train = max(1, min(settings.updates * settings.batch, 50_000))
    n_test = max(settings.probe, 1000)
    return load(
        settings.data,
        data_dir=settings.data_dir,
        n_train=n_train if settings.data == "shapeset" else None,
        n_test=n_test,
        seed=settings.seed,
    )


def _net(settings: Settings, data: DataSet, a: int, i: int, draw: int) -> nn.MLP:
    sizes = [data.n_features, *[settings.width] * settings.depth, data.n_classes]
    # Every net has a stream of its own, the same whatever else is run beside it.
    rng = np.random.default_rng([settings.seed, *_numbers(settings, a, i), draw])
    f = activation_of(settings.activations[a], "activations")
    return nn.MLP(sizes, f, settings.inits[i], rng=rng)


def _numbers(settings: Settings, a: int, i: int) -> tuple[int, int]:
    return stream(settings.activations[a]), list(nn.init.SCHEMES).index(settings.inits[i])


def _profile(
    net: nn.MLP,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    extra: dict[str, Array] | None = None,
    at: tuple[int, int, int] = (0, 0, 0),
) -> dict[str, Array]:
    """The statistics of each hidden layer in one forward and backward pass over the probe."""
    hidden = traced_layers(net, x, y)
    if extra is not None:
        extra["n_var_W"][at] = n_var_W(hidden)
        # Over the units of one example: s is normal there, whereas over examples of differing
        # norms it is a mixture of normals.
        for layer in hidden:
            s2 = np.mean(np.square(layer.s), axis=1)
            x2 = np.mean(np.square(layer.x_next), axis=1)
            extra["E_x2"][at] += np.mean(x2 / s2) / len(hidden)
            extra["var_x"][at] += np.mean(layer.x_next.var(axis=1) / s2) / len(hidden)
    return profile(hidden)


def _train(net: nn.MLP, data: DataSet, settings: Settings) -> Iterator[float]:
    """Plain SGD on cross-entropy; yields the loss of every update."""
    optimiser = nn.SGD(net.parameters(), lr=settings.lr)
    batches = data.batches(settings.batch, settings.seed)
    for _ in range(settings.updates):
        x, y = next(batches)
        loss = nn.cross_entropy(net(x), y)
        net.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()


def _loss(net: nn.MLP, x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    with engine.no_grad():
        return nn.cross_entropy(net(x), y).item()


def _factors(dL_ds: Array) -> Array:
    """The factor by which rms ∂L/∂s changes per layer going back, a geometric mean."""
    ends = np.log(dL_ds[..., 0] / dL_ds[..., -1]) / (dL_ds.shape[-1] - 1)
    return np.asarray(np.exp(ends.mean(axis=-1)))


def _check_names(flag: str, names: Sequence[str], known: Sequence[str] = ()) -> None:
    unknown = [name for name in names if known and name not in known]
    if unknown:
        raise SettingsError(
            f"--{flag}: {unknown[0]!r} is unknown; there are {', '.join(known)}"
            f"{meant(unknown[0], known)}"
        )
    if not names or len({label(name) for name in names}) < len(names):
        raise SettingsError(f"--{flag}: name each once, and at least one")


VANISHING = Question(
    name="vanishing",
    asks="How does the gradient change from layer to layer, at the start and in training?",
    settings=Settings,
    run=run,
    answer=vanishing_answer,
    read_next="tutorials/04_watching_a_gradient_vanish.py",
    takes="30 s",
    figures=figures,
    tables=tables,
    presets=PRESETS,
)
