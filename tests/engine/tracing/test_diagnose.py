"""`diagnose`: silent on nets that are well, and on sick ones it names the illness and its place.

The nets are made here from plain NumPy, apart from the code that diagnoses.
"""

import math
from itertools import pairwise

import numpy as np
import pytest

from engine import (
    Diagnosis,
    Finding,
    GraphError,
    Tensor,
    cross_entropy,
    dense,
    identity,
    log,
    meanfield,
    place,
    tanh,
    trace,
)
from engine.tracing.read.diagnose.remedies import predicted

INPUTS, CLASSES, BATCH = 40, 10, 64


def data(seed=0, scale=1.0, dtype=np.float32):
    rng = np.random.default_rng(seed)
    labels = np.arange(BATCH) % CLASSES
    means = rng.normal(size=(CLASSES, INPUTS))
    x = (means[labels] + rng.normal(size=(BATCH, INPUTS))) / math.sqrt(2) * scale
    return x.astype(dtype), labels


class Net:
    """`variance(fan_in, fan_out)` is Var W; biases are `bias`."""

    def __init__(self, f, variance, depth, width, seed=0, bias=0.0, dtype=np.float32):
        rng = np.random.default_rng(seed)
        sizes = [INPUTS, *[width] * depth, CLASSES]
        self.f = [f] * depth + ["identity"]
        self.W, self.b = [], []
        for i, (n, m) in enumerate(pairwise(sizes)):
            W = rng.normal(size=(n, m)) * math.sqrt(variance(n, m))
            b = np.full(m, bias if i < depth else 0.0)
            self.W.append(Tensor(W, requires_grad=True, dtype=dtype, name=f"layer {i + 1}.W"))
            self.b.append(Tensor(b, requires_grad=True, dtype=dtype, name=f"layer {i + 1}.b"))

    def __call__(self, x):
        for i, (W, b, f) in enumerate(zip(self.W, self.b, self.f, strict=True)):
            with place(f"layer {i + 1}"):
                x = dense(x, W, b, f)
        return x

    def train(self, steps, lr, x, labels):
        for _ in range(steps):
            for p in (*self.W, *self.b):
                p.zero_grad()
            cross_entropy(self(x), labels).backward()
            for p in (*self.W, *self.b):
                p.assign(p.numpy() - np.float32(lr) * p.grad.numpy())
        return self


def traced(net, x, labels):
    with trace() as t:
        cross_entropy(net(x), labels).backward()
    return t


def xavier(n, m):
    return 2 / (n + m)


def kaiming(n, m):
    return 2 / n


def lecun(n, m):
    return 1 / n


def standard(n, m):
    return 1 / (3 * n)


HEALTHY = [
    ("tanh", xavier, 3, 64, 0),
    ("tanh", xavier, 5, 32, 1),
    ("tanh", xavier, 10, 64, 2),
    ("tanh", xavier, 20, 48, 3),
    ("tanh", lecun, 8, 100, 4),
    ("relu", kaiming, 1, 64, 5),
    ("relu", kaiming, 4, 32, 6),
    ("relu", kaiming, 8, 64, 7),
    ("relu", kaiming, 12, 96, 8),
    ("relu", kaiming, 20, 128, 9),
    ("leaky_relu", kaiming, 6, 48, 10),
    ("leaky_relu", kaiming, 12, 64, 11),
    ("selu", lecun, 4, 64, 12),
    ("selu", lecun, 10, 64, 13),
    ("selu", lecun, 20, 64, 14),
    ("softsign", xavier, 3, 64, 15),
    ("softsign", xavier, 5, 64, 16),
    ("softsign", xavier, 10, 64, 17),
    ("gelu", kaiming, 4, 64, 18),
    ("gelu", kaiming, 8, 64, 19),
    ("elu", kaiming, 5, 64, 20),
    ("elu", xavier, 6, 64, 21),
    ("silu", kaiming, 4, 64, 22),
    ("hardtanh", xavier, 6, 64, 23),
    ("identity", xavier, 8, 64, 24),
    ("sigmoid", xavier, 1, 64, 25),
]


@pytest.mark.parametrize(
    ("f", "variance", "depth", "width", "seed"),
    HEALTHY,
    ids=[f"{f}-{variance.__name__}-{depth}" for f, variance, depth, _, _ in HEALTHY],
)
def test_a_healthy_net_is_called_healthy_before_and_after_training(f, variance, depth, width, seed):
    net, (x, labels) = Net(f, variance, depth, width, seed), data(seed)
    for steps in (0, 30):
        diagnosis = traced(net.train(steps, 0.02, x, labels), x, labels).diagnose(lr=0.02)
        assert diagnosis.healthy, str(diagnosis)
        assert len(diagnosis) == 0
        assert "Healthy" in str(diagnosis)
        assert list(diagnosis) == []


