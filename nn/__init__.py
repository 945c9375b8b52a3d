"""Networks, built from the engine's public names alone.

    net = MLP([784, 256, 256, 10], "relu", "kaiming_normal", rng=0)
    optimiser = SGD(net.parameters(), lr=0.1)
    for x, y in batches:
        loss = cross_entropy(net(x), y)
        net.zero_grad()
        loss.backward()
        optimiser.step()

A layer is the article's, x⁽ⁱ⁺¹⁾ = f(xW + b), with W of shape (fan_in, fan_out).
"""

from nn import init, theory
from nn.init import Initializer
from nn.layers import MLP, Dense, Layer, Sequential
from nn.losses import cross_entropy, mse, quadratic
from nn.optim import SGD, Adam, Optimizer
from nn.recorder import Recorder

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "Dense",
    "Initializer",
    "Layer",
    "Optimizer",
    "Recorder",
    "Sequential",
    "cross_entropy",
    "init",
    "mse",
    "quadratic",
    "theory",
]
