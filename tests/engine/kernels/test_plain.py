"""`engine.kernels.plain`, the specification, beside the compiled kernels of the same names."""

import inspect

import numpy as np
import pytest

from engine.kernels import KERNELS, compiled, plain

RNG = np.random.default_rng(0)
FLOATS = [np.float32, np.float64]
PARAMETERS = {"leaky_relu": (0.2,), "elu": (1.5,)}
HARD = [-np.inf, -1e30, -1000, -100, -40.5, -39, -1, -0.3, -1e-30, -0.0, 0]
HARD = np.array([*HARD, 1e-30, 0.3, 1, 39, 40.5, 89, 1000, 1e30, np.inf, np.nan])


def close(dtype):
    return {"rtol": 1e-12, "atol": 1e-300} if dtype == np.float64 else {"rtol": 5e-6, "atol": 1e-37}


def test_each_compiled_kernel_has_its_plain_one():
    for name in compiled.__all__:
        ours, theirs = getattr(compiled, name), getattr(plain, name)
        if inspect.isfunction(ours) and inspect.isfunction(theirs) and name != "jit":
            fixed = [
                p
                for p in inspect.signature(theirs).parameters.values()
                if p.kind is not p.VAR_POSITIONAL
            ]
            assert [*inspect.signature(ours).parameters][: len(fixed)] == [p.name for p in fixed]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", KERNELS)
def test_activations_where_numbers_are_hard(name, dtype):
    ours, p = KERNELS[name], PARAMETERS.get(name, ())
    theirs = plain.kernel_of(name, ours.reference_value, ours.reference_slope, len(p))
    s = np.concatenate([HARD, RNG.normal(size=200) * 3]).astype(dtype)
    g = RNG.normal(size=s.shape).astype(dtype)
    for fast, obvious in (
        (ours.value(s, *p), theirs.value(s, *p)),
        (ours.slope(s, *p), theirs.slope(s, *p)),
        (ours.scaled_slope(g, s, *p), theirs.scaled_slope(g, s, *p)),
    ):
        assert obvious.dtype == dtype and obvious.shape == s.shape
        np.testing.assert_allclose(obvious, fast, **close(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("scale", [1.0, 1e3, 1e30])
def test_losses(dtype, scale):
    o = (scale * RNG.normal(size=(50, 10))).astype(dtype)
    labels, t = RNG.integers(0, 10, 50), np.zeros_like(o)
    (loss, p), (plain_loss, plain_p) = (
        compiled.cross_entropy(o, labels),
        plain.cross_entropy(o, labels),
    )
    for fast, obvious in (
        (loss, plain_loss),
        (p, plain_p),
        (
            compiled.cross_entropy_slopes(p, labels, 0.02),
            plain.cross_entropy_slopes(p, labels, 0.02),
        ),
        (compiled.squared_error(o, t, 7.0), plain.squared_error(o, t, 7.0)),
        (compiled.scaled_difference(o, t, 7.0), plain.scaled_difference(o, t, 7.0)),
    ):
        assert obvious.dtype == dtype and obvious.shape == fast.shape
        np.testing.assert_allclose(obvious, fast, **close(dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_products_and_updates(dtype):
    a, b = RNG.normal(size=(7, 5)).astype(dtype), RNG.normal(size=(5, 9)).astype(dtype)
    for keywords, left, right in (
        ({}, a, b),
        ({"transpose_a": True}, a.T.copy(), b),
        ({"transpose_b": True}, a, b.T.copy()),
        ({"out": np.ones((7, 9), dtype), "accumulate": True}, a, b),
    ):
        given = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in keywords.items()}
        np.testing.assert_allclose(
            plain.matmul(left, right, **keywords),
            compiled.matmul(left, right, **given),
            rtol=1e-5,
            atol=1e-5,
        )
    w, direction = a.copy(), np.ones_like(a)
    plain.add_scaled(a, direction, -0.1)
    compiled.add_scaled(w, direction, -0.1)
    np.testing.assert_allclose(a, w, **close(dtype))


@pytest.mark.parametrize("kernel", [plain.matmul, compiled.matmul])
def test_both_products_refuse_alike(kernel):
    a, b = np.ones((2, 3)), np.ones((2, 3))
    for left, right, keywords, message in (
        (a, b, {}, r"\(2, 3\) and \(2, 3\)"),
        (np.ones(3), a, {}, r"\(3,\)"),
        (a, np.ones((3, 2), np.float32), {}, "float64 and float32"),
        (a, b.T, {"accumulate": True}, "out"),
        (a, b.T, {"out": np.ones((2, 3))}, r"\(2, 3\)"),
        (np.ones((2, 2), int), np.ones((2, 2), int), {}, "int64"),
    ):
        with pytest.raises(ValueError, match=message):
            kernel(left, right, **keywords)


@pytest.mark.parametrize("dtype", FLOATS)
def test_what_a_trace_measures(dtype):
    moderate = HARD[~(abs(HARD) > 100) | np.isinf(HARD)]
    v = np.concatenate([moderate, RNG.normal(size=3000)]).astype(dtype)
    (numbers, sample), (want, entries) = (kernels.look(v, 7) for kernels in (compiled, plain))
    np.testing.assert_array_equal(sample, entries)
    np.testing.assert_array_equal(numbers[:4], want[:4])
    np.testing.assert_allclose(numbers[4:], want[4:], rtol=1e-5)
    np.testing.assert_array_equal(plain.magnitudes(v), compiled.magnitudes(v))
    slopes = RNG.normal(size=(20, 30)).astype(dtype) * (RNG.uniform(size=(20, 30)) < 0.1)
    np.testing.assert_array_equal(plain.dead_columns(slopes), compiled.dead_columns(slopes))
