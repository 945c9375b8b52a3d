"""The exercises of tutorial 9."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from engine import (
    ACTIVATIONS,
    Activation,
    ActivationError,
    ActivationWarning,
    OwnActivation,
    activation,
)

from .verdict import Array, NotYet, agree, call, exercise, numbers

_FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": np.tanh,
    "softplus": lambda s: np.logaddexp(0, s),
    "relu": lambda s: np.maximum(s, 0),
}


@exercise
def forward_gain(answer: Any) -> str:
    """The forward gain of a function of arrays, within 2 %."""
    z, dz = np.linspace(-12, 12, 240_001, retstep=True)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi) * dz
    for name, f in _FUNCTIONS.items():
        y = f(z)
        mean, square = float((y * density).sum()), float((y**2 * density).sum())
        slope2 = float((np.gradient(y, z) ** 2 * density).sum())
        agree(
            f"the gain of {name}",
            call(answer, f),
            1 / np.sqrt(square),
            [
                (np.sqrt(square), "that is √E[f²], what f does; the gain undoes it"),
                (1 / square, "that is the gain's square; the gain multiplies the weights"),
                (
                    1 / np.sqrt(square - mean**2),
                    "that keeps Var x; the next layer's s is made of the second moment of x",
                ),
                (1 / np.sqrt(slope2), "that keeps the gradient; f′ is not asked for here"),
                (1 / max(abs(mean), 1e-9), "that is of E[f]; what is kept is a mean square"),
            ],
            rtol=0.02,
        )
    return f"within 2 % for {', '.join(_FUNCTIONS)}"


@exercise
def hat(answer: Any) -> str:
    """An activation: 0 outside (−1, 1), 1 at 0, straight in between."""
    answer = _made(answer)
    s = np.array([-3.0, -1.5, -0.75, -0.25, 0.0, 0.25, 0.75, 1.5, 3.0])
    _compare(answer.value(s), np.maximum(0, 1 - np.abs(s)), s, "it")
    if answer.kinks != (-1.0, 0.0, 1.0):
        there = ", ".join(f"{kink:g}" for kink in answer.kinks) or "none"
        raise NotYet(f"its kinks are: {there}; leave `kinks` out, and the engine looks for them")
    return "its values and its three kinks"


@exercise
def safe_swish(answer: Any) -> str:
    """An activation that is s / (1 + e⁻ˢ), finite like its derivative for every s."""
    answer = _made(answer)
    if not isinstance(answer, OwnActivation):
        raise NotYet(f"this is the engine's own {answer.name}; write it as a formula of s")
    s = np.linspace(-20, 20, 81)
    _compare(answer.value(s), s / (1 + np.exp(-s)), s, "it")
    if answer.findings:
        found = answer.findings[0]
        raise NotYet(f"{found.what} is still {found.problem} somewhere between −1000 and 1000")
    far = np.array([-1000.0, 1000.0], np.float32)
    _compare(answer.value(far), np.array([0.0, 1000.0]), far, "in float32 it")
    return "between −20 and 20, and finite with its derivative as far as ±1000"


def _made(answer: Any) -> Activation:
    """The activation that the function makes; no name is left behind."""
    if isinstance(answer, Activation):
        return answer
    call(answer, 0.5)
    before = dict(ACTIVATIONS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ActivationWarning)
            return activation(answer)
    except ActivationError as error:
        raise NotYet(str(error)) from None
    finally:
        ACTIVATIONS.clear()
        ACTIVATIONS.update(before)


def _compare(value: Any, right: Array, s: Array, what: str) -> None:
    found = numbers("f(s)", value, s.shape)
    off = ~(np.abs(found - right) <= 1e-6 * (1 + np.abs(right)))  # NaN is off too
    if off.any():
        i = int(off.argmax())
        raise NotYet(f"at s = {s[i]:g} {what} is {found[i]:.6g}")
