"""The card of an activation: what it does to signals and gradients, by theory and as measured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import engine
import nn
from engine import Activation
from engine.kernels import use_threads
from experiments.lab.progress import Progress
from experiments.lab.question import SettingsError

Array = npt.NDArray[np.float64]

_PROBE = 64  # examples on which the deep net is measured
_SATURATED = 0.05  # of the largest slope


@dataclass(frozen=True)
class Settings:
    """What an activation does to signals and gradients."""

    depth: int = 30
    """Hidden layers of the net that is measured."""
    width: int = 200
    """Units in each of them."""
    draws: int = 3
    """Nets drawn for each initialisation."""
    seed: int = 0
    """Of the weights and the inputs."""

    def __post_init__(self) -> None:
        limits = (("depth", 2, 300), ("width", 2, 5000), ("draws", 1, 100), ("seed", 0, 2**63 - 1))
        for name, low, high in limits:
            if not low <= getattr(self, name) <= high:
                raise SettingsError(f"--{name} must be {low} to {high}, got {getattr(self, name)}")


@dataclass(frozen=True)
class Scheme:
    """Under one initialisation: theory for deep nets, and the gradient of a net of this depth.

    `q_star`, `chi_1`, `xi_q`, `xi_c` are None where they don't exist. `predicted` and `measured`
    are rms ∂L/∂s by layer over the last hidden layer's, the latter a geometric mean over the draws.
    """

    name: str
    var_w: float
    q_star: float | None
    chi_1: float | None
    xi_q: float | None
    xi_c: float | None
    predicted: Array
    measured: Array


@dataclass(frozen=True)
class Card:
    """What is known of f.

    `saturated_from` is (low, high): beyond them |f′| stays below a twentieth of its maximum, None
    where it never does. `gains` by mode; where there is none, None, and the reason is in `missing`.
    `speed`: nanoseconds an entry of a large float32 array on one thread, forward and backward, of f
    and of tanh.
    """

    f: Activation
    saturated_from: tuple[float | None, float | None]
    gains: dict[str, float | None]
    missing: dict[str, str]
    schemes: tuple[Scheme, ...]
    speed: dict[str, tuple[float, float]]


def card(f: Activation, settings: Settings, progress: Progress) -> Card:
    """Measure and predict; a second or two for each initialisation at the default size."""
    gains: dict[str, float | None] = {}
    missing: dict[str, str] = {}
    modes: tuple[nn.theory.GainMode, ...] = ("forward", "variance", "backward")
    for mode in modes:
        try:
            gains[mode] = nn.theory.gain(f, mode)
        except ValueError as error:
            gains[mode], missing[mode] = None, str(error)
    names = ["standard", "xavier_uniform", "kaiming_normal"]
    schemes = {name: nn.init.find_initializer(name) for name in names}
    if gains["forward"] is not None:
        schemes[f"its own gain, {gains['forward']:.3g}"] = nn.init.kaiming(activation=f)
    progress.expect(len(schemes) * settings.draws + 1)
    made = []
    for name, scheme in schemes.items():
        made.append(_scheme(f, name, scheme, settings, progress))
    progress.step("speed")
    speed = {g.name: _speed(g) for g in (f, engine.tanh)}
    return Card(f, _saturation(f), gains, missing, tuple(made), speed)


def _scheme(
    f: Activation, name: str, scheme: Any, settings: Settings, progress: Progress
) -> Scheme:
    n = settings.width
    var_w = n * scheme.variance(n, n)
    rng = np.random.default_rng([settings.seed, 1])
    x = rng.normal(size=(_PROBE, n))
    y = rng.integers(0, 10, _PROBE)
    profiles, predicted = [], np.full(settings.depth, np.nan)
    for draw in range(settings.draws):
        sizes = [n, *[n] * settings.depth, 10]
        rng = np.random.default_rng([settings.seed, 2, draw])
        net = nn.MLP(sizes, f, scheme, rng=rng, dtype=np.float64)
        if draw == 0:
            predicted = _or_none(_predicted, net, x, default=predicted)
        with np.errstate(all="ignore"), engine.trace() as t:
            nn.cross_entropy(net(x), y).backward()
            squares = [np.mean(np.square(np.asarray(row.dL_ds))) for row in t.layers[:-1]]
        profiles.append(np.sqrt(squares))
        progress.step(name)
    with np.errstate(all="ignore"):
        measured = np.exp(np.mean([np.log(p / p[-1]) for p in profiles], axis=0))
    q = _or_none(nn.theory.q_star, f, var_w)
    at = q if q is not None and q > 0 else None
    return Scheme(
        name=name,
        var_w=var_w,
        q_star=q,
        chi_1=None if at is None else _or_none(nn.theory.chi_1, f, at, var_w),
        xi_q=_or_none(nn.theory.xi_q, f, var_w),
        xi_c=_or_none(nn.theory.xi_c, f, var_w),
        predicted=predicted,
        measured=measured,
    )


def _predicted(net: nn.MLP, x: Array) -> Array:
    return np.asarray(nn.theory.predict_profile(net, np.mean(np.square(x), axis=1)).dL_ds)


def _saturation(f: Activation) -> tuple[float | None, float | None]:
    s = np.linspace(-20, 20, 4001)
    slopes = np.abs(f.slope(s))
    finite = slopes[np.isfinite(slopes)]
    if not finite.any():  # f′ is 0 everywhere, or no number anywhere
        return None, None
    low, high = np.flatnonzero(~(slopes < _SATURATED * finite.max()))[[0, -1]]
    return (float(s[low]) if low else None), (float(s[high]) if high < len(s) - 1 else None)


def _speed(f: Activation) -> tuple[float, float]:
    s = np.random.default_rng(0).normal(size=400_000).astype(np.float32)

    def nanoseconds(call: Any) -> float:
        call()
        times = []
        for _ in range(7):
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
        return float(np.median(times)) / s.size * 1e9

    before = use_threads(1)
    try:
        return nanoseconds(lambda: f.value(s)), nanoseconds(lambda: f.scale(s, s))
    finally:
        use_threads(before)


def _or_none(function: Any, *args: Any, default: Any = None) -> Any:
    """Theory raises ValueError where a quantity does not exist."""
    try:
        return function(*args)
    except ValueError:
        return default
