"""The exercises of tutorial 7."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .verdict import NotYet, agree, call, exercise, numbers


@exercise
def xavier_bound(answer: Any) -> str:
    """The bound a of Xavier's U[−a, a], from (fan_in, fan_out)."""
    for i, o in ((400, 200), (100, 700), (50, 50)):
        where = f"a for fan_in = {i}, fan_out = {o}"
        found = numbers(where, call(answer, i, o), ())
        var_W = float(found) ** 2 / 3
        try:
            agree(
                where,
                found,
                math.sqrt(6 / (i + o)),
                [
                    (
                        math.sqrt(2 / (i + o)),
                        "that is the standard deviation; U[−a, a] reaches farther than its own",
                    ),
                    (2 / (i + o), "that is a variance; a bound has the size of a weight"),
                    (6 / (i + o), "that is a²"),
                    (math.sqrt(3 / i), "that meets the forward condition alone"),
                    (math.sqrt(3 / o), "that meets the backward condition alone"),
                    (1 / math.sqrt(i), "that is the standard initialisation's"),
                    (2 * math.sqrt(6 / (i + o)), "that is the whole width, from −a to a"),
                ],
            )
        except NotYet as why:
            raise NotYet(
                f"{why}. With it, fan_in Var W = {i * var_W:.4g} and fan_out Var W = "
                f"{o * var_W:.4g}"
            ) from None
    return "for three layers, a wide one and a narrow one among them"


@exercise
def tanh_jacobian(answer: Any) -> str:
    """J of x⁽ⁱ⁺¹⁾ = tanh(xW), from (W, s) of one example: J[k, j] = ∂x_k⁽ⁱ⁺¹⁾/∂x_j."""
    rng = np.random.default_rng(8)
    for n_in, n_out in ((3, 3), (4, 2)):
        W, s = rng.normal(size=(n_in, n_out)), rng.normal(size=n_out)
        slope = 1 - np.tanh(s) ** 2
        found = numbers("J", call(answer, W, s))
        if n_in != n_out and found.shape == (n_in, n_out):
            raise NotYet(f"J has shape {found.shape}; its rows are the outputs k, its columns j")
        typical = [
            (W.T, "that is the Jacobian of s; the step from s to x⁽ⁱ⁺¹⁾ is missing"),
            (np.tanh(s)[:, None] * W.T, "f(s) stands where f′(s) should"),
            ((1 - s**2)[:, None] * W.T, "tanh′ is 1 − y² with y = tanh s; s itself stands there"),
        ]
        if n_in == n_out:
            typical += [
                (W * slope, "rows and columns are exchanged: the rows are the outputs k"),
                (W.T * slope, "f′(s_j) stands where f′(s_k) should: f′ belongs to the output"),
                (slope[:, None] * W, "w_kj stands where w_jk should"),
            ]
        agree(f"J with {n_in} inputs and {n_out} units", found, slope[:, None] * W.T, typical)
    return "for a square layer and another"


@exercise
def isometry(answer: Any) -> str:
    """Random n × n weights that change no vector's length, from (n, rng)."""
    for n in (30, 60):
        rng = np.random.default_rng(n)
        W, again = (numbers("W", call(answer, n, rng), (n, n)) for _ in range(2))
        if np.allclose(W, again):
            raise NotYet("two draws are equal: use the rng that is given")
        values = np.linalg.svd(W, compute_uv=False)
        if values.max() - values.min() > 1e-6 * values.max():
            raise NotYet(
                f"for n = {n} the singular values reach from {values.min():.3g} to "
                f"{values.max():.3g}, and no scale of W makes them equal"
            )
        if abs(values.mean() - 1) > 1e-6:
            raise NotYet(f"the singular values are equal, but they are {values.mean():.4g}")
        if np.count_nonzero(np.abs(W) > 1e-9) <= n:
            raise NotYet("W only exchanges units, or their signs; let each unit see all inputs")
    return "for 30 and for 60 units"
