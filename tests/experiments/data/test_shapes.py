"""Shapeset's images: frequencies, moments, determinism, the margin, and refused arguments."""

from itertools import islice

import numpy as np
import pytest

from experiments.data import SHAPESET_CLASSES, TEST_START, load, shapeset, shapeset_stream

N = 60_000
SINGLE, SAME, MIXED = 1 / 6, 1 / 18, 1 / 9


@pytest.fixture(scope="module")
def many_images():
    return shapeset(N, seed=7)


def background_of(x):
    """A corner pixel always lies in the margin."""
    return x[:, 0]


def test_shapes_and_dtypes():
    x, y = shapeset(3, seed=0)
    assert x.shape == (3, 1024) and x.dtype == np.float32 and x.flags.c_contiguous
    assert y.shape == (3,) and y.dtype == np.int64


def test_class_frequencies(many_images):
    _, y = many_images
    expected = dict.fromkeys(("triangle", "parallelogram", "ellipse"), SINGLE)
    for name in SHAPESET_CLASSES[3:]:
        one, other = name.split("+")
        expected[name] = SAME if one == other else MIXED
    assert sum(expected.values()) == pytest.approx(1)
    counts = np.bincount(y, minlength=9)
    for name, count in zip(SHAPESET_CLASSES, counts, strict=True):
        p = expected[name]
        assert abs(count / N - p) < 5 * np.sqrt(p * (1 - p) / N), name


def test_constant_guess_errs_five_sixths(many_images):
    _, y = many_images
    error = 1 - np.bincount(y).max() / N
    assert abs(error - 5 / 6) < 5 * np.sqrt(5 / 36 / N)


def test_second_moment_is_37_hundredths(many_images):
    x, _ = many_images
    per_image = np.square(x, dtype=np.float64).mean(axis=1)
    assert abs(per_image.mean() - 0.37) < 5 * per_image.std() / np.sqrt(N)
    assert per_image.std() / np.sqrt(N) < 0.002


def test_values_fill_the_two_ranges(many_images):
    x, _ = many_images
    low, high = x.min(), x.max()
    assert -1 <= low < -0.999 and 0.999 < high <= 1
    assert np.abs(x).min() == pytest.approx(0.1, abs=0.001)


def test_polarity_is_a_fair_coin_and_objects_are_in_the_other_range(many_images):
    x, _ = many_images
    dark = background_of(x) < 0
    assert abs(dark.mean() - 0.5) < 5 * 0.5 / np.sqrt(N)
    is_object = x != background_of(x)[:, None]
    assert ((x < 0) == (dark[:, None] ^ is_object)).all()
    assert is_object.any(axis=1).all()


def test_outermost_ring_is_background_and_the_next_is_used(many_images):
    x, _ = many_images
    is_object = (x != background_of(x)[:, None]).any(axis=0).reshape(32, 32)
    assert is_object[1:-1, 1:-1].all()
    assert is_object.sum() == 30 * 30


def test_number_of_levels_tells_the_number_of_objects(many_images):
    x, y = many_images
    levels = np.array([len(np.unique(image)) for image in x[:3000]])
    single = y[:3000] < 3
    assert (levels[single] == 2).all()
    # The second object hides the first altogether in about .6 % of pairs.
    assert (levels[~single] <= 3).all() and (levels[~single] == 3).mean() > 0.98


def test_same_seed_same_bits():
    for first, second in zip(shapeset(500, seed=3), shapeset(500, seed=3), strict=True):
        assert np.array_equal(first, second)


def test_seed_0_is_a_seed():
    first = shapeset(50, seed=0)[0]
    assert np.array_equal(first, shapeset(50, seed=0)[0])
    assert not np.array_equal(first, shapeset(50, seed=1)[0])


def test_an_image_is_the_same_in_every_batch():
    x, y = shapeset(300, seed=5, start=40)
    x_a, y_a = shapeset(123, seed=5, start=40)
    x_b, y_b = shapeset(177, seed=5, start=163)
    assert np.array_equal(x, np.concatenate([x_a, x_b]))
    assert np.array_equal(y, np.concatenate([y_a, y_b]))


def test_images_of_a_seed_and_of_its_neighbours_all_differ():
    x = np.concatenate([shapeset(2000, seed=seed)[0] for seed in (0, 1, 2, 2**64 - 1)])
    assert len(np.unique(x, axis=0)) == len(x)


def test_last_index_can_be_drawn():
    x, _ = shapeset(1, seed=0, start=2**63 - 1)
    assert np.isfinite(x).all()


@pytest.mark.parametrize("batch", [10, 333, 2500])
def test_stream_gives_consecutive_images(batch):
    wanted = 5000 // batch + 2
    pairs = list(islice(shapeset_stream(batch, seed=2, start=17), wanted))
    x, y = shapeset(batch * wanted, seed=2, start=17)
    assert all(len(part) == batch for part, _ in pairs)
    assert np.array_equal(np.concatenate([part for part, _ in pairs]), x)
    assert np.array_equal(np.concatenate([part for _, part in pairs]), y)


@pytest.mark.parametrize("seed", [-1, 0.5, "1", None, True, 2**64, np.float32(1)])
def test_refused_seeds(seed):
    for call in (lambda: shapeset(1, seed=seed), lambda: shapeset_stream(1, seed=seed)):
        with pytest.raises(ValueError, match="seed must be a whole number from 0"):
            call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n must be a whole number of at least 1, got 0"),
        ({"n": 2.0}, "n must be"),
        ({"n": 1, "start": -1}, "start must be a whole number of at least 0, got -1"),
        ({"n": 1, "start": 2**63}, "indices end at"),
    ],
)
def test_refused_numbers(arguments, message):
    with pytest.raises(ValueError, match=message):
        shapeset(**arguments, seed=0)


def test_stream_refuses_a_batch_of_none_before_it_starts():
    with pytest.raises(ValueError, match="batch must be"):
        shapeset_stream(0, seed=0)


def test_numpy_integers_are_integers():
    x, _ = shapeset(np.int64(2), seed=np.uint8(4), start=np.int32(1))
    assert np.array_equal(x, shapeset(2, seed=4, start=1)[0])


def test_loaded_split_is_disjoint_ranges_of_one_seed():
    data = load("shapeset", n_train=30, n_test=20, seed=6)
    assert (data.name, data.n_classes, data.n_features) == ("shapeset", 9, 1024)
    assert np.array_equal(data.x_train, shapeset(30, seed=6)[0])
    assert np.array_equal(data.y_train, shapeset(30, seed=6)[1])
    assert np.array_equal(data.x_test, shapeset(20, seed=6, start=2**40)[0])
    assert np.array_equal(data.y_test, shapeset(20, seed=6, start=2**40)[1])
    assert TEST_START == 2**40


def test_training_images_may_not_reach_the_test_images():
    with pytest.raises(ValueError, match="n_train must be at most"):
        load("shapeset", n_train=2**40 + 1, n_test=1)
