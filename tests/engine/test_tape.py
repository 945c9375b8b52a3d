"""The reverse sweep: how often it visits a node, what it frees, what it leaves alone."""

import gc
import subprocess
import sys
import threading
import tracemalloc
import weakref
from pathlib import Path

import numpy as np
import pytest

import engine
from engine import GraphError, Rule, ShapeError, Tensor, dense, no_grad
from engine.arrays import sum_to_shape
from engine.core.operation import apply
from engine.core.tape import Node, sweep


def counted():
    """A rule y = a + b, and the list of times at which its VJP was called."""
    calls = []

    def vjp(g, y, a, b, needs):
        calls.append(needs)
        return [g, g]

    return Rule("counted", np.add, vjp), calls


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.plain
def test_a_chain_of_20000_operations():
    x = Tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y + 1.0
    y.backward()
    assert x.grad.item() == 1
    assert y.item() == 20_001


def test_dropping_a_long_chain_that_was_never_swept():
    # In a process of its own, because a stack overflow takes the whole process with it.
    program = (
        "from engine import Tensor\n"
        "x = y = Tensor(1.0, requires_grad=True)\n"
        "for _ in range(200_000): y = y + 1.0\n"
        "del y\n"
        "print('alive')"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert run.stdout.strip() == "alive", run.stderr


@pytest.mark.plain
def test_a_diamond_60_deep_visits_each_node_once():
    # Walking paths instead of nodes would take 2⁶⁰ steps.
    rule, calls = counted()
    x = y = Tensor(1.0, requires_grad=True)
    for _ in range(60):
        y = apply(rule, y, y)
    y.backward()
    assert x.grad.item() == 2.0**60
    assert len(calls) == 60


def test_every_vjp_of_a_tangled_graph_is_called_once():
    rule, calls = counted()
    rng = np.random.default_rng(0)
    tensors = [Tensor(1.0, requires_grad=True)]
    ways = [1.0]
    for _ in range(200):
        i, j = rng.integers(max(0, len(tensors) - 5), len(tensors), 2)
        tensors.append(apply(rule, tensors[i], tensors[j]))
        ways.append(ways[i] + ways[j])
    loss = tensors[-1]
    loss.backward(retain_graph=True)
    assert tensors[0].grad.item() == pytest.approx(ways[-1], rel=1e-12)
    first = len(calls)
    assert first <= 200
    loss.backward()
    assert len(calls) == 2 * first


def test_a_vjp_is_told_which_gradients_are_wanted():
    rule, calls = counted()
    x = Tensor(1.0, requires_grad=True)
    for operands in ((x, 1.0), (1.0, x), (x, Tensor(2.0)), (x, x)):
        apply(rule, *operands).backward()
    assert calls == [(True, False), (False, True), (True, False), (True, True)]


def test_a_gradient_that_nobody_wants_is_not_computed():
    # ∂(xᵇ)/∂b holds ln x, NaN for a negative x; with b constant it must not even be looked at.
    x = Tensor([-2.0], requires_grad=True)
    with engine.detect_nonfinite():
        (x**2.0).sum().backward()


@pytest.mark.plain
def test_gradients_of_two_losses_accumulate():
    x = Tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    (x * 10).sum().backward()
    assert x.grad.numpy().tolist() == [12.0, 14.0]


def test_the_same_variable_reached_by_many_ways():
    x = Tensor([3.0], requires_grad=True)
    y = x * x
    ((y + x) * (y - x) + x).sum().backward()  # x⁴ − x² + x
    assert x.grad.numpy().tolist() == [4 * 27 - 6 + 1]


@pytest.mark.plain
def test_a_second_backward_through_a_freed_graph_is_an_error():
    x = Tensor([2.0, 4.0], requires_grad=True)
    loss = (x * x * x).sum()
    loss.backward()
    with pytest.raises(GraphError, match=r"sum.*freed.*retain_graph=True"):
        loss.backward()
    assert x.grad.numpy().tolist() == [12.0, 48.0]


@pytest.mark.plain
def test_after_a_failed_backward_the_next_one_tells_what_failed():
    x = Tensor([2.0, 4.0], requires_grad=True, name="x")
    square = x * x
    first, second = square.sum() * 3, (square * 5).sum()
    x.move(np.ones(2), 1.0)
    changed = r"x was changed after multiply had used it"
    with pytest.raises(GraphError, match=rf"^{changed}"):
        first.backward()
    for _ in range(2):  # and it does not grow
        with pytest.raises(GraphError, match=rf"behind multiply .*failed.*\({changed}") as caught:
            first.backward()
        assert "retain_graph" not in str(caught.value)
        assert str(caught.value).count("freed") == 1
    with pytest.raises(GraphError, match=rf"^{changed}"):  # where that one never came
        second.backward()
    assert x.grad is None
    assert not x.has_grad


@pytest.mark.plain
@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_what_ended_a_backward_pass_may_be_any_error(error):
    def fails(g, y, a, needs):
        raise error

    x = Tensor([1.0], requires_grad=True)
    loss = apply(Rule("broken", np.negative, fails), x).sum()
    with pytest.raises(type(error)):
        loss.backward()
    with pytest.raises(GraphError, match=r"behind sum .*failed.*" + type(error).__name__):
        loss.backward()


@pytest.mark.plain
def test_retain_graph_gives_exactly_doubled_numbers():
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(5, 3)), requires_grad=True)
    W = Tensor(rng.normal(size=(3, 3)), requires_grad=True)
    loss = dense(engine.softmax(x @ W), W, f="tanh").sum()
    loss.backward(retain_graph=True)
    once = [t.grad.numpy().copy() for t in (x, W)]
    loss.backward(retain_graph=True)
    for t, g in zip((x, W), once, strict=True):
        np.testing.assert_array_equal(t.grad.numpy(), 2 * g)
    loss.backward()
    with pytest.raises(GraphError, match="freed"):
        loss.backward()


