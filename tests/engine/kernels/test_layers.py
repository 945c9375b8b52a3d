"""The layer's forward and backward kernels beside the definition, for every activation."""

import numba
import numpy as np
import pytest

from engine.kernels import KERNELS, matmul
from engine.kernels.compiled import layers, products, threads
from engine.kernels.compiled.layers import (
    WORTH_SEPARATE_CALLS,
    layer,
    layer_backward,
    runs_of,
)
from engine.kernels.compiled.runs import WORTH_THREADS, slopes_and_sums, slopes_and_sums_parallel

RNG = np.random.default_rng(0)
PARAMETERS = {"leaky_relu": (0.2,), "elu": (1.5,)}
EACH_DTYPE = pytest.mark.parametrize("dtype", [np.dtype(np.float32), np.dtype(np.float64)], ids=str)
EACH_F = pytest.mark.parametrize("name", KERNELS)
# One of everything; a small net's; around the two sizes from which on the work is done otherwise;
# a batch of ten; more rows than blocks take without copies.
SHAPES = [
    *[(1, 1, 1), (1, 7, 5), (32, 16, 16), (10, 99, 101), (10, 100, 100), (10, 300, 210)],
    *[(150, 4, 333), (151, 4, 334), (410, 130, 200)],
]


def test_the_shapes_lie_on_both_sides_of_the_thresholds():
    sizes = [m * n * p for m, n, p in SHAPES]
    outputs = [m * p for m, n, p in SHAPES]
    assert min(sizes) < WORTH_SEPARATE_CALLS <= max(sizes)
    assert WORTH_SEPARATE_CALLS in sizes
    assert min(outputs) < WORTH_THREADS <= max(outputs)


def operands(m, n, p, dtype):
    x, W = RNG.normal(size=(m, n)), RNG.normal(size=(n, p)) / np.sqrt(n)
    b, g = RNG.normal(size=p), RNG.normal(size=(m, p))
    return [array.astype(dtype) for array in (x, W, b, g)]


def kernel(name):
    return KERNELS[name], PARAMETERS.get(name, ())


def forward(name, x, W, b, keep=True):
    return layer(*kernel(name), keep, x, W, b)


def backward(name, g, y, s, x, W, needs=(True, True)):
    return layer_backward(*kernel(name), needs, g, y, s, x, W)


def close(ours, exact, dtype, terms=1):
    """To some units in the last place of the largest entries, for sums of so many terms."""
    tolerance = 16 * terms * np.finfo(dtype).eps
    assert ours.shape == exact.shape
    assert ours.dtype == dtype
    np.testing.assert_allclose(ours, exact, rtol=tolerance, atol=tolerance)


@EACH_F
@EACH_DTYPE
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_forward_and_backward_are_the_four_equations(name, dtype, shape):
    m, n, p = shape
    x, W, b, g = operands(m, n, p, dtype)
    y, s = forward(name, x, W, b)
    wide = [array.astype(np.float64) for array in (x, W, b, g)]
    exact_s = wide[0] @ wide[1] + wide[2]
    close(s, exact_s, dtype, np.sqrt(n))
    f, p_of_f = KERNELS[name], PARAMETERS.get(name, ())
    close(y, f.reference_value(s.astype(np.float64), *p_of_f), dtype)

    ds, dx, dW, db = backward(name, g, y, s, x, W)
    exact_ds = wide[3] * f.reference_slope(s.astype(np.float64), *p_of_f)
    close(ds, exact_ds, dtype)
    close(db, ds.astype(np.float64).sum(axis=0), dtype, np.sqrt(m))
    close(dW, wide[0].T @ ds, dtype, np.sqrt(m))
    close(dx, ds @ wide[1].T, dtype, np.sqrt(p))


@EACH_F
@EACH_DTYPE
@pytest.mark.parametrize("shape", [(5, 3, 4), (151, 4, 334), (10, 300, 210)], ids=str)
def test_the_layer_is_its_parts_to_the_last_bit(name, dtype, shape):
    x, W, b, g = operands(*shape, dtype)
    y, s = forward(name, x, W, b)
    f, p_of_f = KERNELS[name], PARAMETERS.get(name, ())
    np.testing.assert_array_equal(s, matmul(x, W) + b)
    np.testing.assert_array_equal(y, f.value(s, *p_of_f))
    ds, dx, dW, _ = backward(name, g, y, s, x, W)
    of_value = f.slope_of_value is not None
    scaled = f.scaled_slope_of_value(g, y, *p_of_f) if of_value else f.scaled_slope(g, s, *p_of_f)
    np.testing.assert_array_equal(ds, scaled)
    np.testing.assert_array_equal(dW, matmul(x, ds, transpose_a=True))
    np.testing.assert_array_equal(dx, matmul(ds, W, transpose_b=True))


@pytest.mark.parametrize("shape", [(5, 3, 4), (151, 4, 334), (10, 300, 210)], ids=str)
def test_s_is_there_only_if_it_is_kept_or_the_slope_is_one_of_s(shape):
    x, W, b, _ = operands(*shape, np.dtype(np.float64))
    for name in ("identity", "tanh", "gelu"):
        y, s = forward(name, x, W, b, keep=False)
        y_too, s_too = forward(name, x, W, b)
        assert (s is not None) == (name == "gelu")
        assert s_too.shape == y.shape
        assert (s_too is y_too) == (name == "identity")
        np.testing.assert_array_equal(y, y_too)