def with_bias(f, variance, bias, depth=4):
    return lambda: Net(f, variance, depth, 64, bias=bias)


def constant(value, f="tanh"):
    def make():
        net = Net(f, xavier, 3, 32)
        for W in net.W:
            W.assign(np.full(W.shape, value, W.dtype))
        return net

    return make


def dead_in_layer_2():
    net = Net("relu", kaiming, 4, 64)
    b = net.b[1].numpy().copy()
    b[:62] = -50
    net.b[1].assign(b)
    return net


def saturated_from_layer_3():
    net = Net("tanh", xavier, 5, 64)
    net.W[2].assign(net.W[2].numpy() * 40)
    return net


def simple(*args, **options):
    return lambda: Net(*args, **options)


def trained_with_a_huge_learning_rate():
    return Net("tanh", xavier, 4, 64).train(20, 100.0, *data())


SICK = {
    "sigmoid": (simple("sigmoid", xavier, 6, 64), "vanishing gradient"),
    "sigmoid, deep": (simple("sigmoid", xavier, 30, 32), "vanishing gradient"),
    "sigmoid, standard": (simple("sigmoid", standard, 5, 64), "vanishing gradient"),
    "tanh, standard": (simple("tanh", standard, 10, 64), "vanishing gradient"),
    "relu, standard": (simple("relu", standard, 6, 64), "vanishing gradient"),
    "relu, xavier": (simple("relu", xavier, 20, 64), "vanishing gradient"),
    "softplus": (simple("softplus", xavier, 10, 64), "vanishing gradient"),
    "tanh, too small": (simple("tanh", lambda n, m: 1e-4, 4, 64), "vanishing gradient"),
    "selu, too small": (simple("selu", lambda n, m: 0.1 / n, 6, 64), "vanishing gradient"),
    "relu, too large": (simple("relu", lambda n, m: 8 / n, 8, 64), "exploding gradient"),
    "selu, too large": (simple("selu", lambda n, m: 4 / n, 8, 64), "exploding gradient"),
    "identity, too large": (simple("identity", lambda n, m: 3 / n, 6, 64), "exploding gradient"),
    "tanh, too large": (simple("tanh", lambda n, m: 60 / n, 8, 64), "exploding gradient"),
    "tanh, saturated": (simple("tanh", lambda n, m: 60 / n, 3, 64), "saturation"),
    "tanh, saturated from 3": (saturated_from_layer_3, "saturation"),
    "tanh, biases": (with_bias("tanh", xavier, 5.0), "saturation"),
    "sigmoid, biases": (with_bias("sigmoid", xavier, -8.0), "saturation"),
    "softsign, biases": (with_bias("softsign", xavier, 10.0), "saturation"),
    "relu, biases": (with_bias("relu", kaiming, -30.0), "dead units"),
    "relu, one layer dead": (dead_in_layer_2, "dead units"),
    "elu, biases": (with_bias("elu", kaiming, -30.0), "dead units"),
    "zero": (constant(0.0), "symmetric weights"),
    "zero, relu": (constant(0.0, "relu"), "symmetric weights"),
    "constant": (constant(0.05), "symmetric weights"),
    "constant, sigmoid": (constant(-0.3, "sigmoid"), "symmetric weights"),
    "after a huge learning rate": (trained_with_a_huge_learning_rate, "saturation"),
}


@pytest.mark.parametrize("name", SICK)
def test_a_sick_net_has_the_finding_it_should(name):
    make, kind = SICK[name]
    diagnosis = traced(make(), *data()).diagnose()
    assert isinstance(diagnosis, Diagnosis)
    assert not diagnosis.healthy
    assert kind in [finding.kind for finding in diagnosis], str(diagnosis)
    for finding in diagnosis:
        assert isinstance(finding, Finding)
        assert finding.layers
        assert finding.evidence and finding.cause and finding.remedy
    assert max(map(len, str(diagnosis).splitlines())) <= 80
    assert f"{len(diagnosis)} finding" in str(diagnosis)


def only(diagnosis, kind):
    (finding,) = [f for f in diagnosis if f.kind == kind]
    return finding


