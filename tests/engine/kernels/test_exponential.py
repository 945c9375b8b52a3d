"""The exponentials: their error over the whole range, and their ends."""

import math

import numpy as np
import pytest

from engine.kernels import jit
from engine.kernels.compiled.exponential import exp, exp_below, expm1, expm1_below, log1p


@jit(contract=True)
def run_exp(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@jit(contract=True)
def run_expm1(x, out):
    for i in range(x.size):
        out[i] = expm1(x[i])


@jit(contract=True)
def run_exp_below(x, out):
    for i in range(x.size):
        out[i] = exp_below(x[i])


@jit(contract=True)
def run_expm1_below(x, out):
    for i in range(x.size):
        out[i] = expm1_below(x[i])


@jit(contract=True)
def run_log1p(x, out):
    for i in range(x.size):
        out[i] = log1p(x[i])


def of(kernel, x):
    out = np.empty_like(x)
    kernel(x, out)
    return out


def ulps(got, exact):
    """The error in units in the last place of the result's precision."""
    exact = np.asarray(exact)
    return np.abs(got.astype(exact.dtype) - exact) / np.spacing(np.abs(exact).astype(got.dtype))


def points(dtype, low, high):
    rng = np.random.default_rng(0)
    tiny = 10.0 ** rng.uniform(-30, 0, 20_000)
    return np.concatenate(
        [
            np.linspace(low, high, 200_001),
            rng.uniform(low, high, 50_000),
            tiny[tiny < high],
            *([-tiny] if low < 0 else []),
        ]
    ).astype(dtype)


# Longer doubles than the result's own are needed to judge it.
WIDER = {"float32": np.float64, "float64": np.longdouble}
ROOM = np.finfo(np.longdouble).eps < 1e-18


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("kernel", "numpys", "limits", "bound"),
    [
        (run_exp, np.exp, {"float32": (-87, 88), "float64": (-708, 709)}, 1.1),
        (run_expm1, np.expm1, {"float32": (-87, 88), "float64": (-708, 709)}, 1.8),
        (run_exp_below, np.exp, {"float32": (-87, 0), "float64": (-708, 0)}, 1.1),
        (run_expm1_below, np.expm1, {"float32": (-87, 0), "float64": (-708, 0)}, 1.8),
        (run_log1p, np.log1p, {"float32": (0, 1), "float64": (0, 1)}, 1.5),
    ],
    ids=["exp", "expm1", "exp_below", "expm1_below", "log1p"],
)
def test_error(dtype, kernel, numpys, limits, bound):
    if dtype == "float64" and not ROOM:
        pytest.skip("no longer float to compare with")
    x = points(dtype, *limits[dtype])
    assert ulps(of(kernel, x), numpys(x.astype(WIDER[dtype]))).max() <= bound


@pytest.mark.parametrize(
    ("dtype", "largest", "smallest"), [("float32", 88.7, -103.9), ("float64", 709.7, -745.1)]
)
def test_the_ends_of_the_range(dtype, largest, smallest):
    x = np.array([largest, smallest, np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0, np.nan], dtype)
    y = of(run_exp, x)
    assert np.isfinite(y[0]) and y[0] > 0.5 * np.finfo(dtype).max
    assert 0 < y[1] < np.finfo(dtype).tiny  # a denormal, neither 0 nor the smallest normal
    assert y[2] == math.inf and y[3] == 0 and y[4] == math.inf and y[5] == 0
    assert y[6] == 1 and y[7] == 1 and np.isnan(y[8])


@pytest.mark.parametrize("kernel", [run_exp, run_exp_below])
def test_denormal_results_are_right_to_one_unit(kernel):
    x = np.linspace(-103, -88, 5001).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    unit = np.finfo(np.float32).smallest_subnormal
    assert (np.abs(of(kernel, x) - exact) <= unit).all()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_far_below_zero(dtype):
    x = np.array([-np.inf, -1e30, -1100, -0.0, np.nan], dtype)
    np.testing.assert_array_equal(of(run_exp_below, x), np.array([0, 0, 0, 1, np.nan], dtype))
    np.testing.assert_array_equal(of(run_expm1_below, x), np.array([-1, -1, -1, 0, np.nan], dtype))
