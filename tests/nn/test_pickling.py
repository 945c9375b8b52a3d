"""Nets, initialisers and recorders as they go to another process and back."""

import copy
import pickle

import numpy as np
import pytest

import engine
from nn import MLP, SGD, Initializer, Recorder, cross_entropy, init

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(20, 6)), np.arange(20) % 3

SCHEMES = [
    *(make() for make in init.SCHEMES.values()),
    init.normal(0.3),
    init.xavier_uniform(gain=2.0),
    init.kaiming_normal("fan_out"),
    init.kaiming("tanh", "fan_out", "uniform"),
    init.orthogonal(gain=3.0),
]
COPIES = {"pickled": lambda thing: pickle.loads(pickle.dumps(thing)), "copied": copy.deepcopy}


@pytest.fixture(params=COPIES, name="again")
def _again(request):
    return COPIES[request.param]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_schemes_draw_the_same(scheme, again):
    other = again(scheme)
    assert type(other) is Initializer and other.name == scheme.name
    if not scheme.name.startswith("orthogonal"):
        assert other.variance(7, 11) == scheme.variance(7, 11)
    np.testing.assert_array_equal(other((7, 11), rng=3), scheme((7, 11), rng=3))


@pytest.mark.parametrize("f", ["tanh", "softsign", engine.leaky_relu(a=0.2)])
def test_nets_go_on_as_before(f, again):
    net = MLP([6, 8, 8, 3], f, "kaiming_uniform", rng=0, output_activation="tanh")
    train(net, 3)
    other = again(net)
    assert repr(other) == repr(net)
    assert [name for name, _ in other.named_parameters()] == [n for n, _ in net.named_parameters()]
    train(net, 3)
    train(other, 3)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(other.state_dict()[name], value)


def train(net, updates):
    optimiser = SGD(net.parameters(), lr=0.1, fused=True)
    for _ in range(updates):
        net.zero_grad()
        cross_entropy(net(X), Y).backward()
        optimiser.step()


def test_a_copy_has_weights_of_its_own(again):
    net = MLP([6, 8, 3], rng=0)
    other, before = again(net), net.state_dict()
    train(other, 1)
    for name, value in net.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_places_survive(again):
    net = again(MLP([6, 8, 3], rng=0))
    with pytest.raises(engine.ShapeError, match="layer 1"):
        net(np.zeros((2, 5)))


def test_recorders_go_on_as_before(again):
    net = MLP([6, 8, 3], rng=0)
    recorder = Recorder(net, (X, Y))
    recorder.step()
    other = again(recorder)
    recorder.step()
    other.step()
    assert other.updates == recorder.updates == [0, 1]
    np.testing.assert_array_equal(
        other.series("layer 1", "dL_ds", "rms"), recorder.series("layer 1", "dL_ds", "rms")
    )
