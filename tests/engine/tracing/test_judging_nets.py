"""`diagnose` on many nets: silent on those that are well, and on others the right layer and cause.

The nets are drawn here, apart from the code that diagnoses; each is traced with arrays and with
statistics alone, and what is found must be the same.
"""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest

from engine import (
    ACTIVATIONS,
    ActivationWarning,
    GraphError,
    Tensor,
    activation,
    clip,
    concatenate,
    cross_entropy,
    custom_vjp,
    dense,
    log,
    mse,
    no_grad,
    place,
    quadratic,
    relu,
    sigmoid,
    sign,
    tanh,
    trace,
    where,
)

N, INPUTS, K = 64, 40, 10
LABELS = np.arange(N) % K
GAIN = {"xavier": None, "kaiming": 2.0, "lecun": 1.0, "tiny": 1e-3}
MODES = pytest.mark.parametrize("keep", ["arrays", "stats"])


def normal(seed=0, n=N, inputs=INPUTS):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(K, inputs))
    return (means[np.arange(n) % K] + rng.normal(size=(n, inputs))) / math.sqrt(2)


def pixels(seed=0):
    """As of MNIST: most are 0, mean .13, std .3."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random((N, 784)) < 0.19, rng.uniform(0.4, 1, (N, 784)), 0.0)


def layers(sizes, f="relu", scheme="kaiming", seed=0, dtype=np.float32, last="identity"):
    """[(W, b, f)], named layer 1, layer 2 …"""
    rng = np.random.default_rng(seed)
    made = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        output = i == len(sizes) - 2
        gain = GAIN[scheme]
        variance = 2 / (n + m) if gain is None or output else gain / n
        W = rng.normal(size=(n, m)) * math.sqrt(variance)
        W = Tensor(W, requires_grad=True, dtype=dtype, name=f"layer {i + 1}.W")
        b = Tensor(np.zeros(m), requires_grad=True, dtype=dtype, name=f"layer {i + 1}.b")
        made.append((W, b, last if output else f))
    return made


def run(net, x, between=None):
    x = Tensor(np.asarray(x), dtype=net[0][0].dtype)
    for i, (W, b, f) in enumerate(net, start=1):
        with place(f"layer {i}"):
            x = dense(x, W, b, f)
        if between is not None and i < len(net):
            x = between(x, i)
    return x


def examine(loss, keep="arrays"):
    """The diagnosis of a pass; a warning of NumPy's anywhere is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with trace(keep) as t:
            loss().backward()
        diagnosis = t.diagnose()
        assert str(t) and max(map(len, str(diagnosis).splitlines())) <= 80
    return diagnosis


def trained(net, x, labels, steps, lr):
    for _ in range(steps):
        parameters = [p for W, b, _ in net for p in (W, b)]
        for p in parameters:
            p.zero_grad()
        cross_entropy(run(net, x), labels).backward()
        for p in parameters:
            p.assign(p.numpy() - p.dtype.type(lr) * p.grad.numpy())
    return net


# --- well ----------------------------------------------------------------------------------------


def classes(sizes, *options, x=None, between=None, **more):
    def loss():
        data = normal(1) if x is None else x()
        net = layers([data.shape[1], *sizes], *options, **more)
        labels = np.arange(len(data)) % sizes[-1]
        return lambda: cross_entropy(run(net, data, between), labels)

    return loss


def regression(sizes, cost, *options, **more):
    def loss():
        rng = np.random.default_rng(2)
        net, target = layers(sizes, *options, **more), rng.normal(size=(N, sizes[-1]))
        return lambda: cost(run(net, normal(1)), target)

    return loss


def learned(steps, lr, *options, x=None, width=64):
    def loss():
        data = normal(1) if x is None else x()
        net = trained(layers([data.shape[1], width, width, K], *options), data, LABELS, steps, lr)
        return lambda: cross_entropy(run(net, data), LABELS)

    return loss


def residual(x, i):
    return x * 1.0


