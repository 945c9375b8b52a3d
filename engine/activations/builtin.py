"""The table of the built-in activations: one record holds all facts about one activation.

A record holds NumPy's formulas of f and f′, which run without a compiler, and with which tests
compare the compiled kernel. The scalar functions of the compiled kernel, NAME and NAME_slope, are
in `compiled.scalars`. f″ is written in the engine's operations, so that the engine can derive f‴.
If a product would be 0·∞ for large |s|, s is first clipped to a range beyond which the other factor
is 0.

These records give `engine` its public names, `engine.kernels.KERNELS` its kernels, `walk` the text
of f′, and `dense`, `nn` and the command line the activations by name. Append new records at the
end, because the random streams of experiments depend on an activation's position.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.activations.record import ACTIVATIONS, BUILT_IN, Activation, Formula
from engine.arrays import Array
from engine.core.registry import OPERATIONS, answers
from engine.kernels import KERNELS, kernel_of
from engine.kernels.plain import SELU_ALPHA, SELU_PRODUCT, SELU_SCALE
from engine.rules import elementwise
from engine.rules.elementwise import clip, exp, minimum, sign, where

_INF = math.inf


def _built_in(
    name: str,
    f: str,
    slope: str,
    note: str = "",
    *,
    formulas: tuple[Formula, Formula] | None = None,
    like: Activation | None = None,
    second: Formula,
    of_value_if: Callable[..., bool] = lambda *parameters: True,
    **others: Any,
) -> Activation:
    """Make the activation and add it to the tables.

    Args:
        f, slope, note: the texts after "f(s) = " and "f′ = ", and a remark; together they are the
            docstring.
        formulas: f and f′ in NumPy, functions of an array s and f's parameters.
        like: an activation with the same formulas and other parameters, in place of `formulas`.
        of_value_if: whether f′ is a function of y = f(s) for given parameters.
        others: `kinks`, `range`, `parameters`, `bends`, `extrema`, `slope_extrema` of `Activation`.
    """
    if formulas:
        n_parameters = len(others.get("parameters", {}))
        KERNELS[name] = kernel_of(name, *formulas, n_parameters, of_value_if)
    activation = Activation(
        name,
        kernel=like.kernel if like else KERNELS[name],
        second=second,
        describe=f"f(s) = {f}; f′ = {slope}{note}.",
        slope_formula=f"f′ = {slope}",
        kind="built-in",
        **others,
    )
    ACTIVATIONS[name] = BUILT_IN[name] = OPERATIONS[name] = activation
    return activation


def _sigmoid(s: Array) -> Array:
    e = np.exp(-abs(s))
    return np.asarray(np.where(s >= 0, 1, e) / (1 + e))


def _sigmoid_slope(s: Array) -> Array:
    e = np.exp(-abs(s))
    return np.asarray(e / (1 + e) ** 2)


def _normal(s: Array) -> tuple[Array, Array, Array]:
    """(t, Φ(t), φ(t)), where t is s in float64, clipped to ±40, since −∞·0 would be NaN."""
    t = np.clip(s.astype(np.float64), -40, 40)
    # erfc is accurate for large |s|, where 1 − Φ cancels.
    cdf = 0.5 * np.vectorize(math.erfc, otypes=[np.float64])(-t / math.sqrt(2))
    return t, cdf, np.exp(-0.5 * t * t) / math.sqrt(2 * math.pi)


def _gelu(s: Array) -> Array:
    t, cdf, _ = _normal(s)
    return np.asarray(np.where(s > 40, s, t * cdf))


def _gelu_slope(s: Array) -> Array:
    t, cdf, density = _normal(s)
    return np.asarray(cdf + t * density)


def _silu(s: Array) -> Array:
    t = np.maximum(s, -800)
    return np.asarray(t * _sigmoid(t))


def _silu_slope(s: Array) -> Array:
    t = np.clip(s, -800, 800)
    return np.asarray(_sigmoid(t) + t * _sigmoid_slope(t))


def _softsign(s: Array) -> Array:
    return np.asarray(np.where(np.isinf(s), np.sign(s), s / (1 + abs(s))))


def _one(s: Array) -> Array:
    """1, and NaN at NaN."""
    return np.asarray(np.where(np.isnan(s), s, np.ones_like(s)))


def _if_positive(s: Array, above: Any, below: Any) -> Array:
    return np.asarray(np.where(np.isnan(s), s, np.where(s > 0, above, below)), s.dtype)


def _zero(s: Any, *parameters: float) -> Any:
    return sign(s) * 0.0  # 0 at ±∞, where s·0 would be NaN; NaN at NaN


identity = _built_in(
    "identity",
    "s",
    "1",
    formulas=(np.array, _one),
    second=_zero,
)


sigmoid: Activation = _built_in(
    "sigmoid",
    "1 / (1 + e⁻ˢ)",
    "y (1 − y)",
    ", at most ¼, at s = 0",
    formulas=(_sigmoid, _sigmoid_slope),
    second=lambda s: sigmoid.derivative(s) * (1.0 - 2.0 * sigmoid(s)),
    range=(0.0, 1.0),
)

tanh: Activation = _built_in(
    "tanh",
    "tanh s",
    "1 − y²",
    ", at most 1, at s = 0",
    formulas=(np.tanh, lambda s: 4 * _sigmoid_slope(s + s)),
    second=lambda s: -2.0 * tanh(s) * tanh.derivative(s),
    range=(-1.0, 1.0),
)


answers(np.tanh)(tanh)


def _softsign_second(s: Any) -> Any:
    d = 1.0 / (1.0 + elementwise.abs(s))
    return -2.0 * sign(s) * d * d * d


softsign = _built_in(
    "softsign",
    "s / (1 + |s|)",
    "1 / (1 + |s|)²",
    ". (Glorot & Bengio 2010)",
    formulas=(_softsign, lambda s: (1 / (1 + abs(s))) ** 2),
    second=_softsign_second,
    range=(-1.0, 1.0),
    bends=(0.0,),
)

hardtanh = _built_in(
    "hardtanh",
    "min(max(s, −1), 1)",
    "1 for |s| < 1, else 0",
    "; at the kinks ±1 it is 0",
    formulas=(lambda s: np.clip(s, -1, 1), lambda s: _one(s) * (abs(s) < 1)),
    second=_zero,
    kinks=(-1.0, 1.0),
    range=(-1.0, 1.0),
)

relu = _built_in(
    "relu",
    "max(s, 0)",
    "1 for s > 0, else 0",
    "; at the kink f′(0) = 0",
    formulas=(lambda s: np.maximum(s, 0), lambda s: _if_positive(s, 1, 0)),
    second=_zero,
    kinks=(0.0,),
    range=(0.0, _INF),
)


_LEAKY: dict[str, Any] = {
    "second": _zero,
    "kinks": lambda a: () if a == 1 else (0.0,),
    "range": lambda a: ((-_INF if a > 0 else 0.0), _INF),
}

leaky_relu = _built_in(
    "leaky_relu",
    "s for s > 0, else a s",
    "1 for s > 0, else a",
    ", a = 0.01; f′(0) = a",
    formulas=(
        lambda s, a: _if_positive(s, s, a * s if a else 0),
        lambda s, a: _if_positive(s, 1, a),
    ),
    parameters={"a": 0.01},
    **_LEAKY,
)

# Not bound to a name: `engine.prelu` is the operation that learns a (`activations.parametric`).
_built_in(
    "prelu",
    "s for s > 0, else a s",
    "1 for s > 0, else a",
    ", at the slope a = 0.25 that training starts from",
    like=leaky_relu,
    parameters={"a": 0.25},
    **_LEAKY,
)

elu = _built_in(
    "elu",
    "s for s > 0, else α (eˢ − 1)",
    "1 for s > 0, else α eˢ",
    ", α = 1; f′(0) = α. For α = 1, f′ is continuous at 0 and f″ jumps",
    formulas=(
        lambda s, alpha: _if_positive(s, s, alpha * np.expm1(np.minimum(s, 0))),
        lambda s, alpha: _if_positive(s, 1, alpha * np.exp(np.minimum(s, 0))),
    ),
    of_value_if=lambda alpha: alpha >= 0,  # for α < 0, y > 0 on both sides of the kink
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
    formulas=(
        lambda s: _if_positive(s, SELU_SCALE * s, SELU_PRODUCT * np.expm1(np.minimum(s, 0))),
        lambda s: _if_positive(s, SELU_SCALE, SELU_PRODUCT * np.exp(np.minimum(s, 0))),
    ),
    second=lambda s: where(s > 0, 0.0, exp(minimum(s, 0.0)) * SELU_PRODUCT),
    kinks=(0.0,),
    range=(-SELU_SCALE * SELU_ALPHA, _INF),
)

softplus = _built_in(
    "softplus",
    "ln(1 + eˢ)",
    "σ(s)",
    formulas=(lambda s: np.maximum(s, 0) + np.log1p(np.exp(-abs(s))), _sigmoid),
    second=lambda s: sigmoid.derivative(s),
    range=(0.0, _INF),
)


def _gelu_second(s: Any) -> Any:
    t = clip(s, -40.0, 40.0)
    return exp(t * t * -0.5) * (2.0 - t * t) * (1 / math.sqrt(2 * math.pi))


gelu = _built_in(
    "gelu",
    "s Φ(s)",
    "Φ(s) + s φ(s)",
    ", Φ the normal distribution by erf (not the tanh approximation)",
    formulas=(_gelu, _gelu_slope),
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
    formulas=(_silu, _silu_slope),
    second=_silu_second,
    range=(-0.2784645427610738, _INF),
    extrema=(-1.2784645427610738,),
    slope_extrema=(-2.399357280515468, 2.399357280515468),
)

if not TYPE_CHECKING:  # mypy reads `__all__` only as a literal list
    __all__ = [name for name in BUILT_IN if name in globals()]
