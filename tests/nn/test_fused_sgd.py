"""SGD(fused=True): the same steps to rounding, and gradients that look as if they were there."""

import numpy as np
import pytest

import nn
from engine import GraphError, Tensor, dense
from nn import SGD


def left(parameter):
    """Whether a backward pass has left a parameter's gradient as a product."""
    sink = parameter._node.sink
    return sink is not None and sink.factors is not None


class Shared:
    """Two layers with one W between them, which has a gradient from each."""

    def __init__(self):
        rng = np.random.default_rng(1)
        self.W, self.V = (
            Tensor(rng.normal(size=s) / 3, requires_grad=True, dtype=np.float32)
            for s in ((8, 8), (8, 3))
        )
        self.b = Tensor(np.zeros(8, np.float32), requires_grad=True)

    def parameters(self):
        return [self.W, self.b, self.V]

    def __call__(self, x):
        x = Tensor(x, dtype=np.float32)
        return dense(dense(dense(x, self.W, self.b, "tanh"), self.W, f="relu"), self.V)


class Penalised(Shared):
    """W also stands outside of layers, so that one of its gradients is no product."""

    def __call__(self, x):
        return super().__call__(x) + (self.W * self.W).sum() + (self.W @ self.V).mean()


# (the net, its input's width, its batch)
NETS = {
    "small": (lambda: nn.MLP([6, 16, 16, 3], rng=0), 6, 32),
    "one example": (lambda: nn.MLP([6, 16, 3], rng=0), 6, 1),
    "float64": (lambda: nn.MLP([6, 16, 3], "sigmoid", rng=0, dtype=np.float64), 6, 7),
    "s kept": (lambda: nn.MLP([6, 16, 16, 3], "gelu", rng=0), 6, 5),
    "linear": (lambda: nn.MLP([6, 16, 3], "identity", rng=0), 6, 10),
    "wide": (lambda: nn.MLP([70, 300, 210, 3], "relu", rng=0), 70, 10),
    "tall": (lambda: nn.MLP([70, 30, 3], rng=0), 70, 500),
    "W used twice": (Shared, 8, 10),
    "W used outside": (Penalised, 8, 10),
}
EACH_NET = pytest.mark.parametrize("name", NETS)


def batches(name, count):
    _, width, batch = NETS[name]
    rng = np.random.default_rng(2)
    return [(rng.normal(size=(batch, width)), rng.integers(0, 3, batch)) for _ in range(count)]


def twins(name, lr=0.1):
    """Two equal nets, each with its optimiser: the ordinary one and the fused one."""
    found = []
    for fused in (False, True):
        net = NETS[name][0]()
        found.append((net, SGD(net.parameters(), lr=lr, fused=fused)))
    return found


def backward(net, x, labels):
    nn.cross_entropy(net(x), labels).backward()


def assert_equal_to_rounding(net, other, steps=1):
    for p, q in zip(net.parameters(), other.parameters(), strict=True):
        tolerance = 50 * steps * np.finfo(p.dtype).eps
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=tolerance, atol=tolerance)


@EACH_NET
def test_the_steps_are_the_ordinary_ones(name):
    (net, optimizer), (fused_net, fused) = twins(name)
    before = [p.numpy().copy() for p in net.parameters()]
    for x, labels in batches(name, 20):
        for one, its in ((net, optimizer), (fused_net, fused)):
            its.zero_grad()
            backward(one, x, labels)
            its.step()
    assert_equal_to_rounding(net, fused_net, 20)
    assert all((p.numpy() != q).any() for p, q in zip(net.parameters(), before, strict=True))


@EACH_NET
def test_only_a_gradient_of_one_layer_is_left_as_a_product(name):
    (net, _), (fused_net, _) = twins(name)
    for one in (net, fused_net):
        backward(one, *batches(name, 1)[0])
    assert not any(left(p) for p in net.parameters())
    for i, p in enumerate(fused_net.parameters()):
        summed = name.startswith("W used") and (i == 0 or name == "W used outside")
        assert left(p) == (p.ndim == 2 and not summed)


@EACH_NET
@pytest.mark.parametrize("passes", [1, 2, 3])
def test_grad_looks_as_ever(name, passes):
    (net, _), (fused_net, _) = twins(name)
    for x, labels in batches(name, passes):
        for one in (net, fused_net):
            backward(one, x, labels)
    for p, q in zip(net.parameters(), fused_net.parameters(), strict=True):
        assert q.has_grad
        assert isinstance(q.grad, Tensor)
        assert q.grad.dtype == q.dtype
        assert q.grad is q.grad
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