def recurrent():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(5, N, 12))
    W, U, V = (
        Tensor(rng.normal(size=s) / math.sqrt(s[0]), requires_grad=True, name=n)
        for s, n in (((12, 32), "W"), ((32, 32), "U"), ((32, K), "V"))
    )

    def loss():
        h = np.zeros((N, 32))
        for step in x:
            with place("input"):
                a = dense(step, W)
            with place("state"):
                h = tanh(a + dense(h, U))
        with place("output"):
            return cross_entropy(dense(h, V), LABELS)

    return loss


def embedded():
    """Rows of a single 1: rms 0.1, and largest entry 1."""
    return np.eye(100)[np.random.default_rng(4).integers(0, 100, N)]


def two_heads():
    net, head = layers([INPUTS, 64, 64, K]), layers([64, 1], "identity")
    x, target = normal(1), np.random.default_rng(5).normal(size=(N, 1))

    def loss():
        h = run(net[:2], x)
        with place("class"):
            first = cross_entropy(dense(h, *net[2][:2]), LABELS)
        with place("value"):
            return first + mse(dense(h, *head[0][:2]), target)

    return loss


def drawn(*shape, gain=1.0, seed=6):
    W = np.random.default_rng([seed, *shape]).normal(size=shape) * math.sqrt(gain / shape[0])
    return Tensor(W, requires_grad=True)


def branches(scale, depth=12):
    """h + scale · relu(h W₁) W₂, and no places."""

    def loss():
        W = [(drawn(64, 64, gain=2.0, seed=i), drawn(64, 64, seed=50 + i)) for i in range(depth)]
        V = drawn(64, K)

        def forward():
            h = Tensor(normal(1, inputs=64))
            for first, second in W:
                h = h + scale * (relu(h @ first) @ second)
            return cross_entropy(h @ V, LABELS)

        return forward

    return loss


def cell_by_hand(gain, steps=8):
    """tanh(x W + h U + b), with U of variance gain / n."""
    W, U, V = drawn(12, 64), drawn(64, 64, gain=gain), drawn(64, K)
    b = Tensor(np.zeros(64), requires_grad=True)
    x = np.random.default_rng(3).normal(size=(steps, N, 12))

    def loss():
        h = Tensor(np.zeros((N, 64)))
        for i, step in enumerate(x):
            with place("cell", i):
                h = tanh(step @ W + h @ U + b)
        with place("output"):
            return cross_entropy(h @ V, LABELS)

    return lambda: loss


def convolutions(f, gain):
    """Three convolutions of 3×3 patches and a dense layer."""

    def loss():
        W, V = [drawn(9 * 8, 8, gain=gain, seed=i) for i in range(4)], drawn(8 * 64, K)
        x = np.random.default_rng(4).normal(size=(20, 16, 16, 8))

        def forward():
            h = Tensor(x)
            for kernel in W:
                n, height, width, channels = h.shape
                i = np.arange(height - 2)[:, None] + np.arange(3)
                j = np.arange(width - 2)[:, None] + np.arange(3)
                patches = h[:, i[:, None, :, None], j[None, :, None, :], :]
                h = f(patches.reshape(n, height - 2, width - 2, 9 * channels) @ kernel)
            return cross_entropy(h.reshape(20, -1) @ V, np.arange(20) % K)

        return forward

    return loss


