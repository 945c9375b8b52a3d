"""The ways of the matrix product that use the register tile, on every kind of processor."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.kernels import blocks, matmul, products, rows, strips
from engine.kernels.tile import _FEATURES, _TRIPLE, ROWS, SHAPE

ROOT = Path(__file__).parents[3]
DTYPES = ["float32", "float64"]
WIDTHS = {"float32": SHAPE.vectors * SHAPE.bits // 32, "float64": SHAPE.vectors * SHAPE.bits // 64}


def operands(m, n, p, dtype, form, seed=0):
    """a (m, n) and b (n, p), laid out in memory as the form says."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(m, n)).astype(dtype), rng.normal(size=(n, p)).astype(dtype)
    if form == "aᵀ":
        a = np.ascontiguousarray(a.T).T
    elif form == "bᵀ":
        b = np.ascontiguousarray(b.T).T
    elif form == "every other row":
        a, b = np.repeat(a, 2, axis=0)[::2], np.repeat(b, 2, axis=0)[::2]
    elif form == "every other column":
        a, b = np.repeat(a, 2, axis=1)[:, ::2], np.repeat(b, 2, axis=1)[:, ::2]
    return a, b


def check(c, a, b):
    exact = a.astype(np.float64) @ b.astype(np.float64)
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    # The usual bound of a dot product of length n, whatever the order of the sum.
    bound = (a.shape[1] + 2) * np.finfo(a.dtype).eps * size
    assert (np.abs(c - exact) <= bound).all()


FORMS = ["plain", "aᵀ", "bᵀ", "every other row", "every other column"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p_over", [-1, 0, 1])
@pytest.mark.parametrize("m", [1, ROWS - 1, ROWS, ROWS + 1, 3 * ROWS + 2])
def test_blocks_at_every_edge(dtype, form, p_over, m):
    a, b = operands(m, 37, 2 * WIDTHS[dtype] + p_over, dtype, form)
    out = np.full((m, b.shape[1]), np.nan, dtype)
    blocks.add_product(a, b, out, False)
    check(out, a, b)
    twice = out.copy()
    blocks.add_product(a, b, twice, True)
    np.testing.assert_array_equal(twice, 2 * out)


@pytest.mark.parametrize("dtype", DTYPES)
def test_blocks_beyond_the_depth_and_the_height_of_one(dtype):
    depth, height = blocks._DEPTH_BYTES // np.dtype(dtype).itemsize, blocks._A_ROWS
    a, b = operands(height + 3, 2 * depth + 5, 50, dtype, "plain")
    out = np.full((height + 3, 50), np.nan, dtype)
    blocks.add_product(a, b, out, False)
    check(out, a, b)


def test_blocks_beyond_the_width_of_one():
    a, b = operands(9, 5, blocks._B_COLUMNS + 7, "float32", "plain")
    out = np.full((9, b.shape[1]), np.nan, "float32")
    blocks.add_product(a, b, out, False)
    check(out, a, b)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["plain", "bᵀ"])
@pytest.mark.parametrize("m", range(1, strips.MOST_ROWS + 1))
def test_strips_for_every_number_of_rows(dtype, form, m):
    a, b = operands(m, 41, 2 * WIDTHS[dtype] + 11, dtype, form)
    a = np.ascontiguousarray(a)
    out = np.full((m, b.shape[1]), np.nan, dtype)
    strips.add_product(a, b, out, False)
    check(out, a, b)
    twice = out.copy()
    strips.add_product(a, b, twice, True)
    np.testing.assert_array_equal(twice, 2 * out)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", ["plain", "bᵀ"])
@pytest.mark.parametrize("way", [rows, strips, blocks], ids=lambda way: way.__name__)
@pytest.mark.parametrize("n_threads", [2, 3, 5])
def test_threads_do_not_change_the_bits(dtype, form, way, n_threads):
    a, b = operands(10, 300, 211, dtype, form)
    if way is rows:
        b = np.ascontiguousarray(b)
    add = () if way is rows else (False,)
    alone, together = np.zeros((2, 10, 211), dtype)
    way.add_product(a, b, alone, *add)
    way.add_product_parallel(a, b, together, *add, n_threads)
    np.testing.assert_array_equal(alone, together)
    tall, other = np.zeros((2, 300, 10), dtype)
    if way is not strips:
        left, right = np.ascontiguousarray(a.T), np.ascontiguousarray(b[:10, :10])
        way.add_product(left, right, tall, *add)
        way.add_product_parallel(left, right, other, *add, n_threads)
        np.testing.assert_array_equal(tall, other)


@pytest.mark.parametrize(
    ("m", "n", "p", "way"),
    [(20, 20, 20, rows), (10, 300, 300, strips), (100, 100, 100, blocks), (300, 10, 300, blocks)],
)
def test_each_way_is_taken_for_its_sizes(m, n, p, way, monkeypatch):
    taken = []
    for module in (rows, strips, blocks):
        for name in ("add_product", "add_product_parallel"):
            original = getattr(module, name)

            def spy(*args, module=module, original=original):
                taken.append(module)
                return original(*args)

            monkeypatch.setattr(module, name, spy)
    monkeypatch.setattr(products, "run", lambda parallel, serial, *args: serial(*args))
    a, b = operands(m, n, p, "float32", "plain")
    check(matmul(a, b), a, b)
    assert taken == [way]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("m", [10, 40])
def test_a_gap_between_rows_or_columns_is_no_copy_too_few(form, m):
    a, b = operands(m, 150, 160, "float32", form)
    check(matmul(a, b), a, b)
    check(matmul(a, np.broadcast_to(b[:, :1], b.shape)), a, np.repeat(b[:, :1], 160, axis=1))
    check(matmul(a, b[::-1, ::-1]), a, b[::-1, ::-1])


PROCESSORS = {
    "AVX2": ("haswell", "+avx,+avx2,+fma,+sse4.2", 256),
    "SSE": ("x86-64", "+sse2", 128),
}


@pytest.mark.skipif(not _TRIPLE.startswith("x86_64"), reason="an x86 processor's vectors")
@pytest.mark.parametrize("kind", PROCESSORS)
def test_smaller_vectors_give_the_right_product(kind, tmp_path):
    name, features, bits = PROCESSORS[kind]
    if bits == 256 and "+avx2" not in _FEATURES:
        pytest.skip("this processor has no AVX2")
    program = """
import numpy as np
from engine.kernels import blocks, strips
from engine.kernels.tile import SHAPE
print(SHAPE.bits)
rng = np.random.default_rng(0)
for dtype in ("float32", "float64"):
    for m, way in ((7, strips), (16, strips), (29, blocks)):
        for transposed in (False, True):
            a, b = rng.normal(size=(m, 70)).astype(dtype), rng.normal(size=(70, 61)).astype(dtype)
            if transposed:
                b = np.ascontiguousarray(b.T).T
            out = np.full((m, 61), np.nan, dtype)
            way.add_product(a, b, out, False)
            atol = 2e-4 if dtype == "float32" else 1e-12
            np.testing.assert_allclose(out, a @ b, rtol=0, atol=atol)
"""
    environment = {
        **os.environ,
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    run = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == str(bits)


def test_the_shape_follows_the_processor():
    assert SHAPE.bits == (512 if "+avx512f" in _FEATURES else 256 if "+avx2" in _FEATURES else 128)
