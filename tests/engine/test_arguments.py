"""Axes, shapes and orders of axes: integers of all kinds, and nothing else."""

import numpy as np
import pytest

import engine
from engine import ShapeError, Tensor, place

A = np.arange(6.0).reshape(2, 3)
T = Tensor(A, requires_grad=True)

AXIS = {
    "sum": lambda axis: T.sum(axis=axis),
    "mean": lambda axis: T.mean(axis),
    "max": lambda axis: engine.max(T, axis),
    "min": lambda axis: T.min(axis=axis, keepdims=True),
    "logsumexp": lambda axis: engine.logsumexp(T, axis),
    "softmax": lambda axis: engine.softmax(T, axis=axis),
    "log_softmax": lambda axis: engine.log_softmax(T, axis),
    "np.sum": lambda axis: np.sum(T, axis=axis),
    "np.mean": lambda axis: np.mean(T, axis),
    "np.max": lambda axis: np.max(T, axis=axis),
}
ONE_AXIS = {
    "concatenate": lambda axis: engine.concatenate([T, T], axis),
    "stack": lambda axis: engine.stack([T, T], axis=axis),
    "np.concatenate": lambda axis: np.concatenate([T, T], axis=axis),
    "np.stack": lambda axis: np.stack([T, T], axis),
}
SHAPE = {
    "reshape": lambda shape: T.reshape(shape),
    "engine.reshape": lambda shape: engine.reshape(T, shape),
    "np.reshape": lambda shape: np.reshape(T, shape),
    "broadcast_to": lambda shape: engine.broadcast_to(Tensor(A[0, :1]), shape),
    "np.broadcast_to": lambda shape: np.broadcast_to(Tensor(A[0, :1]), shape),
}
ORDER = {
    "transpose": lambda order: T.transpose(order),
    "engine.transpose": lambda order: engine.transpose(T, order),
    "np.transpose": lambda order: np.transpose(T, order),
}
NOT_INTEGERS = [
    *(1.0, 1.5, "1", b"1", True, np.float64(1), np.bool_(True), object(), {1}, {1: 1}, np.nan),
    *([1.0], ["1"], (True,), (0, 1.0), np.array([0.0, 1.0]), np.array([True]), Tensor([1.0])),
    *(Tensor(1.0), [[0], [1]], np.array([[0, 1]]), (0, None), 1j),
]