WELL = {
    "branches, scaled": branches(1 / math.sqrt(12)),
    "a cell by hand": cell_by_hand(1.2, 4),
    "convolutions, relu": convolutions(relu, 2.0),
    "convolutions, tanh": convolutions(tanh, 1.2),
    "tanh, xavier, 1": classes([64, K], "tanh", "xavier"),
    "tanh, xavier, 3": classes([64] * 3 + [K], "tanh", "xavier"),
    "tanh, xavier, 10": classes([100] * 10 + [K], "tanh", "xavier"),
    "tanh, narrow": classes([16] * 3 + [K], "tanh", "xavier"),
    "tanh, funnel": classes([128, 64, 32, K], "tanh", "xavier"),
    "relu, kaiming, 1": classes([64, K]),
    "relu, kaiming, 2": classes([512, 512, K]),
    "relu, kaiming, 5": classes([64] * 5 + [K]),
    "relu, kaiming, 10": classes([128] * 10 + [K]),
    "relu, float64": classes([64] * 4 + [K], dtype=np.float64),
    "sigmoid, 1": classes([64, K], "sigmoid", "xavier"),
    "softsign, 4": classes([64] * 4 + [K], "softsign", "xavier"),
    "selu, lecun, 8": classes([64] * 8 + [K], "selu", "lecun"),
    "gelu, kaiming, 4": classes([64] * 4 + [K], "gelu"),
    "elu, xavier, 4": classes([64] * 4 + [K], "elu", "xavier"),
    "leaky_relu, 6": classes([64] * 6 + [K], "leaky_relu"),
    "no hidden layer": classes([K], "identity", "xavier"),
    "two classes": classes([64, 64, 2]),
    "a thousand classes": classes([128, 1000], x=lambda: normal(1, 200)),
    "pixels, relu": classes([128, 64, K], x=pixels),
    "pixels, tanh": classes([128, 64, K], "tanh", "xavier", x=pixels),
    "pixels of -1 to 1": classes([128, 64, K], "tanh", "xavier", x=lambda: 2 * pixels() - 1),
    "bright pixels": classes([64, K], x=lambda: np.random.default_rng(0).beta(5, 5, (N, 300))),
    "rows with a single 1": classes([64, K], "tanh", "xavier", x=embedded),
    "one example": classes([64] * 4 + [K], x=lambda: normal(1, 1)),
    "one example, tanh": classes([64] * 4 + [K], "tanh", "xavier", x=lambda: normal(1, 1)),
    "two examples": classes([64] * 4 + [K], x=lambda: normal(1, 2)),
    "a large batch": classes([64] * 3 + [K], x=lambda: normal(1, 3000)),
    "mse": regression([INPUTS, 64, 64, 3], mse),
    "quadratic, one output": regression([INPUTS, 64, 1], quadratic, "tanh", "xavier"),
    "trained, relu": learned(500, 0.1),
    "trained, tanh": learned(500, 0.1, "tanh", "xavier"),
    "trained, pixels": learned(500, 0.1, x=pixels),
    "trained a little": learned(20, 0.05, "softsign", "xavier"),
    "recurrent": recurrent,
    "two heads": two_heads,
    "nothing between": classes([64] * 4 + [K], between=residual),
}


@MODES
@pytest.mark.parametrize("name", WELL)
def test_a_net_that_is_well_is_called_healthy(name, keep):
    diagnosis = examine(WELL[name](), keep)
    assert diagnosis.healthy, str(diagnosis)
    assert str(diagnosis).startswith("Healthy: nothing found.")


# --- sick ----------------------------------------------------------------------------------------


with warnings.catch_warnings():
    warnings.simplefilter("ignore", ActivationWarning)  # f′ = 0: that is what it is here for

    @activation
    def step_function(s):
        return where(s > 0, 1.0, -1.0)


ACTIVATIONS.pop("step_function")  # other tests run over all that are registered


@custom_vjp
def forgets(a):
    return a * 1.0


@forgets.vjp
def forgets(g, y, a):
    return g * 0.0


def changed(change, sizes=(64, 64, 64, K), f="relu", scheme="kaiming", x=None, **more):
    """A net of layers 1 … 4 with something changed in it."""

    def loss():
        data = normal(1) if x is None else x()
        net = layers([data.shape[1], *sizes], f, scheme, **more)
        change(net)
        return lambda: cross_entropy(run(net, data), np.arange(len(data)) % sizes[-1])

    return loss


def fill(layer, value, of=0):
    def change(net):
        variable = net[layer - 1][of]
        variable.assign(np.full(variable.shape, value, variable.dtype))

    return change


def times(layers_, factor):
    def change(net):
        for layer in layers_:
            W = net[layer - 1][0]
            W.assign(W.numpy() * W.dtype.type(factor))

    return change


def one_nan(net):
    W = net[1][0].numpy().copy()
    W[3, 4] = np.nan
    net[1][0].assign(W)


