"""States as named arrays: the one check before a net or an optimiser loads a state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def fitted(
    own: Mapping[str, Array], state: Mapping[str, npt.ArrayLike], owner: str, unknown: str
) -> dict[str, Array]:
    """Copies of a state's arrays, in the dtypes of the owner's present arrays.

    Args:
        own: the owner's present arrays, by name. Integers are counts.
        state: the arrays to load, by name.
        owner: for messages, for example "the net".
        unknown: for messages: "is not a parameter of this net", after an unknown array's name.

    Raises: ValueError naming every missing array, unknown array, wrong shape and wrong dtype, and
        negative counts.
    """
    arrays = {name: np.asarray(value) for name, value in state.items()}
    wrong = [f"{name} is missing" for name in own if name not in arrays]
    wrong += [f"{name} {unknown}" for name in arrays if name not in own]
    for name, present in own.items():
        if name not in arrays:
            continue
        array, counts = arrays[name], present.dtype.kind == "i"
        if array.shape != present.shape:
            wrong.append(f"{name} has shape {array.shape}, not {present.shape}")
        elif array.dtype.kind not in ("iu" if counts else "fiu"):
            wrong.append(f"{name} holds {array.dtype}, not {'integers' if counts else 'numbers'}")
        elif counts and (array < 0).any():
            wrong.append(f"{name} holds {array.min()}, and counts are not negative")
    if wrong:
        raise ValueError(f"this state doesn't fit {owner}: {'; '.join(wrong)}")
    return {name: arrays[name].astype(present.dtype) for name, present in own.items()}
