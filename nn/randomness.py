"""Randomness is an argument: a seed or a generator, never a global state."""

from __future__ import annotations

import operator

import numpy as np

Rng = int | np.random.Generator


def generator(rng: Rng) -> np.random.Generator:
    """The generator itself, or a new one from a seed; 0 is a seed like any other.

    Raises: TypeError or ValueError for anything but a generator or an integer ≥ 0.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, bool):
        raise TypeError(f"rng={rng}; give a seed (an integer) or a np.random.Generator")
    try:
        seed = operator.index(rng)
    except TypeError:
        raise TypeError(
            f"rng is of type {type(rng).__name__}; give a seed (an integer) or a "
            "np.random.Generator, so that the same program gives the same net"
        ) from None
    if seed < 0:
        raise ValueError(f"rng={seed}; a seed is an integer from 0 on")
    return np.random.default_rng(seed)