def sequential(*functions, bias=0.0):
    """Layers of f = identity, with functions of a tensor after them."""

    def loss():
        net = layers([INPUTS, 64, 64, K], "identity")
        net[1][1].assign(np.full(64, bias, np.float32))

        def forward():
            x = Tensor(normal(1), dtype=np.float32)
            for i, ((W, b, _), f) in enumerate(zip(net, functions, strict=True), start=1):
                with place(f"layer {i}"):
                    x = dense(x, W, b)
                x = x if f is None else f(x)
            return cross_entropy(x, LABELS)

        return forward

    return loss


def dead_at_the_end():
    net, x = layers([INPUTS, 64, 64, K], "identity"), normal(1)
    net[2][1].assign(np.full(K, -50, np.float32))
    return lambda: cross_entropy(relu(run(net, x, lambda x, i: relu(x))), LABELS)


def scaled(factor, f="relu", scheme="kaiming", cost=None, shift=0.0):
    def loss():
        net, x = layers([INPUTS, 64, 64, K], f, scheme), normal(1) * factor + shift
        if cost is None:
            return lambda: cross_entropy(run(net, x), LABELS)
        target = np.random.default_rng(2).normal(size=(N, K))
        return lambda: cost(run(net, x), target)

    return loss


def times_0():
    net, x = layers([INPUTS, 64, 64, K]), normal(1)
    return lambda: cross_entropy(run(net, x), LABELS) * 0.0


def fitted():
    net, x = layers([INPUTS, 64, 3]), normal(1)
    target = run(net, x).numpy()
    return lambda: mse(run(net, x), target)


def nan_loss():
    net, x = layers([INPUTS, 64, 64, 1]), normal(1)
    return lambda: log((run(net, x) * 0.0 - 1.0).sum())


def dead_branch():
    """h + f(h): the gradient goes on through h, and none comes to layer 2."""
    net, x = layers([INPUTS, 64, 64, 64, K]), normal(1)
    net[1][1].assign(np.full(64, -50, np.float32))

    def forward():
        h = run(net[:1], x)
        with place("layer 2"):
            h = h + dense(h, *net[1])
        for i in (3, 4):
            with place(f"layer {i}"):
                h = dense(h, *net[i - 1])
        return cross_entropy(h, LABELS)

    return forward


