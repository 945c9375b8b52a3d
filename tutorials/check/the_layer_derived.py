"""The exercises of tutorial 2."""

from __future__ import annotations

from typing import Any

import numpy as np

from .verdict import NotYet, agree, call, exercise, numbers, parts


@exercise
def weight_slope(answer: Any) -> str:
    """∂x_k⁽ⁱ⁺¹⁾/∂w_jk of a tanh layer, for one example, by the index."""
    rng = np.random.default_rng(11)
    x, W = rng.normal(size=4), rng.normal(size=(4, 4)) / 2
    slope = 1 - np.tanh(x @ W) ** 2
    for j, k in ((0, 1), (2, 0), (3, 2)):
        agree(
            f"the slope for j = {j}, k = {k}",
            call(answer, x, W, j, k),
            slope[k] * x[j],
            [
                (slope[j] * x[j], "f′ is taken of another unit's s: which unit holds w_jk?"),
                (slope[j] * x[k], "j and k have changed places"),
                (slope[k] * x[k], "the weight w_jk is multiplied by another input than this"),
                (x[j], "that is ∂s_k/∂w_jk; the step from s_k to x_k⁽ⁱ⁺¹⁾ is missing"),
                (slope[k], "that is ∂x_k⁽ⁱ⁺¹⁾/∂s_k; the step from w_jk to s_k is missing"),
                (slope[k] * W[j, k], "that is ∂x_k⁽ⁱ⁺¹⁾/∂x_j: here the weight moves"),
                (np.tanh(x @ W)[k] * x[j], "that has f(s_k) where f′(s_k) belongs"),
                ((1 - np.tanh(W @ x)[k] ** 2) * x[j], "s is xW; this is Wx"),
                (
                    (1 - np.tanh(x[j] * W[j, k]) ** 2) * x[j],
                    "s_k is the sum over all inputs; this has the term of input j alone",
                ),
            ],
        )
    return "for three weights of a layer of four inputs and four units"


@exercise
def layer_gradient(answer: Any) -> str:
    """(∂L/∂W, ∂L/∂b, ∂L/∂x) of a sigmoid layer, from x, W, b and ∂L/∂x⁽ⁱ⁺¹⁾."""
    rng = np.random.default_rng(12)
    x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    g = rng.normal(size=(5, 2))
    s = x @ W + b
    y = 1 / (1 + np.exp(-s))
    names = ("∂L/∂W", "∂L/∂b", "∂L/∂x")
    found = parts(call(answer, x, W, b, g), names)
    right = _products(x, W, g * _slope(s))
    no_slope = "f′(s) is missing: what arrives is ∂L/∂x⁽ⁱ⁺¹⁾, and the sums want ∂L/∂s"
    slopes = [
        (_products(x, W, g), no_slope),
        (_products(x, W, g * (1 - np.tanh(s) ** 2)), "f′ is tanh's; this layer's f is the sigmoid"),
        (_products(x, W, g * (1 - y * y)), "f′ is tanh's rule, 1 − f²; the sigmoid's is another"),
        (_products(x, W, g * y), "f′ is not complete: you have f(s) alone"),
        (_products(x, W, g * s * (1 - s)), "f′ = f (1 − f) is of f(s), not of s"),
        (_products(x, W, g * _slope(x @ W)), "s is xW + b; this is the f′ of xW"),
    ]
    averaged = "the batch is averaged; the gradient of a sum of losses is a sum"
    for i, (name, value, wanted) in enumerate(zip(names, found, right, strict=True)):
        typical = [(wrong[i], hint) for wrong, hint in slopes]
        if i < 2:
            typical.append((wanted / len(x), averaged))
        if i == 1 and numbers(name, value).shape == (5, 2):
            raise NotYet(f"{name} has a row for each example; one b serves the whole batch")
        if i == 1 and numbers(name, value).shape == (5,):
            raise NotYet(f"{name} has a number for each example; it wants one for each unit")
        if i == 1 and numbers(name, value).shape == ():
            raise NotYet(f"{name} is one number, a sum over the units too; each unit has its own b")
        if i != 1 and numbers(name, value).shape == wanted.T.shape:
            raise NotYet(f"{name} is of shape {wanted.T.shape}, the transpose of what it should be")
        agree(name, value, wanted, typical)
    return "for a batch of five, three inputs and two units"


def _slope(s: Any) -> Any:
    return np.exp(-s) / (1 + np.exp(-s)) ** 2


def _products(x: Any, W: Any, dL_ds: Any) -> tuple[Any, Any, Any]:
    return x.T @ dL_ds, dL_ds.sum(axis=0), dL_ds @ W.T


@exercise
def bias_as_weight(answer: Any) -> str:
    """(x₁, W₁) with x₁W₁ = xW + b, b now being a row of W₁."""
    rng = np.random.default_rng(13)
    x, W, b = rng.normal(size=(5, 3)), rng.normal(size=(3, 2)), rng.normal(size=2)
    x_1, W_1 = parts(call(answer, x, W, b), ("x₁", "W₁"))
    x_1, W_1 = numbers("x₁", x_1), numbers("W₁", W_1)
    if x_1.shape != (5, 4):
        raise NotYet(f"x₁ has shape {x_1.shape}; with one input more than x it has (5, 4)")
    if W_1.shape != (4, 2):
        raise NotYet(f"W₁ has shape {W_1.shape}; with one row more than W it has (4, 2)")
    where = [i for i in range(4) if np.allclose(W_1[i], b)]
    if not where:
        raise NotYet("no row of W₁ is b")
    ones = x_1[:, where[0]]
    if any(np.allclose(x_1[:, i], 1) for i in range(4)) and not np.allclose(ones, 1):
        raise NotYet("the column of ones in x₁ and the row b in W₁ are not at the same place")
    agree(
        "x₁W₁",
        x_1 @ W_1,
        x @ W + b,
        [
            (x @ W, "it is xW still: the input that b is multiplied by is 0"),
            (x @ W + ones[:, None] * b, "the input that b is multiplied by is not 1"),
        ],
    )
    return "x₁W₁ is xW + b"
