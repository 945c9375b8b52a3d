"""`compare`: ratios of rms and largest differences, by layer and quantity."""

from itertools import pairwise

import numpy as np
import pytest

from engine import Tensor, dense, place, trace
from engine.tracing.read.comparing import QUANTITIES


def traced(scale=1.0, sizes=(4, 5, 3), batch=6, f="tanh", bias=True, dtype=np.float64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, sizes[0])).astype(dtype)
    with trace() as t:
        for i, (n, m) in enumerate(pairwise(sizes)):
            W = Tensor(rng.normal(size=(n, m)) * scale, requires_grad=True, dtype=dtype)
            b = Tensor(rng.normal(size=m), requires_grad=True, dtype=dtype) if bias else None
            with place(f"layer {i + 1}"):
                x = dense(x, W, b, f)
        (x**2).sum().backward()
    return t


def rms(a):
    return np.sqrt(np.mean(np.square(a)))


def test_a_trace_equals_itself():
    comparison = traced().compare(traced())
    assert comparison.rms_ratio.shape == (2, len(QUANTITIES))
    known = ~np.isnan(comparison.rms_ratio)
    assert known.sum() == 19  # nobody wanted ∂L/∂x of the data
    assert (comparison.rms_ratio[known] == 1).all()
    assert (comparison.difference[known] == 0).all()
    assert comparison.layers == ("layer 1", "layer 2")


def test_the_numbers_are_those_of_the_arrays():
    a, b = traced(), traced(scale=1.5)
    comparison = a.compare(b)
    for i, (first, second) in enumerate(zip(a.layers, b.layers, strict=True)):
        for q, name in enumerate(QUANTITIES):
            x, y = getattr(first, name), getattr(second, name)
            if x is None:
                assert np.isnan(comparison.rms_ratio[i, q])
                continue
            assert comparison.rms_ratio[i, q] == pytest.approx(rms(y) / rms(x))
            apart = np.abs(y - x).max() / np.abs(x).max()
            assert comparison.difference[i, q] == pytest.approx(apart)
    assert comparison.rms_ratio[0, QUANTITIES.index("W")] == pytest.approx(1.5)
    assert comparison.difference[0, QUANTITIES.index("W")] == pytest.approx(0.5)


def test_batches_activations_and_biases_may_differ():
    comparison = traced().compare(traced(batch=9, f="relu", bias=False, dtype=np.float32))
    W, b, x = (QUANTITIES.index(name) for name in ("W", "b", "x"))
    assert np.isnan(comparison.rms_ratio[:, b]).all()
    assert np.isnan(comparison.difference[:, x]).all()
    assert np.isfinite(comparison.rms_ratio[:, x]).all()
    assert np.isfinite(comparison.difference[:, W]).all()


def test_zeros_and_nan():
    a, b = traced(f="identity"), traced(f="identity")
    b.layers[0].node.inputs[2] = np.zeros(5)
    comparison, back = a.compare(b), b.compare(a)
    column = QUANTITIES.index("b")
    assert comparison.rms_ratio[0, column] == 0
    assert back.rms_ratio[0, column] == np.inf == back.difference[0, column]
    b.layers[0].node.inputs[2] = np.full(5, np.nan)
    assert np.isnan(a.compare(b).rms_ratio[0, column])
    assert np.isnan(a.compare(b).difference[0, column])
    assert "–" in str(a.compare(b))


def test_the_table_fits_100_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = str(traced(scale=1e9).compare(traced(scale=-1e-9, f="relu")))
    assert max(map(len, text.splitlines())) <= 100
    lines = text.splitlines()
    assert len(lines) == 2 * 4 + 1
    assert lines[1].split()[0] == "layer" and "∂L/∂W" in lines[1]
    for line in lines[2:4] + lines[7:9]:
        assert len(line.split()) == 2 + len(QUANTITIES)


def test_other_architectures_are_refused():
    with pytest.raises(ValueError, match=r"2 and 3 layers.*same architecture"):
        traced().compare(traced(sizes=(4, 5, 5, 3)))
    with pytest.raises(ValueError, match=r"layer 1 has W of shape \(4, 5\).*\(4, 6\)"):
        traced().compare(traced(sizes=(4, 6, 3)))
