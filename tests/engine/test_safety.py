"""A gradient is right or it is refused: changed values, wrong rules, arrays of the caller's."""

import numpy as np
import pytest

import engine
from engine import GraphError, Rule, Tensor, dense, gradcheck, no_grad, place
from engine.core.operation import apply
from engine.core.rule import RULES, constant, partials, rule

# --- the caller's arrays -------------------------------------------------------------------------


def two(array):
    return np.concatenate([array, array])


USES = {
    "add": lambda x, a: (x + a) * x,
    "multiply": lambda x, a: x * a,
    "multiply from the left": lambda x, a: a * x,
    "divide": lambda x, a: x / a,
    "power": lambda x, a: x**a,
    "maximum": lambda x, a: engine.maximum(x, a),
    "matmul": lambda x, a: x @ a,
    "matmul from the left": lambda x, a: a @ x,
    "matmul of a view": lambda x, a: x @ a.T,
    "matrix times vector": lambda x, a: x @ a[0],
    "dense": lambda x, a: dense(x, a, a[0], "tanh"),
    "affine": lambda x, a: engine.affine([(x, a), (x * x, a)], a[0], "tanh"),
    "dense of one example": lambda x, a: dense(a[0], x, f="tanh"),
    "where": lambda x, a: engine.where(a > 2, x, a) * x,
    "clip": lambda x, a: engine.clip(x, a - 1, a) * x,
    "concatenate": lambda x, a: engine.concatenate([x, a]) ** 2,
    "stack": lambda x, a: engine.stack([a, x]) ** 2,
    "mse": engine.mse,
    "quadratic": lambda x, a: engine.quadratic(a, x),
    "prelu": lambda x, a: engine.prelu(x - 2, a),
    "integers": lambda x, a: x * a.astype(int),
    "a strided view": lambda x, a: x * a[:, ::-1],
}


@pytest.mark.plain
@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_changing_the_callers_array_after_the_forward_pass_changes_no_gradient(name, dtype):
    f = USES[name]
    values = np.array([[1.0, 2.0], [3.0, 4.0]], dtype)
    gradients = []
    for disturb in (False, True):
        x, array = Tensor(values + 1, requires_grad=True), values.copy()
        loss = f(x, array).sum()
        if disturb:
            array[...] = -77
        loss.backward()
        gradients.append(x.grad.numpy())
    np.testing.assert_array_equal(*gradients)


def test_a_masks_memory_is_copied():
    x, mask = Tensor([1.0, 2.0], requires_grad=True), np.array([True, False])
    loss = engine.where(mask, x, 0.0).sum()
    mask[:] = [False, True]
    loss.backward()
    assert x.grad.numpy().tolist() == [1, 0]


def test_memory_behind_foreign_objects_is_copied():
    class Box:
        def __init__(self):
            self.data = np.array([1.0, 2.0])

        def __array__(self, dtype=None, copy=None):
            return self.data

    box, x = Box(), Tensor([1.0, 1.0], requires_grad=True)
    loss = (x * box).sum()
    kept = Tensor(box)
    box.data[:] = 7
    loss.backward()
    assert x.grad.numpy().tolist() == [1, 2]
    assert kept.numpy().tolist() == [1, 2]


# --- changed parameters --------------------------------------------------------------------------

VIEWS = {
    "itself": lambda W: W,
    "transpose": lambda W: W.T,
    "row": lambda W: W[0],
    "column": lambda W: W[:, 0],
    "reshape": lambda W: W.reshape(-1),
    "broadcast": lambda W: engine.broadcast_to(W, (2, 2, 2)),
    "view of a view": lambda W: W.T[0].reshape(1, 2),
    "detached": lambda W: W.detach(),
    "detached view": lambda W: W.detach().T,
}


