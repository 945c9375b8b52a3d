"""The steps to a fast product: each is the same product."""

import numpy as np
import pytest

from engine.kernels import matmul
from engine.kernels.compiled.tile import ROWS, SHAPE
from experiments.speed import steps
from experiments.speed.steps import STEPS

WIDTH = SHAPE.vectors * SHAPE.bits // 32

# Below and above the rows and columns of a tile, the depth and the width of a block, and eight.
SHAPES = [
    (1, 1, 1),
    (3, 8, 5),
    (ROWS, 9, WIDTH),
    (2 * ROWS + 1, 17, 2 * WIDTH - 1),
    (ROWS - 1, steps._DEPTH, WIDTH + 1),
    (5, steps._DEPTH + 11, steps._WIDTH + 7),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", STEPS)
def test_each_step_gives_the_product(name, shape, dtype):
    m, n, p = shape
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(m, n)).astype(dtype), rng.normal(size=(n, p)).astype(dtype)
    c = STEPS[name](a, b)
    assert c.shape == (m, p) and c.dtype == dtype
    exact = a.astype(np.float64) @ b.astype(np.float64)
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    assert (np.abs(c - exact) <= (n + 2) * np.finfo(dtype).eps * size).all()


def test_the_last_step_is_the_engines_own():
    assert list(STEPS)[-1] == "matmul" and STEPS["matmul"] is matmul


def test_every_step_is_in_the_table_of_the_docstring_in_order():
    rows = [line.split("`")[1] for line in steps.__doc__.splitlines() if line.startswith("| `")]
    assert rows == list(STEPS)
