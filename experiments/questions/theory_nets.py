"""What `theory` measures on nets: variances, correlations and gradients, layer by layer.

All nets are drawn by `nn.MLP`; f, the sizes and the schemes are those that the prediction is for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import engine
import nn

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layers:
    """Statistics of the hidden layers of one net, one entry each.

    `q` and `x2` are the mean squares of s and of f(s) over units and examples, `var_x` the variance
    of f(s) over the units of an example, `ds` and `dx` the root mean squares of ∂L/∂s and
    ∂L/∂x⁽ⁱ⁺¹⁾. Over the pairs of examples: `c`, the correlation of s₁ and s₂; `apart`, 1 − c
    without the loss of digits; `slopes`, the mean of f′(s₁) f′(s₂).
    """

    q: Array
    x2: Array
    var_x: Array
    ds: Array
    dx: Array
    c: Array
    apart: Array
    slopes: Array


def signals(rng: np.random.Generator, pairs: int, n: int, q: float, c: float) -> Array:
    """2·pairs inputs: each with mean square q exactly, numbers 2i and 2i + 1 of correlation c."""
    z = rng.normal(size=(pairs, 2, n))
    first = z[:, 0] / np.sqrt(np.mean(z[:, 0] ** 2, axis=-1, keepdims=True))
    other = z[:, 1] - np.mean(z[:, 1] * first, axis=-1, keepdims=True) * first
    other /= np.sqrt(np.mean(other**2, axis=-1, keepdims=True))
    second = c * first + np.sqrt(1 - c * c) * other
    both = np.stack([first, second], axis=1).reshape(2 * pairs, n)
    return np.asarray(np.sqrt(q) * both)


def measure(net: nn.MLP, x: Array, rng: np.random.Generator) -> Layers:
    """One pass forward and one back, from a gradient at the output that is drawn at random."""
    with engine.trace() as t:
        output = net(x)
        (output * rng.normal(size=output.shape).astype(np.float32)).sum().backward()
    hidden = t.layers[:-1]
    s = [np.asarray(layer.s, np.float64) for layer in hidden]
    x_next = [np.asarray(layer.x_next, np.float64) for layer in hidden]
    pairs = [_pairs(one) for one in s]
    slopes = [
        float(np.mean(np.prod(_split(np.asarray(layer.f.slope(one))), axis=1)))
        for layer, one in zip(hidden, s, strict=True)
    ]
    return Layers(
        q=np.array([np.mean(one**2) for one in s]),
        x2=np.array([np.mean(one**2) for one in x_next]),
        var_x=np.array([one.var(axis=1).mean() for one in x_next]),
        ds=_rms([layer.dL_ds for layer in hidden]),
        dx=_rms([layer.dL_dx_next for layer in hidden]),
        c=np.array([1 - apart for apart in pairs]),
        apart=np.array(pairs),
        slopes=np.array(slopes),
    )


def rescale(net: nn.MLP, factor: float) -> None:
    """Multiply all weights: the same draw at another σ_w."""
    for layer in net.layers:
        layer.W.assign(layer.W.numpy() * np.float32(factor))


def deep(
    f: str | engine.Activation,
    var_w: float,
    var_b: float,
    width: int,
    depth: int,
    rng: np.random.Generator,
) -> nn.MLP:
    """`depth` hidden layers of `width` units, W of variance σ_w² / width and b of variance σ_b²."""
    biases = nn.init.normal(np.sqrt(var_b)) if var_b else nn.init.zeros()
    scheme = nn.init.kaiming_normal(gain=float(np.sqrt(var_w)))
    return nn.MLP([width] * (depth + 1) + [min(width, 50)], f, scheme, biases, rng)


def norm_ratios(n: int, depth: int, rng: np.random.Generator) -> Array:
    """‖x⁽ⁱ⁺¹⁾‖² / ‖x⁽ⁱ⁾‖² in each layer of a Kaiming ReLU net, for one input."""
    net = nn.MLP([n] * (depth + 1) + [1], "relu", "kaiming_normal", rng=rng)
    x = signals(rng, 1, n, 1.0, 0.0)[:1]
    with engine.trace() as t:
        net(x)
    layers = t.layers[:-1]
    squares = [np.sum(np.square(layer.x, dtype=np.float64)) for layer in layers]
    squares.append(np.sum(np.square(layers[-1].x_next, dtype=np.float64)))
    found = np.array(squares)
    return np.asarray(found[1:] / found[:-1])


def _split(s: npt.NDArray[np.generic]) -> Array:
    return np.asarray(s, np.float64).reshape(len(s) // 2, 2, -1)


def _pairs(s: Array) -> float:
    """The mean of 1 − c over the pairs: ‖ŝ₁ − ŝ₂‖² / 2, which keeps its digits near 0."""
    split = _split(s)
    unit = split / np.linalg.norm(split, axis=2, keepdims=True)
    return float(np.mean(np.sum((unit[:, 0] - unit[:, 1]) ** 2, axis=1)) / 2)


def _rms(arrays: Sequence[npt.NDArray[np.generic] | None]) -> Array:
    return np.array([np.sqrt(np.mean(np.square(np.asarray(a, np.float64)))) for a in arrays])
