"""Operations of a user's own: value, derivative, and the errors of whoever makes one."""

import numpy as np
import pytest

import engine
from engine import GradcheckError, GraphError, ShapeError, Tensor, custom_vjp


def made(value, vjp=None):
    operation = custom_vjp(value)
    return operation if vjp is None else operation.vjp(vjp)


hypotenuse = made(lambda a, b: np.hypot(a, b), lambda g, y, a, b: (g * a / y, g * b / y))
A, B = np.array([3.0, 1.0, -2.0]), np.array([4.0, -2.0, 0.5])


def test_value_and_gradients():
    a, b = Tensor(A, requires_grad=True), Tensor(B, requires_grad=True)
    y = hypotenuse(a, b)
    np.testing.assert_array_equal(y.numpy(), np.hypot(A, B))
    y.sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), A / np.hypot(A, B))
    np.testing.assert_allclose(b.grad.numpy(), B / np.hypot(A, B))
    assert hypotenuse.check(A, B).compared == 3 * 3 * 2


def test_a_second_derivative():
    second = engine.grad(engine.grad(lambda a: hypotenuse(a, 4.0)))(3.0)
    assert abs(second.item() - 16 / 125) < 1e-12


def test_parameters_reach_both_functions():
    scaled = made(lambda x, *, by: x * by, lambda g, y, x, *, by: g * by)
    x = Tensor(A, requires_grad=True)
    scaled(x, by=3.0).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3, 3, 3])


def test_a_wrong_derivative_is_found_by_check():
    wrong = made(lambda a, b: a * b, lambda g, y, a, b: (g * b, g * b))
    with pytest.raises(GradcheckError, match="input 1"):
        wrong.check(A, B)


def test_without_a_derivative_it_computes_and_says_what_is_missing():
    cube = made(lambda x: x**3)
    y = cube(Tensor(A, requires_grad=True))
    np.testing.assert_array_equal(y.numpy(), A**3)
    with pytest.raises(GraphError, match=r"no derivative yet.*\.vjp"):
        y.sum().backward()


@pytest.mark.parametrize(
    ("vjp", "message"),
    [
        (lambda g, y, x: g[:1], r"operand 0 a gradient of shape \(1,\)"),
        (lambda g, y, x: (g, g), "2 gradients for 1 operands"),
    ],
)
def test_gradients_that_do_not_fit_are_refused(vjp, message):
    same = made(lambda x: x * 1.0, vjp)
    with pytest.raises(GraphError, match=message):
        same(Tensor(A, requires_grad=True)).sum().backward()


def test_a_value_that_is_its_input_is_copied():
    x = Tensor(A, requires_grad=True)
    y = made(lambda x: x, lambda g, y, x: g)(x)
    x.assign([0.0, 0.0, 0.0])
    np.testing.assert_array_equal(y.numpy(), A)


def test_a_value_keeps_the_inputs_precision():
    y = made(lambda x: np.asarray(x, np.float64))(Tensor(A, dtype=np.float32))
    assert y.dtype == np.float32


def test_errors_name_the_operation_and_the_shapes():
    def outer_sum(a, b):
        return a + b

    with pytest.raises(ShapeError, match=r"outer_sum.*\(3,\).*\(2,\)"):
        custom_vjp(outer_sum)(A, B[:2])


def test_not_a_function():
    with pytest.raises(TypeError, match="takes a function"):
        custom_vjp(3)


@pytest.mark.parametrize("gradient", [2.0, 2, np.float64(2.0), [2.0], np.full(1, 2.0)])
def test_a_gradient_may_be_a_number_or_a_list_if_it_fits(gradient):
    x = Tensor(1.0 if np.ndim(gradient) == 0 else [1.0], requires_grad=True)
    made(lambda x: x * 2.0, lambda g, y, x: (gradient,))(x).backward()
    assert (x.grad.shape, x.grad.dtype) == (x.shape, np.float64)
    assert x.grad.item() == 2.0