def test_what_is_off_is_told_from_what_is_not():
    """Xavier's sigmoid has too small a slope; tanh under the standard scheme too small weights."""
    sigmoid = only(traced(Net("sigmoid", xavier, 8, 128), *data()).diagnose(), "vanishing gradient")
    assert "E[f′²] is too small" in sigmoid.cause
    assert {off for *_, off in sigmoid.table} == {"E[f′²]"}
    assert [name for name, *_ in sigmoid.table] == [f"layer {i}" for i in range(1, 8)]
    tanh = only(traced(Net("tanh", standard, 8, 128), *data()).diagnose(), "vanishing gradient")
    assert "n Var W is too small" in tanh.cause
    assert {off for *_, off in tanh.table} == {"n Var W"}
    assert tanh.numbers["n_var_W"] == pytest.approx(1 / 3, rel=0.1)
    relu = only(traced(Net("relu", standard, 8, 128), *data()).diagnose(), "vanishing gradient")
    assert {off for *_, off in relu.table} == {"n Var W"}
    assert relu.numbers["slope2"] == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(
    ("f", "sick", "remedy"),
    [("tanh", standard, xavier), ("relu", standard, kaiming), ("relu", xavier, kaiming)],
)
def test_the_predicted_factor_is_the_one_that_the_remedy_gives(f, sick, remedy):
    x, labels = data()
    sick = only(traced(Net(f, sick, 12, 256), x, labels).diagnose(), "vanishing gradient")
    assert ("Xavier" if remedy is xavier else "Kaiming") in sick.remedy
    t = traced(Net(f, remedy, 12, 256, seed=1), x, labels)
    sizes = [np.sqrt(np.mean(np.square(row.dL_ds, dtype=float))) for row in t.layers[:-1]]
    measured = (sizes[0] / sizes[-1]) ** (1 / 11)
    assert sick.numbers["predicted_factor"] == pytest.approx(measured, rel=0.05)


def test_the_measured_product_predicts_the_measured_factor():
    finding = only(traced(Net("sigmoid", xavier, 8, 256), *data()).diagnose(), "vanishing gradient")
    product = math.sqrt(finding.numbers["slope2"] * finding.numbers["n_var_W"])
    assert finding.numbers["factor"] == pytest.approx(product, rel=0.1)
    for _, slope2, n_var_W, factor, _ in finding.table:
        assert factor == pytest.approx(math.sqrt(slope2 * n_var_W), rel=0.3)


def test_the_scale_of_the_loss_does_not_matter():
    """The factor is judged, not the size: a loss a million times smaller changes nothing."""
    x, labels = data()
    for scale in (1e-6, 1e6):
        for net, kinds in (
            (Net("tanh", xavier, 8, 64), []),
            (Net("sigmoid", xavier, 8, 64), ["vanishing gradient"]),
        ):
            with trace() as t:
                (cross_entropy(net(x), labels) * scale).backward()
            assert [f.kind for f in t.diagnose()] == kinds


def test_many_layers_that_each_take_little():
    """1.17 per layer is within bounds for a few layers; after forty the gradient is 400-fold."""
    deep = Net("tanh", lambda n, m: 4 / n, 40, 64)
    finding = only(traced(deep, *data()).diagnose(), "exploding gradient")
    assert 1.1 < finding.numbers["factor"] < 1.25
    assert finding.numbers["total"] > 100
    assert "Xavier" in finding.remedy
    assert traced(Net("tanh", lambda n, m: 4 / n, 8, 64), *data()).diagnose().healthy
    assert traced(Net("tanh", xavier, 60, 64), *data()).diagnose().healthy


def test_a_remedy_is_good_for_as_many_layers_as_there_are():
    """A factor that eight layers bear adds up over 120."""
    for depth, good in ((8, True), (120, False)):
        remedy = predicted("", [(64, 64)] * depth, identity, 1.0, lambda i, o: 0.9 / i)
        assert remedy.factor == pytest.approx(math.sqrt(0.9))
        assert remedy.good is good


def test_two_passes_in_one_trace_are_refused():
    net, (x, labels) = Net("sigmoid", xavier, 5, 32), data()
    with trace() as t:
        cross_entropy(net(x), labels).backward()
        cross_entropy(net(-x), labels).backward()
    with pytest.raises(GraphError, match="2 passes"):
        t.diagnose()


def test_two_branches_with_one_loss_are_one_pass_and_the_factor_is_along_one():
    net, (x, labels) = Net("sigmoid", xavier, 5, 32), data()
    alone = only(traced(net, x, labels).diagnose(), "vanishing gradient")
    with trace() as t:
        (cross_entropy(net(-x), labels) + cross_entropy(net(x), labels)).backward()
    both = only(t.diagnose(), "vanishing gradient")
    assert both.numbers["factor"] == pytest.approx(alone.numbers["factor"], rel=1e-6)
    assert [row[0] for row in both.table] == [f"layer {i} [1]" for i in range(1, 5)]


def test_saturation_says_where_it_starts_and_why():
    finding = only(traced(saturated_from_layer_3(), *data()).diagnose(), "saturation")
    assert finding.layers[0] == "layer 3"
    assert "starts in layer 3" in finding.evidence
    assert "Var W" in finding.cause
    finding = only(traced(with_bias("tanh", xavier, 5.0)(), *data()).diagnose(), "saturation")
    assert "biases of layer 1" in finding.cause
    finding = only(traced(Net("tanh", xavier, 3, 64), *data(scale=100.0)).diagnose(), "saturation")
    assert "input of layer 1 is large" in finding.cause


