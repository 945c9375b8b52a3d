"""Activations with learned parameters, as part of `Dense` and `MLP`."""

import copy

import numpy as np
import pytest

import nn
from engine import ACTIVATIONS, activation, gradcheck, prelu, sigmoid, trace

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 6)).astype(np.float32), np.arange(60) % 3


@activation
def swish_to_learn(s, b=1.0):
    return s * sigmoid(b * s)


ACTIVATIONS.pop("swish_to_learn")  # other tests run over all that are registered


def trained(net, updates=60):
    optimiser = nn.SGD(net.parameters(), lr=0.3)
    for _ in range(updates):
        loss = nn.cross_entropy(net(X), Y)
        net.zero_grad()
        loss.backward()
        optimiser.step()
    return loss.item()


def test_the_slope_of_prelu_is_learned_for_each_unit():
    net = nn.MLP([6, 8, 8, 3], "prelu", "kaiming_normal", rng=0)
    assert [name for name, _ in net.named_parameters()] == [
        "layer 1.W", "layer 1.b", "layer 1.f.a", "layer 2.W", "layer 2.b", "layer 2.f.a",
        "output.W", "output.b",
    ]  # fmt: skip
    layer = net.layers[0]
    a = layer.f_parameters["a"]
    np.testing.assert_array_equal(a.numpy(), np.full(8, 0.25, np.float32))
    np.testing.assert_array_equal(
        layer(X).numpy(), prelu(X @ layer.W + layer.b, np.float32(0.25)).numpy()
    )
    first = trained(net, 1)
    assert trained(net) < first
    assert (a.numpy() != 0.25).all() and len(set(a.numpy())) == 8


def test_a_layer_can_share_one_slope():
    net = nn.MLP([6, 8, 3], nn.learned("leaky_relu", a=0.1, per="layer"), rng=0)
    (a,) = net.layers[0].f_parameters.values()
    assert a.shape == (1,) and a.numpy()[0] == np.float32(0.1)
    trained(net)
    assert a.numpy()[0] != np.float32(0.1)
    assert nn.MLP([6, 8, 3], "leaky_relu").layers[0].f_parameters == {}


def test_an_activation_of_ones_own_can_learn():
    net = nn.MLP([6, 8, 3], nn.learned(swish_to_learn), rng=0, dtype=np.float64)
    layer = net.layers[0]
    (b,) = layer.f_parameters.values()
    assert [name for name, _ in net.named_parameters()][2] == "layer 1.f.b"
    np.testing.assert_allclose(
        layer(X).numpy(), swish_to_learn(X.astype(float) @ layer.W.numpy() + layer.b.numpy())
    )
    gradcheck(
        lambda b: nn.cross_entropy(
            net.layers[1](layer.learned(X[:, :8] @ np.eye(6, 8), {"b": b})), Y
        ),
        b.numpy() + 0.3,
    )
    first = trained(net, 1)
    assert trained(net) < first and (b.numpy() != 1).all()


def test_the_trace_sees_the_slopes():
    net = nn.MLP([6, 8, 3], "prelu", rng=0)
    trained(net)
    with trace() as t:
        nn.cross_entropy(net(X), Y).backward()
    row = t["layer 1"]
    a = net.layers[0].f_parameters["a"].numpy()
    np.testing.assert_array_equal(row.df_ds, np.where(row.s > 0, np.float32(1), a))
    assert row.f.name == "prelu" and row.f.parameters["a"] == pytest.approx(a.mean())
    assert row.learned["a"][1].shape == (8,)
    assert "prelu" in str(t) and t.diagnose().judged


def test_state_copies_and_files(tmp_path):
    net = nn.MLP([6, 8, 3], "prelu", rng=0)
    trained(net)
    twin = copy.deepcopy(net)
    np.testing.assert_array_equal(twin(X).numpy(), net(X).numpy())
    net.save(tmp_path / "net.npz")
    other = nn.MLP([6, 8, 3], "prelu", rng=1)
    other.load(tmp_path / "net.npz")
    np.testing.assert_array_equal(other(X).numpy(), net(X).numpy())
    fixed = nn.MLP([6, 8, 3], "leaky_relu", rng=1)
    with pytest.raises(ValueError, match=r"layer 1\.f\.a is not a parameter"):
        fixed.load(tmp_path / "net.npz")


def test_theory_takes_the_slope_at_the_start():
    net = nn.MLP([6, 8, 8, 3], "prelu", nn.init.kaiming(activation="prelu"), rng=0)
    fixed = nn.MLP([6, 8, 8, 3], ACTIVATIONS["leaky_relu"](a=0.25), net.layers[0].weight_init)
    want, got = (nn.theory.predict_profile(n, [1.0]) for n in (fixed, net))
    np.testing.assert_allclose(got.dL_ds, want.dL_ds)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nn.learned("tanh"), ValueError, "tanh has no parameters"),
        (lambda: nn.learned("elu"), ValueError, "only prelu and leaky_relu.*@activation"),
        (lambda: nn.learned("prelu", per="net"), ValueError, "unit"),
        (lambda: nn.learned("prelu", b=1.0), TypeError, "no parameter b"),
        (lambda: nn.learned("prelo"), ValueError, "prelu"),
    ],
)
def test_mistakes(make, error, words):
    with pytest.raises(error, match=words):
        make()
