"""Packed panels beside their definition, panel[k, i] = source[k, i], whatever the steps."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided

from engine.kernels.compiled.compiling import jit
from engine.kernels.compiled.packing import pack
from engine.kernels.compiled.tile import pointer

RNG = np.random.default_rng(0)
LAYOUTS = {
    "plain": lambda x: x,
    "gaps between rows": lambda x: np.repeat(x, 2, axis=0)[::2],
    "gaps between columns": lambda x: np.repeat(x, 2, axis=1)[:, ::2],
    "rows backward": lambda x: x[::-1].copy()[::-1],
    "backward": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "one row": lambda x: as_strided(x, x.shape, (0, x.itemsize)),
}
EDGES = [0, 1, 7, 8, 9, 16, 25, 40]


@jit()
def pack_matrix(matrix, panel, to, width):
    """A matrix of any steps through `pack`."""
    k_step, i_step = matrix.strides[0] // matrix.itemsize, matrix.strides[1] // matrix.itemsize
    depth, here = matrix.shape
    pack(pointer(matrix), 0, k_step, i_step, depth, here, panel, to, width)


def ranges():
    for low in EDGES:
        for high in EDGES:
            if low < high:
                yield low, high


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("width", [6, 8, 16, 24, 48])
def test_panels(dtype, transpose, layout, width):
    source = LAYOUTS[layout](RNG.normal(size=(41, 41)).astype(dtype))
    matrix = source.T if transpose else source
    for start, stop in ranges():
        for left, right in ranges():
            right = min(right, left + width)
            part = matrix[start:stop, left:right]
            expected = np.zeros((stop - start, width), dtype)
            expected[:, : right - left] = part
            memory = np.full(expected.size + 32, np.nan, dtype)
            pack_matrix(part, memory, 16, width)
            assert memory[16:-16].tobytes() == expected.tobytes()
            assert np.isnan(memory[:16]).all() and np.isnan(memory[-16:]).all()
