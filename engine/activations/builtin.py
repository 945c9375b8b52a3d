"""The built-in activations, each with its formula, kinks, range and second derivative.

f and f′ run as kernels (`compiled.scalars`); f″ is written here in the engine's
operations. Where a product would be 0·∞ far out, s is first clipped to where the other factor
has long been 0.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from engine.activations.record import Activation
from engine.errors import ActivationError
from engine.kernels import KERNELS
from engine.kernels.plain import SELU_ALPHA, SELU_PRODUCT, SELU_SCALE
from engine.names import meant
from engine.operation import Symbolic, apply
from engine.rules import elementwise
from engine.rules.elementwise import clip, exp, minimum, sign, where
from engine.rules.table import partials, rule
from engine.tensor import Operand, Tensor
from engine.user_files import run_file

_INF = math.inf


def _zero(s: Any, *parameters: float) -> Any:
    return sign(s) * 0.0  # unlike s·0, 0 at ±∞; NaN at NaN


def _softsign_second(s: Any) -> Any:
    d = 1.0 / (1.0 + elementwise.abs(s))
    return -2.0 * sign(s) * d * d * d


def _gelu_second(s: Any) -> Any:
    t = clip(s, -40.0, 40.0)
    return exp(t * t * -0.5) * (2.0 - t * t) * (1 / math.sqrt(2 * math.pi))


def _silu_second(s: Any) -> Any:
    t = clip(s, -800.0, 800.0)
    return sigmoid.derivative(t) * (2.0 + t * (1.0 - 2.0 * sigmoid(t)))


def _leaky_kinks(a: float) -> tuple[float, ...]:
    return () if a == 1 else (0.0,)


def _leaky_range(a: float) -> tuple[float, float]:
    return (-_INF if a > 0 else 0.0), _INF


identity = Activation(
    "identity", kernel=KERNELS["identity"], second=_zero, describe="f(s) = s; f′ = 1."
)
sigmoid: Activation = Activation(
    "sigmoid",
    kernel=KERNELS["sigmoid"],
    second=lambda s: sigmoid.derivative(s) * (1.0 - 2.0 * sigmoid(s)),
    range=(0.0, 1.0),
    describe="f(s) = 1 / (1 + e⁻ˢ); f′ = f (1 − f), at most ¼, at s = 0.",
)
tanh: Activation = Activation(
    "tanh",
    kernel=KERNELS["tanh"],
    second=lambda s: -2.0 * tanh(s) * tanh.derivative(s),
    range=(-1.0, 1.0),
    describe="f(s) = tanh s; f′ = 1 − f², at most 1, at s = 0.",
)
softsign = Activation(
    "softsign",
    kernel=KERNELS["softsign"],
    second=_softsign_second,
    range=(-1.0, 1.0),
    describe="f(s) = s / (1 + |s|); f′ = 1 / (1 + |s|)². (Glorot & Bengio 2010.)",
)
hardtanh = Activation(
    "hardtanh",
    kernel=KERNELS["hardtanh"],
    second=_zero,
    kinks=(-1.0, 1.0),
    range=(-1.0, 1.0),
    describe="f(s) = min(max(s, −1), 1); f′ = 1 for |s| < 1, else 0; at the kinks ±1 it is 0.",
)
relu = Activation(
    "relu",
    kernel=KERNELS["relu"],
    second=_zero,
    kinks=(0.0,),
    range=(0.0, _INF),
    describe="f(s) = max(s, 0); f′ = 1 for s > 0, else 0; at the kink f′(0) = 0.",
)
leaky_relu = Activation(
    "leaky_relu",
    kernel=KERNELS["leaky_relu"],
    second=_zero,
    kinks=_leaky_kinks,
    range=_leaky_range,
    parameters={"a": 0.01},
    describe="f(s) = s for s > 0, else a s, a = 0.01; f′(0) = a.",
)
elu = Activation(
    "elu",
    kernel=KERNELS["elu"],
    second=lambda s, alpha: where(s > 0, 0.0, exp(minimum(s, 0.0)) * alpha),
    kinks=(0.0,),
    range=lambda alpha: ((-alpha if alpha > 0 else 0.0), _INF),
    parameters={"alpha": 1.0},
    describe=(
        "f(s) = s for s > 0, else α (eˢ − 1), α = 1; f′(0) = α. For α = 1 the kink at 0 is one of "
        "f″ alone."
    ),
)
selu = Activation(
    "selu",
    kernel=KERNELS["selu"],
    second=lambda s: where(s > 0, 0.0, exp(minimum(s, 0.0)) * SELU_PRODUCT),
    kinks=(0.0,),
    range=(-SELU_SCALE * SELU_ALPHA, _INF),
    describe=(
        "f(s) = λ s for s > 0, else λ α (eˢ − 1), λ = 1.0507, α = 1.6733; f′(0) = λ α. "
        "(Klambauer et al. 2017.)"
    ),
)
softplus = Activation(
    "softplus",
    kernel=KERNELS["softplus"],
    second=lambda s: sigmoid.derivative(s),
    range=(0.0, _INF),
    describe="f(s) = ln(1 + eˢ); f′ is the sigmoid.",
)
gelu = Activation(
    "gelu",
    kernel=KERNELS["gelu"],
    second=_gelu_second,
    range=(-0.16997120747990369, _INF),
    describe=(
        "f(s) = s Φ(s), Φ the normal distribution by erf (not the tanh approximation); "
        "f′ = Φ(s) + s φ(s)."
    ),
)
silu = Activation(
    "silu",
    kernel=KERNELS["silu"],
    second=_silu_second,
    range=(-0.2784645427610738, _INF),
    describe="f(s) = s σ(s); f′ = σ(s) (1 + s (1 − σ(s))).",
)

_prelu_at_start = Activation(
    "prelu",
    kernel=KERNELS["leaky_relu"],
    second=_zero,
    kinks=_leaky_kinks,
    range=_leaky_range,
    parameters={"a": 0.25},
    describe="f(s) = s for s > 0, else a s, at the slope a = 0.25 that training starts from.",
)
_prelu = rule(
    "prelu",
    lambda s, a: _leaky(s, a),
    partials(
        lambda g, y, s, a: where(s > 0, g, g * a),
        lambda g, y, s, a: where(s > 0, 0.0, _product(g, s)),
    ),
    broadcasts=True,
)


def _leaky(s: Any, a: Any) -> Any:
    return where(s > 0, s, _product(a, s))


def _product(a: Any, s: Any) -> Any:
    """a·s, with 0·(−∞) = 0: a unit whose slope is 0 is 0 however far out."""
    return where((a == 0) & (s == -_INF), 0.0, a * s)


def prelu(s: Operand, a: Operand) -> Tensor:
    """f(s) = s for s > 0, else a s, with a slope that is learned: ∂L/∂a = Σ g min(s, 0).

    `a` has one entry, or one for each unit. f′(0) = a. (He et al. 2015, who start it at 0.25.)
    """
    if isinstance(s, Symbolic):
        return leaky_relu(s, a=a)
    return apply(_prelu, s, a)


ACTIVATIONS: dict[str, Activation] = {
    f.name: f
    for f in (
        *(identity, sigmoid, tanh, softsign, hardtanh, relu, leaky_relu),
        _prelu_at_start,
        *(elu, selu, softplus, gelu, silu),
    )
}

# What users add to ACTIVATIONS, or change there, is not here.
BUILT_IN: Mapping[str, Activation] = MappingProxyType(dict(ACTIVATIONS))


def find_activation(f: Activation | str) -> Activation:
    """The activation of that name, or the one given; "file.py:swish" is swish of that file.

    Raises: ValueError naming those there are; TypeError for a plain function.
    """
    if isinstance(f, Activation):
        return f
    if isinstance(f, str):
        if f in ACTIVATIONS:
            return ACTIVATIONS[f]
        if ".py:" in f:
            return _from_file(*f.rsplit(":", 1))
        raise ValueError(
            f"no activation is named {f!r}; there are {', '.join(ACTIVATIONS)}, and FILE.py:NAME "
            f"for one in a file{meant(f, ACTIVATIONS)}"
        )
    raise TypeError(
        f"an activation must be an Activation or the name of one, not {type(f).__name__}; make one "
        "of a function of your own with @activation"
    )


def _from_file(path: str, name: str) -> Activation:
    if not os.path.isfile(path):  # noqa: PTH113 - Path's raises for a name that is too long
        raise ValueError(f"activation {path}:{name}: there is no file {path}")
    names = run_file(path, ActivationError)
    f = names.get(name)
    if not isinstance(f, Activation):
        known = [key for key, value in names.items() if isinstance(value, Activation)]
        raise ValueError(
            f"{path} defines no activation {name}; write @activation above its def"
            f"{meant(name, known)}"
        )
    return f
