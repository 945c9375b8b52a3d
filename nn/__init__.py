"""Networks, built from the engine's public names alone."""

from nn import init, theory
from nn.init import Initializer
from nn.layers import MLP, Dense, Layer, Sequential
from nn.losses import cross_entropy, mse, quadratic
from nn.optim import SGD, Adam, Optimizer

__all__ = [
    "MLP",
    "SGD",
    "Adam",
    "Dense",
    "Initializer",
    "Layer",
    "Optimizer",
    "Sequential",
    "cross_entropy",
    "init",
    "mse",
    "quadratic",
    "theory",
]
