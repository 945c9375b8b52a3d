"""The matrix product: the definition and the fast kernel, under one set of tests."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.kernels import matmul, matmul_reference

FLOATS = [np.float32, np.float64]
RNG = np.random.default_rng(0)


def pair(m, n, p, dtype=np.float64):
    return RNG.normal(size=(m, n)).astype(dtype), RNG.normal(size=(n, p)).astype(dtype)


def assert_is_product(c, a, b):
    """|C − AB| ≤ (n + 2) ε |A||B|, the bound for any order of summation."""
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert c.shape == exact.shape
    assert c.dtype == a.dtype
    assert (np.abs(c - exact) <= (a.shape[1] + 2) * np.finfo(c.dtype).eps * size).all()


@pytest.mark.nojit
@pytest.mark.parametrize("product", [matmul_reference, matmul])
@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=15)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_small_shapes(product, dtype, m, n, p):
    a, b = pair(m, n, p, dtype)
    assert_is_product(product(a, b), a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 263, 264, 265, 511, 512, 513])
def test_depths_around_the_blocks(n, dtype):
    a, b = pair(3, n, 5, dtype)
    assert_is_product(matmul(a, b), a, b)
    np.testing.assert_allclose(matmul(a, b), matmul_reference(a, b), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", [1, 2, 7, 8, 9, 31, 32, 33, 511, 512, 513, 1023, 1024, 1025])
@pytest.mark.parametrize("m", [1, 2, 9])
def test_widths_around_the_blocks(m, p, dtype):
    a, b = pair(m, 11, p, dtype)
    assert_is_product(matmul(a, b), a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("shape", [(257, 257, 257), (2, 513, 513), (513, 513, 2), (1, 700, 700)])
def test_products_large_enough_for_threads(shape, dtype):
    a, b = pair(*shape, dtype)
    assert_is_product(matmul(a, b), a, b)


@pytest.mark.nojit
def test_a_product_known_by_heart():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    for product in (matmul, matmul_reference):
        assert product(a, b).tolist() == [[19, 22], [43, 50]]
    assert matmul(a, b, transpose_a=True).tolist() == [[26, 30], [38, 44]]
    assert matmul(a, b, transpose_b=True).tolist() == [[17, 23], [39, 53]]


LAYOUTS = {
    "C": lambda x: x.copy(),
    "Fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "slice": lambda x: np.pad(x, 2)[2:-2, 2:-2],
}


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS["read-only"] = read_only


@pytest.mark.nojit
@pytest.mark.parametrize("product", [matmul_reference, matmul])
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_any_memory_layout(product, left, right):
    a, b = pair(6, 9, 5)
    expected = product(a, b)
    np.testing.assert_array_equal(product(LAYOUTS[left](a), LAYOUTS[right](b)), expected)


def test_broadcast_operands():
    row, b = np.broadcast_to(RNG.normal(size=4), (3, 4)), RNG.normal(size=(4, 2))
    assert_is_product(matmul(row, b), row, b)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 9, 1), (64, 80, 90), (3, 0, 5), (0, 2, 3)])
def test_transposes_out_and_accumulate(transpose_a, transpose_b, accumulate, shape):
    a, b = pair(*shape)
    expected = matmul(a, b)
    given_a = np.ascontiguousarray(a.T) if transpose_a else a
    given_b = np.ascontiguousarray(b.T) if transpose_b else b
    start = RNG.normal(size=expected.shape)
    out = start.copy()
    result = matmul(
        given_a,
        given_b,
        transpose_a=transpose_a,
        transpose_b=transpose_b,
        out=out,
        accumulate=accumulate,
    )
    assert result is out
    np.testing.assert_allclose(out, expected + start * accumulate, rtol=1e-12, atol=1e-12)


@pytest.mark.nojit
def test_out_overwrites_even_nan():
    a, b = pair(3, 4, 5)
    np.testing.assert_array_equal(matmul(a, b, out=np.full((3, 5), np.nan)), matmul(a, b))


@pytest.mark.nojit
def test_an_empty_inner_axis_gives_zeros():
    for product in (matmul, matmul_reference):
        assert product(np.ones((2, 0)), np.ones((0, 3))).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert matmul(np.ones((2, 0)), np.ones((0, 3)), out=np.ones((2, 3))).sum() == 0


@pytest.mark.parametrize("dtype", FLOATS)
def test_nan_and_infinity_pass_through(dtype):
    a, b = (np.ones((9, 9), dtype) for _ in "ab")
    a[2, 3], b[4, 5] = np.nan, np.inf
    c = matmul(a, b)
    expected = a @ b
    np.testing.assert_array_equal(c, expected)
    assert np.isnan(matmul(np.zeros((1, 1), dtype), np.full((1, 1), np.inf, dtype))[0, 0])


@pytest.mark.nojit
def test_an_out_that_overlaps_an_operand_is_refused():
    a, b = pair(4, 4, 4)
    memory = np.zeros((6, 4))
    for left, right, out in (
        (a, b, a),
        (a, b, b),
        (a.T, b, a),
        (memory[1:5], b, memory[:4]),
        (a, memory[2:], memory[:4]),
    ):
        with pytest.raises(ValueError, match="overlap"):
            matmul(left, right, out=out)


@pytest.mark.nojit
@pytest.mark.parametrize(
    ("a", "b", "keywords", "message"),
    [
        (np.ones((2, 3)), np.ones((2, 3)), {}, r"\(2, 3\) and \(2, 3\)"),
        (np.ones(3), np.ones((3, 3)), {}, r"\(3,\)"),
        (np.ones((2, 2, 2)), np.ones((2, 2)), {}, r"\(2, 2, 2\)"),
        (np.ones((2, 2)), np.ones((2, 2), np.float32), {}, "float64 and float32"),
        (np.ones((2, 2), int), np.ones((2, 2), int), {}, "int64"),
        (np.ones((2, 2)), np.ones((2, 2)), {"accumulate": True}, "out"),
        (np.ones((2, 2)), np.ones((2, 2)), {"out": np.ones((2, 3))}, r"\(2, 3\)"),
        (np.ones((2, 2)), np.ones((2, 2)), {"out": np.ones((2, 2), np.float32)}, "float32"),
        (np.ones((2, 3)), np.ones((3, 4)), {"out": np.ones((4, 2)).T}, "C-contiguous"),
        (np.ones((2, 3)), np.ones((2, 3)), {"transpose_a": True, "transpose_b": True}, "transpos"),
    ],
)
def test_what_does_not_fit_is_refused(a, b, keywords, message):
    with pytest.raises(ValueError, match=message):
        matmul(a, b, **keywords)