@pytest.mark.parametrize("looks", [False, True])
@pytest.mark.parametrize("passes", [1, 2])
def test_looking_between_backward_and_step_changes_nothing(looks, passes):
    (net, optimizer), (fused_net, fused) = twins("small")
    for _ in range(4):
        for one, its in ((net, optimizer), (fused_net, fused)):
            its.zero_grad()
            for x, labels in batches("small", passes):
                backward(one, x, labels)
                if looks:
                    assert all(np.isfinite(p.grad.numpy()).all() for p in one.parameters())
            its.step()
    assert_equal_to_rounding(net, fused_net, 4)


def test_a_step_twice_goes_twice_as_far_and_leaves_the_gradient():
    (net, optimizer), (fused_net, fused) = twins("wide")
    for one, its in ((net, optimizer), (fused_net, fused)):
        backward(one, *batches("wide", 1)[0])
        its.step()
        its.step()
    assert_equal_to_rounding(net, fused_net)
    for p, q in zip(net.parameters(), fused_net.parameters(), strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())


CHANGES = {
    "the data": lambda x, net: x.assign(0.0),
    "the data in place": lambda x, net: x.update(lambda array: array.fill(7)),
    "the parameters": lambda x, net: [p.assign(3.0) for p in net.parameters()],
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("view", ["itself", "a slice", "detached", "three axes"])
def test_what_is_changed_after_the_backward_pass_does_not_reach_the_gradient(change, view):
    gradients = []
    for fused in (False, True):
        net = nn.MLP([4, 6, 3], rng=0)
        SGD(net.parameters(), lr=0.1, fused=fused)
        x = Tensor(np.random.default_rng(3).normal(size=(10, 4)), dtype=np.float32)
        seen = {"itself": x, "a slice": x[:], "detached": x.detach()}.get(view, x.reshape(2, 5, 4))
        net(seen).sum().backward()
        CHANGES[change](x, net)
        gradients.append([p.grad.numpy() for p in net.parameters()])
    for ours, expected in zip(*gradients, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_an_array_of_the_callers_may_change_too():
    net = nn.MLP([4, 3], rng=0)
    optimizer = SGD(net.parameters(), lr=0.1, fused=True)
    x = np.ones((2, 4), np.float32)
    W = net.parameters()[0].numpy().copy()
    net(x).sum().backward()
    x[:] = np.nan
    optimizer.step()
    np.testing.assert_allclose(net.parameters()[0].numpy(), W - np.float32(0.2), rtol=1e-5)


def test_w_as_its_own_data():
    for data in (lambda W: W, lambda W: W.T, lambda W: W.detach()):
        outcomes = []
        for fused in (False, True):
            W = Tensor(np.arange(9.0).reshape(3, 3) / 9, requires_grad=True)
            optimizer = SGD([W], lr=0.1, fused=fused)
            dense(data(W), W, f="tanh").sum().backward()
            optimizer.step()
            outcomes.append(W.numpy())
        np.testing.assert_allclose(*outcomes, rtol=1e-13)


def test_a_change_of_w_between_forward_and_backward_is_refused():
    net = nn.MLP([4, 3], rng=0)
    optimizer = SGD(net.parameters(), lr=0.1, fused=True)
    stale, loss = net(np.ones((2, 4))).sum(), net(np.ones((2, 4))).sum()
    loss.backward()
    optimizer.step()
    with pytest.raises(GraphError, match=r"output\.W was changed"):
        stale.backward()


def test_grad_can_be_set_and_forgotten():
    W = Tensor(np.zeros((2, 2)), requires_grad=True)
    optimizer = SGD([W], lr=1.0, fused=True)
    with pytest.raises(RuntimeError, match="no parameter has a gradient"):
        optimizer.step()
    dense(np.ones((3, 2)), W).sum().backward()
    W.grad = np.full((2, 2), 5.0)
    optimizer.step()
    np.testing.assert_array_equal(W.numpy(), np.full((2, 2), -5.0))
    dense(np.ones((3, 2)), W).sum().backward()
    optimizer.zero_grad()
    assert not W.has_grad
    assert W.grad is None