def test_a_shared_subgraph_is_freed_by_the_first_sweep_only_if_it_may_be():
    x = Tensor([2.0], requires_grad=True)
    shared = x * x
    first, second = (shared * 3).sum(), (shared * 5).sum()
    first.backward()
    with pytest.raises(GraphError, match="multiply"):
        second.backward()
    assert x.grad.numpy().tolist() == [12.0]

    x.zero_grad()
    shared = x * x
    first, second = (shared * 3).sum(), (shared * 5).sum()
    first.backward(retain_graph=True)
    second.backward()
    assert x.grad.numpy().tolist() == [32.0]


def test_backward_of_a_leaf_and_of_several_entries():
    x = Tensor(2.0, requires_grad=True)
    x.backward()
    assert x.grad.item() == 1
    y = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ShapeError, match=r"\(2,\).*sum\(\)"):
        (y * y).backward()
    with pytest.raises(ShapeError, match=r"\(2,\).*\(3,\)"):
        (y * y).backward(np.ones(3))
    with pytest.raises(ShapeError):
        (y * y).backward(1.0)
    (y * y).backward([1.0, 10.0])
    assert y.grad.numpy().tolist() == [2.0, 40.0]


def test_backward_where_there_is_nothing_to_differentiate():
    for tensor in (Tensor(1.0), Tensor(1.0) * 2):
        with pytest.raises(GraphError, match="requires_grad=True"):
            tensor.backward()
    with no_grad():
        y = Tensor(1.0, requires_grad=True) * 2
    with pytest.raises(GraphError, match="no_grad"):
        y.backward()


@pytest.mark.plain
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_failure_inside_a_vjp_leaves_every_gradient_untouched(create_graph):
    def fails(g, y, a, needs):
        raise RuntimeError("broken on purpose")

    broken = Rule("broken", np.negative, fails)
    x, z = Tensor([1.0], requires_grad=True), Tensor([1.0], requires_grad=True)
    (x * z).sum().backward()
    before = x.grad, z.grad
    loss = (apply(broken, x) + z * x).sum()
    with pytest.raises(RuntimeError, match="on purpose"):
        loss.backward(create_graph=create_graph)
    assert (x.grad, z.grad) == before
    assert x.grad.numpy().tolist() == z.grad.numpy().tolist() == [1.0]


# --- broadcasts undone ---------------------------------------------------------------------------


@pytest.mark.plain
@pytest.mark.parametrize(
    "shape", [(), (1,), (4,), (1, 1), (3, 1), (1, 4), (3, 4), (2, 3, 4), (1, 3, 1), (2, 1, 1)]
)
def test_sum_to_shape_adds_what_broadcasting_repeated(shape):
    g = np.random.default_rng(0).normal(size=(2, 3, 4))
    x = Tensor(np.ones(shape), requires_grad=True)
    (x * g).sum().backward()
    expected = g
    while expected.ndim > len(shape):
        expected = expected.sum(axis=0)
    for axis, size in enumerate(shape):
        if size == 1:
            expected = expected.sum(axis=axis, keepdims=True)
    assert x.grad.shape == shape
    np.testing.assert_allclose(x.grad.numpy(), expected, rtol=1e-13)
    np.testing.assert_allclose(sum_to_shape(g, shape), expected, rtol=1e-13)


# --- memory --------------------------------------------------------------------------------------


def nodes_alive():
    return sum(type(thing) is Node for thing in gc.get_objects())


def small_net():
    rng = np.random.default_rng(0)
    x = Tensor(rng.normal(size=(8, 4)))
    W = Tensor(rng.normal(size=(4, 4)), requires_grad=True)
    b = Tensor(np.zeros(4), requires_grad=True)

    def loss():
        h = dense(x, W, b, "tanh")
        return engine.cross_entropy(dense(h, W, b, "relu"), np.zeros(8, int)) + (W * W).mean()

    return W, b, loss


