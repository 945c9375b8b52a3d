"""PyTorch's side: eager, on the CPU, its modules and its optimiser as they come.

For the backward of an activation it is PyTorch's own operation for that which is timed, without
the graph around it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

torch: Any = importlib.import_module("torch")
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
F: Any = torch.nn.functional
aten: Any = torch.ops.aten

Arrays = dict[str, Any]
Work = tuple[Callable[[], Any], Callable[[], list[Any]]]


def prepare(request: dict[str, Any], given: Arrays) -> Work:
    """The function to be timed, and one that gives its result as arrays."""
    kind = request["work"]
    tensors = {name: torch.from_numpy(array) for name, array in given.items()}
    if kind == "training":
        return _training(request, tensors)
    if kind == "product":
        run = _product(request["form"], tensors)
    elif kind == "elementwise":
        table = _BACKWARD if request["backward"] else _FORWARD
        if request["f"] not in table:
            raise ValueError(f"PyTorch has no operation of its own for {request['f']} here")
        run = table[request["f"]](tensors)
    else:
        raise ValueError(f"PyTorch has no {kind}")
    return run, lambda: [run().numpy()]


def _product(form: str, given: Arrays) -> Callable[[], Any]:
    X, W, G = given["X"], given["W"], given["G"]
    Xt, Wt = X.T, W.T
    forms: dict[str, Callable[[], Any]] = {
        "X·W": lambda: torch.mm(X, W),
        "Xᵀ·G": lambda: torch.mm(Xt, G),
        "G·Wᵀ": lambda: torch.mm(G, Wt),
    }
    return forms[form]


def _forward(f: Callable[[Any], Any]) -> Callable[[Arrays], Callable[[], Any]]:
    def of(given: Arrays) -> Callable[[], Any]:
        s = given["s"]
        return lambda: f(s)

    return of


def _backward(
    ds: Callable[[Any, Any], Any], f: Callable[[Any], Any] = lambda s: s
) -> Callable[[Arrays], Callable[[], Any]]:
    """`ds(g, kept)`, where `kept` is what PyTorch's forward pass keeps: s, or y = f(s)."""

    def of(given: Arrays) -> Callable[[], Any]:
        g, kept = given["g"], f(given["s"])
        return lambda: ds(g, kept)

    return of


_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946

_FORWARD = {
    "sigmoid": _forward(torch.sigmoid),
    "tanh": _forward(torch.tanh),
    "relu": _forward(torch.relu),
    "softplus": _forward(F.softplus),
    "hardtanh": _forward(F.hardtanh),
    "leaky_relu": _forward(lambda s: F.leaky_relu(s, 0.01)),
    "elu": _forward(F.elu),
    "selu": _forward(F.selu),
    "gelu": _forward(F.gelu),
    "silu": _forward(F.silu),
    "softsign": _forward(F.softsign),
}
_BACKWARD = {
    "sigmoid": _backward(aten.sigmoid_backward, torch.sigmoid),
    "tanh": _backward(aten.tanh_backward, torch.tanh),
    "relu": _backward(lambda g, s: aten.threshold_backward(g, s, 0)),
    "softplus": _backward(lambda g, s: aten.softplus_backward(g, s, 1, 20)),
    "hardtanh": _backward(lambda g, s: aten.hardtanh_backward(g, s, -1, 1)),
    "leaky_relu": _backward(lambda g, s: aten.leaky_relu_backward(g, s, 0.01, False)),
    "elu": _backward(lambda g, s: aten.elu_backward(g, 1, 1, 1, False, s)),
    "selu": _backward(lambda g, s: aten.elu_backward(g, _SELU_ALPHA, _SELU_SCALE, 1, False, s)),
    "gelu": _backward(aten.gelu_backward),
    "silu": _backward(aten.silu_backward),
}


def _training(request: dict[str, Any], given: Arrays) -> Work:
    """`nn.Sequential` of Linear and Tanh, the loss, backward, and `optim.SGD`."""
    x, y, sizes = given["x"], given["y"], request["sizes"]
    layers: list[Any] = []
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        linear = torch.nn.Linear(n_in, n_out, dtype=x.dtype)
        with torch.no_grad():
            linear.weight.copy_(given[f"W{i}"].T)
            linear.bias.zero_()
        layers += [linear, torch.nn.Tanh()]
    net = torch.nn.Sequential(*layers[:-1])
    optimiser = torch.optim.SGD(net.parameters(), lr=request["lr"])
    loss_of = F.mse_loss if request["loss"] == "mse" else F.cross_entropy

    def step() -> None:
        optimiser.zero_grad()
        loss_of(net(x), y).backward()
        optimiser.step()

    def parameters() -> list[Any]:
        linears = layers[::2]
        found = [layer.weight.detach().numpy().T for layer in linears]
        return [p.copy() for p in [*found, *(layer.bias.detach().numpy() for layer in linears)]]

    def result() -> list[Any]:
        before = parameters()
        step()
        return [old - new for old, new in zip(before, parameters(), strict=True)]

    return step, result


def about() -> dict[str, Any]:
    """PyTorch's version, its BLAS, and the instructions that it uses."""
    capability = getattr(getattr(torch.backends, "cpu", None), "get_cpu_capability", None)
    return {
        "torch": torch.__version__,
        "numpy": np.__version__,
        "threads": torch.get_num_threads(),
        "blas": "MKL" if torch.backends.mkl.is_available() else "unknown",
        "core": capability() if capability else "unknown",
    }
