"""Activations as records: f, its kinks and range, and f′, which is again such a record."""

from engine.activations.builtin import (
    ACTIVATIONS,
    elu,
    find_activation,
    gelu,
    hardtanh,
    identity,
    leaky_relu,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
    tanh,
)
from engine.activations.own import ActivationWarning, OwnActivation, activation
from engine.activations.record import Activation

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "ActivationWarning",
    "OwnActivation",
    "activation",
    "elu",
    "find_activation",
    "gelu",
    "hardtanh",
    "identity",
    "leaky_relu",
    "prelu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "softsign",
    "tanh",
]
