"""Our side: the functions of `engine` and `nn` that a user would call, and how they are called.

What is timed for gradtrace is said here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

import engine
import nn
from engine import kernels
from engine.kernels import number_of_threads
from engine.kernels.compiled.tile import SHAPE
from experiments.speed import limits
from experiments.speed.steps import STEPS

Arrays = dict[str, Any]
Work = tuple[Callable[[], Any], Callable[[], list[Any]]]


def prepare(request: dict[str, Any], given: Arrays) -> Work:
    """The function to be timed, and one that gives its result as arrays."""
    kind = request["work"]
    if kind == "training":
        return _training(request, given)
    if kind == "limit":
        return _limit(request)
    if kind == "product":
        run = _product(request["form"], given)
    elif kind == "elementwise":
        run = _elementwise(request["f"], request["backward"], given)
    elif kind == "step":
        step, X, W = STEPS[request["step"]], given["X"], given["W"]
        run = lambda: step(X, W)  # noqa: E731
    else:
        raise ValueError(f"gradtrace has no {kind}")
    return run, lambda: [run()]


def _product(form: str, given: Arrays) -> Callable[[], Any]:
    X, W, G = given["X"], given["W"], given["G"]
    forms: dict[str, Callable[[], Any]] = {
        "X·W": lambda: kernels.matmul(X, W),
        "Xᵀ·G": lambda: kernels.matmul(X, G, transpose_a=True),
        "G·Wᵀ": lambda: kernels.matmul(G, W, transpose_b=True),
    }
    return forms[form]


def _elementwise(name: str, backward: bool, given: Arrays) -> Callable[[], Any]:
    f = engine.ACTIVATIONS[name]
    s, g = given["s"], given["g"]
    if backward:
        kernel, parameters = kernels.KERNELS[name], tuple(f.parameters.values())
        if kernel.slope_of_value is None:
            return lambda: kernel.scaled_slope(g, s, *parameters)
        y = f.value(s)
        return lambda: kernel.scaled_slope_of_value(g, y, *parameters)
    return lambda: f.value(s)


def _training(request: dict[str, Any], given: Arrays) -> Work:
    """The training loop of `nn`'s own documentation, one step of it."""
    x, y = given["x"], given["y"]
    net = nn.MLP(request["sizes"], "tanh", "zeros", rng=0, dtype=request["dtype"])
    for i, layer in enumerate(net.layers):
        layer.W.assign(given[f"W{i}"])
    optimiser = _sgd(net, request["lr"], request["variant"])
    loss_of = nn.mse if request["loss"] == "mse" else nn.cross_entropy

    def passes() -> None:
        loss = loss_of(net(x), y)
        net.zero_grad()
        loss.backward()

    def step() -> None:
        if request["variant"] in ("stats", "arrays"):
            with engine.trace(keep=request["variant"]):
                passes()
        else:
            passes()
        optimiser.step()

    def parameters() -> list[Any]:
        tensors = [layer.W for layer in net.layers] + [layer.b for layer in net.layers]
        return [p.numpy().copy() for p in tensors]

    def result() -> list[Any]:
        before = parameters()
        step()
        return [old - new for old, new in zip(before, parameters(), strict=True)]

    return step, result


def _sgd(net: nn.MLP, lr: float, variant: str) -> nn.Optimizer:
    if variant != "fused":
        return nn.SGD(net.parameters(), lr)
    options: dict[str, Any] = {"fused": True}
    try:
        return nn.SGD(net.parameters(), lr, **options)
    except TypeError:
        raise ValueError("nn.SGD of this version has no option fused=True") from None


def _limit(request: dict[str, Any]) -> Work:
    dtype, size = request["dtype"], request["size"]
    if request["limit"] == "peak":
        return lambda: limits.multiply_adds(dtype, size), list
    a, b, out = np.ones((3, size), dtype)
    return lambda: limits.triad(a, b, out), list


def about() -> dict[str, Any]:
    """What the kernels are compiled with and for."""
    return {
        "numba": numba.__version__,
        "numpy": np.__version__,
        "threads": number_of_threads(),
        "vector_bits": SHAPE.bits,
        "tile": f"{SHAPE.rows} × {SHAPE.vectors}",
    }
