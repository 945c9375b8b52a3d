"""Which examples a training sees, by the number of the update."""

import numpy as np
import pytest

from experiments.data import TEST_START, shapeset
from experiments.lab.batches import EverNew, Reshuffled, batches_of, examples


def reshuffled(n=10, batch=4, seed=0):
    return Reshuffled(np.arange(n, dtype=np.float32)[:, None], np.arange(n), batch, seed)


@pytest.mark.parametrize(("n", "batch"), [(10, 4), (10, 10), (3, 8), (7, 1), (10, 5)])
def test_every_epoch_uses_each_example_once(n, batch):
    batches = reshuffled(n, batch)
    epochs = 6
    seen = np.concatenate([batches.at(u)[1] for u in range(-(-n * epochs // batch))])
    assert all(len(batches.at(u)[1]) == batch for u in range(5))
    orders = seen[: n * epochs].reshape(epochs, n)
    assert (np.sort(orders, axis=1) == np.arange(n)).all()
    assert len({tuple(order) for order in orders}) > 1


def test_x_belongs_to_y():
    x, y = reshuffled().at(3)
    assert np.array_equal(x[:, 0], y)


@pytest.mark.parametrize("make", [reshuffled, lambda: EverNew(7, seed=3, start=5)])
def test_a_batch_depends_on_its_number_alone(make):
    in_order = make()
    expected = [in_order.at(update) for update in range(300)]
    order = np.random.default_rng(0).permutation(300)
    jumping = make()
    for update in order:
        for array, same in zip(jumping.at(int(update)), expected[update], strict=True):
            np.testing.assert_array_equal(array, same)


def test_seeds_differ():
    one, other = (np.concatenate([reshuffled(seed=s).at(u)[1] for u in range(9)]) for s in (0, 1))
    assert not np.array_equal(one, other)


def test_ever_new_images_are_those_of_the_seed_in_their_order():
    batches = EverNew(7, seed=3, start=5)
    x, y = shapeset(7 * 200, seed=3, start=5)
    np.testing.assert_array_equal(np.concatenate([batches.at(u)[0] for u in range(200)]), x)
    np.testing.assert_array_equal(np.concatenate([batches.at(u)[1] for u in range(200)]), y)
    large = EverNew(3000, seed=3, start=0)  # larger than a block
    np.testing.assert_array_equal(large.at(1)[0], shapeset(3000, seed=3, start=3000)[0])


def test_training_validation_and_test_have_no_image_in_common():
    data, validation = examples("shapeset", None, 20, 6, 4, 1)
    np.testing.assert_array_equal(data.x_train, shapeset(20, seed=1)[0])
    np.testing.assert_array_equal(validation[0], shapeset(6, seed=1, start=20)[0])
    np.testing.assert_array_equal(validation[1], shapeset(6, seed=1, start=20)[1])
    np.testing.assert_array_equal(data.x_test, shapeset(4, seed=1, start=TEST_START)[0])
    assert examples("shapeset", None, 20, 0, 4, 1)[1] is None


def test_ever_new_images_begin_after_those_for_validation():
    data, validation = examples("shapeset", None, 0, 6, 4, 1)
    np.testing.assert_array_equal(validation[0], shapeset(6, seed=1)[0])
    first = batches_of(data, 0, 6, 10, 1).at(0)[0]
    np.testing.assert_array_equal(first, shapeset(10, seed=1, start=6)[0])
    data, validation = examples("shapeset", None, 0, 0, 4, 1)
    assert validation is None
    first = batches_of(data, 0, 0, 10, 1).at(0)[0]
    np.testing.assert_array_equal(first, shapeset(10, seed=1)[0])
