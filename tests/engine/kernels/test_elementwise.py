"""Each activation's kernels beside its obvious formula, over layouts and dtypes."""

import numpy as np
import pytest

from engine.kernels import KERNELS
from engine.kernels.compiled.runs import WORTH_THREADS, over, over_parallel

FLOATS = [np.float32, np.float64]
PARAMETERS = {"leaky_relu": (0.2,), "elu": (1.5,)}
# Kinks are left out: there the reference may take the other one-sided slope.
S = np.linspace(-6.3, 6.2, 251)


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


OF_VALUE = [name for name, k in KERNELS.items() if k.slope_of_value is not None]


def test_which_slopes_are_functions_of_the_value():
    # At gelu's and silu's minimum two s have one value; leaky_relu's a may be negative.
    assert not {"leaky_relu", "gelu", "silu"} & set(OF_VALUE)
    assert {"sigmoid", "tanh", "softsign", "relu", "elu", "selu", "softplus"} < set(OF_VALUE)


@pytest.mark.parametrize("name", OF_VALUE)
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_slope_as_a_function_of_the_value(name, dtype):
    k, p, s = KERNELS[name], PARAMETERS.get(name, ()), S.astype(dtype)
    g = np.cos(S).astype(dtype)
    ours = k.scaled_slope_of_value(g, k.value(s, *p), *p)
    assert ours.dtype == dtype
    expected = g * k.reference_slope(s.astype(np.float64), *p)
    # In saturation f′ is a difference of numbers near 1: right to a unit of those.
    np.testing.assert_allclose(ours, expected, rtol=0, atol=8 * np.finfo(dtype).eps)


@pytest.mark.parametrize("name", OF_VALUE)
@pytest.mark.parametrize("dtype", FLOATS)
def test_the_slope_of_the_value_at_the_ends(name, dtype):
    k, p = KERNELS[name], PARAMETERS.get(name, ())
    s = np.array([-np.inf, -1000, -0.0, 0.0, 1000, np.inf, np.nan], dtype)
    y = k.value(s, *p)
    slopes = k.scaled_slope_of_value(np.ones_like(y), y, *p)
    np.testing.assert_allclose(slopes, k.slope(s, *p), rtol=1e-6, atol=1e-6)


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
        results = [k.value(s, *p), k.slope(s, *p), k.scaled_slope(s, s, *p)]
        if k.slope_of_value is not None:
            results.append(k.scaled_slope_of_value(np.ones_like(s), s, *p))
        for y in results:
            assert np.isnan(y[::2]).all(), name
            assert not np.isnan(y[1::2]).any(), name


def each_run(name, dtype):
    """(kind, address, parameters) of all that an activation is compiled into."""
    k, p = KERNELS[name], np.array(PARAMETERS.get(name, ()), dtype)
    kinds = ["value", "slope", "scaled"] + ["scaled by value"] * (name in OF_VALUE)
    return [(kind, k.run(kind, np.dtype(dtype)), p) for kind in kinds]


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_bits_depend_neither_on_the_place_in_an_array_nor_on_threads(name, dtype):
    """Vector instructions for most of a run, single ones for its end: the same result."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(scale=3, size=(2, 301)).astype(dtype)
    for kind, address, p in each_run(name, dtype):
        alone, together = np.empty_like(x), np.empty_like(x)
        over(address, x, y, alone, p)
        for i in range(0, 301, 7):
            one = np.empty(1, dtype)
            over(address, x[i : i + 1], y[i : i + 1], one, p)
            assert one.tobytes() == alone[i : i + 1].tobytes(), (kind, i)
        for n_threads in (1, 2, 3, 5):
            together[:] = np.nan
            over_parallel(address, x, y, together, p, n_threads)
            assert together.tobytes() == alone.tobytes(), (kind, n_threads)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_run_writes_its_range_alone(dtype):
    x = np.linspace(-2, 2, 200, dtype=dtype)
    for kind, address, p in each_run("tanh", dtype):
        for n in (0, 1, 7, 8, 15, 16, 17, 33, 63, 64, 65, 129):
            for n_threads in (None, 3):
                memory = np.full(264, -7, dtype)
                out = memory[32 : 32 + n]
                more = () if n_threads is None else (n_threads,)
                (over if n_threads is None else over_parallel)(address, x[:n], x[:n], out, p, *more)
                assert (memory[:32] == -7).all(), (kind, n)
                assert (memory[32 + n :] == -7).all(), (kind, n)
                assert not (out == -7).any(), (kind, n)


@pytest.mark.parametrize("name", KERNELS)
def test_arrays_large_enough_for_threads(name):
    k, p = KERNELS[name], PARAMETERS.get(name, ())
    s = np.tile(S, WORTH_THREADS // len(S) + 1).reshape(2, -1)
    few = np.tile(k.value(S, *p), s.size // len(S)).reshape(s.shape)
    np.testing.assert_array_equal(k.value(s, *p), few)


def test_a_run_is_compiled_once():
    k = KERNELS["tanh"]
    addresses = {
        (kind, dtype): k.run(kind, np.dtype(dtype))
        for kind in ("value", "slope")
        for dtype in FLOATS
    }
    assert len(set(addresses.values())) == 4
    for (kind, dtype), address in addresses.items():
        assert k.run(kind, np.dtype(dtype)) == address


@pytest.mark.parametrize(
    ("g", "s"),
    [
        (np.ones((2, 3)), np.ones((3, 2))),
        (np.ones(1), np.ones(3)),
        (np.ones(3), np.ones(4)),
        (np.ones(3, np.float32), np.ones(3)),
    ],
)
def test_operands_that_do_not_fit_each_other_are_refused(g, s):
    # A run takes addresses and a length; it would read past the end of the shorter one.
    for method in (KERNELS["tanh"].scaled_slope, KERNELS["tanh"].scaled_slope_of_value):
        with pytest.raises(ValueError, match="same shape and dtype"):
            method(g, s)


def test_the_number_of_parameters_is_checked():
    for name, given in (("tanh", (1.0,)), ("elu", ()), ("leaky_relu", (0.1, 0.2))):
        for method in (KERNELS[name].value, KERNELS[name].slope):
            with pytest.raises(ValueError, match="parameters for"):
                method(S, *given)
