"""Hints in error messages: the engine's name for an operation of NumPy or PyTorch."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from engine.core.registry import OPERATIONS

_TENSOR = {
    "view": "t.reshape(…)",
    "flatten": "t.reshape(-1)",
    "ravel": "t.reshape(-1)",
    "squeeze": "t.reshape(…) or t[0]",
    "unsqueeze": "t[None], or t[:, None]",
    "permute": "t.transpose(…)",
    "swapaxes": "t.transpose(…)",
    "t": "t.T",
    "mT": "t.transpose(…)",
    "clone": "t.detach() for a constant, t * 1 for a value with its gradient",
    "copy": "t.detach() for a constant, t * 1 for a value with its gradient",
    "data": "t.numpy()",
    "values": "t.numpy()",
    "tolist": "t.numpy().tolist()",
    "dim": "t.ndim",
    "numel": "t.size",
    "mm": "t @ u",
    "bmm": "t @ u",
    "dot": "t @ u",
    "pow": "t ** n",
    "norm": "engine.sqrt((t * t).sum())",
    "var": "((t - t.mean()) ** 2).mean()",
    "std": "engine.sqrt(((t - t.mean()) ** 2).mean())",
    "float": "t.astype(np.float32)",
    "double": "t.astype(np.float64)",
    "to": "t.astype(…)",
    "fill": "t.assign(…)",
    "copy_": "t.assign(…)",
    "zero_": "t.assign(0)",
    "requires_grad_": "Tensor(x, requires_grad=True)",
    "zero_grad_": "t.zero_grad()",
}

_ENGINE = {
    "cat": "engine.concatenate",
    "concat": "engine.concatenate",
    "clamp": "engine.clip",
    "permute": "engine.transpose",
    "square": "t * t",
    "pow": "engine.power",
    "absolute": "engine.abs",
    "linear": "engine.dense",
    "amax": "engine.max",
    "amin": "engine.min",
    "backward": "loss.backward()",
}

_NUMPY = {
    **dict.fromkeys(("expand_dims", "atleast_1d", "atleast_2d", "atleast_3d"), "t.reshape(…)"),
    **dict.fromkeys(("moveaxis", "rollaxis", "matrix_transpose"), "t.transpose(…)"),
    **dict.fromkeys(
        ("vstack", "hstack", "dstack", "column_stack", "block", "append", "tile"),
        "engine.concatenate or engine.stack",
    ),
    **dict.fromkeys(
        ("array_split", "take", "take_along_axis", "diagonal", "diag", "flip", "roll"),
        "an index, t[…]",
    ),
    **dict.fromkeys(
        ("einsum", "tensordot", "inner", "outer", "vdot", "vecdot", "multi_dot"),
        "t @ u with t.reshape(…) and t.transpose(…)",
    ),
    "dot": "t @ u (for more than two axes, np.dot sums over other axes)",
    "clip": "engine.clip(a, low, high), or engine.maximum and engine.minimum",
    "average": "t.mean()",
    "diff": "t[1:] - t[:-1]",
    "ptp": "t.max() - t.min()",
    "reciprocal": "1 / t",
    "log1p": "engine.log(1 + t)",
    "expm1": "engine.exp(t) - 1",
    "log2": "engine.log(t) / np.log(2)",
    "log10": "engine.log(t) / np.log(10)",
    "hypot": "engine.sqrt(t * t + u * u)",
    "logaddexp": "engine.logsumexp(engine.stack([t, u]), axis=0)",
    "expit": "engine.sigmoid(t)",
    "nan_to_num": "engine.where(…)",
    "add.reduce": "engine.sum(t)",
    "maximum.reduce": "engine.max(t)",
    "minimum.reduce": "engine.min(t)",
}

_KEYWORDS = {
    "out": "compute a new value: array = array + t",
    "dtype": "use t.astype(…)",
    "where": "use engine.where(…)",
    "order": "use t.transpose(…) and t.reshape(…)",
    "initial": "use engine.maximum or engine.minimum of the result",
}


def of_numpy(name: str) -> str:
    """What to write instead of `np.name(t)`."""
    instead = _NUMPY.get(name) or _TENSOR.get(name)
    return f"write {instead}" if instead else "write it with the engine's operations"


def of_keywords(keywords: Iterable[str]) -> str:
    """What to write instead of these keywords of a NumPy function."""
    advice = [_KEYWORDS[key] for key in keywords if key in _KEYWORDS]
    return "; ".join(advice) or "leave it out"


def of_tensor(name: str) -> str:
    """What to write instead of `t.name`; "" without a hint."""
    if name in _TENSOR:
        return f"; write {_TENSOR[name]}"
    if name.startswith("_"):
        return ""
    if name in OPERATIONS:
        return f"; write engine.{name}(t)"
    if hasattr(np.ndarray, name):
        return f"; t.numpy().{name} is NumPy's, without a gradient"
    return _of_missing(name)


def of_engine(name: str) -> str:
    """What to write instead of `engine.name`; "" without a hint."""
    if name in _ENGINE:
        return f"; write {_ENGINE[name]}"
    return "" if name.startswith("_") else _of_missing(name)


def _of_missing(name: str) -> str:
    if not callable(vars(np).get(name)):
        return ""
    return (
        f"; the engine has no derivative of np.{name}: write it with the engine's operations, or "
        "define it with engine.custom_vjp"
    )
