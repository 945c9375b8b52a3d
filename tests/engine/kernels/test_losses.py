"""The fused losses beside their definitions."""

import warnings

import numpy as np
import pytest

from engine.kernels import (
    cross_entropy,
    cross_entropy_slopes,
    plain,
    scaled_difference,
    squared_error,
)

FLOATS = [np.float32, np.float64]


@pytest.mark.parametrize("kernel", [plain.cross_entropy, cross_entropy])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize(("n", "k"), [(1, 1), (1, 7), (5, 1), (4, 10), (64, 3)])
def test_losses_and_probabilities(kernel, dtype, n, k):
    rng = np.random.default_rng(0)
    o, labels = rng.normal(size=(n, k)).astype(dtype), rng.integers(0, k, n)
    loss, p = kernel(o, labels)
    wide = o.astype(np.float64)
    expected = np.exp(wide) / np.exp(wide).sum(axis=1, keepdims=True)
    rtol = 1e-13 if dtype == np.float64 else 3e-6
    assert (p.dtype, p.shape) == (dtype, (n, k))
    np.testing.assert_allclose(p, expected, rtol=rtol)
    mean = -np.log(expected[np.arange(n), labels]).mean()
    np.testing.assert_allclose(loss, mean, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("kernel", [plain.cross_entropy, cross_entropy])
def test_layouts_and_label_dtypes(kernel):
    o = np.random.default_rng(0).normal(size=(6, 4))
    labels = np.array([0, 1, 2, 3, 0, 1])
    o.flags.writeable = labels.flags.writeable = False
    expected = kernel(o, labels)
    for logits in (np.asfortranarray(o), o[::-1].copy()[::-1], np.repeat(o, 2, 1)[:, ::2]):
        for dtype in (np.int8, np.uint16, np.int32, np.int64):
            for ours, theirs in zip(kernel(logits, labels.astype(dtype)), expected, strict=True):
                np.testing.assert_allclose(ours, theirs, rtol=1e-14)


@pytest.mark.parametrize("dtype", FLOATS)
def test_large_logits(dtype):
    o = np.array([[1e4, 0, -1e4], [3e38, -3e38, 0], [-np.inf, 0, 0]], dtype)
    labels = np.array([1, 0, 2])
    _, p = cross_entropy(o, labels)
    losses = [cross_entropy(o[i : i + 1], labels[i : i + 1])[0] for i in range(3)]
    np.testing.assert_allclose(losses, [1e4, 0, np.log(2)], rtol=1e-6)
    np.testing.assert_array_equal(p, [[1, 0, 0], [1, 0, 0], [0, 0.5, 0.5]])


def test_an_offset_costs_no_precision():
    o = np.array([[1.0, -2.0, 0.5]], np.float32)
    a, b = cross_entropy(o, np.array([1])), cross_entropy(o + np.float32(65536), np.array([1]))
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("dtype", FLOATS)
def test_slopes_are_those_of_the_loss(dtype):
    rng = np.random.default_rng(0)
    p, labels = rng.dirichlet(np.ones(5), 7).astype(dtype), rng.integers(0, 5, 7)
    slopes = cross_entropy_slopes(p, labels, 0.25)
    assert slopes.dtype == dtype
    np.testing.assert_allclose(slopes, (p - np.eye(5)[labels]) * 0.25, rtol=1e-6)


@pytest.mark.parametrize("dtype", FLOATS)
def test_squares(dtype):
    a, t = np.random.default_rng(0).normal(size=(2, 6, 4)).astype(dtype)
    np.testing.assert_allclose(squared_error(a, t, 1.0), np.square(a - t).sum(), rtol=1e-6)
    np.testing.assert_allclose(squared_error(a.T, t.T, 1.0), np.square(a - t).sum(), rtol=1e-6)
    difference = scaled_difference(a[:, ::2], t[:, ::2], 3.0)
    assert difference.dtype == dtype
    np.testing.assert_allclose(difference, 3 * (a - t)[:, ::2], rtol=1e-6)


def test_many_small_squares_are_summed_without_loss():
    a = np.full(10_000_001, 1e-4, np.float32)
    assert abs(squared_error(a, np.zeros_like(a), 0.10000001) - 1) < 1e-6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_too_large_becomes_infinite_in_silence(dtype):
    huge = np.full((2, 3), np.finfo(dtype).max, dtype)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert squared_error(huge, -huge, 1.0) == np.inf
        assert squared_error(huge, np.zeros_like(huge), 1e-300) == np.inf
        assert (scaled_difference(huge, np.zeros_like(huge), 1e300) == np.inf).all()
        loss, p = cross_entropy(np.array([[0.0, np.finfo(dtype).max]], dtype), np.array([0]))
        assert loss == np.finfo(dtype).max and loss.shape == () and loss.dtype == dtype
        assert cross_entropy_slopes(p, np.array([0]), 1e300)[0, 1] == (
            np.inf if dtype == np.float32 else 1e300
        )