# name: (loss, kind of the finding, its layers, words of it)
SICK = {
    "a cell by hand, small U": (
        cell_by_hand(0.15, 12),
        "vanishing gradient",
        ("cell",),
        ["in cell [0] it is", "of that in cell [11]", "n Var W is too small"],
    ),
    "a cell by hand, large U": (
        cell_by_hand(9.0, 12),
        "exploding gradient",
        ("cell",),
        ["n Var W is too large"],
    ),
    "branches, not scaled": (
        branches(1.0, 20),
        "exploding gradient",
        None,
        ["goes through multiply, add too", "scale the branch"],
    ),
    "convolutions, sigmoid": (
        convolutions(sigmoid, 1.0),
        "vanishing gradient",
        None,
        ["E[f′²] is too small", "relu with Kaiming's variance"],
    ),
    "convolutions, small": (
        convolutions(tanh, 0.05),
        "vanishing gradient",
        None,
        ["n Var W is too small"],
    ),
    "C1": (
        sequential(relu, relu, None, bias=-50),
        "no gradient",
        ("layer 1", "layer 2"),
        ["in layer 3", "relu", "no unit of layer 2 is on for any example"],
    ),
    "C1, relu after all": (
        sequential(relu, relu, relu, bias=-50),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["relu", "no unit of layer 2 is on"],
    ),
    "relu after all, the last layer dead": (
        lambda: dead_at_the_end(),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["arrives with rms", "at layer 3", "no unit of layer 3 is on for any example"],
    ),
    "clipped away": (
        sequential(lambda x: clip(x, 50.0, 60.0), tanh, None),
        "no gradient",
        ("layer 1",),
        ["between layer 1 and layer 2 lies clip", "g where low ≤ a ≤ high"],
    ),
    "relu layer dead": (
        changed(fill(2, -50, of=1)),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["no unit of layer 2 is on for any example", "f′(s) is 0 throughout"],
    ),
    "first layer dead": (
        changed(fill(1, -50, of=1)),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["no unit of layer 1 is on"],
    ),
    "last hidden layer dead": (
        changed(fill(3, -50, of=1)),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["no unit of layer 3 is on"],
    ),
    "elu dead": (changed(fill(2, -50, of=1), f="elu"), "dead units", ("layer 2",), ["biases"]),
    "step function": (
        changed(lambda net: None, f=step_function),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["f′ of step_function is 0 everywhere", "@custom_vjp"],
    ),
    "step function after": (
        sequential(tanh, step_function, None),
        "no gradient",
        ("layer 1", "layer 2"),
        ["f′ of step_function is 0 everywhere", "a function with a slope"],
    ),
    "sign": (
        sequential(tanh, sign, None),
        "no gradient",
        ("layer 1", "layer 2"),
        ["between layer 2 and layer 3 lies sign", "sends back 0"],
    ),
    "own operation": (
        sequential(forgets, tanh, None),
        "no gradient",
        ("layer 1",),
        ["forgets"],
    ),
    "detached": (
        sequential(lambda x: tanh(x), lambda x: x.detach(), None),
        "no gradient",
        ("layer 1", "layer 2"),
        ["layer 3 takes in", "output of layer 2", "detach()"],
    ),
    "as an array": (
        sequential(lambda x: tanh(x).numpy(), relu, None),
        "no gradient",
        ("layer 1",),
        ["did not reach layer 1", ".numpy()"],
    ),
    "zero weights in the middle": (
        changed(fill(3, 0.0)),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["weights of layer 3 are all 0", "so s is 0"],
    ),
    "zero weights in the middle of tanh": (
        changed(fill(3, 0.0), f="tanh", scheme="xavier"),
        "no gradient",
        ("layer 1", "layer 2"),
        ["weights of layer 3 are all 0", "∂L/∂s Wᵀ is 0"],
    ),
    "zero weights at the end": (
        changed(fill(4, 0.0)),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["weights of layer 4 are all 0", "first update"],
    ),
    "zero weights at the beginning": (
        changed(fill(1, 0.0), f="tanh", scheme="xavier"),
        "equal examples",
        ("layer 1",),
        ["weights of layer 1 are all 0"],
    ),
    "loss times 0": (times_0, "no gradient", ("layer 1", "layer 2", "layer 3"), ["the loss"]),
    "nothing left to learn": (
        fitted,
        "no gradient",
        ("layer 1", "layer 2"),
        ["loss (squared_error) is exactly 0"],
    ),
    "one class": (
        classes([64, 1], "tanh", "xavier"),
        "no gradient",
        ("layer 1", "layer 2"),
        ["K = 1"],
    ),
    "dead branch": (dead_branch, "no gradient", ("layer 2",), ["no unit of layer 2 is on"]),
    "inputs × 100": (
        scaled(100.0),
        "input scale",
        ("layer 1",),
        ["rms 96.5", "far above ln K = 2.3", "standardise the inputs"],
    ),
    "inputs × 100, mse": (scaled(100.0, cost=mse), "input scale", ("layer 1",), ["is large"]),
    "inputs × 100, tanh": (
        scaled(100.0, "tanh", "xavier"),
        "saturation",
        ("layer 1",),
        ["input of layer 1 is large", "scale the data"],
    ),
    "inputs of 0 to 255": (
        changed(lambda net: None, x=lambda: 255 * pixels()),
        "input scale",
        ("layer 1",),
        ["is large", "standardise"],
    ),
    "inputs of 1e-6": (scaled(1e-6), "input scale", ("layer 1",), ["is small", "standardise"]),
    "inputs around 7": (
        scaled(0.1, shift=7.0),
        "input scale",
        ("layer 1",),
        ["far from centred", "standardise"],
    ),
    "columns far from 0": (
        changed(
            lambda net: None,
            x=lambda: np.random.default_rng(0).normal(size=INPUTS) + 0.01 * normal(1),
        ),
        "input scale",
        ("layer 1",),
        ["far from centred"],
    ),
    "constant inputs": (
        changed(lambda net: None, x=lambda: np.ones((N, INPUTS))),
        "equal examples",
        ("layer 1",),
        ["64 examples", "all the same"],
    ),
    "equal examples": (
        changed(lambda net: None, x=lambda: np.repeat(normal(1, 1), N, 0)),
        "equal examples",
        ("layer 1",),
        ["all the same"],
    ),
    "inputs of 0": (
        changed(lambda net: None, x=lambda: np.zeros((N, INPUTS))),
        "equal examples",
        ("layer 1",),
        ["all the same"],
    ),
    "equal units": (
        changed(lambda net: [fill(i, 0.05)(net) for i in (1, 2, 3, 4)], f="tanh", scheme="xavier"),
        "symmetric weights",
        ("layer 1", "layer 2", "layer 3"),
        ["single unit"],
    ),
    "equal units of one layer": (
        changed(fill(2, 0.05), f="tanh", scheme="xavier"),
        "symmetric weights",
        ("layer 2",),
        ["single unit until"],
    ),
    "weights of 1e18, relu": (
        changed(times((1, 2, 3, 4), 1e18)),
        "non-finite",
        ("layer 3",),
        ["grows by a factor"],
    ),
    "weights of 1e18, tanh": (
        changed(times((1, 2, 3, 4), 1e18), f="tanh", scheme="xavier"),
        "saturation",
        ("layer 1", "layer 2", "layer 3"),
        ["fan_in Var W"],
    ),
    "weights of 1e18, dead": (
        changed(lambda net: (times((1, 2), 1e18)(net), fill(2, -1e38, of=1)(net))),
        "no gradient",
        ("layer 1", "layer 2", "layer 3"),
        ["no unit of layer 2 is on"],
    ),
    "weights of 1e18 at the end": (
        changed(times((4,), 1e18)),
        "high loss",
        ("layer 4",),
        ["far above ln K", "fan_in Var W", "layer 4"],
    ),
    "large biases at the end": (
        changed(lambda net: net[3][1].assign(100 * np.arange(K, dtype=np.float32))),
        "high loss",
        ("layer 4",),
        ["biases of layer 4"],
    ),
    "weights × 4": (
        changed(times((1, 2, 3, 4, 5), 4), (64, 64, 64, 64, K)),
        "exploding gradient",
        ("layer 1", "layer 2", "layer 3", "layer 4"),
        ["n Var W is too large"],
    ),
    "NaN in data": (
        changed(lambda net: None, x=lambda: np.where(np.eye(N, INPUTS) > 0, np.nan, normal(1))),
        "non-finite",
        ("layer 1",),
        ["x of layer 1", "data"],
    ),
    "Inf in data": (
        changed(lambda net: None, x=lambda: np.where(np.eye(N, INPUTS) > 0, np.inf, normal(1))),
        "non-finite",
        ("layer 1",),
        ["x of layer 1", "data"],
    ),
    "NaN in weights": (changed(one_nan), "non-finite", ("layer 2",), ["W of layer 2", "1 of 4096"]),
    "loss of NaN": (nan_loss, "non-finite", ("log",), ["log"]),
    "sigmoid, 60 layers": (
        classes([32] * 60 + [K], "sigmoid", "xavier"),
        "vanishing gradient",
        None,
        ["E[f′²] is too small"],
    ),
    "sigmoid, 120 layers, below the smallest number": (
        classes([32] * 120 + [K], "sigmoid", "xavier"),
        "no gradient",
        None,
        ["smallest number"],
    ),
}


