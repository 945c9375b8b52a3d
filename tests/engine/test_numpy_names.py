"""NumPy's own functions on a tensor: differentiated, answered on the values, or refused."""

import numpy as np
import pytest

import engine
from engine import ShapeError, Tensor, gradcheck

A = np.array([[0.3, 1.2, 0.8], [1.7, 0.4, 0.6]])

SAME = {
    "add": lambda t: np.add(t, 1),
    "subtract": lambda t: np.subtract(1, t),
    "multiply": lambda t: np.multiply(A, t),
    "divide": lambda t: np.divide(A, t),
    "true_divide": lambda t: np.true_divide(t, 3),
    "power": lambda t: np.power(t, 3),
    "negative": np.negative,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
    "sign": lambda t: np.sign(t) * t,
    "square": np.square,
    "maximum": lambda t: np.maximum(t, 0.7),
    "minimum": lambda t: np.minimum(0.7, t),
    "tanh": np.tanh,
    "matmul": lambda t: np.matmul(t, A.T),
    "dot": lambda t: np.dot(A.T, t),
    "sum": np.sum,
    "sum of an axis": lambda t: np.sum(t, axis=0),
    "sum kept": lambda t: np.sum(t, axis=-1, keepdims=True),
    "mean": lambda t: np.mean(t, 1),
    "max": lambda t: np.max(t, axis=1),
    "min": lambda t: np.min(t, axis=(0, 1)),
    "where": lambda t: np.where(t > 0.5, t, 0.0),
    "where from the left": lambda t: np.where(A > 0.5, 1.0, t),
    "clip": lambda t: np.clip(t, 0.5, 1.0),
    "reshape": lambda t: np.reshape(t, (3, 2)),
    "transpose": np.transpose,
    "transpose by axes": lambda t: np.transpose(t, (1, 0)),
    "broadcast_to": lambda t: np.broadcast_to(t, (2, 2, 3)),
    "concatenate": lambda t: np.concatenate([t, A], axis=1),
    "stack": lambda t: np.stack([A, t, t]),
    "array on the left": lambda t: A * t - A / t + A**t,
    "comparison": lambda t: t * (t > A) + t * np.greater(t, 1),
}


@pytest.mark.nojit
@pytest.mark.parametrize("name", SAME)
def test_numpys_function_gives_numpys_value_and_a_gradient(name):
    f = SAME[name]
    x = Tensor(A + 0.01, requires_grad=True)
    y = f(x)
    assert isinstance(y, Tensor)
    assert y.requires_grad
    np.testing.assert_allclose(y.numpy(), f(A + 0.01), rtol=1e-13)
    gradcheck(f, A + 0.01, order=2)


@pytest.mark.nojit
def test_functions_without_a_gradient_work_on_the_values():
    x = Tensor([[1.0, np.nan], [-np.inf, 0.0]], requires_grad=True)
    plain = x.numpy()
    for f in (np.isnan, np.isinf, np.isfinite, np.signbit, np.shape, np.ndim, np.size):
        ours = f(x)
        assert not isinstance(ours, Tensor)
        np.testing.assert_array_equal(ours, f(plain))
    for f in (np.zeros_like, np.ones_like, np.argsort, np.any, np.all, np.count_nonzero):
        np.testing.assert_array_equal(f(x), f(plain))
    assert np.argmax(Tensor([1.0, 3.0, 2.0])) == 1
    assert np.argmin(Tensor([[1.0, 3.0], [0.0, 5.0]]), axis=1).tolist() == [0, 0]
    assert np.allclose(Tensor([1.0], requires_grad=True), [1.0 + 1e-12])
    assert np.array_equal(Tensor([1.0]), Tensor([1.0]))
    assert np.full_like(x, 2.0).tolist() == [[2, 2], [2, 2]]


REFUSED = {
    "sin": np.sin,
    "cumsum": np.cumsum,
    "sort": np.sort,
    "median": np.median,
    "norm": np.linalg.norm,
    "einsum": lambda t: np.einsum("ij->i", t),
    "std": np.std,
    "expand_dims": lambda t: np.expand_dims(t, 0),
    "arctan2": lambda t: np.arctan2(t, 1.0),
    "floor_divide": lambda t: A // t,
    "remainder": lambda t: np.remainder(t, 2),
}


@pytest.mark.nojit
@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_other_functions_are_refused_with_a_remedy(name, requires_grad):
    with pytest.raises(TypeError, match=rf"np\.{name}.*\.numpy\(\)"):
        REFUSED[name](Tensor(A, requires_grad=requires_grad))


@pytest.mark.nojit
def test_out_and_where_are_refused_and_nothing_is_written():
    x, out = Tensor(A), np.zeros_like(A)
    for f in (
        lambda: np.exp(x, out=out),
        lambda: np.add(x, 1, out=out),
        lambda: np.add(A, 1, out=x),
        lambda: np.exp(x, where=A > 1),
        lambda: np.exp(x, dtype=np.float32),
        lambda: np.sum(x, out=out[0, 0]),
        lambda: np.sum(x, dtype=np.float32),
        lambda: np.concatenate([x, A], out=np.zeros((4, 3))),
        lambda: np.mean(x, where=A > 1),
        lambda: np.where(Tensor(A > 1)),
        lambda: np.reshape(x, (3, 2), order="F"),
    ):
        with pytest.raises(TypeError):
            f()
    assert not out.any()
    with pytest.raises(TypeError, match=r"np\.exp.*out="):
        np.exp(x, out=out)
    with pytest.raises(TypeError, match=r"np\.sum.*dtype="):
        np.sum(x, dtype=np.float32)


def test_methods_of_ufuncs_are_refused():
    for f in (np.add.reduce, np.add.accumulate, lambda t: np.multiply.outer(t, t)):
        with pytest.raises(TypeError, match=r"np\.(add|multiply)\.(reduce|accumulate|outer)"):
            f(Tensor(A))


def test_errors_of_the_operation_itself_come_through():
    with pytest.raises(ShapeError, match="add"):
        np.add(Tensor(A), np.ones(2))
    with pytest.raises(TypeError, match="float16"):
        np.add(Tensor(A), np.ones(3, np.float16))


def test_names_that_shadow_pythons_own_differentiate():
    x = Tensor(A, requires_grad=True)
    (engine.sum(x) + engine.max(x) - engine.min(x) + engine.abs(x).sum()).backward()
    expected = np.full(A.shape, 2.0)
    expected[np.unravel_index(A.argmax(), A.shape)] += 1
    expected[np.unravel_index(A.argmin(), A.shape)] -= 1
    np.testing.assert_array_equal(x.grad.numpy(), expected)


def test_dot_is_numpys():
    t, u = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(np.dot(Tensor(t), u).numpy(), np.dot(t, u))
    np.testing.assert_array_equal(np.dot(2.0, Tensor(t)).numpy(), 2 * t)
    with pytest.raises(TypeError, match="use @"):
        np.dot(Tensor(np.ones((2, 3, 4))), np.ones((2, 4, 5)))


def test_numpys_own_keywords():
    t = np.arange(24.0).reshape(2, 3, 4)
    moved = np.transpose(Tensor(t), axes=(2, 0, 1)).numpy()
    np.testing.assert_array_equal(moved, np.transpose(t, axes=(2, 0, 1)))
    np.testing.assert_array_equal(np.clip(Tensor(t), a_min=2, a_max=5).numpy(), np.clip(t, 2, 5))
