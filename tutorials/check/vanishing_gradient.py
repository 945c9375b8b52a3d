"""The exercises of tutorial 4."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .verdict import agree, call, exercise


@exercise
def layer_factor(answer: Any) -> str:
    """The factor on rms ∂L/∂s from one layer to the one below, from f′(s) and the W between."""
    rng = np.random.default_rng(41)
    df_ds = rng.uniform(0.05, 0.25, (20, 30))
    half = rng.normal(0, 0.2, (15, 50))
    W = np.concatenate([half, -half])  # mean exactly 0: variance and mean square are the same
    slope2, W2 = np.mean(df_ds**2), np.mean(W**2)
    right = math.sqrt(slope2 * 50 * W2)
    agree(
        "the factor for f′(s) of 30 units and a W of shape (30, 50)",
        call(answer, df_ds, W),
        right,
        [
            (right**2, "that is the factor on the mean square; the rms is its root"),
            (math.sqrt(slope2 * 30 * W2), "n is not the rows of W: ∂L/∂x_j is a sum over what?"),
            (slope2 * 30 * W2, "n is not the rows of W: ∂L/∂x_j is a sum over what?"),
            (
                math.sqrt(np.mean(df_ds) ** 2 * 50 * W2),
                "the mean of f′, squared, is not the mean of f′²",
            ),
            (math.sqrt(slope2 * W2), "n is missing: ∂L/∂x_j is a sum over n units"),
            (math.sqrt(50 * W2), "that is W's part; f′ is missing"),
            (math.sqrt(np.mean(df_ds) * 50 * W2), "f′ is to be squared"),
            (math.sqrt(slope2 * 50) * W2, "the root goes over the variance of W too"),
            (
                math.sqrt(np.var(df_ds) * 50 * W2),
                "of f′ it takes the mean square, not the variance",
            ),
            (math.sqrt(slope2 * 50 * W.std()), "that has W's standard deviation for its variance"),
            (math.sqrt(slope2 * 20 * W2), "n is not the batch: ∂L/∂x_j is a sum over what?"),
            (math.sqrt(slope2 * W.size * W2), "n is not all of W: ∂L/∂x_j is a sum over what?"),
            (1 / right, "that is the other way, from this layer to the one above"),
        ],
    )
    return "for 30 units below and 50 above"


@exercise
def needed_variance(answer: Any) -> str:
    """The Var W that keeps the gradient, for n units and a slope that is the same everywhere."""
    for n, slope in ((100, 0.25), (64, 1.0), (300, 0.6)):
        agree(
            f"Var W for n = {n}, f′ = {slope:g}",
            call(answer, n, slope),
            1 / (n * slope**2),
            [
                (1 / n, "that keeps the gradient where f′ is 1"),
                (1 / (n * slope), "f′ enters by its square, as the factor is on mean squares"),
                (1 / math.sqrt(n * slope**2), "that is the standard deviation of W"),
                (n * slope**2, "that is what Var W is multiplied by; the product should be 1"),
                (slope**2 / n, "a small slope needs larger weights, not smaller ones"),
                (1 / slope**2, "that is n Var W; Var W itself is asked for"),
            ],
        )
    return "for three layers"


@exercise
def layers_until(answer: Any) -> str:
    """The number of layers after which factorⁿ is at most `share`."""
    # In the last one the share is a power of the factor, without rounding.
    for factor, share in ((0.1414, 1e-7), (0.5, 0.1), (0.9, 1e-3), (0.236, 0.2), (0.5, 0.125)):
        exact = math.log(share) / math.log(factor)
        agree(
            f"the layers for a factor of {factor:g} and a share of {share:g}",
            call(answer, factor, share),
            math.ceil(exact),
            [
                (math.floor(exact), "then the share is not reached yet: one layer more or less?"),
                (exact, "it should be a whole number of layers"),
                (
                    math.floor(exact) + 1,
                    "one layer less and the share is reached: at most, not less",
                ),
                (math.ceil(1 / exact), "upside down: a smaller share takes more layers, not fewer"),
                (share / factor, "factors of layers are multiplied: after n layers, factorⁿ"),
            ],
        )
    return "for five pairs, one of them with a share that is reached exactly"
