"""Whole nets that learn: XOR, and MNIST where its files are at hand."""

import os

import numpy as np
import pytest

import engine
import nn
from experiments.data import load

XOR = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


def train(net, loss_of, optimizer, steps):
    for _ in range(steps):
        loss = loss_of(net(XOR))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss_of(net(XOR)).item()


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu"])
def test_xor_as_a_number(activation):
    net = nn.MLP([2, 16, 16, 1], activation, "kaiming_normal", rng=0)
    target = np.array([[0], [1], [1], [0]], np.float32)
    optimizer = nn.Adam(net.parameters(), lr=0.02)
    assert train(net, lambda y: nn.mse(y, target), optimizer, 300) < 1e-3
    np.testing.assert_allclose(net(XOR).numpy(), target, atol=0.1)


@pytest.mark.parametrize("loss", [nn.cross_entropy, nn.quadratic])
@pytest.mark.parametrize(
    "make",
    [
        lambda params: nn.SGD(params, lr=0.5),
        lambda params: nn.SGD(params, lr=0.1, momentum=0.9),
        lambda params: nn.SGD(params, lr=0.1, momentum=0.9, nesterov=True),
        lambda params: nn.Adam(params, lr=0.02),
    ],
    ids=["sgd", "momentum", "nesterov", "adam"],
)
def test_xor_as_two_classes(make, loss):
    net = nn.MLP([2, 16, 16, 2], "tanh", rng=0)
    labels = np.array([0, 1, 1, 0])
    assert train(net, lambda y: loss(y, labels), make(net.parameters()), 400) < 0.02
    assert net(XOR).numpy().argmax(axis=1).tolist() == labels.tolist()


def test_a_linear_net_can_not_learn_xor():
    net = nn.MLP([2, 16, 16, 1], "identity", rng=0)
    target = np.array([[0], [1], [1], [0]], np.float32)
    optimizer = nn.SGD(net.parameters(), lr=0.05)
    assert train(net, lambda y: nn.mse(y, target), optimizer, 300) > 0.24


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("GRADTRACE_DATA"), reason="GRADTRACE_DATA is not set")
def test_mnist_below_three_per_cent():
    data = load("mnist")
    net = nn.MLP([784, 256, 256, 10], "relu", "kaiming_normal", rng=0)
    optimizer = nn.SGD(net.parameters(), lr=0.1, momentum=0.9)
    batch, epochs = 128, 4
    steps = epochs * len(data.x_train) // batch
    batches = data.batches(batch, 0)
    for k in range(steps):
        optimizer.lr = 0.1 * (1 - k / steps)
        x, y = next(batches)
        optimizer.zero_grad()
        nn.cross_entropy(net(x), y).backward()
        optimizer.step()
    with engine.no_grad():
        guess = net(data.x_test).numpy().argmax(axis=1)
    assert np.mean(guess != data.y_test) < 0.03
