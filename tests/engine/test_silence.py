"""No operation lets NumPy warn, forward or backward: whoever wants to know uses detect_nonfinite.

Switching NumPy's warnings off costs as much as a small kernel, so it is done only where one could
arise; these numbers overflow wherever anything can.
"""

import warnings

import numpy as np
import pytest

import engine
from engine import ACTIVATIONS, Tensor, dense

HUGE = {np.float32: 3e38, np.float64: 1.7e308}
VALUES = np.array([[1.0, -1.0, 1e-30, -1e-30, 0.5, -2.0], [0.0, np.inf, -np.inf, np.nan, 3.0, 0.1]])

OPERATIONS = {
    "matmul": lambda x: x @ x.T,
    "stacks": lambda x: engine.stack([x, x]) @ x.T,
    "quadratic": lambda x: engine.quadratic(x, -x),
    "mse": lambda x: engine.mse(x, -x),
    "mse of one example": lambda x: engine.mse(x[0], -x[0]),
    "cross-entropy": lambda x: engine.cross_entropy(x, [0, 1]),
    "softmax": engine.softmax,
    "arithmetic": lambda x: x * x / (x - x) + x**3 - x * 3.0,
    "exp and log": lambda x: engine.exp(x) + engine.log(x),
    "reductions": lambda x: x.sum() * x.mean(axis=0),
    "used twice": lambda x: x + x,
    "dense twice": lambda x: dense(x, x.T) + dense(x, x.T),
}
for name, f in ACTIVATIONS.items():
    OPERATIONS |= {
        name: f,
        f"{name}′": f.derivative,
        f"scale by {name}′": lambda x, f=f: f.scale(x, x),
        f"dense, {name}": lambda x, f=f: dense(x, x.T, x.T[0, :1] + x[:, 0], f),
        f"dense, {name}′": lambda x, f=f: dense(x, x.T, x[:, 0], f.derivative),
    }


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("dtype", HUGE)
@pytest.mark.parametrize("create_graph", [False, True])
def test_nothing_warns(name, dtype, create_graph):
    with warnings.catch_warnings(), np.errstate(all="warn", under="ignore"):
        warnings.simplefilter("error")
        for scale in (HUGE[dtype], 1.0):
            with np.errstate(all="ignore"):
                values = (VALUES * scale).astype(dtype)
            x = Tensor(values, requires_grad=True)
            y = OPERATIONS[name](x)
            y.backward(np.full(y.shape, HUGE[dtype], dtype), create_graph=create_graph)
            assert x.grad.dtype == dtype
            if create_graph and x.grad.requires_grad:
                g = x.grad
                x.zero_grad()
                g.backward(np.full(g.shape, HUGE[dtype], dtype))
            x.zero_grad()


@pytest.mark.plain
def test_numpys_own_settings_are_as_they_were():
    before = np.geterr()
    for f in (engine.tanh, engine.exp, engine.sqrt):
        x = Tensor(VALUES, requires_grad=True)
        f(x).sum().backward()
        assert np.geterr() == before
    crooked = engine.Rule("crooked", np.exp, lambda g, y, x, needs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.core.operation.apply(crooked, Tensor(VALUES, requires_grad=True)).sum().backward()
    assert np.geterr() == before


@pytest.mark.parametrize("loss", [engine.quadratic, engine.mse])
def test_a_loss_too_large_for_its_dtype_is_infinite(loss):
    # The sum is made in float64, where there is room for it.
    x = Tensor(np.full((1, 20), 1.8e19, np.float32), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y = loss(x, np.zeros((1, 20), np.float32))
        y.backward(np.float32(3e38))
    assert y.item() == np.inf or loss is engine.mse
    assert (x.grad.numpy() == np.inf).all()


def test_silence_is_numpys_errstate():
    import warnings

    from engine.silence import _VARIABLE, silence

    assert _VARIABLE is not None  # or the slower way is taken
    with np.errstate(divide="raise", over="warn"):
        before = np.geterr()
        with silence():
            assert set(np.geterr().values()) == {"ignore"}
            with warnings.catch_warnings(), silence():
                warnings.simplefilter("error")
                np.float64(1) / np.float64(0)
        assert np.geterr() == before
        with pytest.raises(FloatingPointError), silence():
            raise FloatingPointError
        assert np.geterr() == before


def test_a_numpy_without_that_variable_is_asked_by_errstate(monkeypatch):
    from engine import silence as module

    with module._errstate():
        assert set(np.geterr().values()) == {"ignore"}
    monkeypatch.setattr(module, "copy_context", dict)
    assert module._settings() == (None, None)
