"""Networks, built from the engine's public names alone.

    net = MLP([784, 256, 256, 10], "relu", "kaiming_normal", rng=0)
    optimiser = SGD(net.parameters(), lr=0.1)
    for x, y in batches:
        loss = cross_entropy(net(x), y)
        net.zero_grad()
        loss.backward()
        optimiser.step()

A layer is the article's, x⁽ⁱ⁺¹⁾ = f(xW + b), with W of shape (fan_in, fan_out).
To write your own net, subclass `Module`.
"""

import sys
from typing import TYPE_CHECKING

from nn import init, theory
from nn.init import Initializer
from nn.layers import MLP, Dense, Sequential
from nn.losses import cross_entropy, mse, quadratic
from nn.module import Module
from nn.optim import SGD, Adam, Optimizer
from nn.parametric import learned
from nn.recorder import Recorder

Layer = Module  # the name in older programs, whose classes define __call__ and named_parameters

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "Dense",
    "Initializer",
    "Layer",
    "Module",
    "Optimizer",
    "Recorder",
    "Sequential",
    "cross_entropy",
    "init",
    "learned",
    "mse",
    "quadratic",
    "theory",
]

_HINTS = {  # PyTorch's names
    "Linear": 'nn.Dense(fan_in, fan_out, "relu")',
    "Parameter": "engine.Tensor(x, requires_grad=True)",
    "CrossEntropyLoss": "nn.cross_entropy(logits, labels)",
    "MSELoss": "nn.mse(prediction, target)",
    **{
        name: f'engine.{name.lower()}, or nn.Dense(…, "{name.lower()}")'
        for name in ("ReLU", "ELU", "SELU", "GELU", "SiLU", "Tanh", "Sigmoid", "Softplus")
    },
    "Softmax": "engine.softmax(x, axis=-1)",
    "functional": "engine, where the functions are",
}

if not TYPE_CHECKING:  # mypy would take it that nn has every name

    def __getattr__(name):
        hint = f"; write {_HINTS[name]}" if name in _HINTS else ""
        raise AttributeError(f"nn has no {name!r}{hint}", name=name, obj=sys.modules[__name__])
