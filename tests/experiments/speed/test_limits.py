"""What the machine can do at most: the loops do what their counts say."""

import numba
import numpy as np
import pytest

from engine.kernels.compiled.tile import ROWS, SHAPE
from experiments.speed import limits


@pytest.fixture(params=[1, 2])
def threads(request):
    if request.param > numba.config.NUMBA_NUM_THREADS:
        pytest.skip("one thread is all there is")
    before = numba.get_num_threads()
    numba.set_num_threads(request.param)
    yield request.param
    numba.set_num_threads(before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_thread_does_the_operations_that_are_counted(dtype, threads):
    c = limits.multiply_adds(dtype, 3)
    width = SHAPE.vectors * SHAPE.bits // (8 * np.dtype(dtype).itemsize)
    assert c.shape == (threads, ROWS * width)
    # Panels of ones: an entry of a tile is the number of its multiply-adds in one repeat.
    assert 2 * c[0].sum(dtype=np.float64) == limits.operations(dtype)
    assert (c == c[0, 0]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_triad(dtype, threads):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1001)).astype(dtype)
    out = np.full(1001, np.nan, dtype)
    limits.triad(a, b, out)
    np.testing.assert_allclose(out, a + 3 * b, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("b", "out"),
    [(np.ones(4), np.ones(3)), (np.ones(3), np.ones(4)), (np.ones(3, np.float32), np.ones(3))],
)
def test_arrays_that_do_not_fit_are_refused(b, out):
    with pytest.raises(ValueError, match="one size"):
        limits.triad(np.ones(3), b, out)