@MODES
@pytest.mark.parametrize("name", SICK)
def test_a_sick_net_is_told_what_and_where(name, keep):
    loss, kind, names, words = SICK[name]
    diagnosis = examine(loss(), keep)
    assert not diagnosis.healthy
    assert "Healthy" not in str(diagnosis)
    found = [finding for finding in diagnosis if finding.kind == kind]
    assert len(found) == 1, str(diagnosis)
    if names is not None:
        assert found[0].layers == names, str(diagnosis)
    text = " ".join(str(found[0]).split())
    for word in words:
        assert word in text, str(diagnosis)
    assert found[0].evidence and found[0].cause and found[0].remedy


@MODES
def test_equal_logits(keep):
    """A net without hidden layers that begins at 0, and one whose output layer has equal units."""
    x = Tensor(normal(1), dtype=np.float32)
    W = Tensor(np.zeros((INPUTS, K)), requires_grad=True, dtype=np.float32)

    def loss():
        with place("layer 1"):
            return cross_entropy(dense(x, W), LABELS)

    (finding,) = examine(loss, keep)
    assert finding.kind == "equal logits" and finding.layers == ("layer 1",)
    assert "weights of layer 1 are all 0" in finding.cause and "first update" in finding.remedy
    assert finding.numbers["loss"] == pytest.approx(math.log(K), rel=1e-5)
    W.assign(np.repeat(np.random.default_rng(0).normal(size=(INPUTS, 1)), K, 1).astype("f"))
    (finding,) = examine(loss, keep)
    assert finding.kind == "equal logits" and "difference between its units" in finding.cause