@pytest.mark.parametrize("gradient", [0.0, [1.0], "much", [[1.0], [1.0, 2.0]], {}, object()])
def test_a_gradient_that_is_none_is_refused_by_the_rules_name(gradient):
    same = made(lambda x: x * 1.0, lambda g, y, x: (gradient,))
    with pytest.raises(GraphError, match=rf"the rule of {same.name} gave operand 0 a gradient"):
        same(Tensor(A, requires_grad=True)).sum().backward()


def test_an_operation_of_nothing():
    with pytest.raises(TypeError, match="needs an input"):
        made(lambda x: x * 1.0)()


BEHIND = {
    "dense": lambda x, W: engine.dense(x, W, f="tanh"),
    "dense of three axes": lambda x, W: engine.dense(x.reshape(1, 2, 2), W, f="relu"),
    "matmul": lambda x, W: x @ W,
    "tanh": lambda x, W: engine.tanh(x * W),
    "cross_entropy": lambda x, W: engine.cross_entropy(x * W, [0, 1]),
    "mse": engine.mse,
    "softmax": lambda x, W: engine.softmax(x * W) ** 2,
}


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize("last", ["sign", "own"])
def test_a_vjp_that_gives_plain_arrays_may_be_recorded(name, last):
    def plain(g, y, x):
        return np.full(x.shape, 3.0) * (g.numpy() if isinstance(g, Tensor) else g)

    f = engine.sign if last == "sign" else made(lambda x: x * 3.0, plain)
    rng = np.random.default_rng(0)
    arrays, gradients = rng.normal(size=(2, 2, 2)), []
    for create_graph in (False, True):
        x, W = (Tensor(a, requires_grad=True) for a in arrays)
        f(BEHIND[name](x, W)).sum().backward(create_graph=create_graph)
        gradients.append([x.grad.numpy(), W.grad.numpy()])
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12, atol=1e-15)
    assert np.any(gradients[0]) == (last == "own")


def test_an_operation_that_changes_its_input_is_refused():
    @custom_vjp
    def shifted(x):
        x += 1
        return x

    shifted.vjp(lambda g, y, x: g)
    x = Tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(ValueError, match=r"shifted: it changes an input in place.*x = x\.copy\(\)"):
        shifted(x)
    assert x.numpy().tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="another"):
        custom_vjp(_raises)(x)


def _raises(x):
    raise ValueError("another")


class OwnError(ValueError):
    def __init__(self, first, second):
        super().__init__(first, second)


@pytest.mark.plain
@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("math domain error"), ValueError),
        (ValueError("The threading layer requested 'x' is unknown to Numba."), ValueError),
        (ValueError("operands could not be broadcast together with shapes (2,) (3,)"), ShapeError),
        (ValueError("cannot reshape array of size 3 into shape (4,)"), ShapeError),
        (np.exceptions.AxisError(2, 1), IndexError),
        (IndexError("index 3 is out of bounds"), IndexError),
    ],
)
def test_a_mistake_that_is_not_of_shapes_keeps_its_kind(error, kind):
    def fails(x):
        raise error

    with engine.place("layer 3"), pytest.raises(kind) as caught:
        custom_vjp(fails)(Tensor(A))
    assert type(caught.value) is kind
    assert str(caught.value) == f"fails in layer 3: {error} (operands of shape (3,))"
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [OwnError(1, 2), KeyError("k"), np.linalg.LinAlgError("singular"), TypeError("t")]
)
def test_other_errors_are_noted(error):
    def fails(x):
        raise error

    with engine.place("layer 3"), pytest.raises(type(error)) as caught:
        custom_vjp(fails)(Tensor(A))
    assert caught.value is error
    assert error.__notes__ == ["in fails in layer 3 (operands of shape (3,))"]


def test_an_operation_within_an_operation_keeps_the_kind_too():
    def outer(x):
        return custom_vjp(_raises)(x)

    with pytest.raises(ValueError, match=r"^outer: _raises: another") as caught:
        custom_vjp(outer)(A)
    assert type(caught.value) is ValueError
