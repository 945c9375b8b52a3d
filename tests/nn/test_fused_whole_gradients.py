"""SGD(fused=True) beside what needs the whole ∂L/∂W: it is there, or the pass is refused."""

import copy
import pickle

import numpy as np
import pytest

import engine
import nn
from engine import GraphError, Tensor, dense, detect_nonfinite, gradcheck, trace
from nn import SGD


def backward(net, x, labels):
    nn.cross_entropy(net(x), labels).backward()


def test_a_backward_pass_in_a_trace_is_refused_and_says_what_to_do():
    net = nn.MLP([4, 5, 3], rng=0)
    SGD(net.parameters(), lr=0.1, fused=True)
    before = [p.numpy().copy() for p in net.parameters()]
    with pytest.raises(GraphError, match=r"dense in output.*fused=True.*fused=False"), trace():
        net(np.ones((2, 4))).sum().backward()
    assert [p.grad for p in net.parameters()] == [None] * 4
    for p, q in zip(net.parameters(), before, strict=True):
        np.testing.assert_array_equal(p.numpy(), q)
    net(np.ones((2, 4))).sum().backward()  # and outside of it all is well


def test_an_ordinary_optimiser_in_its_place_allows_a_trace():
    net = nn.MLP([4, 5, 3], rng=0)
    SGD(net.parameters(), lr=0.1, fused=True)
    SGD(net.parameters(), lr=0.1, fused=False)  # what the error above tells a user to do
    with trace() as t:
        net(np.ones((2, 4))).sum().backward()
    assert all(row.dL_dW is not None for row in t.layers)


def test_a_forward_pass_in_a_trace_is_none_of_its_business():
    net = nn.MLP([4, 5, 3], rng=0)
    SGD(net.parameters(), lr=0.1, fused=True)
    with trace() as t:
        net(np.ones((2, 4)))
    assert len(t) == 2


def test_other_optimisers_see_no_difference():
    outcomes = []
    for fused in (False, True):
        net = nn.MLP([4, 5, 3], rng=0)
        SGD(net.parameters(), lr=0.1, fused=fused)
        adam = nn.Adam(net.parameters(), lr=0.1)
        for x, labels in ((np.ones((2, 4)), [0, 1]), (np.zeros((1, 4)), [2])):
            adam.zero_grad()
            backward(net, x, labels)
            adam.step()
        outcomes.append([p.numpy() for p in net.parameters()])
    for ours, expected in zip(*outcomes, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_is_refused(nesterov):
    W = Tensor(np.ones((2, 2)), requires_grad=True)
    with pytest.raises(ValueError, match=r"fused=True.*momentum=0\.9"):
        SGD([W], lr=0.1, momentum=0.9, nesterov=nesterov, fused=True)


def test_only_a_variable_can_leave_its_gradient_so():
    W = Tensor(np.ones((2, 2)), requires_grad=True)
    for wrong in (W * 2, Tensor([1.0])):
        with pytest.raises(GraphError, match="variable"):
            wrong.send_grad_to(None)


def test_recorded_backward_passes_and_second_derivatives():
    outcomes = []
    for fused in (False, True):
        W = Tensor(np.arange(6.0).reshape(3, 2) / 6, requires_grad=True)
        SGD([W], lr=0.1, fused=fused)
        x = np.linspace(-1, 1, 12).reshape(4, 3)
        dense(x, W, f="tanh").sum().backward()
        dense(x, W, f="tanh").sum().backward(create_graph=True)
        first = W.grad
        W.zero_grad()
        (first * first).sum().backward()
        outcomes.append(
            (
                first.numpy(),
                W.grad.numpy(),
                engine.hvp(lambda w, x=x: dense(x, w, f="tanh").sum(), W, np.ones((3, 2))).numpy(),
            )
        )
    for ours, expected in zip(*outcomes, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-13)


def test_gradcheck_and_the_transforms():
    W = Tensor(np.arange(6.0).reshape(3, 2) / 6, requires_grad=True)
    SGD([W], lr=0.1, fused=True)
    x = np.linspace(-1, 1, 12).reshape(4, 3)
    gradcheck(lambda w: dense(x, w, f="tanh"), W.numpy(), order=2)
    gradcheck(lambda z: dense(z, W, f="tanh"), x, order=2)
    gradient = engine.grad(lambda w: dense(x, w, f="tanh").sum())(W)
    dense(x, W, f="tanh").sum().backward()
    np.testing.assert_allclose(W.grad.numpy(), gradient.numpy(), rtol=1e-13)


def test_detect_nonfinite_looks_at_the_whole_gradient():
    W = Tensor(np.ones((2, 2), np.float32), requires_grad=True)
    SGD([W], lr=0.1, fused=True)
    x = np.full((3, 2), 1e30, np.float32)
    with detect_nonfinite():
        dense(np.ones((3, 2), np.float32), W).sum().backward()
        y = dense(x, W)
        with pytest.raises(engine.NonFiniteError, match="backward of dense"):
            y.backward(np.full((3, 2), 1e30, np.float32))


def test_an_overflowing_step_warns_of_nothing():
    # As the ordinary step: the tests turn warnings into errors.
    outcomes = []
    for fused in (False, True):
        W = Tensor(np.ones((2, 2), np.float32), requires_grad=True)
        optimizer = SGD([W], lr=10.0, fused=fused)
        dense(np.ones((2, 2), np.float32), W).backward(np.full((2, 2), 1e38, np.float32))
        optimizer.step()
        outcomes.append(W.numpy())
    np.testing.assert_array_equal(*outcomes)


def test_a_copy_of_the_net_trains_on():
    net = nn.MLP([4, 5, 3], rng=0)
    SGD(net.parameters(), lr=0.1, fused=True)
    again = copy.deepcopy(net)
    for one in (net, again):
        backward(one, np.ones((2, 4)), [0, 1])
    for p, q in zip(net.parameters(), again.parameters(), strict=True):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(p)).numpy(), p.numpy())
