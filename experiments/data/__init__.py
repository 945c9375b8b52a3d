"""Data sets for the experiments: Shapeset-3×2, made on the spot, MNIST and CIFAR-10."""

from experiments.data.cifar_files import cifar10
from experiments.data.dataset import DataError, DataSet
from experiments.data.idx_files import read_idx
from experiments.data.loading import load
from experiments.data.mnist_files import mnist
from experiments.data.shapes import (
    SHAPESET_CLASSES,
    TEST_START,
    shapeset,
    shapeset_stream,
)

__all__ = [
    "SHAPESET_CLASSES",
    "TEST_START",
    "DataError",
    "DataSet",
    "cifar10",
    "load",
    "mnist",
    "read_idx",
    "shapeset",
    "shapeset_stream",
]
