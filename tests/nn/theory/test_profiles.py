"""The predicted profile: closed forms where there are some, and wide nets where there are none."""

import math

import numpy as np
import pytest

import engine
import nn
from nn import MLP
from nn.theory import predict_profile


def slope(values):
    """The factor from one layer to the next; going up."""
    return values[1:] / values[:-1]


@pytest.mark.parametrize("scheme", [n for n in nn.init.SCHEMES if n not in ("zeros", "orthogonal")])
def test_a_linear_net_is_products_of_n_var_w(scheme):
    """Equations 5 and 6 of Glorot & Bengio 2010, for widths that differ."""
    sizes = [20, 40, 30, 50, 10, 7]
    net = MLP(sizes, "identity", scheme, rng=0)
    var = [nn.init.find_initializer(scheme).variance(*pair) for pair in zip(sizes, sizes[1:])]  # noqa: B905, RUF007
    found = predict_profile(net, [0.3])
    q = [0.3 * math.prod(sizes[j] * var[j] for j in range(i + 1)) for i in range(4)]
    np.testing.assert_allclose(found.s_std, np.sqrt(q), rtol=1e-10)
    np.testing.assert_allclose(found.x_std, np.sqrt(q), rtol=1e-10)
    # ∂L/∂s of layer i over that of layer 3, the last hidden one.
    back = [math.prod(sizes[j + 1] * var[j] for j in range(i + 1, 4)) for i in range(4)]
    np.testing.assert_allclose(found.dL_ds, np.sqrt(back), rtol=1e-10)
    np.testing.assert_allclose(found.dL_dx, np.sqrt(back), rtol=1e-10)
    x2 = [0.3, *q[:-1]]
    weights = np.sqrt([b * x for b, x in zip(back, x2, strict=True)])
    np.testing.assert_allclose(found.dL_dW, weights / weights[-1], rtol=1e-10)


def test_biases_add_their_variance():
    net = MLP([10, 10, 10, 10, 4], "identity", "lecun_normal", nn.init.normal(0.5), rng=0)
    found = predict_profile(net, [2.0])
    np.testing.assert_allclose(found.s_std**2, [2.25, 2.5, 2.75], rtol=1e-10)
    np.testing.assert_allclose(found.dL_ds, 1, rtol=1e-10)


def test_relu_with_kaiming_is_flat():
    found = predict_profile(MLP([50] * 9 + [10], "relu", "kaiming_normal", rng=0), [1.0])
    np.testing.assert_allclose(found.s_std, math.sqrt(2), rtol=1e-10)
    # Var x = (½ − 1/2π) Var s: E[x²] is kept, and the mean of x is not 0.
    np.testing.assert_allclose(found.x_std, math.sqrt(2 * (0.5 - 0.5 / math.pi)), rtol=1e-10)
    for gradient in (found.dL_ds, found.dL_dx, found.dL_dW):
        np.testing.assert_allclose(gradient, 1, rtol=1e-10)


def test_relu_with_xavier_shrinks_by_root_two_per_layer():
    found = predict_profile(MLP([50] * 9 + [50], "relu", "xavier_uniform", rng=0), [1.0])
    np.testing.assert_allclose(slope(found.s_std), math.sqrt(0.5), rtol=1e-10)
    np.testing.assert_allclose(slope(found.dL_ds), math.sqrt(2), rtol=1e-10)
    np.testing.assert_allclose(slope(found.dL_dW), 1, rtol=1e-10)


@pytest.mark.parametrize(("scheme", "factor"), [("standard", 0.1414), ("xavier_uniform", 0.2361)])
def test_sigmoid_shrinks_by_the_factors_of_mean_field_theory(scheme, factor):
    found = predict_profile(MLP([100] * 31 + [10], "sigmoid", scheme, rng=0), [0.4])
    # The first layers still see the data's variance instead of the fixed point's.
    np.testing.assert_allclose(1 / slope(found.dL_ds)[4:], factor, atol=6e-5)


