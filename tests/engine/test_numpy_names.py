"""NumPy's own functions on a tensor: differentiated, answered on the values, or refused."""

from contextlib import nullcontext

import numpy as np
import pytest

import engine
from engine import ShapeError, Tensor, gradcheck, no_grad

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
    "concatenate all": lambda t: np.concatenate([t, A[0]], axis=None),
    "stack": lambda t: np.stack([A, t, t]),
    "positive": np.positive,
    "float_power": lambda t: np.float_power(t, 2),
    "float_power from the left": lambda t: np.float_power(2, t),
    "sum by position": lambda t: np.sum(t, 0, None, None, True),
    "sum without out": lambda t: np.sum(t, axis=0, out=None),
    "sum of a dtype": lambda t: np.sum(t, dtype=np.float64),
    "sum from": lambda t: np.sum(t, axis=1, initial=3.0),
    "sum where": lambda t: np.sum(t, axis=0, where=np.array([True, False, True])),
    "sum where 0 or 1": lambda t: np.sum(t, where=A > 0.5, axis=1, keepdims=True),
    "sum everywhere": lambda t: np.sum(t, where=True, keepdims=np._NoValue),
    "mean by position": lambda t: np.mean(t, 1, np.float64, None, True),
    "max by position": lambda t: np.max(t, 1, None, True),
    "min without out": lambda t: np.min(t, axis=1, out=None),
    "amax": lambda t: np.amax(t, 0),
    "exp everywhere": lambda t: np.exp(t, where=True, out=None),
    "where 0 or 1": lambda t: np.where([0, 1, 2], t, 0.0),
    "where truth": lambda t: np.where(A - 1.2, t, t * t),
    "clip by position": lambda t: np.clip(t, 0.5, 1.0, None),
    "reshape in order": lambda t: np.reshape(t, (3, 2), order="C"),
    "dot by name": lambda t: np.dot(t, b=A.T, out=None),
    "array on the left": lambda t: A * t - A / t + A**t,
    "comparison": lambda t: t * (t > A) + t * np.greater(t, 1),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", SAME)
def test_numpys_function_gives_numpys_value_and_a_gradient(name):
    f = SAME[name]
    x = Tensor(A + 0.01, requires_grad=True)
    y = f(x)
    assert isinstance(y, Tensor)
    assert y.requires_grad
    np.testing.assert_allclose(y.numpy(), f(A + 0.01), rtol=1e-13)
    gradcheck(f, A + 0.01, order=2)


@pytest.mark.plain
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


