"""`detect_nonfinite`: the first NaN or Inf, where it arose, forward and backward."""

import numpy as np
import pytest

import engine
from engine import NonFiniteError, Tensor, dense, detect_nonfinite, gelu, place


@pytest.mark.plain
def test_the_first_operation_forward_is_named_with_its_place():
    x = Tensor([1.0, 0.0, -1.0])
    with detect_nonfinite(), place("layer 3"), pytest.raises(NonFiniteError) as caught:
        engine.exp(engine.log(x))
    for part in ("log in layer 3", "2 of 3", "(3,)", "all its operands are finite"):
        assert part in str(caught.value)


@pytest.mark.plain
def test_what_goes_in_already_broken_is_said():
    with detect_nonfinite(), pytest.raises(NonFiniteError, match=r"add.*already holds"):
        Tensor([np.nan, 1.0]) + 1


@pytest.mark.plain
@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_is_named_with_its_place(create_graph):
    x = Tensor([0.0, 4.0], requires_grad=True)
    with detect_nonfinite():
        with place("layer 3"):
            y = engine.sqrt(x)
        with pytest.raises(NonFiniteError, match=r"sqrt in layer 3"):
            y.sum().backward(create_graph=create_graph)
    assert x.grad is None


@pytest.mark.parametrize("create_graph", [False, True])
def test_backward_of_a_rule_that_calls_other_operations_names_the_rule(create_graph):
    # ∂(aᵇ) is computed with where and log; what the user wrote, and where, is a power in layer 3.
    x = Tensor([0.0, 4.0], requires_grad=True)
    with detect_nonfinite():
        with place("layer 3"):
            y = x**0.5
        with pytest.raises(NonFiniteError, match=r"backward of power in layer 3"):
            y.sum().backward(create_graph=create_graph)


def test_backward_says_whether_the_gradient_arrived_broken():
    x = Tensor([1.0, 4.0], requires_grad=True)
    y = (x * 2).sum()
    with detect_nonfinite(), pytest.raises(NonFiniteError, match="not finite either"):
        y.backward(np.array(np.inf))
    z = engine.sqrt(x * 0.0)
    with detect_nonfinite(), pytest.raises(NonFiniteError, match=r"gradient.*is finite"):
        z.sum().backward()


def test_dense_is_watched_too():
    W = Tensor(np.full((2, 2), 1e200), requires_grad=True)
    with (
        detect_nonfinite(),
        place("layer 1"),
        pytest.raises(NonFiniteError, match="dense in layer 1"),
    ):
        dense(np.full((1, 2), 1e200), W)


@pytest.mark.plain
def test_healthy_passes_raise_nothing():
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(4, 3)), requires_grad=True)
    with detect_nonfinite():
        h = dense(x, np.eye(3), np.zeros(3), "relu")
        loss = engine.cross_entropy(h, [0, 1, 2, 0]) + (x**2).mean() + engine.abs(x).sum()
        loss.backward(create_graph=True)
        (x.grad * x.grad).sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_masked_infinities_inside_a_derivative_are_no_alarm():
    # exp(−s) and s² overflow on the way, and where or clip takes them out again.
    x = Tensor([-1000.0, 0.0, 1000.0], requires_grad=True)
    for f in (gelu, engine.silu, engine.elu, engine.softplus, engine.sigmoid, engine.softmax):
        with detect_nonfinite():
            f(x).sum().backward(create_graph=True)
            g = x.grad
            x.zero_grad()
            if g.requires_grad:
                g.sum().backward()
        x.zero_grad()


@pytest.mark.plain
def test_outside_the_block_nothing_is_raised():
    x = Tensor([0.0, -1.0], requires_grad=True)
    with pytest.raises(NonFiniteError), detect_nonfinite():
        engine.log(x)
    y = engine.log(x)
    y.sum().backward()
    assert np.isinf(y.numpy()[0])
    assert np.isinf(x.grad.numpy()[0])
    for f in (engine.sqrt, lambda a: 1 / a, lambda a: a**-1.5, lambda a: engine.exp(a * -1e6)):
        x.zero_grad()
        f(x).sum().backward()


def test_an_overflow_in_the_sum_of_two_gradients():
    x = engine.Tensor(np.ones(2, np.float32), requires_grad=True)
    big = np.float32(3e38)
    y = engine.concatenate([x * big, x * big])
    with pytest.raises(engine.NonFiniteError, match="sum of gradients"), engine.detect_nonfinite():
        y.backward(np.ones(4, np.float32))
