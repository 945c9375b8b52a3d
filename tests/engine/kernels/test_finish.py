"""What follows a product in the same kernel, s = out + b and out = f(s), after each way.

`test_processors.py` runs this file again with the tiles of other processors.
"""

import numpy as np
import pytest

from engine.kernels import KERNELS
from engine.kernels.compiled.products import BLOCKS, TRANSPOSED, UNPACKED, nothing
from engine.kernels.compiled.runs import _PIECE

RNG = np.random.default_rng(0)
CASES = [
    *[(way, ta, tb) for way in (UNPACKED, BLOCKS) for ta in (False, True) for tb in (False, True)],
    (TRANSPOSED, False, True),
]
EACH_CASE = pytest.mark.parametrize(("way", "ta", "tb"), CASES, ids=str)
EACH_DTYPE = pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(np.float64)], ids=str)
PARAMETERS = {"leaky_relu": (0.2,), "elu": (1.5,)}
# One entry; one row, which is cut at no multiple of anything; more rows and more columns than go
# into one piece; one column.
SHAPES = [(1, 3, 1), (1, 5, 77), (13, 9, 100), (16, 3, _PIECE + 9), (3, 1, 2 * _PIECE), (16, 33, 1)]
TALL = [(_PIECE + 3, 2, 3), (150, 4, 65)]


def shapes(way):
    return SHAPES if way is TRANSPOSED else SHAPES + TALL


def operands(m, n, p, dtype, ta, tb):
    a = RNG.normal(size=(n, m) if ta else (m, n)).astype(dtype)
    b = RNG.normal(size=(p, n) if tb else (n, p)).astype(dtype)
    return a, b, RNG.normal(size=p).astype(dtype)


@EACH_CASE
@EACH_DTYPE
@pytest.mark.parametrize("n_threads", [None, 1, 2, 3, 5])
def test_the_bias_alone(ways, way, ta, tb, dtype, n_threads):
    vector, matrix = nothing(dtype)
    for m, n, p in shapes(way):
        a, b, bias = operands(m, n, p, dtype, ta, tb)
        out = np.full((m, p), np.nan, dtype)
        ways.product(way, a, ta, b, tb, out, end=(0, vector, bias, matrix), n_threads=n_threads)
        product = ways.product(way, a, ta, b, tb, np.empty((m, p), dtype))
        np.testing.assert_array_equal(out, product + bias)


@EACH_CASE
@EACH_DTYPE
@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("n_threads", [None, 1, 2, 3, 5])
def test_the_bias_and_an_activation(ways, way, ta, tb, dtype, keep, n_threads):
    for name in ("tanh", "leaky_relu", "relu"):
        f, p_of_f = KERNELS[name], PARAMETERS.get(name, ())
        address, parameters = f.run("value", dtype), np.array(p_of_f, dtype)
        for m, n, p in shapes(way):
            a, b, bias = operands(m, n, p, dtype, ta, tb)
            out = np.full((m, p), np.nan, dtype)
            s = np.full((m, p), np.nan, dtype) if keep else nothing(dtype)[1]
            end = address, parameters, bias, s
            ways.product(way, a, ta, b, tb, out, end=end, n_threads=n_threads)
            product = ways.product(way, a, ta, b, tb, np.empty((m, p), dtype))
            np.testing.assert_array_equal(out, f.value(product + bias, *p_of_f))
            if keep:
                np.testing.assert_array_equal(s, product + bias)


@pytest.mark.parametrize("name", KERNELS)
@EACH_DTYPE
def test_every_activation(ways, name, dtype):
    f, parameters = KERNELS[name], PARAMETERS.get(name, ())
    a, b, bias = operands(21, 7, 35, dtype, False, False)
    out, s = np.full((2, 21, 35), np.nan, dtype)
    end = f.run("value", dtype), np.array(parameters, dtype), bias, s
    ways.product(UNPACKED, a, False, b, False, out, end=end)
    exact = a.astype(np.float64) @ b.astype(np.float64) + bias
    tolerance = 1e-12 if dtype == np.float64 else 2e-5
    np.testing.assert_allclose(s, exact, rtol=tolerance, atol=tolerance)
    reference = f.reference_value(exact, *parameters)
    np.testing.assert_allclose(out, reference, rtol=tolerance, atol=tolerance)


@EACH_CASE
@EACH_DTYPE
@pytest.mark.parametrize("n_threads", [None, 3])
def test_nothing_beside_the_result_and_s_is_written(ways, way, ta, tb, dtype, n_threads):
    for m, n, p in shapes(way):
        a, b, bias = operands(m, n, p, dtype, ta, tb)
        before = [x.tobytes() for x in (a, b, bias)]
        memory = np.full((2, 32 + m * p + 32), -777, dtype)
        out, s = (row[32 : 32 + m * p].reshape(m, p) for row in memory)
        end = KERNELS["tanh"].run("value", dtype), nothing(dtype)[0], bias, s
        ways.product(way, a, ta, b, tb, out, end=end, n_threads=n_threads)
        assert not (memory[:, 32:-32] == -777).any()
        assert (memory[:, :32] == -777).all()
        assert (memory[:, -32:] == -777).all()
        assert [x.tobytes() for x in (a, b, bias)] == before
