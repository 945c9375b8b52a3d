"""Randomness is an argument: a seed or a generator, never a global state.

Without a seed, numbers come from fresh entropy, as those of NumPy's `default_rng()`: two runs of
the program, and two layers of a net, differ.
"""

from __future__ import annotations

import operator

import numpy as np

Rng = int | np.random.Generator | None


def generator(rng: Rng) -> np.random.Generator:
    """The generator itself, or a new one from a seed (0 is a seed like any other) or from none.

    Raises: TypeError or ValueError for anything but a generator, an integer ≥ 0 or None.
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if rng is None:
        return np.random.default_rng()
    if isinstance(rng, bool | np.bool_):
        raise TypeError(f"rng={rng}; give a seed (an integer) or a np.random.Generator")
    try:
        seed = operator.index(rng)
    except TypeError:
        raise TypeError(
            f"rng is of type {type(rng).__name__}; give a seed (an integer) or a "
            "np.random.Generator, or leave rng out, and every run gives another net"
        ) from None
    if seed < 0:
        raise ValueError(f"rng={seed}; a seed is an integer from 0 on")
    return np.random.default_rng(seed)