@pytest.mark.usefixtures("no_collector")
def test_the_graph_goes_by_reference_count_after_backward_and_when_dropped():
    W, _b, compute = small_net()
    loss = compute()
    middle = weakref.ref(loss._node.parents[0])
    assert middle() is not None
    loss.backward()
    assert middle() is None  # though the loss itself is still held
    loss = compute()
    root = weakref.ref(loss._node)
    middle = weakref.ref(loss._node.parents[0])
    del loss
    assert root() is None
    assert middle() is None
    assert W.grad is not None


@pytest.mark.usefixtures("no_collector")
def test_the_graph_of_a_transform_goes_by_reference_count():
    def work():
        engine.grad(lambda x: (x * x).sum())(np.ones(3))
        engine.grad(engine.grad(lambda x: x * x * x))(2.0)
        engine.jacobian(engine.softmax, np.ones(3))
        engine.hvp(lambda x: engine.tanh(x).sum(), np.ones(3), np.ones(3))

    work()  # a compiler that runs within it leaves cycles that hold frames, and these nodes
    gc.collect()
    before = nodes_alive()
    work()
    assert nodes_alive() == before


@pytest.mark.usefixtures("no_collector")
def test_memory_is_flat_over_1000_steps_without_the_collector():
    W, b, compute = small_net()

    def step():
        for parameter in (W, b):
            parameter.zero_grad()
        compute().backward()
        for parameter in (W, b):
            g = parameter.grad.numpy()
            parameter.update(lambda array, g=g: np.subtract(array, 0.01 * g, out=array))

    for _ in range(2500):  # until Python's own lists of free tuples are full
        step()
    tracemalloc.start()
    try:
        step()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 50_000  # a single leaked graph per step would be megabytes


@pytest.mark.usefixtures("no_collector")
def test_an_intermediate_result_lets_go_of_what_came_before_it():
    x = Tensor(np.ones(3), requires_grad=True)
    y = x * 2
    loss = (y * y).sum()
    held = weakref.ref(loss._node.parents[0])
    loss.backward()
    assert y._node.inputs is None
    assert held() is None


# --- threads and the inner door ------------------------------------------------------------------


def test_two_threads_do_not_see_each_others_settings():
    x = Tensor([2.0], requires_grad=True)
    inside, leave = threading.Event(), threading.Event()

    def other():
        with no_grad(), engine.place("elsewhere"), engine.detect_nonfinite(), engine.trace():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    assert inside.wait(10)
    try:
        y = x * 2
        assert y.requires_grad
        assert "elsewhere" not in str(y._node)
        engine.log(x - 2)
        with engine.trace():
            pass
    finally:
        leave.set()
        thread.join()


def test_no_grad_is_left_when_the_block_fails_or_is_entered_again():
    x = Tensor([2.0], requires_grad=True)
    with pytest.raises(KeyError), no_grad():
        raise KeyError
    assert (x * 2).requires_grad
    with no_grad():
        with no_grad():
            pass
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad


def test_one_no_grad_object_can_be_entered_within_itself():
    x = Tensor([2.0], requires_grad=True)
    switch = no_grad()
    with engine.core.context.recording(
        True
    ):  # so that a failure here does not reach the other tests
        with switch, switch:
            pass
        assert (x * 2).requires_grad


def test_the_floor_of_a_sweep_makes_older_nodes_constants():
    x = Tensor([2.0], requires_grad=True)
    y = x * 3
    z = y * x
    found = sweep(z._node, np.ones(1), floor=y._node.number, retain_graph=True)
    assert found == {}
    assert sweep(z._node, np.ones(1)) == {x._node: np.array([12.0])}


# --- sums of gradients ---------------------------------------------------------------------------


def test_a_sum_allocates_once(monkeypatch):
    sums = []
    add = engine.core.tape.Sums.add

    def spy(self, parent, gradient, in_place):
        add(self, parent, gradient, in_place)
        if isinstance(parent, engine.core.tape.Leaf):
            sums.append(self.of[parent])

    monkeypatch.setattr(engine.core.tape.Sums, "add", spy)
    W = Tensor(np.arange(6.0), requires_grad=True)
    sum((W * float(t)).sum() for t in range(5)).backward()
    first, second, *later = sums
    assert first is not second
    assert all(total is second for total in later)
    assert W.grad.numpy().tolist() == [10.0] * 6


def test_no_array_of_a_rule_is_written_to():
    """A rule that gives the same array to both operands, and keeps the array."""
    kept = []

    def vjp(g, y, a, b, needs):
        kept.append((g, g.copy()))
        return [g, g]

    rule = Rule("keeps g", np.add, vjp)
    W = Tensor(np.arange(4.0), requires_grad=True)
    y = W * 1.0
    for _ in range(4):
        y = apply(rule, y, W)
    gradient = np.array([1.0, 2.0, 3.0, 4.0])
    y.backward(gradient)
    for array, before in kept:
        np.testing.assert_array_equal(array, before)
    assert gradient.tolist() == [1, 2, 3, 4]
    assert W.grad.numpy().tolist() == [5, 10, 15, 20]
