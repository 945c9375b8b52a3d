"""The three ways of the matrix product, each at every edge of its tiles, blocks and shares.

`test_processors.py` runs this file again with the tiles of other processors.
"""

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from engine.kernels.compiled.blocks import A_ROWS, B_COLUMNS, DEPTH_BYTES
from engine.kernels.compiled.products import BLOCKS, MOST_ROWS, TRANSPOSED, UNPACKED
from engine.kernels.compiled.tile import ROWS, SHAPE

RNG = np.random.default_rng(0)
DTYPES = ["float32", "float64"]
LANES = {"float32": SHAPE.bits // 32, "float64": SHAPE.bits // 64}
WIDTHS = {dtype: SHAPE.vectors * lanes for dtype, lanes in LANES.items()}

# A way, and which operands are stored as their transposes.
CASES = [
    *[(way, ta, tb) for way in (UNPACKED, BLOCKS) for ta in (False, True) for tb in (False, True)],
    (TRANSPOSED, False, True),
]


EACH_CASE = pytest.mark.parametrize(("way", "ta", "tb"), CASES, ids=str)
EACH_DTYPE = pytest.mark.parametrize("dtype", DTYPES)


def operands(m, n, p, dtype):
    return RNG.normal(size=(m, n)).astype(dtype), RNG.normal(size=(n, p)).astype(dtype)


def stored(x, transpose):
    return np.ascontiguousarray(x.T) if transpose else x


def check(ways, way, ta, tb, m, n, p, dtype):
    a, b = operands(m, n, p, dtype)
    a_stored, b_stored = stored(a, ta), stored(b, tb)
    out = np.full((m, p), np.nan, dtype)
    ways.product(way, a_stored, ta, b_stored, tb, out)
    ways.assert_is_product(out, a, b)
    start = RNG.normal(size=(m, p)).astype(dtype)
    out = start.copy()
    ways.product(way, a_stored, ta, b_stored, tb, out, add=True)
    ways.assert_is_product(out, a, b, start)


@EACH_CASE
@EACH_DTYPE
def test_rows(ways, way, ta, tb, dtype):
    many = [31, 32, 33, 127, 128, 129, 191, 192, 193, 399, 400, 401]
    for m in [*range(1, 21), *many]:
        if way is not TRANSPOSED or m <= MOST_ROWS:
            check(ways, way, ta, tb, m, 23, WIDTHS[dtype] + 5, dtype)


@EACH_CASE
@EACH_DTYPE
def test_columns(ways, way, ta, tb, dtype):
    width = WIDTHS[dtype]
    edges = [k * width + d for k in (3, 4, 8) for d in (-1, 0, 1)]
    for p in [*range(1, 2 * width + 3), *edges]:
        check(ways, way, ta, tb, 13, 9, p, dtype)


@EACH_CASE
@EACH_DTYPE
def test_depths(ways, way, ta, tb, dtype):
    edges = [k + d for k in (32, 64, 128, 256, 512, 1024) for d in (-1, 0, 1)]
    for n in [*range(1, 19), *edges]:
        for m in (1, 10, 16, 17, 2 * ROWS + 3):
            if way is not TRANSPOSED or m <= MOST_ROWS:
                check(ways, way, ta, tb, m, n, LANES[dtype] + 3, dtype)


@EACH_CASE
@EACH_DTYPE
def test_all_edges_at_once(ways, way, ta, tb, dtype):
    for m in (ROWS - 1, ROWS + 1):
        for n in (7, 65, 129):
            for p in (WIDTHS[dtype] - 1, 2 * WIDTHS[dtype] + 1):
                check(ways, way, ta, tb, m, n, p, dtype)


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@EACH_DTYPE
def test_blocks_beyond_the_depth_and_the_height_of_one(ways, ta, tb, dtype):
    depth = DEPTH_BYTES // np.dtype(dtype).itemsize
    check(ways, BLOCKS, ta, tb, A_ROWS + 3, 2 * depth + 5, 50, dtype)


@pytest.mark.parametrize("tb", [False, True])
def test_blocks_beyond_the_width_of_one(ways, tb):
    check(ways, BLOCKS, False, tb, 9, 5, B_COLUMNS + 7, "float32")


# --- threads -----------------------------------------------------------------------------------

SHAPES = [
    *[(1, 300, 211), (10, 300, 211), (16, 40, 16), (16, 200, 1)],
    *[(29, 70, 61), (40, 100, 9), (211, 30, 10), (300, 65, 7), (130, 17, 130)],
]


@EACH_CASE
@EACH_DTYPE
@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
def test_threads_do_not_change_the_bits(ways, way, ta, tb, dtype, n_threads):
    for m, n, p in SHAPES:
        if way is TRANSPOSED and m > MOST_ROWS:
            continue
        a, b = operands(m, n, p, dtype)
        a, b = stored(a, ta), stored(b, tb)
        for add in (False, True):
            alone = np.full((m, p), 0.5, dtype)
            together = alone.copy()
            ways.product(way, a, ta, b, tb, alone, add=add)
            ways.product(way, a, ta, b, tb, together, add=add, n_threads=n_threads)
            assert alone.tobytes() == together.tobytes(), (m, n, p, add)


# --- operands with gaps --------------------------------------------------------------------------

ROWS_APART = {
    "between rows": lambda x: np.repeat(x, 2, axis=0)[::2],
    "around": lambda x: np.pad(x, 3, constant_values=np.nan)[3:-3, 3:-3],
}
# Not np.broadcast_to: what it gives is read-only, for which every kernel would be compiled again.
ANY_GAPS = {
    **ROWS_APART,
    "rows backward": lambda x: x[::-1].copy()[::-1],
    "one row again and again": lambda x: as_strided(x, x.shape, (0, x.itemsize)),
    "rows that overlap": lambda x: as_strided(x, x.shape, (x.itemsize, x.itemsize)),
    "between columns": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "between both": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "columns backward": lambda x: x[:, ::-1].copy()[:, ::-1],
    "one column again and again": lambda x: as_strided(x, x.shape, (x.strides[0], 0)),
}


@EACH_CASE
@EACH_DTYPE
def test_rows_need_not_be_contiguous_to_each_other(ways, way, ta, tb, dtype):
    check_layouts(ways, way, ta, tb, dtype, ROWS_APART)


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@EACH_DTYPE
def test_blocks_take_any_gaps(ways, ta, tb, dtype):
    check_layouts(ways, BLOCKS, ta, tb, dtype, ANY_GAPS)


def check_layouts(ways, way, ta, tb, dtype, layouts):
    # Ten and more of everything: the copies in registers are made eight by eight.
    a, b = operands(11, 21, WIDTHS[dtype] + 19, dtype)
    for left, lay_a in {"plain": np.copy, **layouts}.items():
        for right, lay_b in {"plain": np.copy, **layouts}.items():
            x, y = lay_a(stored(a, ta)), lay_b(stored(b, tb))
            out = np.full((11, b.shape[1]), np.nan, dtype)
            ways.product(way, x, ta, y, tb, out)
            try:
                ways.assert_is_product(out, x.T if ta else x, y.T if tb else y)
            except AssertionError as error:
                raise AssertionError(f"a: {left}; b: {right}") from error
