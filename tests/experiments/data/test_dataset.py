"""`DataSet`: what it holds, what it refuses, and its batches; `load`'s names."""

from itertools import islice

import numpy as np
import pytest

from experiments.data import DataError, DataSet, load


def small_set(n=7, **changed):
    x = np.arange(n * 2, dtype=np.float32).reshape(n, 2)
    fields = {
        "name": "small",
        "x_train": x,
        "y_train": np.arange(n) % 3,
        "x_test": x[:2],
        "y_test": np.array([0, 2]),
        "n_classes": 3,
        "description": "numbers",
    }
    return DataSet(**(fields | changed))


def test_arrays_are_converted_contiguous_and_read_only():
    x = np.arange(14.0).reshape(2, 7).T
    data = small_set(x_train=x, y_train=np.zeros(7, np.uint8))
    assert data.x_train.dtype == np.float32 and data.x_train.flags.c_contiguous
    assert data.y_train.dtype == np.int64
    assert np.array_equal(data.x_train, x)
    for array in (data.x_train, data.y_train, data.x_test, data.y_test):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_the_callers_array_stays_writable():
    x = np.zeros((7, 2), np.float32)
    small_set(x_train=x)
    x[0] = 1


def test_repr_is_one_line_of_numbers():
    assert repr(small_set()) == (
        "DataSet('small', 7 training and 2 test examples, 2 features, 3 classes)"
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_train": np.zeros((6, 2))}, r"x_train has shape \(6, 2\) and y_train \(7,\)"),
        ({"x_test": np.zeros(2)}, r"x_test has shape \(2,\)"),
        ({"x_test": np.zeros((0, 2)), "y_test": np.zeros(0)}, "N of at least 1"),
        ({"x_test": np.zeros((2, 3))}, "2 features an example and x_test 3"),
        ({"y_test": np.array([0, 3])}, "labels from 0 to 3"),
        ({"y_test": np.array([-1, 0])}, "labels from -1 to 0"),
    ],
)
def test_fields_that_do_not_fit(changed, message):
    with pytest.raises(ValueError, match=message):
        small_set(**changed)


@pytest.mark.parametrize("batch", [1, 3, 7, 20])
def test_every_epoch_uses_each_example_once(batch):
    data = small_set()
    taken = list(islice(data.batches(batch, np.random.default_rng(0)), 42))
    assert all(x.shape == (batch, 2) and y.shape == (batch,) for x, y in taken)
    x = np.concatenate([x for x, _ in taken])
    y = np.concatenate([y for _, y in taken])
    index = (x[:, 0] / 2).astype(int)
    assert np.array_equal(y, index % 3)
    epochs = index[: len(index) // 7 * 7].reshape(-1, 7)
    assert (np.sort(epochs, axis=1) == np.arange(7)).all()
    assert len(np.unique(epochs, axis=0)) > 1  # reshuffled


def test_batches_follow_the_generator():
    data = small_set()

    def order(rng):
        return np.concatenate([y for _, y in islice(data.batches(3, rng), 20)]).tolist()

    assert order(np.random.default_rng(0)) == order(np.random.default_rng(0)) == order(0)
    assert order(0) != order(1)


def test_batches_refuse_before_the_first_is_asked_for():
    with pytest.raises(ValueError, match="batch must be a whole number of at least 1"):
        small_set().batches(0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="seed must be"):
        small_set().batches(1, None)


def test_writing_into_a_batch_leaves_the_set_alone():
    data = small_set()
    x, _ = next(data.batches(3, 0))
    x[:] = -1
    assert data.x_train.min() == 0


def test_unknown_name():
    with pytest.raises(DataError, match="no data set 'cifar'; take one of shapeset, mnist"):
        load("cifar")


def test_hold_out_splits_the_training_set_and_leaves_the_test_set_out():
    data = small_set(10)
    apart = data.hold_out(3)
    assert np.array_equal(apart.x_train, data.x_train[:7])
    assert np.array_equal(apart.y_train, data.y_train[:7])
    assert np.array_equal(apart.x_test, data.x_train[7:])
    assert np.array_equal(apart.y_test, data.y_train[7:])
    assert len(data.x_train) == 10 and apart.n_classes == data.n_classes


@pytest.mark.parametrize("n", [0, 10, 11, 1.5])
def test_hold_out_needs_something_on_either_side(n):
    with pytest.raises(ValueError, match=r"held out|whole number"):
        small_set(10).hold_out(n)
