"""Activations as records: f, its kinks and range, and f′, which is again such a record."""

from typing import TYPE_CHECKING

from engine.activations import builtin
from engine.activations.builtin import *  # noqa: F403 - the table says which there are
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

if not TYPE_CHECKING:  # mypy takes the names of a star import anyway
    __all__ += builtin.__all__