OPTIONS = {
    "exp(out": lambda t: np.exp(t, out=np.zeros_like(A)),
    "add(out": lambda t: np.add(1, t, out=np.zeros_like(A)),
    "exp(where": lambda t: np.exp(t, where=A > 1, out=np.zeros_like(A)),
    "exp(dtype": lambda t: np.exp(t, dtype=np.float64),
    "add(casting": lambda t: np.add(t, 1, casting="no"),
    "sum(out": lambda t: np.sum(t, out=np.zeros(())),
    "sum(dtype": lambda t: np.sum(t, dtype=int),
    "concatenate(out": lambda t: np.concatenate([t, A], out=np.zeros((4, 3))),
    "concatenate(dtype": lambda t: np.concatenate([t, A], dtype=np.float32),
    "stack(out": lambda t: np.stack([t, A], out=np.zeros((2, 2, 3))),
    "mean(where": lambda t: np.mean(t, where=A > 1),
    "max(initial": lambda t: np.max(t, initial=9.0),
    "clip(out": lambda t: np.clip(t, 0.5, 1.0, out=np.zeros_like(A)),
    "reshape(order": lambda t: np.reshape(t, (3, 2), order="F"),
    "dot(out": lambda t: np.dot(t, A.T.copy(), out=np.zeros((2, 2))),
}
METHODS = {
    "add.reduce": (np.add.reduce, r"engine\.sum"),
    "maximum.reduce": (np.maximum.reduce, r"engine\.max"),
    "add.accumulate": (np.add.accumulate, "operations"),
    "multiply.outer": (lambda t: np.multiply.outer(A, t), "operations"),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", REFUSED)
def test_other_functions_are_refused_with_a_remedy(name):
    for x in (Tensor(A, requires_grad=True), Tensor(A, requires_grad=True) * 1):
        with pytest.raises(TypeError, match=rf"np\.(linalg\.)?{name} .*\.numpy\(\)"):
            REFUSED[name](x)


@pytest.mark.plain
@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_refused_by_name(name):
    function, option = name.split("(")
    with pytest.raises(TypeError, match=rf"^np\.{function} .*takes no.* {option}=.*\.numpy\(\)"):
        OPTIONS[name](Tensor(A, requires_grad=True))


def test_options_by_position_are_refused():
    for f in (
        lambda t: np.sum(t, 0, None, np.zeros(3)),
        lambda t: np.max(t, 0, np.zeros(3)),
        lambda t: np.clip(t, 0, 1, np.zeros((2, 3))),
    ):
        with pytest.raises(TypeError, match="doesn't take these arguments"):
            f(Tensor(A, requires_grad=True))
        np.testing.assert_array_equal(f(Tensor(A)), f(A))


@pytest.mark.parametrize("name", METHODS)
def test_methods_of_ufuncs_are_refused(name):
    f, advice = METHODS[name]
    with pytest.raises(TypeError, match=rf"^np\.{name} .*{advice}"):
        f(Tensor(A, requires_grad=True))


@pytest.mark.plain
@pytest.mark.parametrize("kind", ["constant", "gradient", "detached", "no_grad", "result"])
@pytest.mark.parametrize("name", [*REFUSED, *OPTIONS, *METHODS])
def test_where_no_gradient_can_be_lost_the_answer_is_numpys(name, kind):
    f = {**REFUSED, **OPTIONS, **{key: value[0] for key, value in METHODS.items()}}[name]
    x = Tensor(A, requires_grad=True)
    x.grad = A
    tensor = {
        "constant": Tensor(A),
        "gradient": x.grad,
        "detached": (x * 1).detach(),
        "no_grad": x,
        "result": x * 1,
    }[kind]
    with no_grad() if kind in ("no_grad", "result") else nullcontext():
        answer = f(tensor)
    expected = f(A)
    assert type(answer) is type(expected)
    np.testing.assert_array_equal(answer, expected)
    assert answer.dtype == expected.dtype
    np.testing.assert_array_equal(x.numpy(), A)


def test_numpy_writes_the_values_of_a_constant_into_an_array():
    t, out = Tensor(A), np.zeros_like(A)
    assert np.exp(t, out=out) is out
    np.testing.assert_array_equal(out, np.exp(A))
    np.copyto(out, t)
    np.testing.assert_array_equal(out, A)
    np.add.at(out, 0, t[1])
    np.testing.assert_array_equal(out[0], A[0] + A[1])
    np.isnan(t, out=np.zeros((2, 3), bool))


WRITING = {
    "add": lambda t: np.add(A, 1, out=t),
    "isnan": lambda t: np.isnan(A, out=t, casting="unsafe"),
    "add.at": lambda t: np.add.at(t, 0, 1),
    "copyto": lambda t: np.copyto(t, 3),
    "put": lambda t: np.put(t, 0, 3),
    "fill_diagonal": lambda t: np.fill_diagonal(t, 3),
    "sum": lambda t: np.sum(np.ones((2, 2, 3)), axis=0, out=t),
}


@pytest.mark.parametrize("name", WRITING)
def test_numpy_cannot_write_into_a_tensor(name):
    x = Tensor(A, requires_grad=True)
    for tensor in (Tensor(A), x, x.detach()):
        with no_grad(), pytest.raises(TypeError, match=r"write into a tensor.*t\.update"):
            WRITING[name](tensor)
        np.testing.assert_array_equal(tensor.numpy(), A)
    with pytest.raises(TypeError):
        WRITING[name](x)


def test_a_gradient_in_nested_arguments_is_found():
    x = Tensor(A, requires_grad=True)
    for f in (
        lambda t: np.vstack([A, t]),
        lambda t: np.block([[A], [t]]),
        lambda t: np.select([A > 1], [t], default=0.0),
        lambda t: np.full((2, 2, 3), fill_value=t),
    ):
        with pytest.raises(TypeError):
            f(x)
        np.testing.assert_array_equal(f(x.detach()), f(A))


def test_a_step_of_descent_in_numpy():
    W = Tensor(A, requires_grad=True)
    (W * W).sum().backward()
    v, before = A.copy(), A.copy()
    v -= 0.1 * W.grad
    np.testing.assert_allclose(v, before - 0.2 * A)
    assert np.linalg.norm(W.grad) == np.linalg.norm(2 * A)


def test_names_are_those_that_a_user_writes():
    x = Tensor(A, requires_grad=True)
    for f, name in (
        (np.linalg.norm, r"^np\.linalg\.norm "),
        (np.fft.fft, r"^np\.fft\.fft "),
        (lambda t: np.mod(t, 2), r"^np\.remainder \(np\.mod\) "),
        (lambda t: t.numpy().clip(t, 2), r"^clip .*engine\.clip"),
        (np.ravel, r"np\.ravel .*t\.reshape\(-1\)"),
        (np.copy, r"np\.copy .*t \* 1"),
        (lambda t: np.expand_dims(t, 0), r"np\.expand_dims .*t\.reshape"),
        (np.vstack, r"np\.vstack .*engine\.concatenate"),
    ):
        with pytest.raises(TypeError, match=name):
            f(x)


def test_float_power_is_float64_at_least():
    x = Tensor(A, dtype=np.float32, requires_grad=True)
    for f in (lambda t: np.float_power(t, 2), lambda t: np.float_power(np.float32(2), t)):
        y = f(x)
        assert y.dtype == f(x.numpy()).dtype == np.float64
        np.testing.assert_allclose(y.numpy(), f(x.numpy()), rtol=1e-15)
        y.sum().backward()
    assert x.grad.dtype == np.float32


def test_the_sum_in_another_dtype():
    x = Tensor(A, dtype=np.float32, requires_grad=True)
    for f in (lambda t: np.sum(t, dtype=np.float64), lambda t: np.mean(t, 0, np.float64)):
        assert f(x).dtype == np.float64
        np.testing.assert_array_equal(f(x).numpy(), f(x.numpy()))


def test_the_place_of_truth_is_plain():
    x = Tensor([0.0, 2.0, np.nan], requires_grad=True)
    assert [i.tolist() for i in np.where(x)] == [[1, 2]]
    assert [i.tolist() for i in np.nonzero(x)] == [[1, 2]]
    assert np.logical_not(x).tolist() == [True, False, False]
    assert np.result_type(x, np.float32) == np.float64
    y = np.where(x, x, 7.0)
    y[:2].sum().backward()
    assert (y.numpy()[0], x.grad.numpy().tolist()) == (7.0, [0, 1, 0])


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
    a, b = np.arange(24.0).reshape(2, 3, 4), np.ones((2, 4, 5))
    np.testing.assert_array_equal(np.dot(Tensor(a), b), np.dot(a, b))
    with pytest.raises(TypeError, match=r"np\.dot .*t @ u \(for more than two axes"):
        np.dot(Tensor(a, requires_grad=True), b)


def test_numpys_own_keywords():
    t = np.arange(24.0).reshape(2, 3, 4)
    moved = np.transpose(Tensor(t), axes=(2, 0, 1)).numpy()
    np.testing.assert_array_equal(moved, np.transpose(t, axes=(2, 0, 1)))
    np.testing.assert_array_equal(np.clip(Tensor(t), a_min=2, a_max=5).numpy(), np.clip(t, 2, 5))
    np.testing.assert_array_equal(np.clip(Tensor(t), max=5).numpy(), np.clip(t, None, 5))
    np.testing.assert_array_equal(np.clip(Tensor(t), min=2, max=5).numpy(), np.clip(t, 2, 5))
    np.testing.assert_array_equal(np.reshape(Tensor(t), shape=(6, 4)).numpy(), t.reshape(6, 4))
    np.testing.assert_array_equal(np.broadcast_to(array=Tensor(t), shape=t.shape).numpy(), t)


def test_a_bound_with_a_gradient_is_a_number_where_nothing_is_recorded():
    low = Tensor(0.7, requires_grad=True)
    with no_grad():
        np.testing.assert_array_equal(np.clip(A, low, 1.0), np.clip(A, 0.7, 1.0))
    with pytest.raises(TypeError, match="maximum and minimum"):
        np.clip(A, low, 1.0)
