"""Each activation's kernels beside its obvious formula, over layouts and dtypes."""

import numpy as np
import pytest

from engine.kernels import KERNELS

FLOATS = [np.float32, np.float64]
PARAMETERS = {"leaky_relu": (0.2,), "elu": (1.5,)}
# Kinks are left out: there the reference may take the other one-sided slope.
S = np.linspace(-6.3, 6.2, 251)


@pytest.mark.nojit
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_fast_and_obvious_versions_agree(name, dtype):
    k, p, s = KERNELS[name], PARAMETERS.get(name, ()), S.astype(dtype)
    tolerance = 1e-12 if dtype == np.float64 else 3e-6
    for fast, reference in (
        (k.value(s, *p), k.reference_value(s, *p)),
        (k.slope(s, *p), k.reference_slope(s, *p)),
    ):
        assert fast.dtype == dtype
        np.testing.assert_allclose(fast, reference, rtol=tolerance, atol=tolerance)
    g = np.cos(S).astype(dtype)
    scaled = k.scaled_slope(g, s, *p)
    assert scaled.dtype == dtype
    np.testing.assert_allclose(scaled, g * k.slope(s, *p), rtol=np.finfo(dtype).eps * 2)


@pytest.mark.nojit
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("shape", [(), (1,), (0,), (0, 3), (3, 0, 2), (1, 5), (5, 1), (2, 3, 4)])
def test_shapes(name, shape):
    k, p = KERNELS[name], PARAMETERS.get(name, ())
    s = np.random.default_rng(0).normal(size=shape)
    for y in (k.value(s, *p), k.slope(s, *p), k.scaled_slope(s, s, *p)):
        assert y.shape == shape
        assert y.flags.c_contiguous
    flat = k.value(s.reshape(-1), *p)
    np.testing.assert_array_equal(k.value(s, *p).reshape(-1), flat)


@pytest.mark.nojit
@pytest.mark.parametrize("name", KERNELS)
def test_layouts_and_read_only_inputs(name):
    k, p = KERNELS[name], PARAMETERS.get(name, ())
    base = np.random.default_rng(0).normal(size=(6, 8))
    read_only = base.copy()
    read_only.flags.writeable = False
    for s in (base.T, base[::2, ::-1], np.asfortranarray(base), read_only, base[:, :1]):
        copy = s.copy(order="C")
        np.testing.assert_array_equal(k.value(s, *p), k.value(copy, *p))
        np.testing.assert_array_equal(k.slope(s, *p), k.slope(copy, *p))
        g = np.broadcast_to(np.array(2.0), s.shape)
        np.testing.assert_array_equal(k.scaled_slope(g, s, *p), 2 * k.slope(copy, *p))


def test_inputs_are_not_written_to_and_results_are_new():
    for name, k in KERNELS.items():
        p = PARAMETERS.get(name, ())
        s, g = S.copy(), np.ones_like(S)
        for y in (k.value(s, *p), k.slope(s, *p), k.scaled_slope(g, s, *p)):
            assert not np.shares_memory(y, s)
            assert not np.shares_memory(y, g)
        np.testing.assert_array_equal(s, S)


@pytest.mark.parametrize("dtype", FLOATS)
def test_no_compiler_flag_makes_nan_vanish(dtype):
    s = np.array([np.nan, 1.0] * 16, dtype)  # long enough for vector instructions
    for name, k in KERNELS.items():
        p = PARAMETERS.get(name, ())
        for y in (k.value(s, *p), k.slope(s, *p), k.scaled_slope(s, s, *p)):
            assert np.isnan(y[::2]).all(), name
            assert not np.isnan(y[1::2]).any(), name
