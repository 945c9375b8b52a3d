"""The matrix product's error: of products that are right, and of some that are not."""

import math

import numpy as np
import pytest

from experiments.accuracy import products
from experiments.accuracy.products import FORMS, ROWS, numpys, ours, product_errors
from experiments.accuracy.ulp import wider

JUDGED = [dtype for dtype in ("float32", "float64") if wider(dtype)]
LENGTHS = (1, 2, 9, 130)


def exact(a, b, transpose_a, transpose_b):
    """In the wider precision, rounded once."""
    wide = wider(a.dtype)
    return numpys(a.astype(wide), b.astype(wide), transpose_a, transpose_b).astype(a.dtype)


@pytest.mark.parametrize("dtype", JUDGED)
def test_the_kernel_and_numpy_are_within_the_bound(dtype):
    found = product_errors(dtype, LENGTHS, seed=0)
    assert found.shape == (2, len(LENGTHS), len(FORMS), len(ROWS))
    assert (found <= np.array(LENGTHS)[:, None, None]).all()
    assert (found > 0.3).all()  # of so many numbers, some are rounded badly


@pytest.mark.parametrize("dtype", JUDGED)
def test_one_rounding_is_one_unit(dtype):
    found = product_errors(dtype, LENGTHS, 0, (exact,))
    assert (found <= 1.01).all() and (found > 0.6).all()


def test_products_that_are_wrong():
    def one_entry_off(*x):
        c = numpys(*x).copy()
        c[-1, -1] *= np.float32(1.001)
        return c

    def one_product_left_out(a, b, transpose_a, transpose_b):
        a = a.copy()
        a[(-1, slice(None)) if transpose_a else (slice(None), -1)] = 0
        return numpys(a, b, transpose_a, transpose_b)

    def not_a_number(*x):
        return numpys(*x) * np.float32(np.nan)

    def transposes_are_forgotten(a, b, transpose_a, transpose_b):
        return numpys(a, b[::-1] if transpose_b else b, transpose_a, transpose_b)

    wrong = (one_entry_off, one_product_left_out, not_a_number, transposes_are_forgotten)
    found = product_errors("float32", (4, 97), 0, wrong)
    assert (found[0] > 100).all()
    assert (found[1] > 100).all()
    assert (found[2] == math.inf).all()
    assert (found[3][:, FORMS.index("g·Wᵀ")] > 100).all()
    assert (found[3][:, FORMS.index("x·W")] < 97).all()


def test_operands_lie_in_memory_as_they_are_called():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    forms = dict(zip(FORMS, products._in_memory(a, b), strict=True))
    for x in forms.values():
        np.testing.assert_array_equal(ours(*x), a @ b)
        np.testing.assert_array_equal(numpys(*x), a @ b)
    assert [x[2:] for x in forms.values()] == [
        (False, False), (True, False), (False, True), (False, False),
    ]  # fmt: skip
    assert all(x[0].flags.c_contiguous for name, x in forms.items() if name != "gaps")
    assert forms["gaps"][0].strides[1] == forms["gaps"][1].strides[1] == 16


def test_the_same_seed_gives_the_same_numbers():
    first, again = (product_errors("float32", (5, 33), 3) for _ in "ab")
    np.testing.assert_array_equal(first, again)
    other = product_errors("float32", (5, 33), 4)
    assert (first[0] != other[0]).all()


def test_nothing_is_judged_without_a_wider_type(monkeypatch):
    monkeypatch.setattr(products, "wider", lambda dtype: None)
    assert product_errors("float64", (1,), 0) is None
