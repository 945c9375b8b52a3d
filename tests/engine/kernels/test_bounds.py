"""What a product may touch: its operands, its result, and nothing beside them.

`test_processors.py` runs this file again with the tiles of other processors.
"""

import sys

import numpy as np
import pytest

from engine.kernels.compiled.products import BLOCKS, TRANSPOSED, UNPACKED
from engine.kernels.compiled.tile import SHAPE

RNG = np.random.default_rng(0)
DTYPES = ["float32", "float64"]
UNTOUCHED = -777.0
CASES = [
    *[(way, ta, tb) for way in (UNPACKED, BLOCKS) for ta in (False, True) for tb in (False, True)],
    (TRANSPOSED, False, True),
]
EACH_CASE = pytest.mark.parametrize(("way", "ta", "tb"), CASES, ids=str)
EACH_DTYPE = pytest.mark.parametrize("dtype", DTYPES)
ROWS = [1, 2, 3, 5, 8, 9, 13, 16]


def columns(dtype):
    lanes = SHAPE.bits // (8 * np.dtype(dtype).itemsize)
    return [1, lanes - 1, lanes + 1, SHAPE.vectors * lanes - 1, SHAPE.vectors * lanes + 3]


def operands(m, n, p, dtype, ta, tb):
    a = RNG.normal(size=(n, m) if ta else (m, n)).astype(dtype)
    b = RNG.normal(size=(p, n) if tb else (n, p)).astype(dtype)
    return a, b


@EACH_CASE
@EACH_DTYPE
@pytest.mark.parametrize("add", [False, True])
@pytest.mark.parametrize("n_threads", [None, 3])
def test_memory_before_and_after_the_result_is_not_touched(
    ways, way, ta, tb, dtype, add, n_threads
):
    for m in ROWS:
        for p in columns(dtype):
            a, b = operands(m, 11, p, dtype, ta, tb)
            memory = np.full(64 + m * p + 64, UNTOUCHED, dtype)
            out = memory[64 : 64 + m * p].reshape(m, p)
            ways.product(way, a, ta, b, tb, out, add=add, n_threads=n_threads)
            start = np.full((m, p), UNTOUCHED) if add else None
            ways.assert_is_product(out, a.T if ta else a, b.T if tb else b, start)
            assert set(memory[:64]) | set(memory[64 + m * p :]) == {UNTOUCHED}, (m, p)


RECTANGLES = [(0, 13, 0, 5), (8, 13, 0, 100), (0, 8, 32, 67), (5, 6, 40, 41), (3, 12, 17, 99)]


@EACH_CASE
@EACH_DTYPE
@pytest.mark.parametrize("add", [False, True])
def test_a_threads_part_of_the_result_is_all_that_it_writes(ways, way, ta, tb, dtype, add):
    a, b = operands(13, 70, 100, dtype, ta, tb)
    for top, bottom, left, right in RECTANGLES:
        out = np.full((13, 100), UNTOUCHED, dtype)
        if way is TRANSPOSED:
            top, bottom = 0, 13
        ways.add_part(way, a, ta, b, tb, out, add, top, bottom, left, right)
        rows = a.T[top:bottom] if ta else a[top:bottom]
        some = b.T[:, left:right] if tb else b[:, left:right]
        part = out[top:bottom, left:right]
        ways.assert_is_product(part, rows, some, np.full(part.shape, UNTOUCHED) if add else None)
        out[top:bottom, left:right] = UNTOUCHED
        assert (out == UNTOUCHED).all(), (top, bottom, left, right)


def window(x):
    """x inside a larger array of NaN."""
    around = np.full((x.shape[0] + 40, x.shape[1] + 80), np.nan, x.dtype)
    inside = around[20:-20, 40:-40]
    inside[:] = x
    return inside


