"""Errors say what, where, the shapes and what to do; and each is also a built-in error."""

import numpy as np
import pytest

import engine
from engine import DtypeError, GradcheckError, GraphError, NonFiniteError, ShapeError, Tensor, place


def test_each_is_the_built_in_error_that_one_expects():
    for ours, built_in in (
        (ShapeError, ValueError),
        (DtypeError, TypeError),
        (GraphError, RuntimeError),
        (NonFiniteError, ArithmeticError),
        (GradcheckError, AssertionError),
    ):
        assert issubclass(ours, built_in)


def t(*shape):
    return Tensor(np.ones(shape))


FAILURES = {
    "add": (lambda: t(2, 3) + t(4), ["add", "(2, 3)", "(4,)"]),
    "subtract": (lambda: 1 - t(3) - np.ones(2), ["subtract", "(3,)", "(2,)"]),
    "multiply": (lambda: np.ones((2, 2)) * t(3), ["multiply", "(2, 2)", "(3,)"]),
    "divide": (lambda: t(3) / t(2), ["divide", "(3,)", "(2,)"]),
    "power": (lambda: t(3) ** t(2), ["power"]),
    "maximum": (lambda: engine.maximum(t(3), t(2)), ["maximum", "(3,)", "(2,)"]),
    "where": (lambda: engine.where(np.array([True] * 3), t(2), t(3)), ["where", "(2,)", "(3,)"]),
    "where's condition": (
        lambda: engine.where(np.array([True] * 2), t(3), t(3)),
        ["where", "(2,)", "(3,)"],
    ),
    "matmul": (lambda: t(2, 3) @ t(2, 3), ["matmul", "(2, 3)"]),
    "matmul of a number": (lambda: t(2, 3) @ Tensor(1.0), ["matmul", "(2, 3)", "()"]),
    "matmul of a vector": (lambda: t(3) @ t(2, 3), ["matmul", "(3,)", "(2, 3)"]),
    "batched matmul": (lambda: t(2, 2, 3) @ t(3, 3, 4), ["matmul", "(2, 2, 3)", "(3, 3, 4)"]),
    "reshape": (lambda: t(2, 3).reshape(4), ["reshape", "(2, 3)"]),
    "transpose": (lambda: t(2, 3).transpose(0, 0), ["transpose", "(2, 3)"]),
    "transpose beyond": (lambda: t(2, 3).transpose(0, 2), ["transpose", "(2, 3)"]),
    "broadcast_to": (lambda: engine.broadcast_to(t(2, 3), (3, 2)), ["broadcast_to", "(2, 3)"]),
    "concatenate": (lambda: engine.concatenate([t(2, 3), t(2, 2)]), ["concatenate", "(2, 2)"]),
    "concatenate beyond": (lambda: engine.concatenate([t(2)], axis=1), ["concatenate", "axis 1"]),
    "concatenate nothing": (lambda: engine.concatenate([]), ["concatenate", "empty"]),
    "stack": (lambda: engine.stack([t(2), t(3)]), ["stack", "(2,)", "(3,)"]),
    "stack beyond": (lambda: engine.stack([t(2)], axis=2), ["stack", "axis 2"]),
    "sum": (lambda: t(2, 3).sum(axis=2), ["sum", "axis 2", "(2, 3)"]),
    "mean": (lambda: t(2, 3).mean(axis=(0, 0)), ["mean"]),
    "max": (lambda: t(2, 3).max(axis=-3), ["max", "axis -3"]),
    "softmax": (lambda: engine.softmax(t(2, 3), axis=2), ["softmax", "axis 2"]),
    "logsumexp": (lambda: engine.logsumexp(t(2, 3), axis=5), ["logsumexp", "axis 5"]),
    "index": (lambda: t(2, 3)[5], ["index", "(2, 3)"]),
    "clip": (lambda: engine.clip(t(3), np.zeros(2)), ["clip", "(2,)", "(3,)"]),
    "dense": (lambda: engine.dense(t(2, 3), t(2, 3)), ["dense", "(2, 3)"]),
    "prelu": (lambda: engine.prelu(t(2, 3), t(2)), ["prelu", "(2, 3)", "(2,)"]),
}


@pytest.mark.plain
@pytest.mark.parametrize("name", FAILURES)
def test_operation_place_and_shapes_are_named(name):
    f, parts = FAILURES[name]
    with place("net"), place("layer 3"), pytest.raises((ValueError, IndexError)) as caught:
        f()
    for part in (*parts, " in net / layer 3"):
        assert part in str(caught.value), str(caught.value)


def test_without_a_place_none_is_named():
    with pytest.raises(ShapeError) as caught:
        t(2) + t(3)
    assert str(caught.value).startswith("add: shapes (2,), (3,)")


def test_places_nest_and_end():
    x = Tensor(1.0, requires_grad=True)
    with place("a"):
        with place("b"):
            assert str((x * 1)._node) == "multiply in a / b"
        with pytest.raises(KeyError), place("c"):
            raise KeyError
        assert str((x * 1)._node) == "multiply in a"
    assert str((x * 1)._node) == "multiply"