def test_dead_units_are_counted_in_their_layer():
    finding = only(traced(dead_in_layer_2(), *data()).diagnose(), "dead units")
    assert finding.layers == ("layer 2",)
    assert finding.numbers["share"] >= 62 / 64
    assert "biases" in finding.cause


def test_symmetric_layers_are_those_that_stay_symmetric():
    finding = only(traced(constant(0.05)(), *data()).diagnose(), "symmetric weights")
    assert finding.layers == ("layer 1", "layer 2", "layer 3")
    net = Net("tanh", xavier, 3, 32)
    net.W[-1].assign(np.zeros(net.W[-1].shape, np.float32))  # its units get different gradients
    assert [f.kind for f in traced(net, *data()).diagnose()] == ["no gradient"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_the_first_nan_is_named_with_its_quantity(value):
    x, labels = data()
    net = Net("tanh", xavier, 4, 32)
    W = net.W[2].numpy().copy()
    W[3, 4] = value
    net.W[2].assign(W)
    finding = traced(net, x, labels).diagnose()[0]
    assert finding.kind == "non-finite"
    assert finding.layers == ("layer 3",)
    assert "in W of layer 3" in finding.evidence
    assert "1 of 1024" in finding.evidence
    net = Net("tanh", xavier, 4, 32)
    x = x.copy()
    x[0, 0] = value
    finding = traced(net, x, labels).diagnose()[0]
    assert "in x of layer 1" in finding.evidence
    assert "data" in finding.cause
    net.b[1].assign(np.full(32, value))
    finding = traced(net, data()[0], labels).diagnose()[0]
    assert "in b of layer 2" in finding.evidence


def test_overflow_forward_and_backward():
    x, labels = data()
    finding = traced(Net("relu", lambda n, m: 1e12, 8, 32), x, labels).diagnose()[0]
    assert finding.kind == "non-finite"
    assert "in s of layer" in finding.evidence
    assert "finite operands" in finding.cause
    assert "grows by a factor" in finding.cause
    net = Net("identity", lambda n, m: 1e10 / n, 3, 32)
    with trace() as t:
        (net(x * np.float32(1e-20)).sum() * 1e30).backward()
    finding = t.diagnose()[0]
    assert "∂L/∂" in finding.evidence
    assert "forward pass is finite" in finding.cause


def test_an_operation_outside_the_layers_is_named_too():
    x, _ = data()
    with trace() as t, place("loss"):
        log(Net("relu", kaiming, 2, 32)(x).sum() * 0.0).backward()
    finding = t.diagnose()[0]
    assert "y of loss (log)" in finding.evidence
    assert "log_softmax" in finding.remedy


def test_the_step_is_judged_when_the_learning_rate_is_given():
    x, labels = data()
    t = traced(Net("tanh", xavier, 3, 64), x, labels)
    assert t.diagnose().healthy
    assert t.diagnose(lr=0.1).healthy
    high = only(t.diagnose(lr=1e3), "update ratio")
    row = t[high.layers[0]]
    name = max(t.layers, key=lambda r: ratio(r, 1e3))
    assert high.numbers["ratio"] == pytest.approx(ratio(name, 1e3), rel=1e-5)
    assert ratio(row, 1e3) > 0.1
    assert "too large" in high.evidence
    assert "too small" in only(t.diagnose(lr=1e-6), "update ratio").evidence
    for lr in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="learning rate"):
            t.diagnose(lr=lr)


def ratio(row, lr):
    return lr * np.sqrt(np.mean(row.dL_dW**2.0)) / np.sqrt(np.mean(row.W**2.0))


def test_a_trace_without_a_backward_pass_is_refused():
    with trace() as t:
        Net("tanh", xavier, 2, 8)(data()[0])
    with pytest.raises(GraphError, match="no backward pass"):
        t.diagnose()


def test_the_prediction_takes_each_layer_s_own_sizes():
    """factor² = the geometric mean over the links of E[f′(s⁽ⁱ⁾)²] · fan_out Var W⁽ⁱ⁺¹⁾."""
    fans = [(10, 20), (20, 40), (40, 5)]
    variances = [0.3, 0.01, 0.2]
    by_fans = dict(zip(fans, variances, strict=True))
    remedy = predicted("", fans, tanh, 2.0, lambda i, o: by_fans[i, o])
    q1 = 10 * 0.3 * 2.0
    q2 = 20 * 0.01 * meanfield.second_moment(tanh, q1)
    slopes = [meanfield.slope_second_moment(tanh, q) for q in (q1, q2)]
    assert remedy.factor**4 == pytest.approx(slopes[0] * slopes[1] * 40 * 0.01 * 5 * 0.2)
    assert remedy.slope2 * remedy.n_var_W == pytest.approx(remedy.factor**2)