def test_tanh_with_xavier_decays_as_one_over_twice_the_depth():
    q = predict_profile(MLP([100] * 102, "tanh", "xavier_normal", rng=0), [1.0]).s_std ** 2
    assert 2 * 100 * q[99] == pytest.approx(1.014, rel=0.02)


@pytest.mark.parametrize(
    ("activation", "scheme"),
    [
        ("tanh", "standard"),
        ("tanh", "xavier_uniform"),
        ("sigmoid", "xavier_normal"),
        ("relu", "kaiming_normal"),
        ("gelu", "kaiming_uniform"),
    ],
)
def test_wide_nets_follow_the_prediction(activation, scheme):
    sizes = [300, 400, 250, 350, 10]
    rng = np.random.default_rng(0)
    # Every example of the same norm, then the units of a layer are normal with one variance.
    x = rng.normal(size=(40, 300))
    x *= math.sqrt(0.5 * 300) / np.linalg.norm(x, axis=1, keepdims=True)
    measured = {"s_std": [], "x_std": [], "dL_ds": [], "dL_dx": []}
    for _ in range(6):
        net = MLP(sizes, activation, scheme, rng=rng)
        with engine.trace() as t:
            (net(x) * rng.normal(size=(40, 10)).astype(np.float32)).sum().backward()
        hidden = t.layers[:-1]
        measured["s_std"].append([layer.s.std() for layer in hidden])
        measured["x_std"].append([layer.x_next.std() for layer in hidden])
        for name, arrays in (
            ("dL_ds", [layer.dL_ds for layer in hidden]),
            ("dL_dx", [layer.dL_dx_next for layer in hidden]),
        ):
            rms = np.sqrt([np.mean(a**2) for a in arrays])
            measured[name].append(rms / rms[-1])
    found = predict_profile(net, [0.5])
    for name, values in measured.items():
        np.testing.assert_allclose(np.mean(values, axis=0), getattr(found, name), rtol=0.06)


def test_the_weight_gradient_of_one_example():
    """∂L/∂W = x ∂L/∂s for a single example: rms ∂L/∂W is rms x times rms ∂L/∂s."""
    sizes = [200] * 5 + [10]
    x = np.random.default_rng(1).normal(size=(1, 200))
    x *= math.sqrt(0.5 * 200) / np.linalg.norm(x)
    rows = []
    for seed in range(40):
        net = MLP(sizes, "tanh", "standard", rng=seed)
        with engine.trace() as t:
            nn.cross_entropy(net(x), [3]).backward()
        rms = np.sqrt([np.mean(layer.dL_dW**2) for layer in t.layers[:-1]])
        rows.append(np.log(rms / rms[-1]))
    found = predict_profile(net, [0.5]).dL_dW
    np.testing.assert_allclose(np.exp(np.mean(rows, axis=0)), found, rtol=0.06)


def test_examples_that_differ_are_averaged_over():
    net = MLP([100] * 5, "tanh", "xavier_uniform", rng=0)
    faint, strong, both = (predict_profile(net, m) for m in ([0.1], [2.0], [0.1, 2.0]))
    np.testing.assert_allclose(both.s_std**2, (faint.s_std**2 + strong.s_std**2) / 2, rtol=1e-10)
    # tanh is odd: its mean is 0, and so variances average like second moments.
    np.testing.assert_allclose(both.x_std**2, (faint.x_std**2 + strong.x_std**2) / 2, rtol=1e-10)
    mean = predict_profile(net, [1.05])
    assert (np.abs(both.x_std[1:] / mean.x_std[1:] - 1) > 0.005).all()


def test_the_weights_themselves_are_not_looked_at():
    first, second = MLP([9, 8, 7, 6], rng=0), MLP([9, 8, 7, 6], rng=1)
    second.layers[0].W.update(lambda array: array.fill(99))
    for name in ("s_std", "x_std", "dL_ds", "dL_dx", "dL_dW"):
        a, b = (getattr(predict_profile(net, [1.0]), name) for net in (first, second))
        np.testing.assert_array_equal(a, b)
        assert a.shape == (2,)


def test_a_net_without_hidden_layers():
    with pytest.raises(ValueError, match="hidden"):
        predict_profile(MLP([4, 2], rng=0), [1.0])