@pytest.mark.plain
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("how", ["assign", "update"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_value_changed_before_its_backward_pass_is_refused_by_name(view, how, create_graph):
    W = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True, name="W of layer 1")
    x = Tensor(2.0, requires_grad=True)
    with place("layer 1"):
        loss = (VIEWS[view](W) * x).sum()
    if how == "assign":
        W.assign(5.0)
    else:
        W.update(lambda array: np.multiply(array, 2, out=array))
    with pytest.raises(GraphError, match=r"W of layer 1 was changed.*multiply in layer 1"):
        loss.backward(create_graph=create_graph)
    assert W.grad is None
    assert x.grad is None


def test_a_name_given_later_is_the_one_in_the_error():
    W = Tensor([1.0], requires_grad=True)
    W.name = "late"
    loss = (W * W).sum()
    W.assign(2.0)
    with pytest.raises(GraphError, match="late"):
        loss.backward()


def test_naming_a_view_does_not_rename_the_viewed():
    W = Tensor([1.0], requires_grad=True, name="W1")
    W.detach().name = "other"
    loss = (W * W).sum()
    W.assign(2.0)
    with pytest.raises(GraphError, match="W1"):
        loss.backward()


def test_a_failed_update_counts_as_a_change():
    W = Tensor([1.0, 2.0], requires_grad=True)
    loss = (W * W).sum()

    def half_way(array):
        array[0] = 9
        raise KeyError

    with pytest.raises(KeyError):
        W.update(half_way)
    with pytest.raises(GraphError):
        loss.backward()


def test_a_change_between_the_first_and_the_second_backward_pass_is_refused():
    W = Tensor([1.0, 2.0], requires_grad=True, name="W1")
    x = Tensor([3.0, 4.0], requires_grad=True)
    (W * W * x).sum().backward(create_graph=True)
    penalty = (x.grad * x.grad).sum()
    W.assign(5.0)
    with pytest.raises(GraphError, match="W1"):
        penalty.backward()


@pytest.mark.parametrize("view", ["itself", "transpose", "row", "reshape"])
def test_a_recorded_backward_pass_notes_the_versions_too(view):
    # Here the second pass meets nodes of the first backward pass alone: x.grad = seed · W.
    W = Tensor([[1.0, 2.0], [3.0, 4.0]], name="W1")
    x, seed = Tensor(1.0, requires_grad=True), Tensor(1.0, requires_grad=True)
    y = (VIEWS[view](W) * x).sum()
    y.backward(seed, create_graph=True)
    W.assign(7.0)
    with pytest.raises(GraphError, match="W1"):
        x.grad.backward()
    assert seed.grad is None


@pytest.mark.parametrize("f", ["tanh", "identity"])
def test_a_weight_changed_before_the_backward_of_dense(f):
    W, b = (Tensor(np.ones(s), requires_grad=True, name=n) for s, n in (((2, 2), "W1"), (2, "b1")))
    for parameter in (W, b):
        loss = dense(np.ones((3, 2)), W, b, f).sum()
        parameter.assign(2.0)
        with pytest.raises(GraphError, match=parameter.name):
            loss.backward()


def test_changes_after_the_backward_pass_and_of_results_are_fine():
    W = Tensor([1.0, 2.0], requires_grad=True)
    (W * W).sum().backward()
    W.assign([5.0, 6.0])
    W.zero_grad()
    (W * W).sum().backward()
    assert W.grad.numpy().tolist() == [10, 12]
    # A constant result that is changed gets memory of its own; the graph keeps the old values.
    y = Tensor([1.0, 2.0]) * 3
    loss = (W * y).sum()
    y.assign(0.0)
    W.zero_grad()
    loss.backward()
    assert W.grad.numpy().tolist() == [3, 6]


def test_a_change_of_a_copy_is_no_change():
    W = Tensor([1.0, 2.0], requires_grad=True)
    with no_grad():
        frozen = W[:1]
    loss = (W * W).sum()
    frozen.assign(9.0)
    Tensor(W).assign(9.0)
    loss.backward()
    assert W.grad.numpy().tolist() == [2, 4]


# --- rules that are wrong ------------------------------------------------------------------------


def backward_of(value, vjp, *shapes, **flags):
    xs = [Tensor(np.ones(shape), requires_grad=True, dtype=np.float32) for shape in shapes]
    with place("layer 4"):
        y = apply(Rule("crooked", value, vjp, **flags), *xs)
    y.sum().backward()
    return [x.grad for x in xs]


WRONG_GRADIENTS = {
    "longer": lambda g: np.concatenate([g, g]),
    "an axis more": lambda g: g[None],
    "an axis less": lambda g: g[0],
    "transposed": lambda g: np.ascontiguousarray(g.T),
    "flat": lambda g: g.reshape(-1),
    "one entry": lambda g: g[:1, :1],
    "float64": lambda g: g.astype(np.float64),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", WRONG_GRADIENTS)
def test_a_gradient_of_the_wrong_shape_or_dtype_is_refused(name):
    with pytest.raises(GraphError, match=r"crooked in layer 4.*operand 0.*\(2, 3\) and float32"):
        backward_of(np.negative, lambda g, y, a, needs: [WRONG_GRADIENTS[name](g)], (2, 3))


@pytest.mark.plain
@pytest.mark.parametrize(
    "name", ["an axis less", "flat", "float64", "one entry", "shorter", "transposed"]
)
def test_so_it_is_for_a_rule_that_broadcasts(name):
    # The engine may sum over stretched axes, and only those; a reshape would hide a transpose.
    change = {**WRONG_GRADIENTS, "shorter": lambda g: g[:, :2]}[name]
    with pytest.raises(GraphError, match=r"crooked in layer 4.*operand 0"):
        backward_of(
            np.add, lambda g, y, a, b, needs: [change(g), g], (2, 3), (2, 3), broadcasts=True
        )


def test_broadcast_gradients_that_cannot_be_summed_to_the_operand_are_refused():
    for gradient, shape in (((4,), (3,)), ((2, 4), (3,)), ((2, 3), (2, 1, 3))):
        with pytest.raises(GraphError, match="crooked"):
            backward_of(
                lambda a, b: a + b,
                lambda g, y, a, b, needs, gradient=gradient: [np.ones(gradient, np.float32), g],
                shape,
                (2, 2, 3),
                broadcasts=True,
            )


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_wrong_number_of_gradients_is_refused(count):
    with pytest.raises(GraphError, match=rf"crooked in layer 4.*{count} gradients for 2"):
        backward_of(np.add, lambda g, y, a, b, needs: [g] * count, (2,), (2,))


def test_none_is_a_gradient_of_nothing():
    a, b = backward_of(np.add, lambda g, y, a, b, needs: [None, g], (2,), (2,))
    assert a is None
    assert b.numpy().tolist() == [1, 1]


def test_a_partial_for_each_operand():
    with pytest.raises(ValueError, match="zip"):
        backward_of(np.add, partials(lambda g, y, a, b: g), (2,), (2,))
    (zeros,) = backward_of(np.sign, partials(constant), (2,))
    np.testing.assert_array_equal(zeros, [0, 0])


def test_a_name_is_given_once():
    before = dict(RULES)
    with pytest.raises(ValueError, match="'add'"):
        rule("add", np.add, partials(), "")
    assert before == RULES


def test_a_rule_of_a_users_own():
    cube = Rule("cube", lambda a: a**3, partials(lambda g, y, a: 3.0 * g * a * a))
    gradcheck(lambda x: apply(cube, x), np.array([0.5, -1.0, 2.0]), order=2)
    assert "cube" not in RULES


def test_scale_refuses_shapes_that_do_not_fit():
    for g, s in ((np.ones((2, 1)), np.ones((2, 3))), (np.float64(1.0), np.ones(50_000))):
        with pytest.raises(ValueError, match="same shape"):
            engine.tanh.scale(g, s)


def test_a_vjps_seed_may_change_after_it_was_pulled():
    W = Tensor([1.0, 2.0], requires_grad=True)
    _, pull = engine.vjp(lambda x: x + 1.0, np.zeros(2))
    (r,) = pull(W)
    W.assign(7)
    assert r.numpy().tolist() == [1, 2]


@pytest.mark.parametrize(("shape", "gradient"), [((3,), (7, 3)), ((1,), (9,)), ((2, 3), (4, 2, 3))])
def test_more_than_the_result_can_hold_is_no_broadcast(shape, gradient):
    with pytest.raises(GraphError, match="crooked"):
        backward_of(
            lambda a, b: a + b,
            lambda g, y, a, b, needs: [np.ones(gradient, g.dtype), g],
            shape,
            shape,
            broadcasts=True,
        )


COPIES = {
    "an index by an array": lambda W: W[np.array([0, 1])],
    "a reshape that must copy": lambda W: W.T.reshape(-1),
    "another precision": lambda W: W.astype(np.float32),
    "a choice": lambda W: engine.where(np.array([True, False]), W, 3.0),
    "a sum": lambda W: W.sum(axis=0),
    "a row put in its place": lambda W: engine.concatenate([W, W]),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", COPIES)
def test_what_copies_does_not_mind_a_later_change(name):
    gradients = []
    for change in (False, True):
        W = Tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        loss = (COPIES[name](W) ** 2).sum()
        if change:
            W.assign(0)
        loss.backward()
        gradients.append(W.grad.numpy())
    np.testing.assert_array_equal(*gradients)


def test_an_index_by_an_array_is_a_copy_and_no_later_change_matters():
    W = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = W[np.array([0, 1])]
    loss = (y * y).sum()
    W.assign(0)
    loss.backward()
    assert W.grad.numpy().tolist() == [2, 4, 0]