@pytest.mark.parametrize("value", NOT_INTEGERS, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("name", [*AXIS, *ONE_AXIS, *SHAPE, *ORDER])
def test_what_is_no_integer_is_refused_by_the_operations_name(name, value):
    f = {**AXIS, **ONE_AXIS, **SHAPE, **ORDER}[name]
    start = rf"^{name.split('.')[-1]} in layer 3: (axis|shape|axes) "
    with place("layer 3"), pytest.raises(TypeError, match=start):
        f(value)


@pytest.mark.parametrize("axis", [1, -1, np.int64(1), np.uint8(1), np.array(1)], ids=repr)
@pytest.mark.parametrize("name", [*AXIS, *ONE_AXIS])
def test_an_axis_may_be_any_integer(name, axis):
    f = {**AXIS, **ONE_AXIS}[name]
    np.testing.assert_array_equal(f(axis).numpy(), f(int(axis)).numpy())


@pytest.mark.parametrize("axes", [[0, 1], np.array([1, 0]), (np.int64(-1), 0), range(2)], ids=repr)
@pytest.mark.parametrize("name", AXIS)
def test_several_axes_may_be_a_list_or_an_array(name, axes):
    np.testing.assert_array_equal(AXIS[name](axes).numpy(), AXIS[name]((0, 1)).numpy())
    x = Tensor(A, requires_grad=True)
    x.sum(axis=axes).backward()
    assert (x.grad.numpy() == 1).all()


@pytest.mark.parametrize("name", ONE_AXIS)
def test_tensors_are_joined_along_one_axis(name):
    for axes in ((0,), [0, 1], np.array([0])):
        with pytest.raises(TypeError, match="give an integer"):
            ONE_AXIS[name](axes)


@pytest.mark.parametrize("shape", [(3, 2), [3, 2], np.array([3, 2]), (np.int8(3), np.int64(2))])
@pytest.mark.parametrize("name", SHAPE)
def test_a_shape_may_be_a_list_or_an_array(name, shape):
    assert SHAPE[name](shape).shape == (3, 2)


@pytest.mark.parametrize("n", [6, np.int64(6), np.array(6), np.array([6])], ids=repr)
@pytest.mark.parametrize("name", SHAPE)
def test_a_shape_may_be_a_number(name, n):
    assert SHAPE[name](n).shape == (6,)


@pytest.mark.parametrize("order", [(1, 0), [1, 0], np.array([1, 0]), (np.int64(-1), 0), None])
@pytest.mark.parametrize("name", ORDER)
def test_an_order_of_axes_may_be_a_list_or_an_array(name, order):
    np.testing.assert_array_equal(ORDER[name](order).numpy(), A.T)


def test_sizes_and_axes_one_by_one():
    assert T.reshape(np.int64(3), -1).shape == (3, 2)
    assert T.transpose(np.int64(1), 0).shape == (3, 2)
    for f in (
        lambda: T.reshape(T.size / 4, -1),
        lambda: T.reshape("6", 1),
        lambda: T.reshape(None),
        lambda: T.reshape((3, 2), 1),
        lambda: T.transpose(1.9, 0.2),
        lambda: T.transpose(None, 0),
    ):
        with pytest.raises(TypeError, match=r"(reshape: shape|transpose: axes)"):
            f()
    with pytest.raises(ValueError, match=r"axes \(\) do not name"):
        T.transpose(())


@pytest.mark.parametrize("f", [engine.concatenate, np.concatenate])
def test_without_an_axis_all_entries_are_joined(f):
    x, y = Tensor(A, requires_grad=True), Tensor(2.0, requires_grad=True)
    joined = f([x, y, A[0]], axis=None)
    assert joined.numpy().tolist() == [0, 1, 2, 3, 4, 5, 2, 0, 1, 2]
    (joined * np.arange(10.0)).sum().backward()
    assert x.grad.numpy().tolist() == [[0, 1, 2], [3, 4, 5]]
    assert y.grad.item() == 6


def test_tensors_are_joined_in_a_list():
    with pytest.raises(ShapeError, match=r"concatenate: .*\(\).*concatenate\(\[a, b\]\)"):
        engine.concatenate(Tensor([1.0, 2.0]))
    for f in (engine.concatenate, engine.stack):
        with pytest.raises(ShapeError, match=rf"{f.__name__}\(\[a, b\]\)"):
            f(Tensor(1.0))
    assert engine.concatenate(T).numpy().tolist() == [0, 1, 2, 3, 4, 5]  # its rows, as in NumPy


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: T.sum(dim=0), "sum: .*dim= is axis= here"),
        (lambda: T.mean(dim=0), "mean: .*dim= is axis= here"),
        (lambda: T.max(0, keepdim=True), "max: .*keepdim= is keepdims= here"),
        (lambda: engine.min(T, dim=1), "min: .*dim= is axis= here"),
        (lambda: engine.logsumexp(T, dim=1), "logsumexp: .*dim= is axis= here"),
        (lambda: engine.softmax(T, dim=1), "softmax: .*dim= is axis= here"),
        (lambda: engine.log_softmax(T, dim=1), "log_softmax: .*dim= is axis= here"),
        (lambda: engine.concatenate([T], dim=1), "concatenate: .*dim= is axis= here"),
        (lambda: engine.concatenate([T], None, dim=1), "concatenate: .*dim= is axis= here"),
        (lambda: engine.stack([T], dim=1), "stack: .*dim= is axis= here"),
        (lambda: T.sum(dtype=np.float32), "sum: it takes no dtype=$"),
        (lambda: T.sum(0, dim=1, keepdim=True), "no dim=, keepdim=; dim=.*keepdims= here"),
    ],
)
def test_pytorchs_keywords_are_named_with_numpys(call, message):
    with pytest.raises(TypeError, match=message):
        call()