@MODES
def test_a_trace_in_which_nothing_can_be_judged(keep):
    W = Tensor(np.random.default_rng(0).normal(size=(INPUTS, 3)), requires_grad=True)
    diagnosis = examine(lambda: dense(normal(1), W).sum(), keep)
    assert not diagnosis.healthy and not diagnosis.judged and len(diagnosis) == 0
    assert str(diagnosis).startswith("Not judged.")
    assert repr(diagnosis) == "Diagnosis(not judged)"
    with trace(keep) as t:
        (Tensor(normal(1)) * W[:, 0]).sum().backward()
    with pytest.raises(GraphError, match="holds no layer"):
        t.diagnose()


def test_samples_of_large_layers_tell_units_and_examples_apart():
    """Of more entries than a sample holds, statistics still see equal units and equal examples."""
    x = normal(1, 300, 200)
    for f, scheme in (("tanh", "xavier"), ("relu", "kaiming")):
        net = layers([200, 300, 300, K], f, scheme)
        labels = np.arange(300) % K
        assert examine(lambda: cross_entropy(run(net, x), labels), "stats").healthy  # noqa: B023
        fill(2, 0.05)(net)
        kinds = [f.kind for f in examine(lambda: cross_entropy(run(net, x), labels), "stats")]  # noqa: B023
        assert "symmetric weights" in kinds
    same = np.repeat(x[:1], 300, 0)
    kinds = [f.kind for f in examine(lambda: cross_entropy(run(net, same), labels), "stats")]
    assert "equal examples" in kinds


# --- where branches meet -------------------------------------------------------------------------


def blocks(depth, width=256, scale=1.0):
    net = layers([width, *[width] * depth, K])
    x = normal(1, 100, width)

    def loss():
        h = Tensor(x, dtype=np.float32)
        for i, (W, b, f) in enumerate(net[:-1]):
            with place(f"block {i}"):
                branch = dense(h, W, b, f)
            h = h + (branch if scale == 1 else branch * scale)
        with place("out"):
            return cross_entropy(dense(h, *net[-1][:2]), np.arange(100) % K)

    return loss


@MODES
def test_a_loss_that_additions_make_large_is_not_blamed_on_the_weights(keep):
    (finding,) = examine(blocks(6, 64), keep)
    assert finding.kind == "high loss"
    assert "between the layers the signal grows by a factor of" in finding.cause
    assert "in add" in finding.cause and "scale the branch" in finding.remedy


@MODES
@pytest.mark.parametrize(("depth", "count"), [(2, 2), (9, 3)])
def test_each_branch_that_begins_at_0_is_named_up_to_three(depth, count, keep):
    net, x = layers([INPUTS, *[64] * (2 * depth + 1), K]), normal(1)
    for i in range(1, depth + 1):
        fill(2 * i + 1, 0.0)(net)

    def loss():
        h = run(net[:1], x)
        for i in range(1, depth + 1):
            with place(f"block {i}"):
                inner = dense(h, *net[2 * i - 1])
                with place("last"):
                    h = h + dense(inner, *net[2 * i][:2])
        with place("output"):
            return cross_entropy(dense(h, *net[-1]), LABELS)

    found = list(examine(loss, keep))
    assert [f.kind for f in found] == ["no gradient"] * count
    assert found[0].layers == (f"block {depth}",)
    assert f"weights of block {depth} / last are all 0" in found[0].cause
    assert sorted(name for f in found for name in f.layers) == [
        f"block {i}" for i in range(1, depth + 1)
    ]


