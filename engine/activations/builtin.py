"""The table of the built-in activations: one record holds everything the engine knows of one.

The scalar functions of each kernel, f and f′ and where possible f′ of y = f(s), stand in
`engine.kernels.scalars`. Beside them a record names NumPy's formulas of f and f′, which are right
where nothing overflows and are what tests compare with. f″ is written in the engine's operations,
so that the engine derives f‴ from f″. Where a product would be 0·∞ far out, s is first clipped to
where the other factor has long been 0.

`engine`'s names, `engine.kernels.KERNELS`, what `walk` prints as f′ and what `dense`, `nn` and the
command line find by name are all taken from these records. The order counts: random streams of
experiments follow an activation's position, so a new record is the last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.activations.record import ACTIVATIONS, BUILT_IN, Activation, Formula
from engine.kernels import KERNELS, Elementwise, scalars
from engine.kernels.normal import INV_SQRT_2_PI
from engine.kernels.scalars import SELU_ALPHA, SELU_PRODUCT, SELU_SCALE
from engine.rules import elementwise
from engine.rules.elementwise import clip, exp, minimum, sign, where

Array = npt.NDArray[Any]

_INF = math.inf


def _built_in(
    name: str,
    f: str,
    slope: str,
    note: str = "",
    *,
    kernel: Elementwise,
    second: Formula,
    **others: Any,
) -> Activation:
    """Make the activation and put it into the tables.

    Args:
        f, slope, note: the texts after "f(s) = " and "f′ = ", and whatever a reader must know
            besides; together they are the docstring.
        others: `kinks`, `range`, `parameters`, `bends`, `extrema`, `slope_extrema` of `Activation`.
    """
    activation = Activation(
        name,
        kernel=kernel,
        second=second,
        describe=f"f(s) = {f}; f′ = {slope}{note}.",
        slope_formula=f"f′ = {slope}",
        kind="built-in",
        **others,
    )
    ACTIVATIONS[name] = BUILT_IN[name] = activation
    if kernel not in KERNELS.values():  # prelu's kernel is leaky_relu's
        KERNELS[name] = kernel
    return activation


def _zero(s: Any, *parameters: float) -> Any:
    return sign(s) * 0.0  # unlike s·0, 0 at ±∞; NaN at NaN


identity = _built_in(
    "identity",
    "s",
    "1",
    kernel=Elementwise(
        scalars.identity, scalars.identity_slope, lambda s: s, np.ones_like, scalars.identity_slope
    ),
    second=_zero,
)


def _sigmoid(s: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-s)))


sigmoid: Activation = _built_in(
    "sigmoid",
    "1 / (1 + e⁻ˢ)",
    "y (1 − y)",
    ", at most ¼, at s = 0",
    kernel=Elementwise(
        scalars.sigmoid,
        scalars.sigmoid_slope,
        _sigmoid,
        lambda s: _sigmoid(s) * (1 - _sigmoid(s)),
        scalars.sigmoid_slope_of_value,
    ),
    second=lambda s: sigmoid.derivative(s) * (1.0 - 2.0 * sigmoid(s)),
    range=(0.0, 1.0),
)

tanh: Activation = _built_in(
    "tanh",
    "tanh s",
    "1 − y²",
    ", at most 1, at s = 0",
    kernel=Elementwise(
        scalars.tanh,
        scalars.tanh_slope,
        np.tanh,
        lambda s: 1 - np.tanh(s) ** 2,
        scalars.tanh_slope_of_value,
    ),
    second=lambda s: -2.0 * tanh(s) * tanh.derivative(s),
    range=(-1.0, 1.0),
)


def _softsign_second(s: Any) -> Any:
    d = 1.0 / (1.0 + elementwise.abs(s))
    return -2.0 * sign(s) * d * d * d


softsign = _built_in(
    "softsign",
    "s / (1 + |s|)",
    "1 / (1 + |s|)²",
    ". (Glorot & Bengio 2010)",
    kernel=Elementwise(
        scalars.softsign,
        scalars.softsign_slope,
        lambda s: s / (1 + abs(s)),
        lambda s: 1 / (1 + abs(s)) ** 2,
        scalars.softsign_slope_of_value,
    ),
    second=_softsign_second,
    range=(-1.0, 1.0),
    bends=(0.0,),
)

hardtanh = _built_in(
    "hardtanh",
    "min(max(s, −1), 1)",
    "1 for |s| < 1, else 0",
    "; at the kinks ±1 it is 0",
    kernel=Elementwise(
        scalars.hardtanh,
        scalars.hardtanh_slope,
        lambda s: np.clip(s, -1, 1),
        lambda s: 1.0 * (abs(s) < 1),
        scalars.hardtanh_slope,
    ),
    second=_zero,
    kinks=(-1.0, 1.0),
    range=(-1.0, 1.0),
)

relu = _built_in(
    "relu",
    "max(s, 0)",
    "1 for s > 0, else 0",
    "; at the kink f′(0) = 0",
    kernel=Elementwise(
        scalars.relu,
        scalars.relu_slope,
        lambda s: np.maximum(s, 0),
        lambda s: 1.0 * (s > 0),
        scalars.relu_slope,
    ),
    second=_zero,
    kinks=(0.0,),
    range=(0.0, _INF),
)


_LEAKY: dict[str, Any] = {
    "kernel": Elementwise(
        scalars.leaky_relu,
        scalars.leaky_relu_slope,
        lambda s, a: np.where(s > 0, s, a * s),
        lambda s, a: np.where(s > 0, 1, a),
        parameters=1,
    ),
    "second": _zero,
    "kinks": lambda a: () if a == 1 else (0.0,),
    "range": lambda a: ((-_INF if a > 0 else 0.0), _INF),
}

leaky_relu = _built_in(
    "leaky_relu",
    "s for s > 0, else a s",
    "1 for s > 0, else a",
    ", a = 0.01; f′(0) = a",
    parameters={"a": 0.01},
    **_LEAKY,
)

# By name alone: `engine.prelu` is the operation that learns a (`engine.activations.parametric`).
_built_in(
    "prelu",
    "s for s > 0, else a s",
    "1 for s > 0, else a",
    ", at the slope a = 0.25 that training starts from",
    parameters={"a": 0.25},
    **_LEAKY,
)

elu = _built_in(
    "elu",
    "s for s > 0, else α (eˢ − 1)",
    "1 for s > 0, else α eˢ",
    ", α = 1; f′(0) = α. For α = 1 the kink at 0 is one of f″ alone",
    kernel=Elementwise(
        scalars.elu,
        scalars.elu_slope,
        lambda s, alpha: np.where(s > 0, s, alpha * (np.exp(s) - 1)),
        lambda s, alpha: np.where(s > 0, 1, alpha * np.exp(s)),
        scalars.elu_slope_of_value,
        parameters=1,
        of_value_if=lambda alpha: alpha >= 0,  # or y is above 0 on both sides
    ),
    second=lambda s, alpha: where(s > 0, 0.0, exp(minimum(s, 0.0)) * alpha),
    kinks=(0.0,),
    range=lambda alpha: ((-alpha if alpha > 0 else 0.0), _INF),
    parameters={"alpha": 1.0},
)

selu = _built_in(
    "selu",
    "λ s for s > 0, else λ α (eˢ − 1)",
    "λ for s > 0, else λ α eˢ",
    ", λ = 1.0507, α = 1.6733; f′(0) = λ α. (Klambauer et al. 2017)",
    kernel=Elementwise(
        scalars.selu,
        scalars.selu_slope,
        lambda s: SELU_SCALE * np.where(s > 0, s, SELU_ALPHA * (np.exp(s) - 1)),
        lambda s: SELU_SCALE * np.where(s > 0, 1, SELU_ALPHA * np.exp(s)),
        scalars.selu_slope_of_value,
    ),
    second=lambda s: where(s > 0, 0.0, exp(minimum(s, 0.0)) * SELU_PRODUCT),
    kinks=(0.0,),
    range=(-SELU_SCALE * SELU_ALPHA, _INF),
)

softplus = _built_in(
    "softplus",
    "ln(1 + eˢ)",
    "σ(s)",
    kernel=Elementwise(
        scalars.softplus,
        scalars.sigmoid,
        lambda s: np.log(1 + np.exp(s)),
        _sigmoid,
        scalars.softplus_slope_of_value,
    ),
    second=lambda s: sigmoid.derivative(s),
    range=(0.0, _INF),
)


def _normal_cdf(s: Array) -> Array:
    def cdf(z: float) -> float:
        return 0.5 * (1 + math.erf(z / math.sqrt(2)))

    return np.asarray(np.vectorize(cdf, otypes=[s.dtype])(s))


def _normal_density(s: Array) -> Array:
    return np.asarray(np.exp(-s * s / 2) * INV_SQRT_2_PI)


def _gelu_second(s: Any) -> Any:
    t = clip(s, -40.0, 40.0)
    return exp(t * t * -0.5) * (2.0 - t * t) * (1 / math.sqrt(2 * math.pi))


gelu = _built_in(
    "gelu",
    "s Φ(s)",
    "Φ(s) + s φ(s)",
    ", Φ the normal distribution by erf (not the tanh approximation)",
    kernel=Elementwise(
        scalars.gelu,
        scalars.gelu_slope,
        lambda s: s * _normal_cdf(s),
        lambda s: _normal_cdf(s) + s * _normal_density(s),
    ),
    second=_gelu_second,
    range=(-0.16997120747990369, _INF),
    extrema=(-0.7517915246935645,),
    slope_extrema=(-(2**0.5), 2**0.5),
)


def _silu_second(s: Any) -> Any:
    t = clip(s, -800.0, 800.0)
    return sigmoid.derivative(t) * (2.0 + t * (1.0 - 2.0 * sigmoid(t)))


silu = _built_in(
    "silu",
    "s σ(s)",
    "σ(s) (1 + s (1 − σ(s)))",
    kernel=Elementwise(
        scalars.silu,
        scalars.silu_slope,
        lambda s: s * _sigmoid(s),
        lambda s: _sigmoid(s) * (1 + s * (1 - _sigmoid(s))),
    ),
    second=_silu_second,
    range=(-0.2784645427610738, _INF),
    extrema=(-1.2784645427610738,),
    slope_extrema=(-2.399357280515468, 2.399357280515468),
)

if not TYPE_CHECKING:  # mypy reads lists of names only where they are written out
    __all__ = [name for name in BUILT_IN if name in globals()]
