"""The kernels of statistics against their obvious versions, where numbers are hard too."""

import numba
import numpy as np
import pytest

from engine.activations import identity, leaky_relu, tanh
from engine.kernels import plain
from engine.kernels.compiled import counts as c
from engine.kernels.compiled import looks

RNG = np.random.default_rng(0)
CASES = {
    "normal": RNG.normal(size=5000),
    "one block and a bit": RNG.normal(size=1029),
    "far from zero": RNG.normal(size=3000) + 1e5,
    "an outlier first": np.r_[1e4, RNG.normal(size=3000)],
    "constant": np.full(2000, -3.0),
    "zeros of both signs": np.r_[0.0, -0.0, np.zeros(1500), -0.0],
    "a NaN and infinities": np.r_[np.nan, RNG.normal(size=2000), np.inf, -np.inf, 0.0, -np.nan],
    "nothing finite": np.full(1500, np.nan),
    "NaN in a whole block": np.r_[RNG.normal(size=1024), np.full(1024, np.nan), 5.0, -7.0],
    "one": np.array([-2.5]),
    "empty": np.array([]),
    "many parts": np.r_[np.full(40_000, np.nan), RNG.normal(size=60_000) + 3, np.zeros(5)],
    "many parts of NaN": np.full(70_000, np.nan),
    "denormal": RNG.normal(size=500) * 1e-43,
}


def assert_close(got, want, dtype):
    """Counts and extremes are the same; mean and deviation to 1e-6 of the deviation in float32."""
    assert got[:2] == want[:2]
    np.testing.assert_array_equal(got[2:4], want[2:4])
    if dtype == np.float64 or not want.finite:
        np.testing.assert_allclose(got[4:], want[4:], rtol=1e-9, atol=1e-14 * abs(want.high))
        return
    np.testing.assert_allclose(got.std, want.std, rtol=1e-6, atol=0)
    np.testing.assert_allclose(got.mean, want.mean, rtol=1e-15, atol=1e-6 * want.std)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_moments_are_those_of_numpy(name, dtype):
    v = CASES[name].astype(dtype)
    assert_close(looks.moments(v), plain.moments(v), dtype)


@pytest.mark.parametrize("size", [1e-44, 1e-38, 1e-30, 1e-12, 1e6, 1e19, 1e30, 3e38])
@pytest.mark.parametrize("first", [1.0, 1e-35, 1e35, 0.0])
def test_squares_beyond_float32(size, first):
    """Whatever power of two was guessed from a few entries, the others may be far from it."""
    v = RNG.uniform(-1, 1, size=40_000)
    v[:: len(v) // 16] *= first
    v[1:4] *= first
    v = (v * size).clip(-3e38, 3e38).astype(np.float32)
    assert_close(looks.moments(v), plain.moments(v), np.float32)


@pytest.mark.parametrize("mean", [0.0, 3.0, 1e4])
def test_a_mean_that_is_far_from_the_entries_it_is_guessed_from(mean):
    v = mean + RNG.normal(size=16_384)
    v[:4] = mean - 300
    v = v.astype(np.float32)
    assert_close(looks.moments(v), plain.moments(v), np.float32)


@pytest.mark.parametrize("first", [1e30, np.nan, 1e-40])
def test_float32_far_from_the_guess_without_the_compiler_too(first):
    v = np.array([first, 1, 1, 2, 3], np.float32)
    assert_close(looks.moments(v), plain.moments(v), np.float32)


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e307, 1e-310])
def test_squares_beyond_float64(size):
    v = RNG.normal(size=3000)
    v /= abs(v).max()
    got, want = looks.moments(v * size), plain.moments(v)
    np.testing.assert_allclose(got.std / size, want.std, rtol=1e-6)
    np.testing.assert_allclose(got.mean / size, want.mean, rtol=1e-6)
    assert got.high == (v * size).max()


def test_the_bits_do_not_depend_on_the_threads():
    v = RNG.normal(size=200_001).astype(np.float32)
    found = []
    before = numba.get_num_threads()
    try:
        for n in (1, min(2, numba.config.NUMBA_NUM_THREADS)):
            numba.set_num_threads(n)
            found.append(looks.moments(v))
    finally:
        numba.set_num_threads(before)
    assert found[0] == found[1]


def test_read_only_arrays():
    v = RNG.normal(size=100)
    v.setflags(write=False)
    assert_close(looks.moments(v), plain.moments(v), np.float64)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("size", "stride"), [(70_001, 17), (3, 1), (0, 2), (4096, 4), (300_000, 7)]
)
def test_a_look_has_the_moments_and_a_sample(dtype, threads, size, stride):
    array = RNG.normal(size=size).astype(dtype)
    array[5:6] = np.nan
    before = numba.get_num_threads()
    try:
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        row, sample = looks.look(array, stride)
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(sample, array[::stride])
    assert sample.dtype == dtype
    assert_close(plain.as_moments(row), plain.moments(array), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [300_001, 30, 0])
@pytest.mark.parametrize("f", [tanh, leaky_relu(a=0.1), identity])
def test_a_look_at_the_slopes_is_that_at_their_array(dtype, size, f):
    s = RNG.normal(size=size).astype(dtype)
    address = f.kernel.run("slope", np.dtype(dtype))
    row, sample = looks.look(s, 7, address, np.array(f.constants, dtype))
    want, entries = looks.look(f.slope(s), 7)
    np.testing.assert_array_equal(row, want)
    np.testing.assert_array_equal(sample, entries)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_magnitudes_are_those_of_numpy(dtype):
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    with np.errstate(over="ignore", under="ignore"):
        v = (RNG.normal(size=2000) * 10.0 ** RNG.uniform(-45, 30, size=2000)).astype(dtype)
    odd = [0, -0.0, np.nan, np.inf, -np.inf, tiny, -huge, 1, 2, 4, 0.5]
    v = np.concatenate([v, np.array(odd, dtype), plain.EDGES.astype(dtype)])
    if dtype is np.float64:  # on the edges and beside them
        v = np.concatenate([v, np.nextafter(plain.EDGES, 0), np.nextafter(plain.EDGES, 1e300)])
    got = c.magnitudes(v)
    np.testing.assert_array_equal(got, plain.magnitudes(v))
    assert got.sum() == (np.isfinite(v) & (v != 0)).sum()
    assert got[0] > 0 and got[-1] > 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rows", [0, 1, 7, 8, 9, 50])
def test_dead_columns_are_those_of_numpy(dtype, rows):
    v = RNG.uniform(-1, 1, size=(rows, 30)) * (RNG.uniform(size=(rows, 30)) < 0.2)
    v[:, :3], v[-1:, 0], v[:, 5:7] = 0, 1e-40, np.nan
    v[:, 2] = -0.0
    v = v.astype(dtype)
    np.testing.assert_array_equal(c.dead_columns(v), (v == 0).all(axis=0))
    v[:1] = 1  # where none is dead, no more rows need be seen
    np.testing.assert_array_equal(c.dead_columns(v), (v == 0).all(axis=0))


def test_edges_are_half_decades():
    np.testing.assert_allclose(plain.EDGES[::2], 10.0 ** np.arange(-30, 11), rtol=1e-12)
    assert len(plain.EDGES) + 1 == plain.N_BINS