@MODES
def test_what_ran_without_a_record_is_said(keep):
    net, x = layers([INPUTS, 64, 64, K]), normal(1)

    def loss():
        with no_grad():
            h = run(net[:1], x)
        return cross_entropy(run(net[1:], h), LABELS)

    summary = examine(loss, keep).summary
    assert summary.endswith("Not judged: 1 operation on variables under no_grad().")


@MODES
@pytest.mark.parametrize(("depth", "width"), [(10, 256), (20, 64), (20, 256)])
def test_where_branches_meet_the_draw_is_not_blamed(depth, width, keep):
    found = [f for f in examine(blocks(depth, width), keep) if "gradient" in f.kind]
    assert [finding.kind for finding in found] == ["exploding gradient"]
    text = " ".join(str(found[0]).split())
    assert "the output goes through add too" in text and "does not hold there" in text
    assert "scale the branch" in text
    assert "wider" not in text and "draw" not in text
    assert "predicted_factor" not in found[0].numbers
    assert {off.partition(" between: ")[2] for *_, off in found[0].table} == {"add"}


@MODES
def test_an_activation_as_a_step_of_its_own_is_not_called_a_draw(keep):
    net = layers([INPUTS, *[64] * 8, K], "identity", "xavier")
    loss = lambda: cross_entropy(run(net, normal(1), lambda x, i: sigmoid(x)), LABELS)  # noqa: E731
    (finding,) = [f for f in examine(loss, keep) if f.kind == "vanishing gradient"]
    text = " ".join(str(finding).split())
    assert "E[f′²] is too small" in text and "wider" not in text and "draw" not in text
    inside = layers([INPUTS, *[64] * 8, K], "sigmoid", "xavier")
    (same,) = examine(lambda: cross_entropy(run(inside, normal(1)), LABELS), keep)
    assert str(same) == str(finding)


def test_operations_between_that_change_nothing_leave_the_causes_as_they_are():
    """x + 0 lies between, and Xavier's sigmoid still has too small a slope."""
    net = layers([INPUTS, *[64] * 6, K], "sigmoid", "xavier")
    loss = lambda: cross_entropy(run(net, normal(1), lambda x, i: x + 0.0), LABELS)  # noqa: E731
    (finding,) = [f for f in examine(loss) if f.kind == "vanishing gradient"]
    assert "E[f′²] is too small" in finding.cause
    assert {off for *_, off in finding.table} == {"E[f′²]"}


def test_a_layer_that_others_take_too_is_named():
    """Each output is taken by all later layers: their gradients add up."""
    net = layers([INPUTS, *[64] * 9, K], "identity", "lecun")

    def loss():
        outputs = [run(net[:1], normal(1))]
        for i, (W, b, f) in enumerate(net[1:9], start=2):
            with place(f"layer {i}"):
                outputs.append(dense(outputs[-1], W, b, f))
            if i % 2:
                outputs[-1] = concatenate([outputs[-1][:, :32], outputs[-3][:, 32:]], axis=1) * 2.0
        with place("output"):
            return cross_entropy(dense(outputs[-1], *net[-1][:2]), LABELS)

    text = str(examine(loss))
    assert "wider layers" not in text


@MODES
@pytest.mark.parametrize("name", ["tanh, xavier, 3", "recurrent"])
def test_the_size_of_a_step_is_judged_in_both_modes(name, keep):
    """A layer that is called five times counts once, and not at all without its arrays."""
    loss = WELL[name]()
    with trace(keep) as t:
        loss().backward()
    assert t.diagnose(lr=0.01).healthy
    (finding,) = t.diagnose(lr=1e4)
    assert finding.kind == "update ratio"
    layer = next(row for row in t.layers if row.name == finding.layers[-1])
    called = sum(row.name == layer.name for row in t.layers)
    assert called == 1 or keep == "arrays"
    if name == "recurrent":
        assert set(finding.layers) == (
            {"output"} if keep == "stats" else {"input + state", "output"}
        )