@pytest.mark.parametrize("shape", [(5, 3, 4), (10, 300, 210)], ids=str)
def test_gradients_that_nobody_needs_are_not_there_and_change_no_other(shape):
    x, W, b, g = operands(*shape, np.dtype(np.float32))
    y, _ = forward("tanh", x, W, b, keep=False)
    both = backward("tanh", g, y, None, x, W)
    for needs_dW in (False, True):
        for needs_dx in (False, True):
            some = backward("tanh", g, y, None, x, W, (needs_dx, needs_dW))
            for needed, gradient, expected in zip(
                (True, needs_dx, needs_dW, True), some, both, strict=True
            ):
                assert (gradient is not None) == needed
                if needed:
                    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("n_threads", [2, 3, 5])
@EACH_F
@EACH_DTYPE
def test_threads_do_not_change_the_bits(name, dtype, n_threads, monkeypatch):
    """All that runs on threads, in so many parts; the parts run one after the other here."""
    entered = []

    def spy(parallel, serial, *args):
        entered.append(parallel)
        threads.run(parallel, serial, *args)

    x, W, b, g = operands(130, 40, 403, dtype)
    outcomes = []
    for module in (layers, products):
        monkeypatch.setattr(module, "run", spy)
    for count in (1, n_threads):
        monkeypatch.setattr(numba, "get_num_threads", lambda count=count: count)
        y, s = forward(name, x, W, b)
        gradients = backward(name, g, y, s, x, W)
        outcomes.append([array.tobytes() for array in (y, s, *gradients)])
    assert outcomes[0] == outcomes[1]
    product = products.UNPACKED.product_parallel
    assert entered == [product, slopes_and_sums_parallel, product, product] * 2


@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
@EACH_DTYPE
@pytest.mark.parametrize("shape", [(1, 1), (3, 63), (3, 64), (3, 65), (9, 200), (2, 9000)])
def test_slopes_and_sums_in_parts_of_the_columns(n_threads, dtype, shape):
    g, v = RNG.normal(size=(2, *shape)).astype(dtype)
    for name in ("tanh", "gelu", "identity"):
        alone, together = ([np.full(shape, np.nan, dtype), np.empty(shape[1], dtype)] for _ in "ab")
        of_f = runs_of(KERNELS[name], (), dtype)
        if name == "identity":
            alone[0], together[0] = g, g
        slopes_and_sums(of_f.scaled, of_f.parameters, g, v, *alone, 0, shape[1])
        slopes_and_sums_parallel(of_f.scaled, of_f.parameters, g, v, *together, n_threads)
        for serial, parallel in zip(alone, together, strict=True):
            assert serial.tobytes() == parallel.tobytes()


LAYOUTS = {
    "Fortran": np.asfortranarray,
    "gaps": lambda x: np.repeat(np.repeat(x, 2, axis=0), 2, axis=1)[::2, ::2],
    "backward": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "one row": lambda x: np.broadcast_to(x[:1], x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("which", ["x", "W", "g"])
@pytest.mark.parametrize("shape", [(12, 9, 10), (10, 300, 210)], ids=str)
def test_any_memory_layout(layout, which, shape):
    given = dict(zip("xWbg", operands(*shape, np.dtype(np.float64)), strict=True))
    given[which] = LAYOUTS[layout](given[which])
    plain = {key: np.ascontiguousarray(array) for key, array in given.items()}
    outcomes = []
    for arrays in (given, plain):
        x, W, b, g = arrays.values()
        y, s = forward("tanh", x, W, b)
        outcomes.append((y, s, *backward("tanh", g, y, s, x, W)))
    for ours, expected in zip(*outcomes, strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0), (0, 0, 0)], ids=str)
@EACH_F
def test_nothing_times_nothing(name, shape):
    m, n, p = shape
    x, W, b, g = (
        operands(*shape, np.dtype(np.float64))
        if n
        else (np.zeros((m, 0)), np.zeros((0, p)), RNG.normal(size=p), RNG.normal(size=(m, p)))
    )
    y, s = forward(name, x, W, b)
    np.testing.assert_array_equal(s, np.zeros((m, p)) + b)
    np.testing.assert_array_equal(y, KERNELS[name].value(s, *PARAMETERS.get(name, ())))
    ds, dx, dW, db = backward(name, g, y, s, x, W)
    assert ds.shape == (m, p)
    np.testing.assert_allclose(db, ds.sum(axis=0), rtol=1e-12)
    assert (dW.shape, dx.shape) == ((n, p), (m, n))
    assert not dW.any()
    assert not dx.any()


def test_operands_are_not_written_to():
    for shape in ((5, 3, 4), (151, 4, 334)):
        x, W, b, g = arrays = operands(*shape, np.dtype(np.float32))
        before = [array.tobytes() for array in arrays]
        for name in KERNELS:
            y, s = forward(name, x, W, b)
            kept = y.tobytes(), s.tobytes()
            backward(name, g, y, s, x, W)
            assert (y.tobytes(), s.tobytes()) == kept
        assert [array.tobytes() for array in arrays] == before
