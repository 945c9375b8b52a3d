"""The matrix product: the definition and the fast kernels, under one set of tests.

The three ways are tested one by one in `test_ways.py`; here it is `matmul` that chooses.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import as_strided

from engine.kernels import matmul, plain
from engine.kernels.compiled import parts, products
from engine.kernels.compiled.products import BLOCKS, TRANSPOSED, UNPACKED

FLOATS = [np.float32, np.float64]
RNG = np.random.default_rng(0)


def pair(m, n, p, dtype=np.float64):
    return RNG.normal(size=(m, n)).astype(dtype), RNG.normal(size=(n, p)).astype(dtype)


@pytest.mark.parametrize("product", [plain.matmul, matmul])
@pytest.mark.parametrize("dtype", FLOATS)
@settings(max_examples=15)
@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_small_shapes(ways, product, dtype, m, n, p):
    a, b = pair(m, n, p, dtype)
    ways.assert_is_product(product(a, b), a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("n", [1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 263, 264, 265, 511, 512, 513])
def test_depths_around_the_blocks(ways, n, dtype):
    a, b = pair(3, n, 5, dtype)
    ways.assert_is_product(matmul(a, b), a, b)
    np.testing.assert_allclose(matmul(a, b), plain.matmul(a, b), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("p", [1, 2, 7, 8, 9, 31, 32, 33, 511, 512, 513, 1023, 1024, 1025])
@pytest.mark.parametrize("m", [1, 2, 9])
def test_widths_around_the_blocks(ways, m, p, dtype):
    a, b = pair(m, 11, p, dtype)
    ways.assert_is_product(matmul(a, b), a, b)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize(
    "shape", [(130, 140, 150), (2, 513, 513), (513, 513, 2), (1, 700, 700), (401, 170, 151)]
)
def test_products_large_enough_for_threads(ways, shape, transpose_a, transpose_b, dtype):
    a, b = pair(*shape, dtype)
    left = np.ascontiguousarray(a.T) if transpose_a else a
    right = np.ascontiguousarray(b.T) if transpose_b else b
    c = matmul(left, right, transpose_a=transpose_a, transpose_b=transpose_b)
    ways.assert_is_product(c, a, b)


@pytest.mark.parametrize(
    ("m", "n", "p", "transpose_b", "way", "parallel"),
    [
        (20, 20, 20, False, UNPACKED, False),
        (20, 20, 20, True, UNPACKED, False),
        (10, 300, 300, False, UNPACKED, True),
        (10, 300, 300, True, TRANSPOSED, True),
        (16, 300, 300, True, TRANSPOSED, True),
        (17, 300, 300, True, UNPACKED, True),
        (100, 100, 100, False, UNPACKED, True),
        (401, 170, 151, False, BLOCKS, True),
        (401, 170, 151, True, BLOCKS, True),
        (401, 64, 400, False, UNPACKED, True),
    ],
)
def test_each_way_is_taken_for_its_sizes(ways, m, n, p, transpose_b, way, parallel, monkeypatch):
    taken = spy(monkeypatch)
    a, b = pair(m, n, p, np.float32)
    right = np.ascontiguousarray(b.T) if transpose_b else b
    ways.assert_is_product(matmul(a, right, transpose_b=transpose_b), a, b)
    assert taken == [(way, parallel)]


def spy(monkeypatch):
    """Which way was taken, and whether it was one for threads (here it runs on one)."""
    taken = []
    names = {
        way.part(np.dtype(dtype)): way for way in (UNPACKED, TRANSPOSED, BLOCKS) for dtype in FLOATS
    }
    for module, name in (
        *((products, "product"), (products, "small_product"), (products, "plain_product")),
        (parts, "product"),
    ):
        original = getattr(module, name)

        def product(part, *args, original=original):
            taken.append((names[part], False))
            return original(part, *args)

        monkeypatch.setattr(module, name, product)

    def run(parallel, serial, *args):
        serial(*args)
        taken[-1] = (taken[-1][0], True)
        assert parallel == taken[-1][0].product_parallel

    monkeypatch.setattr(products, "run", run)
    return taken


def test_a_gap_between_columns_goes_to_the_way_that_copies(ways, monkeypatch):
    taken = spy(monkeypatch)
    a, b = pair(20, 30, 40)
    for left, right in ((a[:, ::2], b[::2]), (a[:, :15], b[:15, ::3]), (a[:, ::-2], b[::-2])):
        ways.assert_is_product(matmul(left, right), left, right)
    assert taken == [(BLOCKS, False)] * 3


def test_a_product_known_by_heart():
    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0], [7.0, 8.0]])
    for product in (matmul, plain.matmul):
        assert product(a, b).tolist() == [[19, 22], [43, 50]]
    assert matmul(a, b, transpose_a=True).tolist() == [[26, 30], [38, 44]]
    assert matmul(a, b, transpose_b=True).tolist() == [[17, 23], [39, 53]]


LAYOUTS = {
    "C": lambda x: x.copy(),
    "Fortran": np.asfortranarray,
    "reversed": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "rows reversed": lambda x: x[::-1].copy()[::-1],
    "Fortran, reversed": lambda x: np.asfortranarray(x[:, ::-1])[:, ::-1],
    "strided": lambda x: np.repeat(np.repeat(x, 2, 0), 3, 1)[::2, ::3],
    "slice": lambda x: np.pad(x, 2)[2:-2, 2:-2],
}


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS["read-only"] = read_only


@pytest.mark.parametrize("product", [plain.matmul, matmul])
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
def test_any_memory_layout(product, left, right):
    a, b = pair(6, 9, 5)
    expected = product(a, b)
    np.testing.assert_array_equal(product(LAYOUTS[left](a), LAYOUTS[right](b)), expected)


# Large enough that whole tiles and the copies in registers, eight by eight, come into it.
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("shape", [(20, 20, 20), (10, 150, 210), (40, 150, 160)])
def test_any_memory_layout_of_larger_operands(ways, left, right, shape):
    a, b = pair(*shape, np.float32)
    for transpose_a in (False, True):
        for transpose_b in (False, True):
            x = LAYOUTS[left](a.T if transpose_a else a)
            y = LAYOUTS[right](b.T if transpose_b else b)
            c = matmul(x, y, transpose_a=transpose_a, transpose_b=transpose_b)
            ways.assert_is_product(c, a, b)


@pytest.mark.parametrize("shape", [(3, 4, 2), (20, 20, 20), (40, 150, 160)])
def test_operands_whose_rows_or_columns_share_memory(ways, shape):
    a, b = pair(*shape)
    m, n, p = shape
    steps = as_strided(RNG.normal(size=m + n + p), (m + p, n), (8, 8))
    for x in (
        *(as_strided(a, a.shape, strides) for strides in ((0, 8), (8 * n, 0), (0, 0))),
        steps[:m],
    ):
        ways.assert_is_product(matmul(x, b), x, b)
        ways.assert_is_product(matmul(x.T, b, transpose_a=True), x, b)
    for y in (
        *(as_strided(b, b.shape, strides) for strides in ((0, 8), (8 * p, 0), (0, 0))),
        steps[:p].T,
    ):
        ways.assert_is_product(matmul(a, y), a, y)
        ways.assert_is_product(matmul(a, y.T, transpose_b=True), a, y)


@pytest.mark.parametrize("shape", [(20, 20, 20), (10, 150, 210)])
def test_operands_that_begin_between_two_numbers(ways, shape):
    a, b = pair(*shape, np.float32)
    x, y = (
        np.frombuffer(b"-" + z.tobytes(), np.float32, z.size, 1).reshape(z.shape) for z in (a, b)
    )
    assert not x.flags.aligned
    ways.assert_is_product(matmul(x, y), a, b)
    ways.assert_is_product(matmul(x, y.T.copy(), transpose_b=True), a, b)


@pytest.mark.parametrize("shape", [(3, 4, 5), (20, 20, 20), (10, 150, 210)])
def test_fields_of_records_whose_length_is_no_multiple_of_an_entrys(ways, shape):
    a, b = pair(*shape, np.float32)
    for x, keyword in ((a, {}), (np.ascontiguousarray(a.T), {"transpose_a": True})):
        records = np.zeros(len(x), [("flag", "i1"), ("row", "f4", (x.shape[1],))])
        records["row"] = x
        assert records["row"].strides[0] % 4
        ways.assert_is_product(matmul(records["row"], b, **keyword), a, b)
    records = np.zeros(len(b), [("flag", "i1"), ("row", "f4", (b.shape[1],))])
    records["row"] = b
    ways.assert_is_product(matmul(a, records["row"]), a, b)


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(
    "shape",
    [(3, 4, 5), (1, 9, 1), (64, 80, 90), (9, 250, 200), (401, 170, 151), (3, 0, 5), (0, 2, 3)],
)
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


def test_out_overwrites_even_nan():
    a, b = pair(3, 4, 5)
    np.testing.assert_array_equal(matmul(a, b, out=np.full((3, 5), np.nan)), matmul(a, b))


def test_an_empty_inner_axis_gives_zeros():
    for product in (matmul, plain.matmul):
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
