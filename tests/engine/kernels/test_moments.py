"""The kernels of statistics against their obvious versions, where numbers are hard too."""

import numba
import numpy as np
import pytest

from engine.kernels import counts as c
from engine.kernels import moments as m

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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_moments_are_those_of_numpy(name, dtype):
    v = CASES[name].astype(dtype)
    got, want = m.moments(v), m.moments_reference(v)
    assert got[:2] == want[:2]
    np.testing.assert_array_equal(got[2:4], want[2:4])
    np.testing.assert_allclose(got[4:], want[4:], rtol=1e-9, atol=1e-14 * abs(want[3]))


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e307, 1e-310])
def test_squares_beyond_float64(size):
    v = RNG.normal(size=3000)
    v /= abs(v).max()
    got, want = m.moments(v * size), m.moments_reference(v)
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
            found.append(m.moments(v))
    finally:
        numba.set_num_threads(before)
    assert found[0] == found[1]


def test_read_only_arrays():
    v = RNG.normal(size=100)
    v.setflags(write=False)
    np.testing.assert_allclose(m.moments(v), m.moments_reference(v), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_look_at_several_is_that_at_each(dtype):
    sizes, strides = (70_001, 3, 0, 4096, 20_000, 1), (17, 1, 2, 4, 3, 5)
    arrays = [RNG.normal(size=size).astype(dtype) for size in sizes]
    arrays[3][5], arrays[5][0] = np.nan, 1e30
    together = m.look(arrays, strides)
    for array, stride, (moments, sample) in zip(arrays, strides, together, strict=True):
        alone = m.look([array], (stride,))[0]
        np.testing.assert_array_equal(moments, alone[0])
        np.testing.assert_array_equal(sample, array[::stride])
        assert sample.dtype == dtype
        np.testing.assert_allclose(moments, m.moments_reference(array), rtol=1e-6)


@pytest.mark.nojit
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_magnitudes_are_those_of_numpy(dtype):
    tiny, huge = np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max
    with np.errstate(over="ignore", under="ignore"):
        v = (RNG.normal(size=2000) * 10.0 ** RNG.uniform(-45, 30, size=2000)).astype(dtype)
    odd = [0, -0.0, np.nan, np.inf, -np.inf, tiny, -huge, 1, 2, 4, 0.5]
    v = np.concatenate([v, np.array(odd, dtype), c.EDGES.astype(dtype)])
    if dtype is np.float64:  # on the edges and beside them
        v = np.concatenate([v, np.nextafter(c.EDGES, 0), np.nextafter(c.EDGES, 1e300)])
    got = c.magnitudes(v)
    np.testing.assert_array_equal(got, c.magnitudes_reference(v))
    assert got.sum() == (np.isfinite(v) & (v != 0)).sum()
    assert got[0] > 0 and got[-1] > 0


@pytest.mark.nojit
@pytest.mark.parametrize("largest", [0.25, 1.0, 0.3, 0.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_slope_counts_are_those_of_numpy(dtype, largest):
    v = RNG.uniform(-0.4, 0.4, size=(50, 30))
    v[:, :3] = 0
    v[3, 3], v[4, 4], v[:, 5] = np.nan, np.inf, np.nan
    v[10:12] = np.arange(30) / 100 * (largest or 1)
    for got, want in zip(
        c.slope_counts(v.astype(dtype), largest),
        c.slope_counts_reference(v.astype(dtype), largest),
        strict=True,
    ):
        np.testing.assert_array_equal(got, want)


def test_edges_are_half_decades():
    np.testing.assert_allclose(c.EDGES[::2], 10.0 ** np.arange(-30, 11), rtol=1e-12)
    assert len(c.EDGES) + 1 == c.N_BINS