@EACH_CASE
@EACH_DTYPE
def test_neighbours_of_the_operands_do_not_leak_into_the_result(ways, way, ta, tb, dtype):
    for m in ROWS:
        for p in columns(dtype):
            for n in (3, 8, 19):
                a, b = operands(m, n, p, dtype, ta, tb)
                out = np.full((m, p), np.nan, dtype)
                ways.product(way, window(a), ta, window(b), tb, out)
                ways.assert_is_product(out, a.T if ta else a, b.T if tb else b)


# Arrays between two pages that may neither be read nor written: whatever a kernel touches before
# the first or after the last entry ends the process. (Prefetches may go there; they never fault.)
GUARDED = """
import ctypes, mmap, sys
import numpy as np
from engine.kernels import KERNELS
from engine.kernels.compiled.products import BLOCKS, TRANSPOSED, UNPACKED, nothing
from engine.kernels.compiled.runs import slopes_and_sums
from engine.kernels.compiled.tile import SHAPE

page = mmap.PAGESIZE
libc = ctypes.CDLL(None, use_errno=True)
kept = []

class Room:
    def __init__(self, n_pages):
        self.size = n_pages * page
        self.map = mmap.mmap(-1, self.size + 2 * page)
        kept.append(self.map)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        for at in (start, start + page + self.size):
            assert libc.mprotect(ctypes.c_void_p(at), ctypes.c_size_t(page), 0) == 0

    def array(self, shape, dtype, at_end):
        n = int(np.prod(shape))
        offset = page + (self.size - n * np.dtype(dtype).itemsize if at_end else 0)
        return np.frombuffer(self.map, dtype, n, offset).reshape(shape)

rng = np.random.default_rng(0)
rooms = [Room(20) for _ in range(5)]

def inside(i, shape, dtype, at_end):
    array = rooms[i].array(shape, dtype, at_end)
    array[...] = rng.normal(size=shape)
    return array

def run(way, ta, tb, m, n, p, dtype, at_end):
    a = inside(0, (n, m) if ta else (m, n), dtype, at_end)
    b = inside(1, (p, n) if tb else (n, p), dtype, at_end)
    out, s = (inside(i, (m, p), dtype, at_end) for i in (2, 3))
    bias = inside(4, (p,), dtype, at_end)
    address, none = KERNELS["tanh"].run("value", np.dtype(dtype)), nothing(np.dtype(dtype))[0]
    way.product(a, ta, b, tb, out, False, address, none, bias, s)
    exact = (a.T if ta else a) @ (b.T if tb else b) + bias
    np.testing.assert_allclose(s, exact, atol=1e-3)
    np.testing.assert_allclose(out, np.tanh(exact), atol=1e-3)
    way.product(a, ta, b, tb, out, True, 0, none, none, nothing(np.dtype(dtype))[1])

lanes = SHAPE.bits // 32
for at_end in (True, False):
    for dtype in ("float32", "float64"):
        for ta, tb in ((False, False), (False, True), (True, False), (True, True)):
            for way in (UNPACKED, BLOCKS, TRANSPOSED):
                if way is TRANSPOSED and (ta or not tb):
                    continue
                for m in (1, 2, 7, 8, 13):
                    for n in (1, 7, 8, 9, 33):
                        for p in (1, 7, lanes // 2 + 1, lanes + 1, 3 * lanes, 3 * lanes + 1):
                            run(way, ta, tb, m, n, p, dtype, at_end)
        for m, p in ((1, 1), (3, 7), (9, 33)):
            g, v, ds = (inside(i, (m, p), dtype, at_end) for i in (0, 1, 2))
            db = inside(3, (p,), dtype, at_end)
            none = nothing(np.dtype(dtype))[0]
            address = KERNELS["tanh"].run("scaled", np.dtype(dtype))
            slopes_and_sums(address, none, g, v, ds, db, 0, p)
print("survived")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mprotect as Linux has it")
def test_nothing_is_read_or_written_beyond_the_ends_of_memory(run_program):
    assert run_program(GUARDED) == ["survived"]
