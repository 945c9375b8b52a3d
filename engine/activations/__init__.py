"""Activations: f with its kinks and its range, and f′, which is an activation too."""

from typing import TYPE_CHECKING

from engine.activations import builtin
from engine.activations.builtin import *  # noqa: F403 - the names are those of the table
from engine.activations.lookup import find_activation
from engine.activations.own import ActivationWarning, OwnActivation, activation
from engine.activations.parametric import prelu
from engine.activations.record import ACTIVATIONS, Activation

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "ActivationWarning",
    "OwnActivation",
    "activation",
    "find_activation",
    "prelu",
]

if not TYPE_CHECKING:  # mypy reads the names of a star import without `__all__`
    __all__ += builtin.__all__
