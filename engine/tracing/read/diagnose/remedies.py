"""What the gradient's factor per layer would be under another initialisation, by quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine import meanfield
from engine.activations import Activation, relu, tanh
from engine.spelling import printable

# A factor within these bounds per layer is one that ten layers turn into less than a factor of ten;
# more layers must do so too.
GOOD = (0.8, 1.25)
MOST = 10.0


@printable
@dataclass(frozen=True)
class Remedy:
    """An initialisation (biases 0), maybe with another activation, and what it would give.

    `factor` is that of ∂L/∂s's root mean square per layer, the geometric mean over the `links` from
    layer to layer, and `slope2`, `n_var_W` its two parts, squared: factor² = E[f′²] · n Var W.
    """

    text: str
    factor: float
    slope2: float
    n_var_W: float
    links: int

    @property
    def good(self) -> bool:
        if not GOOD[0] <= self.factor <= GOOD[1]:
            return False
        return abs(math.log(self.factor)) * self.links <= math.log(MOST)

    def __str__(self) -> str:
        return (
            f"{self.text}: predicted E[f′²]·n·Var W = {self.slope2:.3g} · {self.n_var_W:.3g}, "
            f"a factor of {self.factor:.3g} per layer"
        )


def best_remedy(
    fans: Sequence[tuple[int, int]], f: Activation, x2: float, drive: float = 0.0
) -> Remedy:
    """Xavier's variance for f if that is good, else Kaiming's, else another f; else the nearest.

    Args:
        fans: (fan_in, fan_out) of the hidden layers, two at least.
        x2: E[x²] of the data.
        drive: the variance of s that other inputs of a layer bring, as x W in tanh(x W + h U).
    """
    candidates: list[Remedy] = []
    for g, schemes in ((f, (_xavier, _kaiming)), (tanh, (_xavier,)), (relu, (_kaiming,))):
        for scheme in schemes:
            try:
                candidates += scheme(fans, g, x2, drive)
            except ValueError:  # a moment of f is infinite: no scheme can be judged with it
                continue
    return next((c for c in candidates if c.good), min(candidates, key=_distance))


def predicted(
    text: str,
    fans: Sequence[tuple[int, int]],
    f: Activation,
    x2: float,
    variance: Callable[[int, int], float],
    drive: float = 0.0,
) -> Remedy:
    """q⁽ⁱ⁾ = fan_in Var[W] E[x²] + drive through the layers, and E[f′²] · fan_out Var[W] back."""
    slopes: list[float] = []
    for fan_in, fan_out in fans:
        q = min(fan_in * variance(fan_in, fan_out) * x2 + drive, 1e30)
        x2 = meanfield.second_moment(f, q)
        slopes.append(meanfield.slope_second_moment(f, q))
    slope2 = geometric_mean(slopes[:-1])
    n_var_W = geometric_mean([o * variance(i, o) for i, o in fans[1:]])
    return Remedy(text, math.sqrt(slope2 * n_var_W), slope2, n_var_W, len(fans) - 1)


def geometric_mean(values: Sequence[float]) -> float:
    """exp of the mean logarithm; 0 if one is 0."""
    if not values or min(values) <= 0:
        return 0.0
    return math.exp(sum(map(math.log, values)) / len(values))


def _xavier(
    fans: Sequence[tuple[int, int]], f: Activation, x2: float, drive: float
) -> list[Remedy]:
    text = f"{f.name} with Xavier's variance 2 / (fan_in + fan_out), biases 0"
    return [predicted(text, fans, f, x2, lambda i, o: 2 / (i + o), drive)]


def _kaiming(
    fans: Sequence[tuple[int, int]], f: Activation, x2: float, drive: float
) -> list[Remedy]:
    """Kaiming's variance with f's own gain: 1 / E[f(z)²] in place of ReLU's 2; none if f is 0."""
    moment = meanfield.second_moment(f, 1.0)
    if moment == 0:
        return []
    gain2 = 1 / moment
    text = f"{f.name} with Kaiming's variance {gain2:.3g} / fan_in, biases 0"
    return [predicted(text, fans, f, x2, lambda i, o: gain2 / i, drive)]


def _distance(remedy: Remedy) -> float:
    return abs(math.log(remedy.factor)) if remedy.factor > 0 else math.inf
